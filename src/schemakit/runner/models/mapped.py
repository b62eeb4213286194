"""Mapped objects: who changes the source of a key, changes the key."""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, event, inspect
from sqlalchemy.orm import Mapper
from sqlalchemy.sql import ClauseElement

from schemakit.partitioning.strategies.hash_key import HashKeyLayout

from .keys import column_named, keys_of
from .known import layout_of


def watch() -> None:
    """Have every mapper looked at when it is configured."""
    if not event.contains(Mapper, "mapper_configured", _configured):
        event.listen(Mapper, "mapper_configured", _configured)


def _configured(mapper: Mapper[Any], _: type) -> None:
    for table in mapper.tables:
        layout = layout_of(table)
        if isinstance(layout, HashKeyLayout) and isinstance(table, Table):
            event.listen(mapper, "before_update", partial(_updated, table, layout))


def _updated(
    table: Table, layout: HashKeyLayout, mapper: Mapper[Any], connection: Connection, target: object
) -> None:
    key, source = column_named(table, layout.key), column_named(table, layout.source)
    attributes = inspect(target).attrs
    of_source = mapper.get_property_by_column(source).key
    of_key = mapper.get_property_by_column(key).key
    if not attributes[of_source].history.has_changes() or attributes[of_key].history.has_changes():
        return
    value = attributes[of_source].value
    if not isinstance(value, ClauseElement):  # else the statement says it
        keys = keys_of(layout, source, [value], connection.dialect)
        setattr(target, of_key, keys.get(value))
