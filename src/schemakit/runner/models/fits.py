"""Whether a layout fits a table: each refusal before anything is created, with the way out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import Integer, PrimaryKeyConstraint, SmallInteger, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import CompileError
from sqlalchemy.types import TypeDecorator

from schemakit.errors import HashUnknown, LayoutRefused
from schemakit.partitioning.hashing.encode import kind_named
from schemakit.partitioning.strategies.hash_key import HashKeyLayout
from schemakit.partitioning.strategies.hashed import HashLayout
from schemakit.partitioning.strategies.listed import ValuesLayout
from schemakit.sql.name import quote

from .keys import column_named, source_kind

if TYPE_CHECKING:
    from sqlalchemy import Column, Table
    from sqlalchemy.types import TypeEngine

    from schemakit.ddl.leaf import LeafIndex
    from schemakit.partitioning.layout import Layout

_MODIFIER = re.compile(r"\s*\([^)]*\)")
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own
#: Keys go from 0 to one less than the modulus.
_SMALLINTS = 2**15


def check(table: Table, layout: Layout) -> None:
    """Refuse a *layout* that *table* cannot have.

    Raises:
        LayoutRefused: the remedy says what to change.
    """
    for name in layout.columns:
        _check_key(table, column_named(table, name))
    _check_unique(table, layout)
    _check_indexes(table, layout)
    if isinstance(layout, HashLayout):
        for name, type_ in zip(layout.key, layout.types, strict=True):
            _check_type(column_named(table, name), type_)
    elif isinstance(layout, ValuesLayout) and layout.type is not None:
        _check_type(column_named(table, layout.key), layout.type)
    elif isinstance(layout, HashKeyLayout):
        _check_computed(table, layout)


def _check_key(table: Table, column: Column[object]) -> None:
    if column.computed is not None:
        detail = f"{quote(column.name)} of {quote(table.name)} is a generated column."
        raise LayoutRefused(detail, remedy="PostgreSQL takes none as a key: name another one.")


def _check_unique(table: Table, layout: Layout) -> None:
    for what, columns in _unique(table):
        missing = [name for name in layout.columns if name not in columns]
        if missing:
            detail = f"{what} lacks {', '.join(map(quote, missing))}, of the partition key."
            raise LayoutRefused(
                detail, remedy="add it: PostgreSQL can only keep keys unique within a leaf."
            )


def _unique(table: Table) -> Iterator[tuple[str, set[str]]]:
    for constraint in table.constraints:
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
            columns = {column.name for column in constraint.columns}
            primary = isinstance(constraint, PrimaryKeyConstraint)
            if columns or not primary:
                kind = "The primary key" if primary else "A unique constraint"
                yield f"{kind} of {quote(table.name)}", columns
    for index in table.indexes:
        if index.unique:
            yield f"The unique index {index.name}", {column.name for column in index.columns}


def _check_indexes(table: Table, layout: Layout) -> None:
    own = {index.name for index in table.indexes}
    for index in layout.carries.indexes:
        for name in _named_columns(index):
            column_named(table, name)
        if index.named(layout.parent).name in own:
            detail = f"Both the table and the layout have {index.named(layout.parent).name}."
            raise LayoutRefused(detail, remedy="declare it in one of the two places.")


def _named_columns(index: LeafIndex) -> Iterator[str]:
    yield from (each for each in index.columns if type(each) is str)
    yield from index.include


def _check_type(column: Column[object], type_: str) -> None:
    found = sql_type(column.type)
    try:
        same = kind_named(found) is kind_named(type_)
    except HashUnknown as error:
        detail = f"{quote(column.name)} is {found}. {error.detail}"
        raise LayoutRefused(detail, remedy="partition by another column.") from None
    if not same:
        detail = f"{quote(column.name)} is {found}, and {type_} in the layout."
        raise LayoutRefused(detail, remedy="name the column's type in the layout.")


def sql_type(type_: TypeEngine[object]) -> str:
    """Return *type_* as PostgreSQL calls it, without a modifier."""
    try:
        return _MODIFIER.sub("", type_.compile(dialect=_DIALECT)).lower()
    except CompileError:
        return "unknown"


def _check_computed(table: Table, layout: HashKeyLayout) -> None:
    key, source = column_named(table, layout.key), column_named(table, layout.source)
    kind = key.type.impl if isinstance(key.type, TypeDecorator) else key.type
    if not isinstance(kind, Integer):
        detail = f"{quote(key.name)} is {sql_type(key.type)}."
        raise LayoutRefused(detail, remedy="make the key column an Integer: it holds a number.")
    if isinstance(kind, SmallInteger) and layout.modulus > _SMALLINTS:
        detail = f"{quote(key.name)} is a smallint, and there are {layout.modulus:,} leaves."
        raise LayoutRefused(detail, remedy="make the key column an Integer.")
    if key.default is not None or key.server_default is not None:
        detail = f"{quote(key.name)} has a default."
        raise LayoutRefused(
            detail, remedy=f"leave it out: the key is computed from {quote(source.name)}."
        )
    source_kind(source)
    columns = list(table.columns)
    if source.default is not None and columns.index(source) > columns.index(key):
        detail = f"{quote(source.name)} has a default, and stands behind {quote(key.name)}."
        raise LayoutRefused(
            detail, remedy="put the key column behind its source: defaults come in this order."
        )
