"""One server, several processes."""

import asyncio
import os
import signal
import subprocess

from schemakit.embedded import EmbeddedServer


def test_processes_that_start_together_share_and_the_last_stops(playground, client, pid_of):
    clients = [client(playground / "pg") for _ in range(3)]
    (data,) = {one.started() for one in clients}
    pid = pid_of(data)
    assert [one.leave() for one in clients[:2]] == [0, 0]
    assert pid_of(data) == pid
    assert clients[2].leave() == 0
    assert not (data / "postmaster.pid").exists()


async def test_a_killed_client_is_not_counted(home, client, running, pid_of, query):
    victim = client(home)
    data = await asyncio.to_thread(victim.started)
    pid = pid_of(data)
    victim.killed()
    assert running(pid)
    async with EmbeddedServer(home) as server:
        assert await query(server.dsn, "SELECT 1") == 1
        assert pid_of(data) == pid
    assert not (data / "postmaster.pid").exists()
    assert not running(pid)


async def test_an_orphan_is_reaped_and_a_living_one_is_not(client, running, pid_of, query):
    killed, living = client(), client()
    orphan = await asyncio.to_thread(killed.started)
    neighbour = await asyncio.to_thread(living.started)
    pid, neighbours_pid = pid_of(orphan), pid_of(neighbour)
    killed.killed()
    assert running(pid)
    async with EmbeddedServer():
        assert not orphan.parent.exists()
        assert not running(pid)
        assert running(neighbours_pid)
    assert living.leave() == 0
    assert not neighbour.parent.exists()


async def test_an_orphans_pid_that_is_somebody_elses_by_now_is_spared(client, pid_of):
    killed = client()
    orphan = await asyncio.to_thread(killed.started)
    killed.killed()
    os.kill(pid_of(orphan), signal.SIGQUIT)
    while (orphan / "postmaster.pid").exists():  # noqa: ASYNC110  another process removes it
        await asyncio.sleep(0.02)
    innocent = await asyncio.create_subprocess_exec("/bin/sleep", "60")
    (orphan / "postmaster.pid").write_text(f"{innocent.pid}\n")
    async with EmbeddedServer():
        assert not orphan.parent.exists()
    assert innocent.returncode is None
    innocent.kill()
    await innocent.wait()


def test_whoever_forgets_to_stop_stops_at_exit(home, client):
    forgetful = client(home, "forget")
    data = forgetful.started()
    assert forgetful.process.wait(timeout=20) == 0
    assert not (data / "postmaster.pid").exists()


def test_ctrl_c_stops_the_server(home, client):
    interrupted = client(home)
    data = interrupted.started()
    assert (data / "postmaster.pid").exists()
    interrupted.killed(signal.SIGINT)
    assert not (data / "postmaster.pid").exists()


def test_ctrl_c_during_initdb_leaves_no_server(playground, client):
    home = playground / "pg"
    interrupted = client(home)
    while not any(home.glob("data.new-*/base")):
        assert interrupted.process.poll() is None
    interrupted.killed(signal.SIGINT)  # on a busy machine initdb may be through by now
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)  # noqa: S607 - wherever it is
    assert str(home) not in running.stdout
