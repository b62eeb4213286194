"""Child processes: one that is waited for, and the server, which outlives us."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemakit.embedded.account import identity
from schemakit.errors import EmbeddedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from schemakit.embedded.patience import Patience
    from schemakit.embedded.places import Place

POLL_SECONDS = 0.02
MERCY_SECONDS = 5.0
TAIL_BYTES = 2000

# The arguments reach the server as they are: $0 and $@ are not parsed a second time. The shell
# is gone at once, so the server is nobody's child and leaves no zombie in a client.
DETACH = '"$@" >>"$0" 2>&1 </dev/null &'


def run(command: Sequence[str | Path], place: Place, patience: Patience) -> None:
    """Run ``command`` as the server's account and wait for it.

    Raises:
        EmbeddedError: it failed, with what it said, or it did not end in time.
        WaitCancelledError: ``patience`` was cancelled.
    """
    # A file and not a pipe: what the command leaves running would keep a pipe open for ever.
    with tempfile.TemporaryFile() as said, _group(command, place, said.fileno()) as child:
        while child.poll() is None:
            if patience.exhausted:
                raise EmbeddedError(
                    f"{command[0]} had not finished after {patience.seconds:g} s",
                    remedy="give a larger timeout=.",
                )
            patience.pause(POLL_SECONDS)
        if child.returncode != 0:
            said.seek(0)
            text = said.read()[-TAIL_BYTES:].decode(errors="replace").strip()
            raise EmbeddedError(f"{command[0]} failed ({child.returncode}):\n{text}")


@contextmanager
def _group(
    command: Sequence[str | Path], place: Place, output: int
) -> Iterator[subprocess.Popen[bytes]]:
    """A child with a process group of its own, which is killed if we leave before it ends."""
    child = subprocess.Popen(  # noqa: S603  no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=place.home,
        env=environment(place),
        start_new_session=True,
        **identity(place.account),
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


@dataclass(frozen=True)
class Launch:
    """A server on its way up.

    ``lifeline`` is the end of a pipe whose other end only the server's processes hold: it reads
    as closed when, and only when, the last of them is gone. A process id could be a zombie's or
    have been given away again.
    """

    group: int
    lifeline: int

    def is_dead(self, wait_seconds: float = 0.0) -> bool:
        """Whether every process of the server is gone, waiting up to ``wait_seconds`` for it."""
        watch = select.poll()
        watch.register(self.lifeline, select.POLLIN | select.POLLHUP)
        return bool(watch.poll(wait_seconds * 1000))

    def abort(self) -> None:
        """End the server at once, as ``pg_ctl stop -m immediate`` does."""
        for number in (signal.SIGQUIT, signal.SIGKILL):
            if not self.is_dead():
                with suppress(ProcessLookupError):
                    os.killpg(self.group, number)
                self.is_dead(MERCY_SECONDS)

    def close(self) -> None:
        """Forget the server, dead or alive."""
        os.close(self.lifeline)


def launch(command: Sequence[str | Path], place: Place) -> Launch:
    """Start ``command`` as a daemon that writes to the place's log."""
    lifeline, held = os.pipe()
    try:
        shell = subprocess.Popen(  # noqa: S603  the shell is handed positional parameters
            ["/bin/sh", "-c", DETACH, place.log, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=place.home,
            env=environment(place),
            pass_fds=(held,),
            start_new_session=True,
            **identity(place.account),
        )
        shell.wait()
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(held)
    return Launch(shell.pid, lifeline)


def environment(place: Place) -> dict[str, str]:
    """Ours, without what PostgreSQL reads from it (PGPORT, PGDATA, ...), and in English."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return inherited | {"LC_ALL": "C", "HOME": str(place.home)}
