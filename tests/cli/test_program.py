import sys

import pytest

from schemakit.cli.exit_codes import ExitCode, exit_code
from schemakit.cli.program import VERBS
from schemakit.errors import (
    DatabaseAhead,
    EmbeddedError,
    LockTimeout,
    MigrationsNotFound,
    NotCurrent,
    RevisionFailed,
    UnknownRevision,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MigrationsNotFound(), 2),
        (UnknownRevision(), 2),
        (LockTimeout(), 4),
        (NotCurrent(), 4),
        (DatabaseAhead(), 4),
        (RevisionFailed(revision="r"), 1),
        (EmbeddedError(), 1),
        (OSError(), 1),
    ],
)
def test_the_code_of_an_error(error, code):
    assert exit_code(error) == code


def test_the_codes_are_stable():
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0,
        "FAILED": 1,
        "MISUSE": 2,
        "PENDING": 3,
        "BLOCKED": 4,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }


async def test_help_tells_the_codes_and_the_completion(program):
    answer = await program("--help")
    assert answer.code == 0
    assert "  3  revisions are pending, or the database differs from the models" in answer.out
    assert "_SCHEMAKIT_COMPLETE=bash_source schemakit" in answer.out


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
async def test_help_of_a_verb_has_an_example(program, verb):
    answer = await program(verb, "--help")
    assert answer.code == 0
    assert f"Example:\n    schemakit {verb}" in answer.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("frobnicate",),
        ("upgrade", "a", "b"),
        ("upgrade", "--frobnicate"),
        ("downgrade",),
        ("downgrade", "--frobnicate"),
        ("downgrade", "-q"),
        ("upgrade", "--lock-wait", "-1"),
        ("upgrade", "--on-ahead", "panic"),
        ("upgrade", "--data"),
    ],
)
async def test_what_cannot_be_understood(program, arguments):
    answer = await program(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert "Error: " in answer.err


async def test_json_and_quiet_exclude_each_other(program):
    answer = await program("status", "--json", "--quiet")
    assert answer.code == 2
    assert answer.json == {
        "error": {
            "type": "UsageError",
            "message": "--json and --quiet exclude each other.",
            "remedy": "",
        }
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("status",), "No database was named."),
        (("status", "--embedded", "--database-url", "postgresql:///"), "name two databases"),
        (("status", "--data", "x"), "--data is for --embedded"),
        (("status", "--database-url", ""), "The database URL cannot be read"),
        (("status", "--database-url", "postgresql:///", "-x", "tenant"), "-x tenant has no value"),
        (("heads",), "No migrations directory was found."),
        (("upgrade", "--database-url", "postgresql:///?sslmode=x"), "`sslmode` parameter must be"),
    ],
)
async def test_misuse_says_the_way_out(program, directory, arguments, said):
    if "sslmode" in arguments[-1]:
        directory.tables(1)
    answer = await program(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert "Remedy: " in answer.err


async def test_misuse_as_json(program):
    answer = await program("upgrade", "--json", "--frobnicate")
    assert answer.code == 2
    assert answer.err == ""
    assert answer.json["error"]["type"] == "NoSuchOption"


async def test_a_setting_that_makes_no_sense(program, monkeypatch):
    monkeypatch.setenv("SCHEMAKIT_LOCK_WAIT", "soon")
    answer = await program("upgrade", "--database-url", "postgresql:///", "--json")
    assert answer.code == 2
    assert answer.json["error"]["type"] == "ConfigurationError"


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra(spawn, missing):
    hidden = f"import sys; sys.modules[{missing!r}] = None; from schemakit.__main__ import main"
    process = spawn(command=(sys.executable, "-c", f"{hidden}; main()"))
    out, err = process.communicate()
    assert (process.returncode, out) == (2, "")
    assert "install 'schemakit[cli]'" in err


def test_as_a_module(spawn):
    process = spawn("--version")
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert out.startswith("schemakit, version ")


def test_help_imports_nothing_heavy(spawn):
    heavy = "('alembic', 'asyncpg', 'rich', 'sqlalchemy')"
    program = (
        f"from schemakit.cli.program import run; import sys; run(['upgrade', '--help']); "
        f"sys.exit(any(name in sys.modules for name in {heavy}))"
    )
    process = spawn(command=(sys.executable, "-c", program))
    process.communicate()
    assert process.returncode == 0
