"""SQL text cut into tokens by PostgreSQL's lexical rules (manual, 4.1; src/backend/parser/scan.l).

It knows what is a literal, a comment and a name, and no grammar: it works on text that is cut off
or wrong, and costs no import.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: ``literal`` and ``body`` (a dollar-quoted literal) may be cut off by the end of the text. A byte
#: from 0x80 up is a letter to the server, whatever Unicode says of the character.
_TOKEN = re.compile(
    r"""
    (?P<comment>--[^\r\n]*|/\*)
  | (?P<escaped>[eE]'(?:[^'\\]|\\(?:.|\Z)|'')*(?:'|\Z))
  | (?P<literal>(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?:'|\Z))
  | (?P<name>(?:[uU]&)?"(?:[^"]|"")*(?:"|\Z))
  | (?P<body>(?P<tag>\$(?:[A-Za-z_\u0080-\U0010ffff][A-Za-z_0-9\u0080-\U0010ffff]*)?\$)
      .*?(?:(?P=tag)|\Z))
  | (?P<parameter>\$\d+)
  | (?P<word>[A-Za-z_\u0080-\U0010ffff][A-Za-z_0-9$\u0080-\U0010ffff]*)
  | (?P<number>\d[\dA-Za-z_.]*(?:(?<=[eE])[+-]\d+)?)
  | (?P<space>\s+)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_BLANKED = {"comment": " ", "escaped": "''", "literal": "''", "body": "''", "name": '""'}


def tokens(sql: str) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each token of *sql*; together the texts are *sql*."""
    position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        if match is None or match.lastgroup is None:  # pragma: no cover - `other` takes the rest
            return
        end = match.end()
        if match.group() == "/*":
            end = _comment_end(sql, end)
        yield match.lastgroup, sql[position:end]
        position = end


def code(sql: str) -> str:
    """Return *sql* without what stands in its literals, quoted names and comments."""
    return "".join(_BLANKED.get(kind, text) for kind, text in tokens(sql))


def _comment_end(sql: str, position: int) -> int:
    """Return where the block comment ends that has begun before *position*; they nest."""
    depth = 1
    for edge in _COMMENT_EDGE.finditer(sql, position):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(sql)
