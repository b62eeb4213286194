"""What the words of a statement tell, without a parser.

Loading the parser costs some 40 ms and its grammar is one version's; the first keyword decides
nearly every question that the runner has about a statement, and it is the same in all of them.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .lexer import code, tokens

#: Statements whose answer may be rows. Everything else only has a status tag.
_ROWS = frozenset(
    [
        "select",
        "with",
        "values",
        "table",
        "show",
        "explain",
        "execute",
        "fetch",
        "call",
        "insert",
        "update",
        "delete",
        "merge",
    ]
)
#: The four that answer with rows only if they say RETURNING (WITH and EXPLAIN always may).
_ROWS_IF_RETURNING = frozenset(["insert", "update", "delete", "merge"])
#: Statements that the server plans, and so may hold bind parameters (src/backend/parser/analyze.c).
_PLANNED = frozenset(
    ["select", "with", "values", "table", "insert", "update", "delete", "merge", "explain"]
)
_ENDS_TRANSACTION = frozenset(["commit", "end", "rollback", "abort"])
_CONCURRENT = frozenset(["create", "drop", "reindex", "alter"])
_BEFORE_KEYWORD = frozenset(("space", "comment"))
#: A word and a space, as nearly every statement begins: what the lexer would say without it.
_PLAIN_START = re.compile(r"\s*([A-Za-z]+)(?=\s)")
_COPY = re.compile(r"(?:\A|;)\s*copy\b[^;]*\b(?:from|to)\s+std(?:in|out)\b", re.IGNORECASE)


@lru_cache(maxsize=64)  # a statement on its way is asked several times
def leading_keyword(sql: str) -> str:
    """Return the first keyword of *sql* in lower case, past comments; ``""`` if there is none."""
    plain = _PLAIN_START.match(sql)
    if plain is not None:
        return plain[1].lower()
    for kind, text in tokens(sql):
        if kind == "word":
            return text.lower()
        if kind not in _BEFORE_KEYWORD and text not in (";", "("):
            return ""
    return ""


def is_empty(sql: str) -> bool:
    """Whether *sql* holds no statement, only comments and semicolons."""
    if _PLAIN_START.match(sql) is not None:
        return False
    return all(kind in _BEFORE_KEYWORD or text == ";" for kind, text in tokens(sql))


def returns_rows(sql: str) -> bool:
    """Whether a single statement may answer with rows; in doubt, yes."""
    keyword = leading_keyword(sql)
    if keyword in _ROWS_IF_RETURNING:
        return "returning" in sql.lower()
    return keyword in _ROWS


def takes_parameters(sql: str) -> bool:
    """Whether the server accepts ``$1`` in this kind of statement."""
    return leading_keyword(sql) in _PLANNED


def ends_transaction(sql: str) -> bool:
    """Whether *sql* is COMMIT or ROLLBACK as text (``ROLLBACK TO`` a savepoint is not)."""
    keyword = leading_keyword(sql)
    if keyword == "prepare":
        return re.match(r"[\s;(]*prepare\s+transaction\b", code(sql), re.IGNORECASE) is not None
    if keyword not in _ENDS_TRANSACTION:
        return False
    return re.search(r"\bto\b|\bprepared\b", code(sql), re.IGNORECASE) is None


def copies(sql: str) -> bool:
    """Whether *sql* is a COPY FROM STDIN or TO STDOUT, or has one among its statements."""
    lowered = sql.lower()
    return "copy" in lowered and "std" in lowered and _COPY.search(code(sql)) is not None


def is_concurrent(sql: str) -> bool:
    """Whether *sql* builds, drops or detaches CONCURRENTLY: in steps that commit by themselves."""
    return (
        "concurrently" in sql.lower()
        and leading_keyword(sql) in _CONCURRENT
        and re.search(r"\bconcurrently\b", code(sql), re.IGNORECASE) is not None
    )
