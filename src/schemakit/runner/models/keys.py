"""The key of a row, computed from what SQLAlchemy is about to send for its source."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import CHAR, Enum, Integer, String, Uuid
from sqlalchemy.types import TypeDecorator

from schemakit.errors import KeyRefused, LayoutRefused
from schemakit.partitioning.hashing.batches import partition_keys
from schemakit.sql.name import quote

if TYPE_CHECKING:
    from sqlalchemy import Column, Dialect, Table

    from schemakit.partitioning.hashing.text import Key
    from schemakit.partitioning.strategies.hash_key import HashKeyLayout

#: Fewer rows are hashed one by one.
_BATCH = 16
_MEMO = "_schemakit_keys"


def column_named(table: Table, name: str) -> Column[Any]:
    """Return the column that is called *name* in the database.

    Raises:
        LayoutRefused: the table has none.
    """
    for column in table.columns:
        if column.name == name:
            return column
    detail = f"{quote(table.name)} has no column {quote(name)}, which the layout names."
    raise LayoutRefused(detail, remedy="name one of its columns, as the database has it.")


def source_kind(column: Column[Any]) -> type:
    """Return what the text of *column* is made from: ``str``, ``int`` or ``UUID``.

    Raises:
        LayoutRefused: only the server knows its text.
    """
    type_ = column.type
    while isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance
    if column.type._has_bind_expression or isinstance(type_, CHAR):  # noqa: SLF001 - no public way
        kind = None  # SQL makes another value of it; CHAR drops its blanks
    else:
        kind = _KIND_OF.get(next((each for each in _KIND_OF if isinstance(type_, each)), str))
    if kind is None:
        detail = f"{quote(column.name)} is {type_!r}, whose text only the server knows."
        raise LayoutRefused(
            detail, remedy="compute the key from a column of text, uuid or integers."
        )
    return kind


_KIND_OF: dict[type, type] = {Uuid: UUID, Enum: str, String: str, Integer: int}


def text_maker(column: Column[Any], dialect: Dialect) -> Callable[[Any], Key]:
    """Return what makes of a value of *column* the text that the server has of it."""
    kind, type_ = source_kind(column), column.type
    processor = type_.dialect_impl(dialect).bind_processor(dialect)

    def made(value: Any) -> Key:
        sent = value if processor is None else processor(value)
        if kind is int and type(sent) is int:
            return str(sent)
        if kind is UUID and isinstance(sent, str):
            return UUID(sent)
        return sent  # type: ignore[no-any-return]  # what is no key is refused when it is hashed

    return made


def keys_of(
    layout: HashKeyLayout, column: Column[Any], values: Iterable[Any], dialect: Dialect
) -> dict[Any, int]:
    """Return the keys of rows with the *values* in *column*, by value.

    Raises:
        KeyRefused: the column takes no such value.
        HashUnknown: no text on the server is like that.
    """
    made = text_maker(column, dialect)
    found = list(dict.fromkeys(value for value in values if value is not None))
    keys = partition_keys([made(value) for value in found], layout.modulus)
    return dict(zip(found, keys, strict=True))


class KeyDefault:
    """The default of a key column: for every row that says its source and not its key.

    The rows of an ``executemany`` are hashed at once, when the first of them asks.
    """

    def __init__(self, layout: HashKeyLayout, source: Column[Any]) -> None:
        self._layout = layout
        self._source = source

    def __call__(self, context: Any) -> int | None:
        """Return the key of the row that *context* is about to send.

        Raises:
            KeyRefused: its source is NULL, for which there is no leaf, or not known here.
        """
        row = context.get_current_parameters()
        source = row.get(self._source.key)
        if source is None:
            self._refuse_without_source()
            return None
        memo = context.__dict__.setdefault(_MEMO, {})
        if source not in memo:
            memo |= keys_of(
                self._layout, self._source, self._batch(context, source), context.dialect
            )
        return int(memo[source])

    def _batch(self, context: Any, source: Any) -> list[Any]:
        rows = context.compiled_parameters
        if len(rows) < _BATCH:
            return [source]
        return [source, *(row.get(self._source.key) for row in rows)]

    def _refuse_without_source(self) -> None:
        if self._layout.unkeyed is not None:  # whose trigger may compute it
            return
        detail = f"The row has no {quote(self._source.name)} of which to compute its key."
        raise KeyRefused(
            detail, remedy=f"give {quote(self._source.name)} a value here, or the key as well."
        )
