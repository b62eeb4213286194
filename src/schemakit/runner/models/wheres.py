"""What a statement's WHERE asks of the source of a key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Alias, BindParameter, Column, Table
from sqlalchemy.dialects.postgresql import CITEXT
from sqlalchemy.orm.exc import UnmappedColumnError
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, Grouping

from .keys import column_named

if TYPE_CHECKING:
    from sqlalchemy import Delete, Select, Update

    from schemakit.partitioning.strategies.hash_key import HashKeyLayout


@dataclass(frozen=True, slots=True)
class Asked:
    """A condition on a source.

    Attributes:
        layout: of its table.
        source: the column of the table.
        column: the same as the statement has it, of an alias or a mapped class.
        value: what it is to be.
        several: whether it is one of several.
    """

    layout: HashKeyLayout
    source: Column[Any]
    column: Any
    value: BindParameter[Any]
    several: bool


def asked_for(
    statement: Select[Any] | Update | Delete, layouts: Mapping[Table, HashKeyLayout]
) -> Iterator[Asked]:
    """Yield what *statement* asks of the sources of *layouts*, where every row has to meet it."""
    for condition in _conjuncts(statement._where_criteria):  # noqa: SLF001 - whereclause makes one of them
        if not isinstance(condition, BinaryExpression):
            continue
        if condition.operator is operators.eq:
            yield from _asked(condition.left, condition.right, layouts, several=False)
            yield from _asked(condition.right, condition.left, layouts, several=False)
        elif condition.operator is operators.in_op:
            yield from _asked(condition.left, condition.right, layouts, several=True)


def _conjuncts(conditions: Iterable[Any]) -> Iterator[Any]:
    for condition in conditions:
        if isinstance(condition, Grouping):
            yield from _conjuncts([condition.element])
        elif isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:
            yield from _conjuncts(condition.clauses)
        else:
            yield condition


def _asked(
    column: Any, value: Any, layouts: Mapping[Table, HashKeyLayout], *, several: bool
) -> Iterator[Asked]:
    if not isinstance(value, BindParameter) or not isinstance(column, Column):
        return
    table: Any = column.table
    while isinstance(table, Alias):
        table = table.element
    layout = layouts.get(table) if isinstance(table, Table) else None
    if layout is None or column.name != layout.source or value.expanding is not several:
        return
    source = column_named(table, layout.source)
    if not isinstance(source.type, CITEXT):  # to which texts are equal that have other keys
        yield Asked(layout, source, column, value, several)


def key_beside(asked: Asked) -> Any:
    """Return the key column of the table, alias or mapped class whose source is asked for."""
    table: Any = asked.column.table
    key = column_named(table, asked.layout.key)
    entity = asked.column._annotations.get("parententity")  # noqa: SLF001 - no public way
    if entity is None:
        return key
    try:
        mapped = entity.mapper.get_property_by_column(column_named(asked.source.table, key.name))
    except UnmappedColumnError:
        return key
    return getattr(entity.entity, mapped.key)
