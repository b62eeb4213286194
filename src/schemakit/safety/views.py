"""Views that move along with a table while the living relations that they read stay behind.

Such a view would keep the living from being dropped. It is emptied: replaced by one of the same
columns that reads nothing, which keeps its oid, rights, rules, triggers, comments and whatever
depends on it, and later replaced by what it was. A materialised view cannot be replaced without its
data, and is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from schemakit.catalog.table import Column, Table
from schemakit.sql.name import Name, quote
from schemakit.sql.plan import Statement

from .saying import on


def hollowed(view: Table, schema: str) -> Iterator[Statement]:
    """What empties *view*, which lies in *schema* now, if it needs more than its table."""
    if view.kind == "v" and view.entangled:
        columns = ", ".join(map(_nothing, view.columns))
        name = Name(view.name, schema)
        sql = f"CREATE OR REPLACE VIEW {name} AS SELECT {columns}"
        yield on(name, sql, "it must not keep what it reads besides from being dropped")


def filled(view: Table) -> Iterator[Statement]:
    """What makes an emptied *view* what it was."""
    if view.kind == "v" and view.entangled:
        yield on(view.full_name, created(view, "CREATE OR REPLACE VIEW"))


def created(view: Table, verb: str = "CREATE VIEW") -> str:
    """Return the statement that makes *view*."""
    columns = ", ".join(quote(each.name) for each in view.columns)
    options = f" WITH ({', '.join(map(option, view.options))})" if view.options else ""
    definition = (view.definition or "").strip().rstrip(";")
    return f"{verb} {view.full_name} ({columns}){options} AS {definition}"


def option(text: str) -> str:
    """Return a storage parameter or view option, as the catalog has it, as SQL.

    ``security_barrier=true`` becomes ``"security_barrier"='true'``.
    """
    name, _, value = text.partition("=")
    quoted = value.replace("'", "''")
    return f"{quote(name)}='{quoted}'"


def _nothing(column: Column) -> str:
    collation = f" COLLATE {column.collation}" if column.collation else ""
    return f"NULL::{column.type}{collation} AS {quote(column.name)}"
