"""Statements without the values in them, for messages and logs."""

from __future__ import annotations

import re

#: A quoted or dollar-quoted literal, closed or cut off: ``pg_stat_activity`` cuts queries at
#: ``track_activity_query_size``, so what is read there can seldom be parsed.
_LITERAL = re.compile(
    r"""
    (?P<identifier>"(?:[^"]|"")*"?)
  | [eE]'(?:[^'\\]|\\.|'')*(?:'|$)
  | (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?:'|$)
  | (?P<tag>\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$).*?(?:(?P=tag)|$)
  | (?P<word>[A-Za-z_\u0080-\uffff$][\w\u0080-\uffff$]*)
  | \d[\d_.]*(?:[eE][+-]?\d+)?
    """,
    re.VERBOSE | re.DOTALL,
)


def without_literals(sql: str, *, limit: int = 300) -> str:
    """Return *sql* on one line with every literal as ``?``, at most *limit* characters long.

    Works on text that is cut off or wrong, on purpose: a statement that failed is often no SQL.
    """
    masked = _LITERAL.sub(_mask, sql)
    line = " ".join(masked.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _mask(match: re.Match[str]) -> str:
    return match.group() if match["identifier"] or match["word"] else "?"
