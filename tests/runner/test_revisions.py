"""Which revisions a name means, and what revisions may do."""

import pytest
from sqlalchemy import Column, Integer, MetaData, Table

import schemakit
from schemakit import Migrations
from schemakit.errors import (
    ConfigurationError,
    MultipleHeads,
    RevisionFailed,
    UnknownRevision,
)

ENV = """
from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
with context.begin_transaction():
    context.run_migrations()
"""


@pytest.fixture
def chain(directory):
    """``r1`` to ``r4``, one after the other."""
    return directory.tables(4)


@pytest.fixture
def branches(directory):
    """``trunk``, from which ``left`` and ``right`` grow, each with a second revision."""
    directory.revision("trunk")
    directory.revision("left1", down="trunk", labels=("left",)).revision("left2")
    directory.revision("right1", down="trunk", labels=("right",)).revision("right2")
    return directory


async def versions(oracle):
    rows = await oracle.fetch("select version_num from alembic_version order by 1")
    return [row["version_num"] for row in rows]


async def tables(oracle):
    query = """
        select relname from pg_class
        where relkind = 'r' and relnamespace = 'public'::regnamespace
        and relname <> 'alembic_version' order by relname
    """
    return [row["relname"] for row in await oracle.fetch(query)]


# -- a name upwards -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("revision", "reached"),
    [
        ("head", ["r4"]),
        ("heads", ["r4"]),
        ("+1", ["r1"]),
        ("+3", ["r3"]),
        ("r2", ["r2"]),
        ("r2+1", ["r3"]),
        ("r4-1", ["r3"]),
        ("head-2", ["r2"]),
    ],
)
async def test_an_upgrade_reaches(revision, reached, chain, engine, oracle):
    await schemakit.upgrade(engine, revision, migrations=chain)
    assert await versions(oracle) == reached


@pytest.mark.parametrize(
    ("revision", "reached"),
    [
        ("-1", ["r3"]),
        ("-3", ["r1"]),
        ("r2", ["r2"]),
        ("r2-1", ["r1"]),
        ("base", []),
        ("-4", []),
    ],
)
async def test_a_downgrade_reaches(revision, reached, chain, engine, oracle):
    await schemakit.upgrade(engine, migrations=chain)
    await schemakit.downgrade(engine, revision, migrations=chain)
    assert await versions(oracle) == reached


@pytest.mark.parametrize(
    ("revision", "reached"),
    [
        ("heads", ["left2", "right2"]),
        ("left@head", ["left2"]),
        ("right@head", ["right2"]),
        ("left", ["left1"]),
        ("left2", ["left2"]),
        ("left@+1", ["left1"]),
        ("trunk", ["trunk"]),
        ("right@head-1", ["right1"]),
    ],
)
async def test_an_upgrade_of_branches_reaches(revision, reached, branches, engine, oracle):
    if revision == "left@+1":
        await schemakit.upgrade(engine, "trunk", migrations=branches)
    await schemakit.upgrade(engine, revision, migrations=branches)
    assert await versions(oracle) == reached


@pytest.mark.parametrize(
    ("revision", "reached"),
    [
        ("left@-1", ["left1", "right2"]),
        ("left1", ["left1", "right2"]),
        ("trunk", ["trunk"]),
        ("base", []),
    ],
)
async def test_a_downgrade_of_branches_reaches(revision, reached, branches, engine, oracle):
    await schemakit.upgrade(engine, "heads", migrations=branches)
    await schemakit.downgrade(engine, revision, migrations=branches)
    assert await versions(oracle) == reached


async def test_a_partial_id_is_completed(directory, engine, oracle):
    directory.revision("1ae9c27d1a2b").revision("27c6a30d7c24")
    await schemakit.upgrade(engine, "1ae9", migrations=directory)
    assert await versions(oracle) == ["1ae9c27d1a2b"]


async def test_an_ambiguous_partial_id_names_the_candidates(directory, engine):
    directory.revision("1ae9c27d1a2b").revision("1ae9000d7c24")
    with pytest.raises(
        UnknownRevision, match=r"1ae9000d7c24.*1ae9c27d1a2b|1ae9c27d1a2b.*1ae9000d7c24"
    ):
        await schemakit.upgrade(engine, "1ae9", migrations=directory)


async def test_two_heads_are_a_typed_error_that_names_them(branches, engine):
    with pytest.raises(MultipleHeads) as caught:
        await schemakit.upgrade(engine, migrations=branches)
    assert "left2, right2" in str(caught.value)
    assert '"heads"' in str(caught.value)
    assert "merge" in str(caught.value)


