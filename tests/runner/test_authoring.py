import asyncio
import sys
from textwrap import dedent

import pytest
import sqlalchemy as sa

import schemakit
from schemakit.errors import (
    ConfigurationError,
    DatabaseAhead,
    EnvironmentFailed,
    MultipleHeads,
    NotAtHead,
    SchemakitError,
    UnknownRevision,
)
from schemakit.runner.authoring import init_directory, merge_heads, new_revision

ENV = """
import sqlalchemy as sa
from schemakit.env import run

metadata = sa.MetaData()
sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True))
run(target_metadata=metadata, {options})
"""


@pytest.fixture
async def made(tmp_path):
    """A directory that `init_directory` has written, in a project of its own."""
    await init_directory(tmp_path / "migrations")
    return tmp_path / "migrations"


def models(folder, options="", before=""):
    (folder / "env.py").write_text(dedent(before) + ENV.format(options=options))


async def one(*arguments, **options):
    (written,) = await new_revision(*arguments, **options)
    return written


# -- init -----------------------------------------------------------------------------------------


async def test_init_writes_two_lines(made):
    code = [
        line
        for line in (made / "env.py").read_text().splitlines()
        if line and not line.startswith(("#", '"""'))
    ]
    assert code == ["from schemakit.env import run", "run(target_metadata=None)"]
    assert sorted(path.name for path in made.iterdir()) == [
        "env.py", "script.py.mako", "versions",
    ]  # fmt: skip


