"""The one door to the SQL parser (postgast: libpg_query, the grammar of PostgreSQL 18).

It is imported on first use: most runs never need it.
"""

from __future__ import annotations

from .name import Name


def load() -> None:
    """Import the parser now (some 40 ms), so that a later call does not have to."""
    import postgast  # noqa: F401, PLC0415 - loading it is the point, and only now


def split(sql: str) -> list[str] | None:
    """Return the statements of *sql*, or None where the parser cannot tell."""
    import postgast  # noqa: PLC0415 - loaded when something must be parsed, not before

    try:
        return [statement for statement in postgast.split(sql) if statement.strip()]
    except postgast.PgQueryError:
        return None


def concurrent_index(sql: str) -> Name | None:
    """Return the table and name of the index that *sql* builds CONCURRENTLY, as `Name`.

    The name's schema is that of the table, or None. An index without a name gives None: the
    server chooses a fresh one.
    """
    import postgast  # noqa: PLC0415 - loaded when something must be parsed, not before

    try:
        tree = postgast.parse(sql)
    except postgast.PgQueryError:
        return None
    for raw in tree.stmts:
        if raw.stmt.HasField("index_stmt"):
            index = raw.stmt.index_stmt
            if index.concurrent and index.idxname:
                return Name(index.idxname, index.relation.schemaname or None)
    return None


def same_index(sql: str, definition: str) -> bool:
    """Whether *sql* builds the index that the server describes as *definition*.

    Compared as the grammar sees them: the server writes ``USING btree`` and the schema out. It
    also writes casts out, so of two equal indexes on expressions it may say no.
    """
    import postgast  # noqa: PLC0415 - loaded when something must be parsed, not before

    try:
        return _bare_index(sql) == _bare_index(definition)
    except postgast.PgQueryError:
        return False


def _bare_index(sql: str) -> str:
    import postgast  # noqa: PLC0415 - the same

    tree = postgast.parse(sql)
    for raw in tree.stmts:
        index = raw.stmt.index_stmt
        index.concurrent = index.if_not_exists = False
        index.relation.schemaname = ""
    return str(postgast.deparse(tree))
