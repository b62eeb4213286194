"""Autogenerate leaves partitions alone: they are the layout's, and not the metadata's.

Alembic takes every leaf of a partitioned table for a table that the models have no more (its issue
539), and proposes to drop it, after reflecting it. Here the leaves are left out by name, before
anything of them is reflected: one query tells them, whatever they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from schemakit.catalog import read
from schemakit.runner.models.known import layout_of

from .trees import compare, index_work, render, work  # noqa: F401 - each makes Alembic know something

if TYPE_CHECKING:
    from sqlalchemy import Connection, MetaData, Table

#: Alembic's ``include_name``: a name, its kind, and the names of what it belongs to.
IncludeName = Callable[[str | None, Any, Any], bool]


class WithoutPartitions:
    """An ``include_name`` that leaves out what came down from a partitioned table.

    A leaf that the metadata have as a table of its own stays, without the indexes and constraints
    that are parts of its parent's.
    """

    def __init__(
        self,
        connection: Connection,
        metadata: MetaData | Sequence[MetaData] | None = None,
        include_name: IncludeName | None = None,
    ) -> None:
        self._connection = connection
        self._metadata = metadata
        self.include_name = include_name
        self._known: frozenset[tuple[str, str, str, str]] | None = None

    def __call__(self, name: str | None, kind: str, parents: dict[str, str | None]) -> bool:
        """Return whether Alembic is to look at it."""
        if kind == "schema":
            self._known = None  # a comparison begins with them
        elif kind != "column" and name is not None and self._inherited(name, kind, parents):
            return False
        return self.include_name is None or self.include_name(name, kind, parents)

    def _inherited(self, name: str, kind: str, parents: dict[str, str | None]) -> bool:
        if self._known is None:
            self._known = frozenset(self._read())
        schema = self._schema(parents.get("schema_name"))
        return (kind, schema, parents.get("table_name") or name, name) in self._known

    def _read(self) -> Iterator[tuple[str, str, str, str]]:
        declared = {(self._schema(table.schema), table.name): table for table in self._tables()}
        found = read.partitions(self._connection, [name for _, name in declared])
        leaves = {(each.schema, each.table) for each in found if each.kind == "table"}
        for each in found:
            table = declared.get(place := (each.schema, each.table))
            # Of a table that is no leaf it is a foreign key to one, and nobody can declare that.
            if table is None or place not in leaves or not _declares(table, each.kind, each.name):
                yield each.kind, each.schema, each.table, each.name
        for (schema, name), table in declared.items():
            for index in _of_layout(table):
                yield "index", schema, name, index
            # Detached or not: what is called like a leaf holds rows, and is never to be dropped.
            for home, leaf in self._leaves_of(table):
                if (home, leaf) not in declared:
                    yield "table", home, leaf, leaf

    def _leaves_of(self, table: Table) -> Iterator[tuple[str, str]]:
        layout = layout_of(table)
        for leaf in layout.leaves() if layout is not None else ():
            yield self._schema(leaf.name.schema), leaf.name.name

    def _tables(self) -> Iterator[Table]:
        given = self._metadata
        for metadata in given if isinstance(given, Sequence) else [given]:
            if metadata is not None:
                yield from metadata.tables.values()

    def _schema(self, schema: str | None) -> str:
        return schema or self._connection.dialect.default_schema_name or ""


def _of_layout(table: Table) -> Iterator[str]:
    """Yield the indexes of *table* that its layout declares; `trees.compare` looks after them."""
    layout = layout_of(table)
    if layout is not None:
        yield from (index.named(layout.parent).name for index in layout.carries.on_parent)


def _declares(table: Table, kind: str, name: str) -> bool:
    if kind == "table":
        return True
    named = table.indexes if kind == "index" else table.constraints
    return any(each.name in (None, name) for each in named)
