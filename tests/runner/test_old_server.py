"""What is said to a server that is too old: run it with SCHEMAKIT_TEST_PG=13, as CI does."""

import pytest

import schemakit
from schemakit.catalog.model import Server
from schemakit.errors import UnsupportedServer


async def test_a_server_is_taken_or_refused_by_its_name(engine, oracle, directory):
    directory.tables(1)
    major = int(await oracle.fetchval("SHOW server_version_num")) // 10000
    if major >= 14:
        assert (await schemakit.upgrade(engine, migrations=directory)).heads_after == ("r1",)
        return
    with pytest.raises(UnsupportedServer, match=rf"is on PostgreSQL {major}\."):
        await schemakit.upgrade(engine, migrations=directory)
    assert await oracle.fetchval("SELECT to_regclass('t1')") is None


@pytest.mark.parametrize(
    ("version_num", "supported"),
    [(90624, False), (130023, False), (140000, True), (180006, True), (190000, True)],
)
def test_what_is_supported_begins_with_14(version_num, supported):
    assert Server(version_num, "app", in_recovery=False).supported is supported
