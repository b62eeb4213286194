"""How a statement must travel so that asyncpg runs what psycopg2 would have run.

asyncpg prepares every statement, and the server prepares one statement at a time and takes
parameters only in those it plans. Migrations written for psycopg2 know neither limit: it pasted
values into the text and sent the text as it was. (Manual, 55.2.3, Extended Query.)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .lexer import code, tokens
from .text import is_empty, returns_rows, takes_parameters

#: ``INTERVAL $1``: a typed literal, whose value must stand in the text (manual, 4.1.2.7), and
#: ``IN $1``: the tuple that psycopg2 writes out. In no statement the server takes does ``$1``
#: stand there.
_TYPED_PARAMETER = re.compile(
    r"""\b(?:
        in | date | timestamptz | timetz | jsonb? | uuid | inet | cidr | numeric | bytea | xml
      | (?:interval|time|timestamp)(?:\s*\(\d+\))?(?:\s+with(?:out)?\s+time\s+zone)?
    )\s+\$\d""",
    re.IGNORECASE | re.VERBOSE,
)
#: Worth asking the parser whether there is more than one statement.
_INNER_SEMICOLON = re.compile(r";\s*\S", re.DOTALL)
_DOLLAR_QUOTE = re.compile(r"\$\w*\$")
_PARAMETER = re.compile(r"\$\d")

Split = Callable[[str], list[str] | None]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What to send.

    ``prepared``: as SQLAlchemy would. ``simple``: the text by the simple query protocol, which
    takes many statements and gives no rows. ``script``: ``head`` by the simple protocol, then
    ``sql``, whose rows are wanted, prepared; both in one transaction. ``nothing``: there is no
    statement in it.
    """

    how: Literal["prepared", "simple", "script", "nothing"]
    sql: str
    head: str = ""


def deliver(sql: str, *, parameters: bool, split: Split) -> Delivery:
    """Decide how *sql* travels.

    Args:
        sql: the text as the driver would get it.
        parameters: whether values travel beside it.
        split: cuts a script into statements; called only where a semicolon stands inside.
    """
    if parameters:
        return Delivery("prepared", sql)
    statements = statements_of(sql, split)
    if not statements:
        return Delivery("nothing", sql)
    if not returns_rows(statements[-1]):
        return Delivery("simple", sql)
    if len(statements) == 1:
        return Delivery("prepared", sql)
    # Not a bare ";": what stands before it may end in a comment.
    return Delivery("script", statements[-1], head="\n;\n".join(statements[:-1]))


def statements_of(sql: str, split: Split) -> list[str]:
    """Return the statements of *sql*; *sql* itself where *split* cannot tell."""
    if is_empty(sql):
        return []
    if _INNER_SEMICOLON.search(sql) is None:
        return [sql]
    return split(sql) or [sql]


def needs_literals(sql: str, *, split: Split) -> bool:
    """Whether the parameters of *sql* must be written into its text before it can be sent."""
    if not takes_parameters(sql) or _hides_parameters(sql):
        return True
    if _TYPED_PARAMETER.search(sql) and _TYPED_PARAMETER.search(code(sql)):
        return True
    return len(statements_of(sql, split)) > 1


def _hides_parameters(sql: str) -> bool:
    """Whether a ``$1`` stands in a dollar-quoted literal, where it is no parameter."""
    if _DOLLAR_QUOTE.search(sql) is None:
        return False
    return any(kind == "body" and _PARAMETER.search(text) for kind, text in tokens(sql))
