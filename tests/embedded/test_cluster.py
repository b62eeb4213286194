"""Clusters that cannot be started, and what the error says."""

import pytest

from schemakit.embedded import EmbeddedServer
from schemakit.errors import EmbeddedError


async def test_another_major_version_is_refused(home):
    (home / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedError, match="made by PostgreSQL 9") as caught:
        await EmbeddedServer(home).start()
    assert "pg_upgrade" in str(caught.value)


async def test_an_initdb_that_was_cut_off_is_done_again(playground, query):
    half = playground / "pg" / "data.new"
    (half / "base").mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    (playground / "pg" / "lock").touch()
    async with EmbeddedServer(playground / "pg") as server:
        assert await query(server.dsn, "SELECT 1") == 1
    assert not half.exists()


async def test_the_error_shows_the_servers_log(home):
    server = EmbeddedServer(home, settings={"max_connections": "many"})
    with pytest.raises(EmbeddedError) as caught:
        await server.start()
    assert 'invalid value for parameter "max_connections": "many"' in str(caught.value)
    assert str(home / "log") in str(caught.value)


async def test_a_failed_throw_away_server_leaves_nothing(base):
    with pytest.raises(EmbeddedError, match="no_such_setting"):
        await EmbeddedServer(settings={"no_such_setting": "1"}).start()
    assert not list(base.glob("e-*"))