async def test_two_heads_are_an_error_at_head_too(branches, engine):
    await schemakit.upgrade(engine, "heads", migrations=branches)
    with pytest.raises(MultipleHeads):
        await schemakit.upgrade(engine, migrations=branches)


async def test_two_heads_are_an_error_offline_too(branches):
    with pytest.raises(MultipleHeads):
        await schemakit.render_sql("head", migrations=branches)


async def test_stamping_two_heads_as_head_is_an_error(branches, engine):
    with pytest.raises(MultipleHeads, match="left2, right2"):
        await schemakit.stamp(engine, "head", migrations=branches)


@pytest.mark.parametrize(
    ("revision", "meant"), [("hed", "'head'"), ("rihgt1", "'right1'"), ("left@haed", "'head'")]
)
async def test_an_unknown_revision_is_asked_back(revision, meant, branches, engine):
    with pytest.raises(UnknownRevision, match=f"Did you mean .*{meant}"):
        await schemakit.upgrade(engine, revision, migrations=branches)


async def test_an_unknown_revision_downwards_is_asked_back(chain, engine):
    await schemakit.upgrade(engine, migrations=chain)
    with pytest.raises(UnknownRevision, match="Did you mean"):
        await schemakit.downgrade(engine, "r22", migrations=chain)


async def test_an_unknown_revision_to_stamp_is_asked_back(chain, engine):
    with pytest.raises(UnknownRevision, match=r"Did you mean 'r4'|Did you mean"):
        await schemakit.stamp(engine, "r44", migrations=chain)


@pytest.mark.parametrize("revision", ["+9", "r2:r4x", "", "  ", "'; drop table x --", "nope@head"])
async def test_what_is_no_revision_is_a_configuration_error(revision, chain, engine, oracle):
    with pytest.raises(ConfigurationError):
        await schemakit.upgrade(engine, revision, migrations=chain)
    assert await tables(oracle) == []


async def test_going_down_further_than_there_is_is_a_configuration_error(chain, engine, oracle):
    await schemakit.upgrade(engine, "r2", migrations=chain)
    with pytest.raises(ConfigurationError):
        await schemakit.downgrade(engine, "-5", migrations=chain)
    assert await versions(oracle) == ["r2"]


async def test_revisions_may_have_hostile_names(directory, engine, oracle):
    names = ["$$", 'quo"te', "ünï", "sp ace", "per%cent", "semi;colon"]
    for number, name in enumerate(names):
        directory.revision(name)
        (directory.path / "versions" / f"{name}.py").rename(
            directory.path / "versions" / f"n{number}.py"
        )
    await schemakit.upgrade(engine, migrations=directory)
    assert await versions(oracle) == ["semi;colon"]
    await schemakit.downgrade(engine, "$$", migrations=directory)
    assert await versions(oracle) == ["$$"]


# -- branches -------------------------------------------------------------------------------------


async def test_a_merge_joins_the_branches(branches, engine, oracle):
    branches.revision("joined", down=("left2", "right2"))
    await schemakit.upgrade(engine, migrations=branches)
    assert await versions(oracle) == ["joined"]
    await schemakit.downgrade(engine, "left2", migrations=branches)
    assert await versions(oracle) == ["left2", "right2"]


async def test_what_a_revision_depends_on_comes_first(directory, engine):
    directory.revision("a1", down=None, labels=("a",))
    directory.revision("b1", down=None, labels=("b",), depends_on="a1")
    result = await schemakit.upgrade(engine, "b@head", migrations=directory)
    assert [applied.revision for applied in result.applied] == ["a1", "b1"]


async def test_a_database_whose_branch_is_depended_on_is_at_heads(directory, engine, oracle):
    directory.revision("a1", down=None, labels=("a",))
    directory.revision("b1", down=None, labels=("b",), depends_on="a1")
    await schemakit.upgrade(engine, "heads", migrations=directory)
    assert await versions(oracle) == ["b1"]
    assert not await schemakit.upgrade(engine, "heads", migrations=directory)


async def test_revisions_may_lie_in_several_folders(directory, engine, oracle):
    directory.revision("a1", down=None, labels=("a",), folder="a")
    directory.revision("b1", down=None, labels=("b",), folder="b")
    places = (directory.path / "a", directory.path / "b")
    migrations = Migrations(directory.path, version_locations=places)
    await schemakit.upgrade(engine, "heads", migrations=migrations)
    assert await versions(oracle) == ["a1", "b1"]


