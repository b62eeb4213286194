"""`verify_server`: does the server hash as the calculator does?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from schemakit.catalog import read
from schemakit.catalog.model import SUPPORTED, Server
from schemakit.errors import ConfigurationError, HashMismatch, SchemakitError
from schemakit.partitioning.hashing.encode import kind_named
from schemakit.partitioning.hashing.native import hash_value
from schemakit.partitioning.hashing.text import hashtext

from .settings import Settings
from .target import Target, opened

if TYPE_CHECKING:
    from schemakit.catalog.model import HashedColumn, Hashing
    from schemakit.sql import Name

_UNDEFINED_FUNCTION = "42883"
#: What the query ``hashing`` asks for: text, characters beyond ASCII, and what follows.
_TEXT = "schemakit-13c"
_CHARACTERS = "\u00e9\u6f22\U0001f600"
_PROBES = (
    ("int8", -5_000_000_000),
    ("text", _TEXT),
    ("uuid", UUID("00112233-4455-6677-8899-aabbccddeeff")),
    ("numeric", Decimal("-1234567.8900")),
    ("float8", 1.5),
)


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify_server` has found to agree.

    Attributes:
        version: of the server, e.g. ``18.6``.
        encoding: of the database; ``UTF8``.
        types: of the key of a table that is partitioned by hash, for `hash_partition`; else none.
        uncertain: the columns of another table whose text the server does not hash by its bytes,
            for a collation that is not deterministic: not to be used with `partition_key`.
    """

    version: str
    encoding: str
    types: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()


async def verify_server(target: Target, table: str | Name | None = None) -> Verified:
    """Ask the server, in one query, whether it hashes as the calculator does.

    Args:
        target: as for `upgrade`.
        table: whose key to look at too, spelled as in SQL (``"Chunks"``, ``app.chunks``).

    Returns:
        What agrees: encoding, collation, byte order, version, and the types of the table's key.

    Raises:
        HashMismatch: something does not; it says what.
        ConfigurationError: there is no such table.
    """
    settings = Settings.from_environment()
    async with opened(target, settings.server_timeout) as session:
        session.role = settings.role
        try:
            found = await session.ask(read.hashing, None if table is None else str(table))
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _UNDEFINED_FUNCTION:
                raise
            said = str(error.orig).partition("\n")[0].rpartition(": ")[2]
            raise HashMismatch(f"It has not PostgreSQL's functions: {said}.") from None
    if table is not None and not found.found:
        raise ConfigurationError(f"There is no table {table}.", remedy="name it as in SQL.")
    differing = "\n".join(differences(found))
    if differing:
        raise HashMismatch(differing)
    named = [column.name or "" for column in found.columns]
    types = [column.type or "" for column in found.columns]
    return Verified(
        version=_version(found),
        encoding=found.encoding,
        types=tuple(types) if found.by_hash else (),
        uncertain=() if found.by_hash else tuple(named),
    )


def differences(found: Hashing) -> Iterator[str]:
    """Yield in which points a server differs from the calculator."""
    if found.version_num // 10000 < SUPPORTED[0]:
        yield f"Version: PostgreSQL {_version(found)} is older than {SUPPORTED[0]}."
    if found.encoding == "SQL_ASCII":
        yield "Encoding: SQL_ASCII stores whatever bytes a client sends, so nobody knows them."
    elif found.encoding != "UTF8":
        yield (
            f"Encoding: the database is in {found.encoding}, where a str is hashed as its bytes in "
            "UTF-8; give bytes in that encoding."
        )
    yield from _of_probes(found)
    if found.by_hash:
        for place, column in enumerate(found.columns, 1):
            yield from _of_column(place, column)


def _of_probes(found: Hashing) -> Iterator[str]:
    text, characters, number, *others = found.probes
    expected = [hash_value(kind, value) for kind, value in _PROBES]
    if number is None or number % 2**64 != expected[0]:
        yield "Hash function: it is not that of PostgreSQL, not even for an integer."
    elif text != hashtext(_TEXT):
        yield "Byte order: integers are hashed alike and text is not, as on a big-endian machine."
    elif [None if other is None else other % 2**64 for other in others] != expected[1:]:
        yield "Hash function: of text, uuid, numeric and float8, one is not that of PostgreSQL."
    elif found.encoding == "UTF8" and characters != hashtext(_CHARACTERS):
        yield "Encoding: the database is in UTF8, and its characters are not hashed as UTF-8."


def _of_column(place: int, column: HashedColumn) -> Iterator[str]:
    if column.name is None or column.type is None:
        yield f"Key: column {place} is an expression, whose type only the server knows."
    elif column.label:
        yield f"Key: {column.name} is an enum, hashed by the OIDs of its labels."
    elif not column.stock:
        yield f"Key: {column.name} has a hash function that is not PostgreSQL's own."
    elif not column.bytewise:
        yield (
            f"Collation: that of {column.name} is not deterministic, so the server hashes a sort "
            "key of its ICU library."
        )
    else:
        try:
            kind_named(column.type)
        except SchemakitError:
            yield f"Key: {column.name} is of the type {column.type}, whose hash is not known."


def _version(found: Hashing) -> str:
    return Server(found.version_num, "", in_recovery=False).version
