"""What would run, from where the database stands, and that saying so writes nothing."""

import pytest

import schemakit
from schemakit import errors


async def planned(engine, directory, *arguments, **options):
    return await schemakit.plan(engine, *arguments, migrations=directory.path, **options)


def shown(plan):
    """Its statements, each with its locks."""
    return [(each.sql, [str(lock) for lock in each.locks]) for each in plan.statements]


async def test_what_an_upgrade_would_run(engine, directory):
    directory.revision("r1", "op.execute('CREATE TABLE a (id int); ALTER TABLE b ADD x int')")
    directory.revision("r2", "op.add_column('a', sa.Column('x', sa.Integer))", "op.drop_table('a')")
    plan = await planned(engine, directory)
    assert (plan.direction, plan.target, plan.current) == ("upgrade", "head", ())
    assert [each.revision.id for each in plan.revisions] == ["r1", "r2"]
    assert shown(plan) == [
        ("CREATE TABLE a (id int)", []),
        ("ALTER TABLE b ADD x int", ['ACCESS EXCLUSIVE on "b"']),
        ("ALTER TABLE a ADD COLUMN x INTEGER", ['ACCESS EXCLUSIVE on "a" (new)']),
    ]
    assert plan
    assert plan.complete
    assert plan.rehearsed is None


async def test_it_begins_where_the_database_stands(engine, directory):
    directory.tables(3)
    await schemakit.upgrade(engine, "r1", migrations=directory.path)
    plan = await planned(engine, directory)
    assert (plan.current, [each.revision.id for each in plan.revisions]) == (("r1",), ["r2", "r3"])
    assert [each.revision.id for each in (await planned(engine, directory, "+1")).revisions] == [
        "r2"
    ]


async def test_at_head_there_is_nothing(engine, directory):
    directory.tables(1)
    await schemakit.upgrade(engine, migrations=directory.path)
    plan = await planned(engine, directory)
    assert not plan
    assert str(plan) == "nothing to upgrade: already at r1"


@pytest.mark.parametrize(
    ("revision", "direction", "expected"),
    [
        ("-1", None, ["r2"]),
        ("base", None, ["r2", "r1"]),
        ("r1", "downgrade", ["r2"]),
        ("r1", None, []),
        ("head", "upgrade", []),
    ],
)
async def test_which_way(engine, directory, revision, direction, expected):
    directory.tables(2)
    await schemakit.upgrade(engine, migrations=directory.path)
    plan = await planned(engine, directory, revision, direction=direction)
    assert [each.revision.id for each in plan.revisions] == expected
    if expected:
        assert plan.direction == "downgrade"
        assert shown(plan)[0][0] == "DROP TABLE t2"


async def test_a_revision_that_asks_the_database(engine, directory):
    directory.revision(
        "r1",
        """
        op.execute("ALTER TABLE a ADD x int")
        if op.get_bind().execute(sa.text("SELECT 1")).scalar():
            op.execute("ALTER TABLE a ADD y int")
        """,
    )
    directory.revision("r2", "sa.inspect(op.get_bind())")
    directory.revision("r3", "op.execute('ALTER TABLE a ADD z int')")
    plan = await planned(engine, directory)
    first, second, third = plan.revisions
    assert [each.sql for each in first.statements] == ["ALTER TABLE a ADD x int", "SELECT 1"]
    assert "its further statements cannot be known without a database" in first.unknown
    assert "AttributeError" in first.unknown
    assert second.statements == ()
    assert "rehearsal" in second.unknown
    assert [each.sql for each in third.statements] == ["ALTER TABLE a ADD z int"]
    assert third.unknown == ""
    assert not plan.complete


async def test_an_env_py_that_needs_a_database(engine, directory):
    directory.env("""
        from alembic import context
        if context.is_offline_mode():
            raise NotImplementedError("no offline mode")
        context.configure(connection=context.config.attributes["connection"])
        with context.begin_transaction():
            context.run_migrations()
    """).tables(1)
    plan = await planned(engine, directory)
    assert plan.revisions[0].unknown == (
        "its statements cannot be known without a database, but by a rehearsal "
        "(env.py: NotImplementedError: no offline mode)"
    )


@pytest.mark.parametrize("template", ["generic", "async", "pyproject"])
async def test_the_templates_of_alembic(engine, directory, template):
    directory.template(template).tables(2)
    await schemakit.upgrade(engine, "r1", migrations=directory.path)
    plan = await planned(engine, directory)
    assert [sql.split("(")[0] for sql, _ in shown(plan)] == ["CREATE TABLE t2 "]


async def test_naming_conventions_of_env_py(engine, directory):
    directory.env("""
        from alembic import context
        from sqlalchemy import MetaData
        from schemakit.env import run
        run(target_metadata=MetaData(naming_convention={"pk": "pk_%(table_name)s"}))
    """).tables(1)
    assert "CONSTRAINT pk_t1 PRIMARY KEY" in shown(await planned(engine, directory))[0][0]


async def test_what_is_outside_the_transaction(engine, directory):
    directory.revision(
        "r1",
        """
        op.execute("CREATE INDEX CONCURRENTLY i ON a (x)")
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY j ON a (x)")
        op.execute("ALTER TABLE a ADD z int")
        """,
    )
    statements = (await planned(engine, directory)).statements
    assert [(each.autocommit, each.refused) for each in statements] == [
        (False, True),
        (True, False),
        (False, False),
    ]
    assert "refused in a transaction: needs an autocommit_block()" in str(statements[0])
    assert "outside the transaction" in str(statements[1])


