"""``schemakit`` and ``python -m schemakit``."""

from __future__ import annotations

import sys
from importlib.util import find_spec

_NEEDED = ("click", "rich")
_MISUSE, _INTERRUPTED = 2, 130  # as in cli.exit_codes, a part of what may be missing


def main() -> None:
    """Run the command line, if its dependencies are installed, and exit with its code."""
    if any(find_spec(name) is None for name in _NEEDED):
        sys.stderr.write("The command line is an extra: install 'schemakit[cli]'\n")
        sys.exit(_MISUSE)
    try:
        from schemakit.cli.program import run  # noqa: PLC0415 - imports what may be missing
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
