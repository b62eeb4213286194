"""The SELECTs: functions of the `Connection` that ``AsyncConnection.run_sync`` hands out."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from sqlalchemy import TextClause, text

from schemakit.sql import Name, without_literals

from .model import IndexName, LockHolder, Server

if TYPE_CHECKING:
    from sqlalchemy import Connection


@cache
def query(name: str) -> TextClause:
    """Return the query *name* of ``queries.sql``."""
    source = resources.files(__package__).joinpath("queries.sql").read_text("utf-8")
    blocks = re.split(r"^-- name: (\w+)\n(?:--.*\n)*", source, flags=re.MULTILINE)
    return text(dict(zip(blocks[1::2], blocks[2::2], strict=True))[name].strip())


def _rows(connection: Connection, which: str, /, **parameters: object) -> list[Any]:
    return list(connection.execute(query(which), parameters))


def server(connection: Connection) -> Server:
    """Read version, database and role of the server."""
    return Server(*_rows(connection, "server")[0])


def lock_holders(connection: Connection, key: int) -> tuple[LockHolder, ...]:
    """Return the sessions that hold the advisory lock *key*."""
    return tuple(
        LockHolder(**row._asdict() | {"query": without_literals(row.query)})
        for row in _rows(connection, "lock_holders", key=key)
    )


def invalid_index(connection: Connection, name: Name) -> IndexName | None:
    """Return the index *name* if a concurrent build left it INVALID."""
    rows = _rows(connection, "invalid_index", name=name.name, schema=name.schema)
    return IndexName(*rows[0]) if rows else None


def index_definition(connection: Connection, name: Name) -> str | None:
    """Return the CREATE INDEX of the valid index *name*, as the server writes it."""
    rows = _rows(connection, "index_definition", name=name.name, schema=name.schema)
    return str(rows[0][0]) if rows else None


def invalid_indexes(connection: Connection) -> tuple[IndexName, ...]:
    """Return every index that a concurrent build left INVALID."""
    return tuple(IndexName(*row) for row in _rows(connection, "invalid_indexes"))
