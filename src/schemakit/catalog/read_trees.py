"""The SELECTs that tell of partitioned tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemakit.sql.name import Name

from .read import query
from .tree import Tree, TreeIndex, TreeLeaf

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection


def _rows(connection: Connection, which: str, **parameters: object) -> list[Any]:
    return list(connection.execute(query(which), parameters))


def tree(connection: Connection, parent: Name) -> Tree:
    """Read what there is of *parent*; without a schema, it is looked for in the search_path."""
    spelled = str(parent)
    row = _rows(connection, "tree", parent=spelled)[0]
    found = Tree(
        row.version,
        row.lock_room,
        row.kind,
        Name(row.name, row.schema) if row.kind else None,
        row.partition_by,
        _names(row.referenced),
        _names(row.referencing),
        tuple((name, source) for name, source in row.triggers),
        tuple(row.checks),
        key_types=tuple(row.key_types),
    )
    return _with_leaves(connection, found, spelled) if found.kind == "p" else found


def _with_leaves(connection: Connection, found: Tree, spelled: str) -> Tree:
    leaves = _rows(connection, "tree_leaves", parent=spelled)
    indexes = _rows(connection, "tree_indexes", parent=spelled)
    return Tree(
        **{
            **vars(found),
            "leaves": tuple(
                TreeLeaf(Name(leaf.name, leaf.schema), leaf.bound, leaf.pending, leaf.kind)
                for leaf in leaves
            ),
            "indexes": tuple(
                TreeIndex(
                    Name(each.name, each.schema), each.valid, each.definition, _names(each.lacking)
                )
                for each in indexes
            ),
        }
    )


def leaf_states(connection: Connection, parent: Name, names: Iterable[Name]) -> tuple[str, ...]:
    """Return how each of *names* stands to *parent*, in their order.

    ``""`` (there is no such relation), ``attached``, ``pending``, ``free`` or ``other``.
    """
    spelled = [str(name) for name in names]
    found = _rows(connection, "leaf_states", parent=str(parent), names=spelled)
    return tuple(row.state for row in found)


def valid_indexes(connection: Connection, names: Iterable[Name]) -> frozenset[str]:
    """Return which of *names*, as SQL, are indexes that are valid."""
    spelled = [str(name) for name in names]
    return frozenset(row.name for row in _rows(connection, "valid_indexes", names=spelled))


def unmatched_indexes(connection: Connection, parent: Name, leaf: Name) -> frozenset[str]:
    """Return the names of the indexes of *parent* that the table *leaf* has no equal of."""
    found = _rows(connection, "unmatched_indexes", parent=str(parent), leaf=str(leaf))
    return frozenset(row.name for row in found)


def has_rows(connection: Connection, table: Name, condition: str = "true") -> bool:
    """Return whether *table* has a row that meets *condition*, which is SQL of a layout."""
    found = connection.exec_driver_sql(f"SELECT EXISTS (SELECT FROM {table} WHERE {condition})")  # noqa: S608 - a quoted name, and literals
    return bool(found.scalar())


def _names(pairs: Sequence[Sequence[str]]) -> tuple[Name, ...]:
    return tuple(Name(name, schema) for schema, name in pairs)
