"""Where in a script the server saw an error: it gives a position, people look for a line."""

from __future__ import annotations

from .lexer import tokens


def line_at(sql: str, position: int) -> int:
    """Return the number of the line in *sql*, from 1, that holds the character *position*.

    Args:
        sql: the text that was sent.
        position: of a character in it, counted from 1 (manual, 55.8, field ``P``).
    """
    return sql.count("\n", 0, max(position - 1, 0)) + 1


def statement_at(sql: str, position: int) -> str:
    """Return that statement of the script *sql* which holds the character *position*.

    Cut at every semicolon outside of literals: of a function with a body in SQL (BEGIN ATOMIC)
    it is the statement inside.
    """
    begin = end = 0
    for _, text in tokens(sql):
        end += len(text)
        if text == ";":
            if end >= position:
                return sql[begin : end - 1].strip()
            begin = end
    return sql[begin:].strip()
