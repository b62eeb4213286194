"""What is imported, and what never is. Oracle: ``sys.modules`` of a process of its own."""

import json
import os
import subprocess
import sys

import pytest

REPORT = "\nimport json, sys; print(json.dumps(sorted(n for n in {names!r} if n in sys.modules)))"

#: Refuses psycopg and psycopg2, as a machine without them does.
WITHOUT_PSYCOPG = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith("psycopg"):
            sys.stderr.write(f"somebody imports {name}")
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
"""


def imported(code, names, *arguments):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code + REPORT.format(names=names), *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout.splitlines()[-1])


HEAVY = ["alembic", "anyio", "asyncpg", "click", "mako", "postgast", "rich", "sqlalchemy"]


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("import schemakit", []),
        ("import schemakit; schemakit.errors; schemakit.SchemakitError", []),
        ("import schemakit; schemakit.Settings(); schemakit.Migrations('x')", []),
        ("import schemakit; schemakit.Result; schemakit.Event", []),
        ("import schemakit.env", []),
        ("from schemakit.sql import Name, deliver, without_literals", []),
    ],
)
def test_importing_is_light(code, loaded):
    assert imported(code, HEAVY) == loaded


def test_a_coroutine_brings_sqlalchemy_and_neither_alembic_nor_the_parser():
    assert imported(
        "import schemakit; schemakit.upgrade",
        ["alembic", "click", "mako", "postgast", "rich", "sqlalchemy"],
    ) == ["sqlalchemy"]


def test_splitting_a_script_brings_the_parser():
    code = "from schemakit.sql import parser; parser.split('select 1; select 2')"
    assert imported(code, ["alembic", "postgast"]) == ["postgast"]


UPGRADE = """
import asyncio
import schemakit
from sqlalchemy.ext.asyncio import create_async_engine

async def main():
    engine = create_async_engine(sys.argv[1])
    for _ in range(2):
        result = await schemakit.upgrade(engine, migrations=sys.argv[2])
    await schemakit.status(engine, migrations=sys.argv[2])
    await schemakit.downgrade(engine, "base", migrations=sys.argv[2])
    await engine.dispose()
    assert result.heads_after == ("r2",)

asyncio.run(main())
"""


def test_migrating_needs_no_psycopg(database_url, directory):
    directory.template("async")
    directory.revision("r1", "op.execute('create table a (x int); create table b (x int)')")
    default = "sa.text('alter table a alter x set default :x')"
    directory.revision("r2", f"op.get_bind().execute({default}, {{'x': 1}})")
    names = ["psycopg", "psycopg2", "alembic"]
    assert imported(WITHOUT_PSYCOPG + UPGRADE, names, database_url, str(directory.path)) == [
        "alembic"
    ]