async def test_init_makes_parents_and_takes_an_empty_folder(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    written = await init_directory(tmp_path / "a" / "b")
    assert [path.name for path in written] == ["env.py", "script.py.mako", "versions"]
    assert await init_directory(tmp_path / "c" / "d")


async def test_init_leaves_a_folder_alone_that_holds_something(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"is not empty: it holds notes\.txt"):
        await init_directory(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


async def test_init_where_a_file_is_in_the_way(tmp_path):
    (tmp_path / "migrations").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written: File exists"):
        await init_directory(tmp_path / "migrations")


async def test_what_init_wrote_runs(made, engine):
    await new_revision("nothing yet", rev_id="r1", migrations=made)
    result = await schemakit.upgrade(engine, migrations=made)
    assert result.heads_after == ("r1",)


async def test_what_init_wrote_serves_alembic(made, database_url, oracle, monkeypatch):
    await new_revision("nothing yet", rev_id="r1", migrations=made)
    (made.parent / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    monkeypatch.setenv("DATABASE_URL", database_url)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "alembic.config", "upgrade", "head", cwd=made.parent
    )
    assert await process.wait() == 0
    assert await oracle.fetchval("SELECT version_num FROM alembic_version") == "r1"


# -- new_revision ---------------------------------------------------------------------------------


async def test_a_revision_follows_the_head(made):
    first = await one("first things", rev_id="r1", migrations=made)
    second = await one("Add users & groups", migrations=made)
    assert (first.id, first.down, first.doc) == ("r1", (), "first things")
    assert second.path == str(made / "versions" / f"{second.id}_add_users_groups.py")
    assert (second.down, second.is_head) == (("r1",), True)
    assert [revision.id for revision in await schemakit.history(migrations=made)] == [
        second.id, "r1",
    ]  # fmt: skip


async def test_the_options_of_a_revision(made):
    await one("first", rev_id="r1", migrations=made)
    await one("second", rev_id="r2", migrations=made)
    with pytest.raises(ConfigurationError, match="--splice"):
        await one("third", head="r1", migrations=made)
    spliced = await one("third", head="r1", splice=True, branch_label="shop", migrations=made)
    assert (spliced.down, spliced.labels) == (("r1",), ("shop",))
    other = await one("fourth", head="base", depends_on="r2", rev_id="r4", migrations=made)
    assert (other.down, other.depends_on) == ((), ("r2",))
    assert (await one("fifth", head="shop@head", migrations=made)).down == (spliced.id,)


async def test_an_ambiguous_head_names_the_way_out(made):
    await one("first", rev_id="r1", migrations=made)
    await one("other", rev_id="r2", head="base", migrations=made)
    with pytest.raises(MultipleHeads, match=r"They are r1, r2[\s\S]*schemakit merge"):
        await new_revision("third", migrations=made)


@pytest.mark.parametrize("option", ["head", "depends_on"])
async def test_no_such_revision(made, option):
    await one("first", rev_id="users", migrations=made)
    with pytest.raises(UnknownRevision, match="Did you mean 'users'"):
        await new_revision("second", migrations=made, **{option: "usres"})


async def test_an_id_that_is_taken(made):
    await one("first", rev_id="r1", migrations=made)
    before = (made / "versions" / "r1_first.py").read_text()
    with pytest.raises(ConfigurationError, match="There is a revision 'r1' already"):
        await new_revision("first", rev_id="r1", migrations=made)
    assert (made / "versions" / "r1_first.py").read_text() == before


async def test_a_file_that_is_there_is_not_overwritten(made):
    ini = "[alembic]\nscript_location = migrations\nfile_template = %%(slug)s\n"
    (made.parent / "alembic.ini").write_text(ini)
    first = await one("users", migrations=made)
    assert first.path.endswith("versions/users.py")
    with pytest.raises(ConfigurationError, match=r"users\.py is there already"):
        await new_revision("users", migrations=made)
    assert first.id in (made / "versions" / "users.py").read_text()


async def test_a_version_path_that_is_none(made, tmp_path):
    with pytest.raises(ConfigurationError, match="not represented in current version locations"):
        await new_revision("x", version_path=tmp_path, migrations=made)


async def test_a_directory_without_a_template(directory):
    directory.tables(1)
    written = await one("second", rev_id="r2", migrations=directory.path)
    assert written.down == ("r1",)


@pytest.mark.parametrize("template", ["generic", "async", "pyproject"])
async def test_the_template_of_an_alembic_project_is_used(directory, template):
    directory.template(template)
    written = await one("first", migrations=directory.path)
    assert "Union[str" in (directory.path / "versions" / f"{written.id}_first.py").read_text()


async def test_post_write_hooks_run(made):
    (made.parent / "alembic.ini").write_text(
        "[alembic]\nscript_location = migrations\n[post_write_hooks]\nhooks = mark\n"
        f"mark.type = exec\nmark.executable = {sys.executable}\n"
        'mark.options = -c \'import sys; open(sys.argv[1], "a").write("# seen")\' '
        "REVISION_SCRIPT_FILENAME\n"
    )
    written = await one("first", rev_id="r1", migrations=made)
    assert (made / "versions" / "r1_first.py").read_text().endswith("# seen")
    assert written.id == "r1"


async def test_a_template_that_writes_nonsense(made):
    (made / "script.py.mako").write_text("revision = = ${repr(up_revision)}")
    with pytest.raises(SchemakitError, match=r"r1_first\.py: it is written, and cannot be used"):
        await new_revision("first", rev_id="r1", migrations=made)


async def test_revision_environment_works_without_a_database(made, engine):
    (made.parent / "alembic.ini").write_text(
        "[alembic]\nscript_location = migrations\nrevision_environment = true\n"
    )
    models(
        made,
        "process_revision_directives=named",
        "def named(context, revision, directives):\n    directives[0].message = 'renamed'\n",
    )
    assert (await one("first", migrations=made)).doc == "renamed"
    assert (await one("second", engine, migrations=made)).doc == "renamed"


# -- autogenerate ---------------------------------------------------------------------------------


async def test_autogenerate(made, engine, oracle):
    models(made)
    written = await one("users", engine, autogenerate=True, migrations=made)
    source = (made / "versions" / f"{written.id}_users.py").read_text()
    assert "op.create_table('users'" in source
    assert await oracle.fetchval("SELECT to_regclass('alembic_version')") is None
    await schemakit.upgrade(engine, migrations=made)
    assert await oracle.fetchval("SELECT to_regclass('users')") == "users"
    assert not await schemakit.check(engine, migrations=made)


async def test_nothing_to_write(made, engine):
    models(made)
    await one("users", engine, autogenerate=True, migrations=made)
    await schemakit.upgrade(engine, migrations=made)
    assert await new_revision("again", engine, autogenerate=True, migrations=made) == ()
    assert len(list((made / "versions").glob("*.py"))) == 1


async def test_autogenerate_for_given_metadata(made, engine):
    metadata = sa.MetaData()
    sa.Table("orders", metadata, sa.Column("id", sa.Integer, primary_key=True))
    written = await one("o", engine, autogenerate=True, metadata=metadata, migrations=made)
    assert "create_table('orders'" in (made / "versions" / f"{written.id}_o.py").read_text()


async def test_a_database_that_is_behind(made, engine):
    models(made)
    await one("first", rev_id="r1", migrations=made)
    with pytest.raises(NotAtHead, match=r"It is at base; head is r1\.\nRemedy: .*upgrade"):
        await new_revision("second", engine, autogenerate=True, migrations=made)
    assert len(list((made / "versions").glob("*.py"))) == 1


async def test_a_database_that_is_ahead(made, engine):
    models(made)
    first = await one("first", migrations=made)
    await schemakit.upgrade(engine, migrations=made)
    (made / "versions" / f"{first.id}_first.py").unlink()
    with pytest.raises(DatabaseAhead, match=f"It holds {first.id}"):
        await new_revision("second", engine, autogenerate=True, migrations=made)


async def test_without_models(made, engine):
    with pytest.raises(ConfigurationError, match="There are no models"):
        await new_revision("first", engine, autogenerate=True, migrations=made)


async def test_without_a_database(made):
    with pytest.raises(ConfigurationError, match="none was named"):
        await new_revision("first", autogenerate=True, migrations=made)


async def test_an_env_py_that_fails(made, engine):
    models(made, "include_object=1 / 0")
    with pytest.raises(EnvironmentFailed, match="ZeroDivisionError"):
        await new_revision("first", engine, autogenerate=True, migrations=made)


async def test_filters_and_renderers_of_env_py(made, engine, oracle):
    await oracle.execute("CREATE TABLE foreign_tool (id int)")
    models(
        made,
        "include_object=ours, render_item=shout",
        """
        def ours(object, name, kind, reflected, other):
            return name != "foreign_tool"

        def shout(kind, value, context):
            if kind == "type":
                context.imports.add("import decimal")
                return "sa.BigInteger()"
            return False
        """,
    )
    written = await one("users", engine, autogenerate=True, migrations=made)
    source = (made / "versions" / f"{written.id}_users.py").read_text()
    assert "sa.BigInteger()" in source
    assert "import decimal" in source
    assert "foreign_tool" not in source


EMPTY_IS_NOTHING = """
from alembic import context

def hook(ctx, revision, directives):
    if context.config.cmd_opts.autogenerate:
        directives[:] = []
"""


async def test_a_hook_that_takes_the_revision_back(made, engine):
    models(made, "process_revision_directives=hook", EMPTY_IS_NOTHING)
    assert await new_revision("users", engine, autogenerate=True, migrations=made) == ()
    assert list((made / "versions").glob("*.py")) == []


async def test_on_a_connection_in_a_transaction(made, engine):
    models(made)
    async with engine.begin() as connection:
        written = await one("users", connection, autogenerate=True, migrations=made)
        assert connection.in_transaction()
    assert written.doc == "users"


@pytest.mark.parametrize("template", ["generic", "async", "pyproject"])
async def test_autogenerate_in_an_alembic_project(directory, engine, template):
    directory.template(template)
    metadata = sa.MetaData()
    sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True))
    options = {"autogenerate": True, "metadata": metadata, "migrations": directory.path}
    written = await one("users", engine, **options)
    assert (
        "create_table('users'"
        in (directory.path / "versions" / f"{written.id}_users.py").read_text()
    )
    await schemakit.upgrade(engine, migrations=directory.path)
    assert await new_revision("again", engine, **options) == ()


# -- merge ----------------------------------------------------------------------------------------


@pytest.fixture
async def forked(made):
    await one("first", rev_id="r1", migrations=made)
    await one("left", rev_id="left", migrations=made)
    await one("right", rev_id="right", head="r1", splice=True, migrations=made)
    return made


async def test_merge(forked, engine):
    (written,) = await merge_heads("join", migrations=forked)
    assert sorted(written.down) == ["left", "right"]
    result = await schemakit.upgrade(engine, migrations=forked)
    assert result.heads_after == (written.id,)


async def test_merge_of_some(forked):
    await one("third", rev_id="third", head="r1", splice=True, migrations=forked)
    (written,) = await merge_heads("join", ["left", "thi"], rev_id="m", migrations=forked)
    assert sorted(written.down) == ["left", "third"]
    assert [head.id for head in await schemakit.heads(migrations=forked)] == ["m", "right"]


async def test_merge_of_one(forked):
    with pytest.raises(ConfigurationError, match="left is one revision"):
        await merge_heads("join", "left", migrations=forked)


async def test_nothing_to_merge(made):
    assert await merge_heads("join", migrations=made) == ()
    await one("first", migrations=made)
    assert await merge_heads("join", migrations=made) == ()
