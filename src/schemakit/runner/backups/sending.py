"""Statements sent in one message."""

from __future__ import annotations

from collections.abc import Iterable

from schemakit.runner.flow import Flow, Run
from schemakit.sql.plan import Statement


def sent(statements: Iterable[Statement]) -> Flow[None]:
    """A flow that sends *statements* in one message; none, if there is none."""
    text = ";\n".join(each.sql for each in statements)
    if text:
        yield Run(text, long=True)
