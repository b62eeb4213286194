"""A PostgreSQL of its own, brought to head, and where it stands then. Run it twice."""

import sys
from pathlib import Path

from schemakit.cli.program import run

PROJECT = Path(__file__).resolve().parents[1]
DATABASE = ["--embedded", "--data", str(PROJECT / ".schemakit" / "pg")]
MIGRATIONS = ["--migrations", str(PROJECT / "migrations")]

if __name__ == "__main__":
    for verb in ("upgrade", "status"):
        code = run([verb, *DATABASE, *MIGRATIONS])
        if code:
            sys.exit(code)
