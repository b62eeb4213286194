"""The program, run in this process or in one of its own, in a project of the test's."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from schemakit.cli.program import run

PROGRAM = (sys.executable, "-m", "schemakit")


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self):
        """The one object on stdout."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def _neutral(monkeypatch):
    for name in os.environ:
        if name.startswith("PG") or name in ("DATABASE_URL", "SCHEMAKIT_DEBUG", "NO_COLOR"):
            monkeypatch.delenv(name)


@pytest.fixture
def program(directory, monkeypatch, capsys):
    """Await the program with arguments, in the project of `directory`."""
    monkeypatch.chdir(directory.project)

    async def answer(*arguments):
        code = await asyncio.to_thread(run, arguments)  # it brings an event loop of its own
        out, err = capsys.readouterr()
        return Answer(code, out, err)

    return answer


@pytest.fixture
def on_database(program, database_url, monkeypatch):
    """`program`, with DATABASE_URL set."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    return program


@pytest.fixture
def spawn(directory, monkeypatch):
    """Start the program in a process of its own, in the project of `directory`."""
    started = []

    def start(*arguments, command=PROGRAM, **options):
        usual = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "cwd": directory.project,
        }
        process = subprocess.Popen([*command, *arguments], **(usual | options))
        started.append(process)
        return process

    yield start
    for process in started:
        with process:  # closes its pipes and waits
            process.kill()
