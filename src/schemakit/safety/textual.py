"""Values kept as text, as pg_dump would write them."""

from __future__ import annotations


def as_text(expression: str) -> str:
    """Return *expression*, e.g. a quoted column, as text by its type's output function, as SQL.

    A CAST may be one that users have made, and leaves out the blanks of a char(n). What is NULL
    stays NULL, and a row of NULLs is none.
    """
    text = f"pg_catalog.format('%s', {expression})"
    return f"CASE WHEN {expression} IS DISTINCT FROM NULL THEN {text} END"