async def test_hostile_names(engine, directory):
    directory.revision("r1", """op.add_column('T "ä; --', sa.Column("x%y", sa.Integer))""")
    (statement,) = (await planned(engine, directory)).statements
    assert statement.sql == 'ALTER TABLE "T ""ä; --" ADD COLUMN "x%y" INTEGER'
    assert str(statement.locks[0]) == 'ACCESS EXCLUSIVE on "T ""ä; --"'


async def test_branches(engine, directory):
    directory.tables(1).revision("b", down="r1").revision("c", down="r1")
    with pytest.raises(errors.MultipleHeads):
        await planned(engine, directory)
    plan = await planned(engine, directory, "heads")
    assert {each.revision.id for each in plan.revisions} == {"r1", "b", "c"}
    await schemakit.upgrade(engine, "heads", migrations=directory.path)
    directory.revision("d", "op.execute('SELECT 1')", down=("b", "c"))
    assert shown(await planned(engine, directory)) == [("SELECT 1", [])]


async def test_a_database_that_is_ahead(engine, directory):
    directory.tables(2)
    await schemakit.upgrade(engine, migrations=directory.path)
    (directory.path / "versions" / "r2.py").unlink()
    plan = await planned(engine, directory)
    assert (plan.ahead, bool(plan)) == (("r2",), False)
    assert "the database is ahead of this code (r2)" in str(plan)
    with pytest.raises(errors.DatabaseAhead):
        await planned(engine, directory, settings=schemakit.Settings(on_ahead="error"))
    with pytest.raises(errors.DatabaseAhead):
        await planned(engine, directory, "-1")


@pytest.mark.parametrize(
    ("arguments", "options"),
    [(("",), {}), ((None,), {}), (("a:b",), {}), (("head",), {"direction": "sideways"})],
)
async def test_bad_input_has_a_way_out(engine, directory, arguments, options):
    directory.tables(1)
    with pytest.raises(errors.ConfigurationError) as caught:
        await planned(engine, directory, *arguments, **options)
    assert caught.value.remedy


async def test_a_revision_that_is_not_there(engine, directory):
    directory.tables(1)
    with pytest.raises(errors.UnknownRevision):
        await planned(engine, directory, "nowhere")


async def test_it_writes_nothing_and_takes_no_lock(engine, directory, oracle):
    directory.tables(2)
    await oracle.execute("CREATE TABLE t1 (id int); BEGIN; LOCK TABLE t1")
    before = await oracle.fetch("SELECT oid, relname, relfilenode FROM pg_class ORDER BY 1")
    await planned(engine, directory)
    await oracle.execute("COMMIT")
    assert await oracle.fetch("SELECT oid, relname, relfilenode FROM pg_class ORDER BY 1") == before
    assert await schemakit.current(engine, migrations=directory.path) == ()


async def test_in_the_callers_transaction(engine, directory):
    directory.tables(1)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE mine (id int)")
        assert await planned(connection, directory)
        assert connection.in_transaction()
    async with engine.connect() as connection:
        assert (await connection.exec_driver_sql("SELECT count(*) FROM mine")).scalar() == 0


async def test_it_prints_well(engine, directory):
    directory.revision(
        "r1",
        """
        op.execute("ALTER TABLE a ADD CHECK (x > 0)")
        op.execute("DO $$ BEGIN END $$")
        for number in range(9):
            op.execute(f"INSERT INTO a VALUES ({number})")
        """,
        doc="much at once",
    )
    directory.revision("r2")
    assert str(await planned(engine, directory)) == (
        "upgrade from base to head: 2 revisions, 11 statements\n"
        "\n"
        "r1, much at once\n"
        "  ALTER TABLE a ADD CHECK (x > 0)\n"
        '    ACCESS EXCLUSIVE on "a" · scans · in transaction · checks each row\n'
        "  DO $$ BEGIN END $$\n"
        "    it runs code of its own: unknown until it runs\n"
        "  INSERT INTO a VALUES (0)\n"
        '    ROW EXCLUSIVE on "a" · brief · in transaction\n'
        "  INSERT INTO a VALUES (1)\n"
        '    ROW EXCLUSIVE on "a" · brief · in transaction\n'
        "  INSERT INTO a VALUES (2)\n"
        '    ROW EXCLUSIVE on "a" · brief · in transaction\n'
        "  … and 6 more like it\n"
        '  held to the end of the revision: ACCESS EXCLUSIVE on "a"\n'
        "\n"
        "r2, revision r2\n"
        "  no statement"
    )


async def test_what_is_held_while_more_runs_is_said(engine, oracle, directory):
    await oracle.execute("CREATE TABLE busy (id int)")
    directory.revision(
        "r1",
        """
        op.execute("ALTER TABLE busy ADD COLUMN a int")
        op.execute("CREATE TABLE fresh (id int)")
        op.execute("UPDATE busy SET a = 1")
        """,
    ).revision("r2", 'op.execute("ALTER TABLE busy ADD COLUMN b int")').settle()
    found = await schemakit.plan(engine, migrations=directory)
    assert [str(lock) for lock in found.revisions[0].held] == ['ACCESS EXCLUSIVE on "busy"']
    assert found.revisions[1].held == ()
    assert 'held to the end of the revision: ACCESS EXCLUSIVE on "busy"' in str(found)
