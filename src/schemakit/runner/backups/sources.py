"""The table that a call is about: found, locked, and looked at again under the lock."""

from __future__ import annotations

from functools import partial

from sqlalchemy.exc import DBAPIError

from schemakit.catalog import archive
from schemakit.catalog.backup import Source, shown
from schemakit.errors import AccessDenied, TableUnknown
from schemakit.runner import broken
from schemakit.runner.flow import Fetch, Flow, Run
from schemakit.sql.name import Name

_UNDEFINED = "42P01"
_KINDS = {
    "v": "a view",
    "m": "a materialised view",
    "f": "a foreign table",
    "S": "a sequence",
    "i": "an index",
    "I": "an index",
    "c": "a type",
    "t": "a TOAST table",
}


def named(table: str | Name, schema: str | None) -> Name:
    """Return the name that a caller means: its own schema goes first."""
    if isinstance(table, Name):
        return Name(table.name, table.schema or schema)
    return Name(table, schema)


def found(name: Name) -> Flow[Source]:
    """A flow that finds the table *name*.

    Raises:
        TableUnknown: there is none, or it is no table.
    """
    source: Source | None
    source = yield Fetch(partial(archive.source, name=name.name, schema=name.schema))
    if source is None:
        others: tuple[str, ...] = yield Fetch(partial(archive.elsewhere, name=name.name))
        where = f"in the schema {name.schema!r}" if name.schema else "on the search_path"
        hint = f" There is one in {', '.join(others)}." if others else ""
        raise TableUnknown(f"{name.name!r} is not {where}.{hint}")
    if source.kind in _KINDS:
        raise TableUnknown(f"{shown(source.name)} is {_KINDS[source.kind]}.")
    return source


def refuse_strangers(source: Source) -> None:
    """Refuse a role that has not the rights of the owner of *source*.

    Raises:
        AccessDenied: it has not.
    """
    if not source.owned:
        detail = f"{shown(source.name)} takes the rights of its owner."
        raise AccessDenied(detail, remedy="connect as that role, or give Settings(role=…).")


def locked(name: Name, mode: str) -> Flow[Source]:
    """A flow that finds the table *name* and locks it, as the one that has that name then.

    Args:
        name: the table's.
        mode: as LOCK TABLE wants it.

    Raises:
        TableUnknown: there is none.
        AccessDenied: it may not be read.
    """
    return (yield from held((yield from found(name)), mode))


def held(source: Source, mode: str) -> Flow[Source]:
    """A flow that locks the table *source*, or the one that has its name by then.

    Args:
        source: as it was found.
        mode: as LOCK TABLE wants it.

    Raises:
        TableUnknown: there is none any more.
        AccessDenied: it may not be read.
    """
    if not source.readable:
        detail = f"The role may not read {shown(source.name)}."
        raise AccessDenied(detail)
    while True:
        yield from _locked(source.name, mode)
        again = yield from found(source.name)
        if again.oid == source.oid:
            return again
        source = again


def _locked(name: Name, mode: str) -> Flow[None]:
    try:
        yield Run(f"LOCK TABLE {name} IN {mode} MODE")
    except DBAPIError as error:
        if getattr(broken.origin(error), "sqlstate", None) != _UNDEFINED:
            raise
        detail = f"{shown(name)} was dropped, or moved away, by another process just now."
        raise TableUnknown(detail) from error
