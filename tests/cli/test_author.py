import sys
from pathlib import Path

import pytest

MODELS = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
"""


@pytest.fixture
def models(directory):
    """A module of the project, under a name that no other test has imported."""
    name = f"models_{abs(hash(directory.project))}"
    (directory.project / f"{name}.py").write_text(MODELS)
    yield name
    sys.modules.pop(name, None)


async def test_init(program, directory):
    answer = await program("init")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        "wrote migrations/env.py",
        "wrote migrations/script.py.mako",
        "wrote migrations/versions",
        'Next: schemakit revision -m "first tables"',
    ]
    assert (await program("heads")).out == "no revisions\n"


async def test_init_elsewhere_says_how_it_is_found(program):
    answer = await program("init", "db/migrations")
    assert '[tool.schemakit]\nmigrations = "db/migrations"\n' in answer.out
    answer = await program("init", "other", "--json")
    assert answer.json == {
        "folder": "other",
        "files": ["other/env.py", "other/script.py.mako", "other/versions"],
        "pyproject": '[tool.schemakit]\nmigrations = "other"',
    }


async def test_init_of_what_is_there(program):
    await program("init")
    answer = await program("init")
    assert (answer.code, answer.out) == (2, "")
    assert "migrations is not empty" in answer.err


async def test_revision(program, directory):
    await program("init", "--quiet")
    answer = await program("revision", "-m", "add users", "--rev-id", "r1")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == "wrote migrations/versions/r1_add_users.py\n"
    answer = await program("revision", "-m", "more", "--rev-id", "r2", "--json")
    assert answer.json == {
        "written": [
            {
                "id": "r2",
                "down": ["r1"],
                "doc": "more",
                "path": str(directory.path / "versions" / "r2_more.py"),
                "labels": [],
                "depends_on": [],
                "is_head": True,
            }
        ]
    }


async def test_autogenerate_and_check(on_database, directory, models):
    await on_database("init", "--quiet")
    named = ("--metadata", f"{models}:Base")
    answer = await on_database("check", *named)
    assert (answer.code, answer.err) == (3, "")
    assert answer.out.startswith("differs   op.create_table('users'")
    answer = await on_database(
        "revision", "-m", "users", "--autogenerate", "--rev-id", "r1", *named
    )
    assert (answer.code, answer.out) == (0, "wrote migrations/versions/r1_users.py\n")
    answer = await on_database("check", "--json", *named)
    assert (answer.code, answer.json["differs"]) == (3, True)
    assert [revision["id"] for revision in answer.json["pending"]] == ["r1"]
    await on_database("upgrade", "--quiet")
    answer = await on_database("check", *named)
    assert (answer.code, answer.out) == (0, "no difference\n")
    answer = await on_database("revision", "-m", "users", "--autogenerate", *named)
    assert (answer.code, answer.out) == (0, "nothing has changed: no revision is written\n")
    answer = await on_database("revision", "-m", "users", "--autogenerate", "--json", *named)
    assert answer.json == {"written": []}


def without_the_project():
    return [path for path in sys.path if path not in ("", str(Path.cwd()))]


async def test_env_py_finds_the_modules_of_the_project(on_database, directory, models, monkeypatch):
    monkeypatch.setattr("sys.path", without_the_project())
    before = list(sys.path)
    directory.env(
        f"from {models} import Base\nfrom schemakit.env import run\n"
        "run(target_metadata=Base.metadata)\n"
    )
    answer = await on_database("check")
    assert (answer.code, answer.err) == (3, "")
    assert sys.path == before


async def test_autogenerate_on_a_database_that_is_behind(on_database, directory, models):
    directory.tables(1)
    named = ("--autogenerate", "--metadata", f"{models}:Base")
    answer = await on_database("revision", "-m", "users", *named)
    assert (answer.code, answer.out) == (3, "")
    assert "It is at base; head is r1." in answer.err
    assert "Remedy: run `schemakit upgrade`" in answer.err
    answer = await on_database("revision", "-m", "users", *named, "--json")
    assert (answer.code, answer.json["error"]["type"]) == (3, "NotAtHead")


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ("nowhere:Base", "No module named 'nowhere'"),
        ("json:Base", "module 'json' has no attribute 'Base'"),
        ("json:dumps", "it is a function"),
        ("json", ""),
    ],
)
async def test_models_that_are_none(on_database, directory, metadata, why):
    directory.tables(1)
    answer = await on_database("check", "--metadata", metadata)
    assert (answer.code, answer.out) == (2, "")
    assert f"--metadata {metadata} cannot be used: {why}" in answer.err


async def test_autogenerate_needs_a_database(program, directory):
    directory.tables(1)
    answer = await program("revision", "-m", "x", "--autogenerate")
    assert answer.code == 2
    assert "No database was named." in answer.err


async def test_what_a_hook_says_is_no_result(spawn, directory):
    directory.tables(1)
    (directory.project / "alembic.ini").write_text(
        "[alembic]\nscript_location = migrations\n[post_write_hooks]\nhooks = talk\n"
        f"talk.type = exec\ntalk.executable = {sys.executable}\n"
        "talk.options = -c 'print(\"formatted\")' REVISION_SCRIPT_FILENAME\n"
    )
    out, err = spawn("revision", "-m", "a", "--rev-id", "a").communicate()
    assert out == "wrote migrations/versions/a_a.py\n"
    assert "formatted\n" in err
    out, err = spawn("revision", "-m", "b", "--json").communicate()
    assert (out.count("\n"), err) == (1, "")
    out, err = spawn("revision", "-m", "c", "--quiet").communicate()
    assert (out, err) == ("", "")


async def test_merge(program, directory):
    directory.tables(1).revision("other", down="r1").revision("another", down="r1")
    answer = await program("merge", "-m", "join", "--rev-id", "m")
    assert (answer.code, answer.out) == (0, "wrote migrations/versions/m_join.py\n")
    answer = await program("merge", "-m", "again")
    assert (answer.code, answer.out) == (0, "nothing to merge: there is one head\n")


async def test_merge_of_named_revisions(program, directory):
    directory.tables(1).revision("b", down="r1").revision("c", down="r1").revision("d", down="r1")
    answer = await program("merge", "b", "c", "-m", "join", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert sorted(answer.json["written"][0]["down"]) == ["b", "c"]
