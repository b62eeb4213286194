"""Migrations directories, written out by the tests that need them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent

import pytest

#: Long enough ago for their time stamps to be trusted at once.
_OLD = 1_600_000_000

REVISION = '''"""{doc}"""
import sqlalchemy as sa
from alembic import op, context

revision = {id!r}
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = {depends_on!r}


def upgrade():
{upgrade}


def downgrade():
{downgrade}
'''


class Directory:
    """A migrations directory in the making."""

    def __init__(self, project: Path, name: str = "migrations"):
        self.project = project
        self.path = project / name
        self._last = None

    def template(self, name: str) -> Directory:
        """Fill it as ``alembic init -t`` does."""
        command = [sys.executable, "-m", "alembic.config", "init", "-t", name, self.path.name]
        subprocess.run(command, cwd=self.project, check=True, stdout=subprocess.DEVNULL)
        return self

    def env(self, source: str) -> Directory:
        """Write env.py."""
        return self.file("env.py", dedent(source))

    def file(self, name: str, source: str) -> Directory:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        os.utime(path, (_OLD, _OLD))
        return self

    def revision(
        self,
        id,  # noqa: A002 - Alembic's word
        upgrade="pass",
        downgrade="pass",
        *,
        down=...,
        labels=None,
        depends_on=None,
        folder="versions",
        doc=None,
    ) -> Directory:
        """Add a revision; it follows the last one added unless *down* says otherwise."""
        source = REVISION.format(
            id=id,
            down=self._last if down is ... else down,
            labels=labels,
            depends_on=depends_on,
            upgrade=indent(dedent(upgrade).strip(), "    "),
            downgrade=indent(dedent(downgrade).strip(), "    "),
            doc=doc or f"revision {id}",
        )
        self._last = id
        return self.file(f"{folder}/{id}.py", source)

    def tables(self, count: int) -> Directory:
        """Add *count* revisions; the n-th makes table ``tn``."""
        for number in range(1, count + 1):
            self.revision(
                f"r{number}",
                f'op.create_table("t{number}", sa.Column("id", sa.Integer, primary_key=True))',
                f'op.drop_table("t{number}")',
            )
        return self

    def settle(self) -> Directory:
        """Make every file old, as in an image that was built yesterday."""
        for path in self.project.rglob("*"):
            if path.is_file():
                os.utime(path, (_OLD, _OLD))
        return self

    def __fspath__(self) -> str:
        return str(self.path)


@pytest.fixture
def directory(tmp_path):
    """An empty project with a migrations directory to fill."""
    return Directory(tmp_path)


@pytest.fixture
def new_directory(tmp_path):
    """Make several."""

    def make(name):
        project = tmp_path / name
        project.mkdir()
        return Directory(project)

    return make


@pytest.fixture(autouse=True)
def _fresh_memory(tmp_path_factory, monkeypatch):
    """Begin each test as a fresh process on a fresh machine would: nothing is remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    from schemakit.runner import index  # noqa: PLC0415 - after the plugin is loaded

    index.forget()
