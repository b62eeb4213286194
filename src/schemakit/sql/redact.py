"""Statements without the values in them, for messages and logs."""

from __future__ import annotations

from collections.abc import Iterator

from .lexer import tokens

_VALUES = frozenset(("escaped", "literal", "body", "number"))


def without_literals(sql: str, *, limit: int = 300) -> str:
    """Return *sql* on one line with every literal as ``?``, at most *limit* characters long.

    Comments are left out: they may hold anything. Works on text that is cut off or wrong, on
    purpose: ``pg_stat_activity`` cuts queries at ``track_activity_query_size``, and a statement
    that failed is often no SQL.
    """
    line = " ".join("".join(_masked(sql)).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _masked(sql: str) -> Iterator[str]:
    for kind, text in tokens(sql):
        if kind == "literal" and "\\'" in text:
            # Where it ends depends on standard_conforming_strings: nothing after it is safe.
            yield "?…"
            return
        yield " " if kind == "comment" else "?" if kind in _VALUES else text
