"""The SELECTs: functions of the `Connection` that ``AsyncConnection.run_sync`` hands out."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from sqlalchemy import TextClause, text
from sqlalchemy.exc import DBAPIError

from schemakit.errors import AccessDenied
from schemakit.sql import Name, without_literals

from .model import (
    ColumnSequence,
    Entry,
    HashedColumn,
    Hashing,
    IndexName,
    Inherited,
    KeyTrigger,
    LeaseHolder,
    LockHolder,
    OwnLock,
    OwnTable,
    Relation,
    Server,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


_INSUFFICIENT_PRIVILEGE = "42501"
_HISTORY_REMEDY = (
    "GRANT USAGE ON SCHEMA schemakit TO it, and GRANT SELECT ON schemakit.history (INSERT, too, if "
    "it is to record)."
)


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
    return _sessions(_rows(connection, "lock_holders", key=key))


def backend_pid(connection: Connection) -> int:
    """Return the process id of the backend that answers."""
    return int(_rows(connection, "backend_pid")[0][0])


def lease_holders(connection: Connection, key: int) -> tuple[LeaseHolder, ...]:
    """Return who holds the lease *key*; nobody, if it has expired."""
    rows = _rows(connection, "lease_holders", key=key)
    return tuple(LeaseHolder(**row._asdict()) for row in rows)


def blockers(connection: Connection, pid: int) -> tuple[LockHolder, ...]:
    """Return the sessions for which the session *pid* waits."""
    return _sessions(_rows(connection, "blockers", pid=pid))


def give_way(connection: Connection, pid: int) -> bool:
    """Cancel the statement of the session *pid* if it waits for a lock; return whether it did."""
    return any(row[0] for row in _rows(connection, "give_way", pid=pid))


def still_there(connection: Connection, pids: Sequence[int], seconds: float) -> bool:
    """Return whether one of the sessions *pids* is in a transaction older than *seconds*."""
    return bool(_rows(connection, "still_there", pids=list(pids), seconds=seconds)[0][0])


def backend(connection: Connection, pid: int) -> tuple[str, float] | None:
    """Return the state of the session *pid* and for how many seconds; None if it is gone."""
    rows = _rows(connection, "backend", pid=pid)
    return (str(rows[0].state), float(rows[0].seconds)) if rows else None


def backend_named(connection: Connection, name: str) -> int:
    """Return the process id of the session whose application_name is *name*; 0 if none is."""
    return int(_rows(connection, "backend_named", name=name)[0][0])


def session_settings(connection: Connection) -> dict[str, str]:
    """Return what has been SET in the session of *connection*."""
    return {row.name: row.setting for row in _rows(connection, "session_settings")}


def setting(connection: Connection, name: str) -> str:
    """Return the session's setting *name*, ``""`` if there is none."""
    return str(_rows(connection, "setting", name=name)[0][0])


def _sessions(rows: list[Any]) -> tuple[LockHolder, ...]:
    return tuple(
        LockHolder(**row._asdict() | {"query": without_literals(row.query)}) for row in rows
    )


def invalid_index(connection: Connection, name: Name) -> IndexName | None:
    """Return the index *name* if a concurrent build left it INVALID."""
    rows = _rows(connection, "invalid_index", name=name.name, schema=name.schema)
    return IndexName(*rows[0]) if rows else None


def index_builders(connection: Connection, name: Name) -> tuple[LockHolder, ...]:
    """Return the sessions that are building the index *name* now."""
    return _sessions(_rows(connection, "index_builders", name=name.name, schema=name.schema))


def index_definition(connection: Connection, name: Name) -> str | None:
    """Return the CREATE INDEX of the valid index *name*, as the server writes it."""
    rows = _rows(connection, "index_definition", name=name.name, schema=name.schema)
    return str(rows[0][0]) if rows else None


def invalid_indexes(connection: Connection) -> tuple[IndexName, ...]:
    """Return every index that a concurrent build left INVALID."""
    return tuple(IndexName(*row) for row in _rows(connection, "invalid_indexes"))


def key_triggers(connection: Connection, relation: Name | None = None) -> tuple[KeyTrigger, ...]:
    """Return what computes the key of each table PARTITION BY LIST of a hash.

    Args:
        connection: to the database.
        relation: such a table or a partition of it, where only that one is asked for.
    """
    which = None if relation is None else str(relation)
    return tuple(KeyTrigger(*row) for row in _rows(connection, "key_triggers", relation=which))


