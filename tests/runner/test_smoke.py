import schemakit


async def test_an_empty_database_reaches_head(engine, oracle, directory):
    directory.template("async").tables(3)
    result = await schemakit.upgrade(engine, migrations=directory)
    assert [applied.revision for applied in result.applied] == ["r1", "r2", "r3"]
    assert await oracle.fetchval("select version_num from alembic_version") == "r3"
