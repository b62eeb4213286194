"""Revisions as plain values: those of a directory, and those that a run has gone through."""

from __future__ import annotations

from dataclasses import dataclass

from .results import Command, duration_text


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision of the migrations directory.

    Attributes:
        id: its revision id.
        down: the ids it follows; empty for a base, several for a merge.
        doc: first paragraph of its docstring.
        path: its file.
        labels: its branch labels.
        depends_on: ids it depends on without following them.
        is_head: whether nothing follows it.
    """

    id: str
    down: tuple[str, ...] = ()
    doc: str = ""
    path: str = ""
    labels: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    is_head: bool = False

    def __str__(self) -> str:
        """``a1 -> b2 (head), what it does``."""
        marks = " (head)" if self.is_head else ""
        labels = f" ({', '.join(self.labels)})" if self.labels else ""
        return f"{', '.join(self.down) or '<base>'} -> {self.id}{labels}{marks}, {self.doc}"


@dataclass(frozen=True, slots=True)
class Applied:
    """A revision that a run has applied or reverted.

    Attributes:
        revision: its id.
        direction: ``upgrade``, ``downgrade`` or ``stamp``.
        duration: seconds.
        doc: first paragraph of its docstring.
    """

    revision: str
    direction: Command
    duration: float
    doc: str = ""

    def __str__(self) -> str:
        """``upgrade   0001_users  create users (12 ms)``."""
        return f"{self.direction:<9} {self.revision}  {self.doc} ({duration_text(self.duration)})"