def relation_exists(connection: Connection, name: Name) -> bool:
    """Whether there is a relation *name*."""
    return bool(_rows(connection, "relation_exists", name=str(name))[0][0])


def enum_neighbours(
    connection: Connection, name: Name, label: str
) -> tuple[str | None, str | None] | None:
    """Return what stands before and after *label* in the enum *name*; None without such a label."""
    rows = _rows(connection, "enum_neighbours", name=str(name), label=label)
    return (rows[0].before, rows[0].after) if rows else None


def partition_state(connection: Connection, parent: Name, partition: Name) -> str:
    """Return ``attached``, ``pending`` (being detached), ``detached`` or ``another``."""
    rows = _rows(connection, "partition_state", parent=str(parent), partition=str(partition))
    return str(rows[0][0]) if rows else "another"


def reindex_leftovers(
    connection: Connection, index: Name | None, table: Name | None, schema: str | None
) -> tuple[IndexName, ...]:
    """Return what a broken REINDEX CONCURRENTLY left of an index, a table, a schema or all."""
    rows = _rows(
        connection,
        "reindex_leftovers",
        index=None if index is None else str(index),
        table=None if table is None else str(table),
        schema=schema,
    )
    return tuple(IndexName(*row) for row in rows)


def relations(connection: Connection) -> dict[int, Relation]:
    """Return every relation outside the system's schemas, by oid."""
    return {row.oid: Relation(**row._asdict()) for row in _rows(connection, "relations")}


def own_locks(connection: Connection) -> tuple[OwnLock, ...]:
    """Return the locks that the transaction of *connection* holds on such relations."""
    return tuple(OwnLock(*row) for row in _rows(connection, "own_locks"))


def sequences_of(connection: Connection, table: Name) -> tuple[ColumnSequence, ...]:
    """Return the sequences that give the columns of *table* their values."""
    return tuple(
        ColumnSequence(*row) for row in _rows(connection, "sequences_of", table=str(table))
    )


def relation_oid(connection: Connection, name: str) -> int | None:
    """Return the oid of the relation *name*, which is spelled as in SQL; None if there is none."""
    found: int | None = _rows(connection, "relation_oid", name=name)[0][0]
    return found


def end_session(connection: Connection, pid: int, key: int, seconds: float) -> bool:
    """End the session *pid* if it holds the advisory lock *key*; return whether it did.

    Waits at most *seconds* until it is gone.
    """
    rows = _rows(connection, "end_session", pid=pid, key=key, milliseconds=int(seconds * 1000))
    return bool(rows)


def own_table(connection: Connection, name: str, schema: str = "schemakit") -> OwnTable:
    """Return what there is of the table *name* that schemakit keeps in *schema*."""
    return OwnTable(*_rows(connection, "own_table", name=name, schema=schema)[0])


def history(connection: Connection) -> tuple[Entry, ...]:
    """Return the durable history, newest first; nothing where none is kept.

    Raises:
        AccessDenied: the role may not read it.
    """
    if not own_table(connection, "history").table:
        return ()
    try:
        return tuple(Entry(*row) for row in _rows(connection, "history"))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _INSUFFICIENT_PRIVILEGE:
            raise
        detail = "The table schemakit.history cannot be read."
        raise AccessDenied(detail, remedy=_HISTORY_REMEDY) from error


def checksums(connection: Connection, version_table: Name) -> dict[str, str]:
    """Return the checksum of the file from which each revision was last applied."""
    there = own_table(connection, "history")
    if not (there.table and there.readable):
        return {}
    rows = _rows(connection, "checksums", version_table=str(version_table))
    return {row.revision: row.checksum for row in rows if row.direction == "upgrade"}


def hashing(connection: Connection, table: str | None) -> Hashing:
    """Return how the server hashes, and the key of *table*, which is spelled as in SQL."""
    rows = _rows(connection, "hashing", table=table)
    columns = tuple(HashedColumn(*row[5:]) for row in rows if row.stock is not None)
    first = rows[0]
    return Hashing(
        first.version_num,
        first.encoding,
        tuple(first.probes),
        first.found,
        first.by_hash,
        columns,
    )


def partitions(connection: Connection, declared: Sequence[str]) -> tuple[Inherited, ...]:
    """Return the partitions, and what the tables called *declared* have from a partitioned one."""
    rows = _rows(connection, "partitions", declared=list(declared))
    return tuple(Inherited(*row) for row in rows)
