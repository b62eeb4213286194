"""INSERT … SELECT and UPDATE: the key by the server's expression, beside its source.

What a row is inserted with is known here, and its key is a column's default (`keys`). Of a SELECT's
rows, and of what an UPDATE sets, the statement itself has to say the key. It is said when the
statement is compiled, so once for all executions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BindParameter,
    Integer,
    Select,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import Insert, Update
from sqlalchemy.sql.elements import Null
from sqlalchemy.sql.visitors import cloned_traverse
from sqlalchemy.types import NullType

from schemakit.partitioning.strategies.hash_key import HashKeyLayout

from .keys import column_named
from .known import layout_of

if TYPE_CHECKING:
    from sqlalchemy import Column, ColumnElement
    from sqlalchemy.sql.compiler import SQLCompiler


def install() -> None:
    """Have SQLAlchemy compile INSERT and UPDATE by way of this module."""
    compiles(Insert, "postgresql")(_insert)
    compiles(Update, "postgresql")(_update)


def server_key(layout: HashKeyLayout, source: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the key as the server computes it from the expression *source*."""
    # As layout.key_expression: an abs(hashtext(…)) without the modulus inside may overflow.
    hashed = func.hashtext(cast(source, Text), type_=Integer)
    return func.abs(hashed % literal_column(str(layout.modulus), Integer), type_=Integer)


def _insert(statement: Insert, compiler: SQLCompiler, **options: Any) -> str:
    found = _columns(statement)
    if found is not None:
        if statement.select is not None:
            statement = _from_select(statement, *found)
        else:
            statement = _with_expression(statement, *found)
    said: str = compiler.visit_insert(statement, **options)  # type: ignore[no-untyped-call]  # its own
    return said


def _update(statement: Update, compiler: SQLCompiler, **options: Any) -> str:
    found = _columns(statement)
    if found is not None:
        statement = _with_key(statement, *found, compiler.column_keys or ())
    return compiler.visit_update(statement, **options)


_Found = tuple[HashKeyLayout, "Column[Any]", "Column[Any]"]


def _columns(statement: Insert | Update) -> _Found | None:
    table: Any = statement.table
    layout = layout_of(table)
    if not isinstance(layout, HashKeyLayout):
        return None
    return layout, column_named(table, layout.key), column_named(table, layout.source)


def _from_select(
    statement: Insert, layout: HashKeyLayout, key: Column[Any], source: Column[Any]
) -> Insert:
    names = list(statement._select_names or ())  # noqa: SLF001 - no public way
    if key.key in names or source.key not in names:
        return statement
    rows: Any = statement.select
    rows = rows.subquery()
    value = list(rows.c)[names.index(source.key)]
    columns: Any = statement.table.c
    given = list(rows.c)
    # Of a UNION's column the first SELECT does not tell what the others hold: a CAST could cut it.
    elements = statement.select.selected_columns if isinstance(statement.select, Select) else ()
    for place, (name, element) in enumerate(zip(names, elements, strict=False)):
        if isinstance(element, Null):
            given[place] = _null(given[place], columns[name])
    with_key = select(*given, server_key(layout, type_coerce(value, source.type)))
    return statement.from_select(
        [*names, key.key], with_key, include_defaults=statement.include_insert_from_select_defaults
    )


def _null(value: ColumnElement[Any], column: Column[Any]) -> ColumnElement[Any]:
    """*value*, a NULL, as *column* takes it: without a type it is text in a subquery."""
    return value if isinstance(column.type, NullType) else cast(value, column.type)


def _with_expression(
    statement: Insert, layout: HashKeyLayout, key: Column[Any], source: Column[Any]
) -> Insert:
    """An INSERT of one row, whose source only the server knows, gets the key from there too."""
    value = _value_of(statement, source)
    if value is None or isinstance(value, BindParameter) or _value_of(statement, key) is not None:
        return statement
    return statement.values({key: server_key(layout, _again(value, source))})


def _with_key(
    statement: Update,
    layout: HashKeyLayout,
    key: Column[Any],
    source: Column[Any],
    parameters: Iterable[str],
) -> Update:
    if key.key in parameters or _value_of(statement, key) is not None or _ordered(statement):
        return statement
    value = _value_of(statement, source)
    if value is not None:
        return statement.values({key: server_key(layout, _again(value, source))})
    if source.key not in parameters:
        return statement
    sent: BindParameter[Any] = bindparam(source.key, type_=source.type, required=True)
    return statement.values({source: sent, key: server_key(layout, sent)})


def _again(value: Any, source: Column[Any]) -> ColumnElement[Any]:
    # A copy: SQLAlchemy names a parameter by the column that it is the value of.
    return type_coerce(cloned_traverse(value, {}, {}), source.type)


def _value_of(statement: Insert | Update, column: Column[Any]) -> Any:
    """Return what *statement* says that it sets *column* to, None if nothing."""
    subject: Any = statement._propagate_attrs.get("plugin_subject")  # noqa: SLF001 - the mapper
    names = {column.key}
    if subject is not None and subject.mapper.columns.contains_column(column):
        names.add(subject.mapper.get_property_by_column(column).key)
    for name, value in (statement._values or {}).items():  # noqa: SLF001 - no public way
        if (name if isinstance(name, str) else name.key) in names:
            return value
    return None


def _ordered(statement: Update) -> bool:
    # Their order is the caller's, and cannot be added to.
    return bool(getattr(statement, "_ordered_values", None))
