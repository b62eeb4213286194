"""What the first word of a statement tells, without a parser.

Loading the parser costs some 40 ms and its grammar is one version's; the first keyword decides
nearly every question that the runner has about a statement, and it is the same in all of them.
"""

from __future__ import annotations

import re

_BLANK = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/|;|\()+", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_]+")

#: Statements whose answer may be rows. Everything else only has a status tag.
_ROWS = frozenset(
    "select with values table show explain execute fetch call insert update delete merge".split()
)
#: The four that answer with rows only if they say RETURNING (WITH and EXPLAIN always may).
_ROWS_IF_RETURNING = frozenset("insert update delete merge".split())
#: Statements that the server plans, and so may hold bind parameters (src/backend/parser/analyze.c).
_PLANNED = frozenset("select with values table insert update delete merge explain".split())
_ENDS_TRANSACTION = frozenset("commit end rollback abort".split())


def leading_keyword(sql: str) -> str:
    """Return the first keyword of *sql* in lower case, past comments; ``""`` if there is none."""
    blank = _BLANK.match(sql)
    word = _WORD.match(sql, blank.end() if blank else 0)
    return word.group().lower() if word else ""


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
    if leading_keyword(sql) not in _ENDS_TRANSACTION:
        return False
    return re.search(r"\bto\b|\bprepared\b", sql, re.IGNORECASE) is None
