"""Statements on what a portrait names: a text, the lock it takes, and why."""

from __future__ import annotations

from schemakit.catalog.portrait import PINNED
from schemakit.catalog.table import Table
from schemakit.sql.effects.model import TableLock
from schemakit.sql.literal import literal
from schemakit.sql.locks import LockMode
from schemakit.sql.name import Name, quote
from schemakit.sql.plan import Statement

#: What the server wrote is read under the settings under which it wrote it; the body of a function
#: may need what comes after it.
_SETTINGS = {
    **PINNED,
    "check_function_bodies": "off",
    "default_tablespace": "",
    "default_table_access_method": "heap",
}

_KINDS = {"v": "VIEW", "m": "MATERIALIZED VIEW", "f": "FOREIGN TABLE"}


def kind_of(table: Table) -> str:
    """Return what ALTER and COMMENT ON call it, e.g. ``VIEW``."""
    return _KINDS.get(table.kind, "TABLE")


def pins() -> Statement:
    """Return what pins, until the transaction ends, the settings that portraits are read under."""
    settings = ", ".join(
        f"pg_catalog.set_config({literal(name)}, {literal(value)}, true)"
        for name, value in _SETTINGS.items()
    )
    return Statement(f"SELECT {settings}", why="as when the portrait was read")


def on(
    relation: Name,
    sql: str,
    why: str = "",
    mode: LockMode = LockMode.ACCESS_EXCLUSIVE,
    also: tuple[TableLock, ...] = (),
) -> Statement:
    """Return the statement *sql*, which locks *relation* in *mode*, and takes the locks *also*."""
    return Statement(sql, (TableLock(mode, relation), *also), why)


def alter(table: Table, action: str, why: str = "", *, only: bool = False) -> Statement:
    """Return ``ALTER TABLE table action``; with *only* for it alone, not what is below it."""
    what = f"{kind_of(table)} ONLY" if only and table.kind in ("r", "p") else kind_of(table)
    sql = f"ALTER {what} {table.full_name} {action}"
    return on(table.full_name, sql, why)


def comment(what: str, text: str | None) -> tuple[Statement, ...]:
    """Return ``COMMENT ON what IS …``, if there is a comment."""
    if text is None:
        return ()
    return (Statement(f"COMMENT ON {what} IS {literal(text)}"),)


def listed(names: tuple[str, ...]) -> str:
    """Return *names* quoted, with commas between."""
    return ", ".join(map(quote, names))


def option(text: str) -> str:
    """Return a storage parameter or view option, as the catalog has it, as SQL.

    ``security_barrier=true`` becomes ``"security_barrier"='true'``.
    """
    name, _, value = text.partition("=")
    quoted = value.replace("'", "''")
    return f"{quote(name)}='{quoted}'"