# -- stamp ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("revision", "stamped"),
    [
        ("heads", ["left2", "right2"]),
        ("left1", ["left1"]),
        (["left1", "right2"], ["left1", "right2"]),
        ("base", []),
    ],
)
async def test_a_stamp_writes(revision, stamped, branches, engine, oracle):
    await schemakit.stamp(engine, revision, migrations=branches)
    assert await versions(oracle) == stamped


async def test_a_stamp_runs_nothing(chain, engine, oracle):
    await schemakit.stamp(engine, "r3", migrations=chain)
    assert await tables(oracle) == []


async def test_a_stamp_goes_back(chain, engine, oracle):
    await schemakit.upgrade(engine, migrations=chain)
    await schemakit.stamp(engine, "r1", migrations=chain)
    assert await versions(oracle) == ["r1"]


async def test_a_purge_forgets_what_nobody_knows(chain, engine, oracle):
    await schemakit.upgrade(engine, "r1", migrations=chain)
    await oracle.execute("update alembic_version set version_num = 'gone'")
    await schemakit.stamp(engine, "r1", purge=True, migrations=chain)
    assert await versions(oracle) == ["r1"]


async def test_a_purge_replaces_all_branches(branches, engine, oracle):
    await schemakit.upgrade(engine, "heads", migrations=branches)
    await schemakit.stamp(engine, "trunk", purge=True, migrations=branches)
    assert await versions(oracle) == ["trunk"]


# -- directories that are not in order ------------------------------------------------------------


async def test_an_empty_directory_is_nothing_to_do(directory, engine):
    directory.env(ENV)
    (directory.path / "versions").mkdir()
    result = await schemakit.upgrade(engine, migrations=directory)
    assert not result
    assert result.heads_after == ()


async def test_an_empty_directory_has_no_heads(directory):
    (directory.path / "versions").mkdir(parents=True)
    assert await schemakit.heads(migrations=directory) == ()


async def test_a_syntax_error_names_the_file(chain, engine):
    chain.file("versions/broken.py", "revision = 'b'\ndown_revision = 'r4'\ndef upgrade(:\n")
    with pytest.raises(ConfigurationError, match=r"broken\.py"):
        await schemakit.upgrade(engine, migrations=chain)


async def test_an_import_that_fails_names_the_file(chain, engine):
    chain.file("versions/broken.py", "import no_such_module_anywhere\n")
    with pytest.raises(ConfigurationError, match=r"broken\.py:1: ModuleNotFoundError"):
        await schemakit.upgrade(engine, migrations=chain)


async def test_a_file_without_a_revision_names_the_file(chain, engine):
    chain.file("versions/broken.py", "x = 1\n")
    with pytest.raises(ConfigurationError, match=r"broken\.py"):
        await schemakit.upgrade(engine, migrations=chain)


async def test_a_parent_that_is_missing_is_named(chain, engine, oracle):
    chain.revision("orphan", down="nowhere")
    with pytest.raises(ConfigurationError, match=r"nowhere.*orphan"):
        await schemakit.upgrade(engine, "heads", migrations=chain)
    assert await tables(oracle) == []


async def test_an_id_given_twice_is_named(chain, engine, oracle):
    text = (chain.path / "versions" / "r2.py").read_text()
    chain.file("versions/copy.py", text)
    with pytest.raises(ConfigurationError, match="r2"):
        await schemakit.upgrade(engine, "heads", migrations=chain)
    assert await tables(oracle) == []


async def test_a_cycle_is_named(directory, engine):
    directory.revision("a", down="c").revision("b").revision("c")
    with pytest.raises(ConfigurationError, match=r"[Cc]ycle"):
        await schemakit.upgrade(engine, migrations=directory)


async def test_a_revision_that_follows_itself_is_named(directory, engine):
    directory.revision("a", down="a")
    with pytest.raises(ConfigurationError, match="a"):
        await schemakit.upgrade(engine, migrations=directory)


async def test_what_is_no_python_is_passed_over(chain, engine, oracle):
    chain.file("versions/README", "text").file("versions/.#lock.py", "(").file(
        "versions/__init__.py", ""
    )
    await schemakit.upgrade(engine, migrations=chain)
    assert await versions(oracle) == ["r4"]


# -- what revisions do ----------------------------------------------------------------------------


async def test_a_revision_may_use_the_configuration_when_it_is_imported(directory, engine, oracle):
    directory.file(
        "versions/r1.py",
        "from alembic import context, op\n"
        "from alembic.context import config\n"
        "revision, down_revision = 'r1', None\n"
        "place = context.config.get_main_option('script_location')\n"
        "assert config is context.config\n"
        "def upgrade(): op.execute('create table t1 ()')\n"
        "def downgrade(): pass\n",
    )
    await schemakit.upgrade(engine, migrations=directory)
    assert await tables(oracle) == ["t1"]


