"""How a statement must travel so that asyncpg runs what psycopg2 would have run.

asyncpg prepares every statement, and the server prepares one statement at a time and takes
parameters only in those it plans. Migrations written for psycopg2 know neither limit: it pasted
values into the text and sent the text as it was. (`facts`: protocol, 55.2.3 Extended Query.)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .text import returns_rows, takes_parameters

#: ``INTERVAL $1``: a typed literal, whose value must stand in the text (manual, 4.1.2.7).
_TYPED_PARAMETER = re.compile(
    r"\b(?:interval|date|time|timestamp|timestamptz|timetz)\s+\$\d", re.IGNORECASE
)
#: ``$1`` inside a body: what a bind parameter of a DO block or a function becomes.
_INNER_SEMICOLON = re.compile(r";\s*\S", re.DOTALL)

Split = Callable[[str], list[str] | None]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What to send.

    ``prepared``: as SQLAlchemy would. ``simple``: the text by the simple query protocol, which
    takes many statements and gives no rows. ``script``: ``head`` by the simple protocol, then
    ``sql``, whose rows are wanted, prepared.
    """

    how: Literal["prepared", "simple", "script"]
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
    if _INNER_SEMICOLON.search(sql) is None:
        return Delivery("prepared" if returns_rows(sql) else "simple", sql)
    statements = split(sql)
    if statements is None or len(statements) <= 1:
        return Delivery("prepared" if returns_rows(sql) else "simple", sql)
    if not returns_rows(statements[-1]):
        return Delivery("simple", sql)
    return Delivery("script", statements[-1], head=";\n".join(statements[:-1]) + ";")


def needs_literals(sql: str, *, split: Split) -> bool:
    """Whether the parameters of *sql* must be written into its text before it can be sent."""
    if not takes_parameters(sql) or _TYPED_PARAMETER.search(sql):
        return True
    if _INNER_SEMICOLON.search(sql) is None:
        return False
    statements = split(sql)
    return statements is not None and len(statements) > 1
