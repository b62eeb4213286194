"""What a data directory tells about its server: the postmaster.pid file and the socket.

The lines of postmaster.pid are those of PostgreSQL's ``src/include/utils/pidfile.h``.
"""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from schemakit.embedded.settings import PORT

SOCKET_DIR_LINE = 5
STATUS_LINE = 8
ACCEPTING = ("ready", "standby")


class State(Enum):
    """Whether a server can be used."""

    DOWN = "no server answers"
    BUSY = "a server is starting or stopping"
    READY = "a server takes connections"


@dataclass(frozen=True)
class Postmaster:
    """The contents of a postmaster.pid."""

    pid: int
    socket_dir: Path | None
    status: str

    @classmethod
    def parse(cls, text: str) -> Postmaster | None:
        """Read the file; None while it is still being written."""
        lines = text.splitlines()
        if not lines or not lines[0].strip().isdigit():
            return None
        lines += [""] * (STATUS_LINE - len(lines))
        directory = lines[SOCKET_DIR_LINE - 1].strip()
        return cls(int(lines[0]), Path(directory) if directory else None, lines[7].strip())


def read_postmaster(data: Path) -> Postmaster | None:
    """The server that says it runs on ``data``; it may be dead for long."""
    try:
        return Postmaster.parse((data / "postmaster.pid").read_text(errors="surrogateescape"))
    except FileNotFoundError:
        return None


def state_of(data: Path) -> State:
    """Ask the socket whether anybody lives there, then the file how far it is.

    In this order: a server that was killed leaves a file which says ``ready``, and a new one
    rewrites the file before it opens the socket.
    """
    postmaster = read_postmaster(data)
    if postmaster is None or postmaster.socket_dir is None or not _answers(postmaster.socket_dir):
        return State.DOWN
    current = read_postmaster(data)
    return State.READY if current and current.status in ACCEPTING else State.BUSY


def _answers(socket_dir: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)  # noqa: FBT003  the standard library's signature
        try:
            client.connect(os.fspath(socket_dir / f".s.PGSQL.{PORT}"))
        except BlockingIOError:  # somebody listens, with a full backlog
            return True
        except OSError:
            return False
    return True


def command_line(pid: int) -> str | None:
    """The command line of a process, from /proc or from ``ps``; None where it cannot be read."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        if Path("/proc/self").exists():
            return None
        return _asked_of_ps(pid)
    return os.fsdecode(raw.replace(b"\0", b" "))


def _asked_of_ps(pid: int) -> str | None:
    command = ("/bin/ps", "-ww", "-o", "command=", "-p", str(pid))
    try:
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None
