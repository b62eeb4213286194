"""The example, as it would be deployed: three replicas at once on an empty database."""

import asyncio
import os
import re
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

APP = Path(__file__).parents[2] / "examples" / "fastapi_app"


def free_ports(count):
    """Ports that nobody listens on: all held at once, so that they differ."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@pytest.fixture
def replicas(database_url, tmp_path):
    """Three replicas, started at once: the port of each, and the file that it logs to."""
    environment = {**os.environ, "DATABASE_URL": database_url, "PYTHONDONTWRITEBYTECODE": "1"}
    started = []
    for port in free_ports(3):
        log = tmp_path / f"{port}.log"
        with log.open("w") as file:
            command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port)]
            process = subprocess.Popen(
                command, cwd=APP, env=environment, stdout=file, stderr=subprocess.STDOUT
            )
        started.append((port, log, process))
    yield [(port, log) for port, log, _ in started]
    for _, _, process in started:
        process.terminate()
    for _, _, process in started:
        process.wait(20)


async def answering(client, port, log):
    async with asyncio.timeout(30):
        while True:
            try:
                response = await client.get(f"http://127.0.0.1:{port}/health")
            except httpx.TransportError:
                assert "startup failed" not in log.read_text(), log.read_text()
                await asyncio.sleep(0.05)
            else:
                return response.json()


@pytest.fixture
async def client():
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


def said(*arguments, database_url):
    command = [sys.executable, "-m", "schemakit", *arguments]
    environment = {**os.environ, "DATABASE_URL": database_url}
    return subprocess.run(
        command, check=False, cwd=APP, env=environment, capture_output=True, text=True
    )


async def test_its_models_and_migrations_agree(database_url):
    upgraded = said("upgrade", "--quiet", database_url=database_url)
    assert (upgraded.returncode, upgraded.stderr) == (0, "")
    checked = said("check", database_url=database_url)
    assert (checked.returncode, checked.stdout) == (0, "no difference\n")


async def test_three_replicas_at_once(replicas, client, oracle):
    answers = await asyncio.gather(*(answering(client, *replica) for replica in replicas))
    assert answers == [{"revision": ["0002"]}] * 3

    logs = [log.read_text() for _, log in replicas]
    applied = [re.findall(r"upgrade   (\w+)", log) for log in logs]
    assert sorted(applied) == [[], [], ["0001", "0002"]]
    assert sum("nothing to upgrade: already at 0002" in log for log in logs) == 2
    assert await oracle.fetch("SELECT version_num FROM alembic_version") == [("0002",)]

    first, second, third = (f"http://127.0.0.1:{port}" for port, _ in replicas)
    posted = await client.post(f"{first}/notes", json={"text": "hello", "author": "Ada"})
    assert posted.status_code == 201
    for each in (second, third):
        assert (await client.get(f"{each}/notes")).json() == [posted.json()]
    assert (posted.json()["text"], posted.json()["author"]) == ("hello", "Ada")