async def test_a_revision_may_ask_whether_it_is_offline(directory, engine, oracle):
    directory.revision(
        "r1",
        """
        if not context.is_offline_mode():
            assert context.get_context() is op.get_context()
            op.execute("create table online ()")
        """,
    )
    await schemakit.upgrade(engine, migrations=directory)
    assert await tables(oracle) == ["online"]


async def test_a_revision_may_use_an_orm_session(directory, engine, oracle):
    directory.revision(
        "r1",
        """
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase):
            pass

        class Note(Base):
            __tablename__ = "note"
            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str]

        Base.metadata.create_all(op.get_bind())
        with Session(bind=op.get_bind()) as session:
            session.add_all([Note(text="a"), Note(text="b")])
            session.commit()
            assert session.query(Note).count() == 2
        """,
    )
    await schemakit.upgrade(engine, migrations=directory)
    rows = await oracle.fetch("select text from note order by text")
    assert [row["text"] for row in rows] == ["a", "b"]


async def test_a_session_of_a_revision_that_fails_keeps_nothing(directory, engine, oracle):
    directory.revision("r1", 'op.execute("create table note (text text)")')
    directory.revision(
        "r2",
        """
        from sqlalchemy.orm import Session
        session = Session(bind=op.get_bind())
        session.execute(sa.text("insert into note values ('a')"))
        session.commit()
        raise ValueError("afterwards")
        """,
    )
    with pytest.raises(RevisionFailed, match="ValueError: afterwards"):
        await schemakit.upgrade(engine, migrations=directory)
    assert await oracle.fetchval("select count(*) from note") == 0


async def test_a_revision_may_await(directory, engine, oracle):
    directory.revision(
        "r1",
        """
        async def copy(connection):
            raw = await connection.get_raw_connection()
            await raw.driver_connection.copy_records_to_table("note", records=[("a",), ("b",)])

        op.create_table("note", sa.Column("text", sa.Text))
        op.run_async(copy)
        """,
    )
    await schemakit.upgrade(engine, migrations=directory)
    assert await oracle.fetchval("select count(*) from note") == 2


async def test_a_revision_may_alter_in_batches(directory, engine, oracle):
    directory.tables(1).revision(
        "r2",
        """
        with op.batch_alter_table("t1") as batch:
            batch.add_column(sa.Column("name", sa.Text))
            batch.create_index("t1_name", ["name"])
        """,
    )
    await schemakit.upgrade(engine, migrations=directory)
    assert await oracle.fetchval("select to_regclass('t1_name')::text") == "t1_name"


async def test_a_revision_may_inspect(directory, engine, oracle):
    directory.tables(1).revision(
        "r2",
        """
        inspector = sa.inspect(op.get_bind())
        assert inspector.has_table("t1")
        columns = [column["name"] for column in inspector.get_columns("t1")]
        op.execute(sa.text("create table seen_" + "_".join(columns) + " ()"))
        """,
    )
    await schemakit.upgrade(engine, migrations=directory)
    assert await tables(oracle) == ["seen_id", "t1"]


async def test_a_revision_may_insert_in_bulk(directory, engine, oracle):
    directory.revision(
        "r1",
        """
        note = op.create_table("note", sa.Column("id", sa.Integer), sa.Column("text", sa.Text))
        op.bulk_insert(note, [{"id": n, "text": f"n%{n}"} for n in range(3)])
        """,
    )
    await schemakit.upgrade(engine, migrations=directory)
    assert (
        await oracle.fetchval("select string_agg(text, ',' order by id) from note") == "n%0,n%1,n%2"
    )


async def test_a_revision_without_a_downgrade_is_named_when_it_is_asked_for_one(directory, engine):
    directory.file("versions/r1.py", "revision, down_revision = 'r1', None\ndef upgrade(): pass\n")
    await schemakit.upgrade(engine, migrations=directory)
    with pytest.raises(ConfigurationError, match=r"r1\.py has no function downgrade"):
        await schemakit.downgrade(engine, "base", migrations=directory)


# -- offline --------------------------------------------------------------------------------------


async def test_a_script_up_and_a_script_down_undo_each_other(chain, oracle):
    await oracle.execute(await schemakit.render_sql("head", migrations=chain))
    assert await tables(oracle) == ["t1", "t2", "t3", "t4"]
    down = await schemakit.render_sql("r4:base", direction="downgrade", migrations=chain)
    await oracle.execute(down)
    assert await tables(oracle) == []


