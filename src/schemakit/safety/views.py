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

from . import behaviour, belongings, grants, indexes
from .columns import adjusted
from .saying import on, option


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
    """Return the statement that makes *view*; a materialised one without its rows."""
    columns = ", ".join(quote(each.name) for each in view.columns)
    options = f"WITH ({', '.join(map(option, view.options))})" if view.options else ""
    definition = (view.definition or "").strip().rstrip(";")
    words = [verb, f"{view.full_name} ({columns})", options, f"AS {definition}"]
    if view.kind == "m":
        method = f"USING {quote(view.access_method)}" if view.access_method else ""
        space = f"TABLESPACE {quote(view.tablespace)}" if view.tablespace else ""
        words = ["CREATE MATERIALIZED VIEW", words[1], method, options, space, words[3]]
        words.append("WITH NO DATA")
    return " ".join(word for word in words if word)


def made(view: Table) -> Iterator[Statement]:
    """What makes *view* with all that belongs to it, and fills a materialised one."""
    yield Statement(created(view))
    for column in view.columns:
        if view.kind == "v" and column.default is not None:
            yield behaviour.default(view, column.name, column.default)
    yield from adjusted(view)
    if view.kind == "m" and view.populated:
        yield Statement(f"REFRESH MATERIALIZED VIEW {view.full_name}")
    yield from indexes.built(view)
    yield from belongings.statistics_made(view)
    yield belongings.owned(view)
    yield from grants.cleared([view.full_name])
    yield from belongings.described(view)
    for trigger in view.triggers:
        yield from behaviour.trigger(view, trigger)
    for rule in view.rules:
        yield from behaviour.rule(view, rule)


def _nothing(column: Column) -> str:
    collation = f" COLLATE {column.collation}" if column.collation else ""
    return f"NULL::{column.type}{collation} AS {quote(column.name)}"
