"""Foreign keys between a table and the living: dropped, put back, and proven again.

They come back NOT VALID, which needs no look at any row, and are validated afterwards: the rows may
have changed meanwhile. A foreign key of a partitioned table cannot be NOT VALID before PostgreSQL
18; it is put back by its proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemakit.catalog.portrait import Portrait
from schemakit.sql.effects.model import TableLock
from schemakit.sql.locks import LockMode
from schemakit.sql.name import Name, quote
from schemakit.sql.plan import Statement

from .saying import comment, on

#: Since when a foreign key of a partitioned table may be NOT VALID.
_PARTITIONED_NOT_VALID = 180000


@dataclass(frozen=True, slots=True)
class Proof:
    """What may fail with 23503, as rows that it needs may be gone: run each in a savepoint.

    Attributes:
        constraint: the foreign key's name.
        table: whose it is.
        statements: prove it.
        puts_back: whether they are what puts it back: if they fail it is missing, else NOT VALID.
    """

    constraint: str
    table: Name
    statements: tuple[Statement, ...]
    puts_back: bool = False


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key, whichever way it points.

    Attributes:
        name: the constraint's.
        table: whose it is.
        references: to which table.
        definition: as SQL.
        validated: whether it was.
        enforced: whether it was.
        partitioned: whether its table is.
        comment: its comment.
    """

    name: str
    table: Name
    references: Name
    definition: str
    validated: bool
    enforced: bool
    partitioned: bool
    comment: str | None


def foreign_keys(portrait: Portrait) -> tuple[ForeignKey, ...]:
    """Return the foreign keys between the tables of *portrait* and others, in and out."""
    return (*_incoming(portrait), *_outgoing(portrait))


def _incoming(portrait: Portrait) -> Iterator[ForeignKey]:
    for key in portrait.foreign_keys_in:
        yield ForeignKey(
            key.name,
            key.table,
            key.references,
            key.definition,
            key.validated,
            key.enforced,
            key.table_kind == "p",
            key.comment,
        )


def _outgoing(portrait: Portrait) -> Iterator[ForeignKey]:
    own = {table.full_name for table in portrait.tables}
    for table in portrait.tables:
        for key in table.constraints:
            if key.references is None or key.references in own:
                continue
            if key.cloned:
                continue  # it goes with that of the table above, or `ties` has it
            yield ForeignKey(
                key.name,
                table.full_name,
                key.references,
                key.definition,
                key.validated,
                key.enforced,
                table.kind == "p",
                key.comment,
            )


def dropped(key: ForeignKey) -> Statement:
    """Return what drops *key*."""
    sql = f"ALTER TABLE {key.table} DROP CONSTRAINT {quote(key.name)}"
    return on(
        key.table,
        sql,
        f"else what happens to {key.references} reaches the backup, or the other way round",
        also=(TableLock(LockMode.ACCESS_EXCLUSIVE, key.references),),
    )


def put_back(key: ForeignKey, server_version: int) -> tuple[Statement, ...]:
    """Return what puts *key* back, unproven; nothing where its proof has to do it."""
    if _by_proof(key, server_version):
        return ()
    definition = key.definition
    if key.validated and key.enforced:
        definition += " NOT VALID"
    return (_added(key, definition), *_commented(key))


def proof(key: ForeignKey, server_version: int) -> tuple[Proof, ...]:
    """Return what proves *key*; nothing of one that was NOT VALID or is NOT ENFORCED."""
    if _by_proof(key, server_version):
        added = (_added(key, key.definition), *_commented(key))
        return (Proof(key.name, key.table, added, puts_back=True),)
    if not (key.validated and key.enforced):
        return ()
    statement = Statement(
        f"ALTER TABLE {key.table} VALIDATE CONSTRAINT {quote(key.name)}",
        (
            TableLock(LockMode.SHARE_UPDATE_EXCLUSIVE, key.table),
            TableLock(LockMode.ROW_SHARE, key.references),
        ),
        "reads all rows, and lets others read and write",
    )
    return (Proof(key.name, key.table, (statement,)),)


def _by_proof(key: ForeignKey, server_version: int) -> bool:
    return key.partitioned and key.validated and server_version < _PARTITIONED_NOT_VALID


def _added(key: ForeignKey, definition: str) -> Statement:
    sql = f"ALTER TABLE {key.table} ADD CONSTRAINT {quote(key.name)} {definition}"
    lock = TableLock(LockMode.SHARE_ROW_EXCLUSIVE, key.references)
    return on(key.table, sql, mode=LockMode.SHARE_ROW_EXCLUSIVE, also=(lock,))


def _commented(key: ForeignKey) -> tuple[Statement, ...]:
    return comment(f"CONSTRAINT {quote(key.name)} ON {key.table}", key.comment)