async def test_a_script_may_start_anywhere(chain, engine, oracle):
    await schemakit.upgrade(engine, "r2", migrations=chain)
    await oracle.execute(await schemakit.render_sql("r2:r3", migrations=chain))
    assert await versions(oracle) == ["r3"]
    assert await tables(oracle) == ["t1", "t2", "t3"]


async def test_a_script_may_leave_the_transaction(chain, oracle):
    chain.revision(
        "r5",
        """
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY i ON t1 (id)")
        """,
    )
    script = await schemakit.render_sql("head", migrations=chain)
    for statement in script.strip().split(";\n"):  # psql sends one at a time
        await oracle.execute(statement)
    assert await oracle.fetchval("select indisvalid from pg_index where indexrelid = 'i'::regclass")


async def test_a_script_of_a_revision_that_asks_the_database_is_a_typed_error(chain):
    chain.revision("r5", 'assert op.get_bind().execute(sa.text("select 1")).scalar() == 1')
    with pytest.raises(RevisionFailed, match="as_sql") as caught:
        await schemakit.render_sql("head", migrations=chain)
    assert caught.value.revision == "r5"


async def test_a_script_of_a_revision_that_inspects_is_a_typed_error(chain):
    chain.revision("r5", 'sa.inspect(op.get_bind()).get_columns("t1")')
    with pytest.raises(RevisionFailed, match="as_sql") as caught:
        await schemakit.render_sql("head", migrations=chain)
    assert caught.value.revision == "r5"


async def test_a_script_down_must_say_where_it_starts(chain):
    with pytest.raises(ConfigurationError, match='"start:base"'):
        await schemakit.render_sql("base", direction="downgrade", migrations=chain)


@pytest.mark.parametrize("revision", ["r1:nope", "nope:r2", "r9"])
async def test_a_script_to_an_unknown_revision_is_a_configuration_error(revision, chain):
    with pytest.raises(ConfigurationError):
        await schemakit.render_sql(revision, migrations=chain)


# -- drift ----------------------------------------------------------------------------------------


def metadata(*names):
    found = MetaData()
    for name in names:
        Table(name, found, Column("id", Integer, primary_key=True))
    return found


async def test_a_database_like_its_metadata_does_not_differ(chain, engine):
    await schemakit.upgrade(engine, migrations=chain)
    assert not await schemakit.check(engine, metadata("t1", "t2", "t3", "t4"), migrations=chain)


async def test_a_table_too_many_and_one_too_few_differ(chain, engine):
    await schemakit.upgrade(engine, migrations=chain)
    drift = await schemakit.check(engine, metadata("t1", "t2", "t3", "t5"), migrations=chain)
    assert len(drift.differences) == 2
    assert drift.differences[0].startswith("op.create_table('t5'")
    assert drift.differences[1] == "op.drop_table('t4')"


async def test_what_env_py_filters_does_not_differ(chain, engine):
    chain.env(
        """
        from alembic import context
        from sqlalchemy import Column, Integer, MetaData, Table

        target_metadata = MetaData()
        Table("t1", target_metadata, Column("id", Integer, primary_key=True))

        def include_object(object, name, type_, reflected, compare_to):
            return type_ != "table" or name == "t1"

        context.configure(
            connection=context.config.attributes["connection"],
            target_metadata=target_metadata,
            include_object=include_object,
        )
        with context.begin_transaction():
            context.run_migrations()
        """
    )
    await schemakit.upgrade(engine, migrations=chain)
    assert str(await schemakit.check(engine, migrations=chain)) == "no difference"


async def test_nothing_to_compare_with_is_said(chain, engine):
    with pytest.raises(ConfigurationError, match="no metadata"):
        await schemakit.check(engine, migrations=chain)


async def test_a_folder_of_something_else_is_not_at_head(engine, tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "models.py").write_text("")
    with pytest.raises(schemakit.errors.MigrationsNotFound, match=r"neither env\.py nor versions/"):
        await schemakit.upgrade(engine, migrations=tmp_path / "shop")


async def test_a_step_back_from_a_merge_says_to_name_the_revision(engine, directory):
    directory.revision("a").revision("b", down=None).revision("m", down=("a", "b")).settle()
    await schemakit.upgrade(engine, migrations=directory)
    with pytest.raises(schemakit.errors.UnreachableRevision, match="name the revision by its id"):
        await schemakit.downgrade(engine, "-1", migrations=directory)
