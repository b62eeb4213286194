"""A run, while it runs: redrawn on a terminal, a line at a time elsewhere.

Both are `OnEvent` callbacks. What they draw is gone or on stderr; the result is `Output`'s.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from time import monotonic
from typing import TYPE_CHECKING, Self, TextIO

import click

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Group

    from schemakit import Event

    from .output import Output


class Lines:
    """A line on stderr for whatever begins or needs attention."""

    kinds = frozenset({"revision_started", "waiting_for_lock", "retrying", "blocked", "notice"})
    #: Seconds between two lines that say how far it is.
    every = 5.0

    def __init__(self) -> None:
        self._told = monotonic()

    def __call__(self, event: Event) -> None:
        """Write *event*, if it is one of `kinds`, or the time has come to say how far it is."""
        if event.kind in self.kinds or (event.kind == "progress" and self._due(event)):
            click.echo(line(event), err=True)

    def _due(self, event: Event) -> bool:
        done, now = event.bytes == event.of_bytes, monotonic()
        if not done and now - self._told < self.every:
            return False
        self._told = now
        return True


class Live:
    """A spinner, a bar over the revisions and a line for what it waits for."""

    def __init__(self, stream: TextIO) -> None:
        from rich import progress  # noqa: PLC0415 - rich is slow to import, and seldom needed
        from rich.console import Console  # noqa: PLC0415
        from rich.live import Live as Screen  # noqa: PLC0415

        self._bar = progress.Progress(
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
        )
        self._task = self._bar.add_task("connecting", total=None)
        self._waiting = ""
        console = Console(file=stream)
        self._screen = Screen(console=console, get_renderable=self._drawing, transient=True)

    def __enter__(self) -> Self:
        with suppress(Exception):  # a terminal that cannot be drawn on is no reason to stop
            self._screen.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(Exception):
            self._screen.stop()

    def __call__(self, event: Event) -> None:
        """Draw *event*."""
        waits = event.kind in ("waiting_for_lock", "blocked")
        self._waiting = line(event) if waits else ""
        if event.kind in ("retrying", "notice"):
            self._screen.console.print(line(event), markup=False, highlight=False)
        elif event.kind == "waiting_for_lock":
            self._bar.update(self._task, description="waiting for the migration lock")
        elif event.kind == "progress":
            share = 100 * event.bytes // event.of_bytes if event.of_bytes else 0
            total = 100 if event.of_bytes else None
            self._bar.update(
                self._task, description=str(event), completed=min(share, 100), total=total
            )
        elif event.revision is not None:
            done = event.position - (event.kind != "revision_finished")
            name = f"{event.command} {event.revision.id}"
            self._bar.update(
                self._task, description=name, completed=done, total=event.total or None
            )
        self._screen.refresh()

    def _drawing(self) -> Group:
        from rich.console import Group  # noqa: PLC0415 - as above
        from rich.text import Text  # noqa: PLC0415

        return Group(self._bar, *([Text(self._waiting)] if self._waiting else []))


def line(event: Event) -> str:
    """Return *event* as a line: ``[2/9] upgrade b2, add users``."""
    if event.kind != "revision_started":
        return str(event)
    place = f"[{event.position}/{event.total}] " if event.total else ""
    return f"{place}{event}"


def watching(output: Output) -> AbstractContextManager[Lines | Live | None]:
    """Return what shows a run: a context manager around the run, which yields its `on_event`."""
    if not output.talks or output.verbose:  # the log says the same, and more
        return nullcontext()
    stream = terminal()
    return nullcontext(Lines()) if stream is None else Live(stream)


def terminal() -> TextIO | None:
    """Return the terminal to draw on, if there is one."""
    if os.environ.get("TERM") == "dumb":
        return None
    return sys.stderr if sys.stderr.isatty() else None  # stdout is for the result
