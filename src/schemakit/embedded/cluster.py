"""What is done to a cluster while its place is locked: make, start, stop."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from typing import TYPE_CHECKING

from schemakit.embedded.children import POLL_SECONDS, TAIL_BYTES, Launch, launch, run
from schemakit.embedded.places import make_socket_dir
from schemakit.embedded.postmaster import State, state_of
from schemakit.embedded.settings import arguments
from schemakit.errors import EmbeddedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from schemakit.embedded.binaries import Binaries
    from schemakit.embedded.patience import Patience
    from schemakit.embedded.places import Place

UNFINISHED = "data.new"
# The second exists everywhere; the first, where it does, also knows the letters beyond ASCII.
LOCALES = ("C.UTF-8", "C")
# A killed postmaster stays in the process table, and its children at work, for a moment.
RETRY_SECONDS = 10.0
RETRY_PAUSE = 0.25


def make_cluster(place: Place, binaries: Binaries, patience: Patience) -> None:
    """Run initdb in a side directory, so that ``place.data`` is whole or absent.

    Trust is for the socket, whose directory only the server's account and root can enter. TCP is
    refused, whatever is later made of listen_addresses.
    """
    # A name of its own: the initdb of a killed client may still be writing to an older one.
    unfinished = place.home / f"{UNFINISHED}-{secrets.token_hex(4)}"
    for locale in LOCALES:
        for leftover in place.home.glob(f"{UNFINISHED}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            run(_initdb(binaries, unfinished, locale, sync=not place.ephemeral), place, patience)
            break
        except EmbeddedError:
            if locale == LOCALES[-1] or patience.exhausted:
                raise
    unfinished.rename(place.data)
    if not place.ephemeral:
        _sync_directory(place.home)


def _initdb(binaries: Binaries, data: Path, locale: str, *, sync: bool) -> list[str | Path]:
    options = f"--username=postgres --encoding=UTF8 --locale={locale} --lc-messages=C"
    access = "--auth-local=trust --auth-host=reject"
    unsynced = [] if sync else ["--no-sync"]
    return [binaries["initdb"], "-D", data, *options.split(), *access.split(), *unsynced]


def _sync_directory(directory: Path) -> None:
    """Make a rename in ``directory`` outlast a power cut; initdb has synced the files."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def refuse_other_version(place: Place, binaries: Binaries) -> None:
    """Raise unless the cluster was made by the major version of ``binaries``."""
    made_by = (place.data / "PG_VERSION").read_text().strip()
    if made_by != binaries.major:
        raise EmbeddedError(
            f"{place.data} was made by PostgreSQL {made_by}, "
            f"the binaries in {binaries.directory} are {binaries.version}",
            remedy=f"convert it with pg_upgrade, give bindir= of a PostgreSQL {made_by}, "
            "or name another data directory.",
        )


def start_cluster(
    place: Place, binaries: Binaries, settings: Mapping[str, str], patience: Patience
) -> None:
    """Start the server and wait until it takes connections.

    Raises:
        EmbeddedError: it ended or took too long, with what it wrote to its log.
    """
    make_socket_dir(place)
    given = arguments(settings, place.socket_dir, ephemeral=place.ephemeral)
    command: list[str | Path] = [binaries["postgres"], "-D", place.data, *given]
    written = place.log.stat().st_size if place.log.exists() else 0
    give_up = time.monotonic() + RETRY_SECONDS
    while not _comes_up(launch(command, place), place, patience):
        # A server that fails by itself takes its pid file along: one that lies here is a killed
        # server's, and the new one refused to start beside what is left of it.
        leftover = (place.data / "postmaster.pid").exists()
        if not leftover or patience.exhausted or time.monotonic() > give_up:
            when = f" within {patience.seconds:g} s" if patience.exhausted else ""
            raise EmbeddedError(f"the server did not start{when}\n{_tail(place, written)}")
        patience.pause(RETRY_PAUSE)


def _comes_up(launched: Launch, place: Place, patience: Patience) -> bool:
    """Wait for a launched server; one that does not come up is ended."""
    ready = False
    try:
        while not launched.is_dead(POLL_SECONDS) and not patience.exhausted:
            patience.pause(0)
            if ready := state_of(place.data) is State.READY:
                break
    finally:
        if not ready:
            launched.abort()
        launched.close()
    return ready


def settled_state(place: Place, patience: Patience) -> State:
    """READY or DOWN: a server that is starting or stopping is waited for."""
    while (state := state_of(place.data)) is State.BUSY:
        if patience.exhausted:
            raise EmbeddedError(
                f"the server on {place.data} was still starting or stopping after "
                f"{patience.seconds:g} s\n{_tail(place, 0)}",
                remedy="give a larger timeout=: recovery after a crash takes its time.",
            )
        patience.pause(POLL_SECONDS)
    return state


def stop_cluster(place: Place, binaries: Binaries, patience: Patience) -> None:
    """Stop the server, if one answers, and disconnect whoever is still connected."""
    if settled_state(place, patience) is State.READY:
        mode = "immediate" if place.ephemeral else "fast"
        seconds = max(1, round(patience.remaining))
        stop = ("stop", "-D", place.data, "-m", mode, "-w", "-t", str(seconds))
        run((binaries["pg_ctl"], *stop), place, patience)
    if place.socket_dir.parent != place.home:
        shutil.rmtree(place.socket_dir, ignore_errors=True)


def _tail(place: Place, offset: int) -> str:
    """The end of the server's log, from byte ``offset`` on."""
    try:
        with place.log.open("rb") as log:
            log.seek(offset)
            said = log.read()[-TAIL_BYTES:].decode(errors="replace").strip()
    except FileNotFoundError:
        said = ""
    return f"{place.log}:\n{said or '(nothing was written)'}"
