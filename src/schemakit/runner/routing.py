"""`explain_routing`: why did the server refuse a row on its way to its partition?

PostgreSQL says that there is no partition for the row. Whether a trigger was to compute the key,
and whether that is there and enabled, is asked afterwards.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from schemakit.catalog import read
from schemakit.errors import RoutingFailed, TransactionRefused
from schemakit.sql import Name

from . import broken
from .settings import Settings
from .target import Session, Target, opened

if TYPE_CHECKING:
    from schemakit.catalog.model import KeyTrigger

_CHECK, _NOT_NULL, _MOVED = "23514", "23502", "0A000"
_IN_FAILED_TRANSACTION = "25P02"
#: The functions of the server that route a row, or test where it has arrived (execPartition.c,
#: execMain.c, trigger.c): their names come with the error, and are in no language.
_ROUTES = ("ExecFindPartition", "ExecPartitionCheckEmitError")
_TRIGGERS = "ExecBRInsertTriggers"
#: Before executing trigger "x", the row was to be in partition "schema.leaf".
_MOVED_FROM = re.compile(r'^[^"]*"[^"]*"[^"]*"(?P<schema>[^.]*)\.(?P<leaf>.*)"[^"]*$')


async def explain_routing(target: Target, error: BaseException) -> RoutingFailed | None:
    """Say why *error* came of a row that found no partition, if it did.

    Args:
        target: as for `upgrade`. A connection must not be in the transaction that has failed.
        error: what SQLAlchemy or asyncpg raised.

    Returns:
        The error to raise instead, which tells whether a trigger was to compute the key, whether
        it exists and is enabled, and the way out; None if *error* is about something else. Its
        ``found`` is the `KeyTrigger`. No value of the row is in it.

    Raises:
        TransactionRefused: *target* is in the transaction that has failed.
    """
    if _relation(error) is None:
        return None
    settings = Settings.from_environment()
    async with opened(target, settings.server_timeout) as session:
        session.role = settings.role
        try:
            return await asked(session, error)
        except DBAPIError as failed:
            if getattr(failed.orig, "sqlstate", None) != _IN_FAILED_TRANSACTION:
                raise
            detail = "That transaction has failed, and the server answers nothing in it."
            raise TransactionRefused(
                detail, remedy="roll it back first, or give the engine."
            ) from None


async def asked(session: Session, error: BaseException) -> RoutingFailed | None:
    """Return what `explain_routing` does, asking on *session*; one query, if any."""
    relation = _relation(error)
    if relation is None:
        return None
    for found in await session.ask(read.key_triggers, relation):
        return _explained(broken.origin(error), found)
    return None


async def asked_if_it_can(session: Session, error: BaseException) -> RoutingFailed | None:
    """Return what `asked` does, once what failed on *session* is rolled back.

    None where that is the caller's to do, or the server does not answer: what failed is to be told,
    not this.
    """
    if session.external or not session.alive or _relation(error) is None:
        return None
    with suppress(Exception):
        await session.resting()
        return await asked(session, error)
    return None


def _relation(error: BaseException) -> Name | None:
    """Return the relation that refused a row, if *error* may be about its key."""
    said = broken.origin(error)
    state, where = _told(said, "sqlstate"), _told(said, "server_source_function")
    if state in (_CHECK, _NOT_NULL) and _told(said, "table_name"):
        return Name(_told(said, "table_name"), _told(said, "schema_name") or None)
    if state == _MOVED and where == _TRIGGERS:
        named = _MOVED_FROM.search(_told(said, "detail"))
        return Name(named["leaf"], named["schema"]) if named else None
    return None


def _explained(said: Any, found: KeyTrigger) -> RoutingFailed | None:
    table = f"{found.schema}.{found.table}"
    state, constraint = _told(said, "sqlstate"), _told(said, "constraint_name")
    if state == _CHECK and constraint and constraint == found.check:
        detail = f"The {found.key} is not the one of this row, as {constraint} on {table} says."
        return RoutingFailed(f"{detail} {_rest(found)}", found=found, remedy=_wrong_key(found))
    routed = state == _MOVED or _told(said, "server_source_function") in _ROUTES
    if routed or (state == _NOT_NULL and _told(said, "column_name") == found.key):
        detail = f"No partition of {table} takes this row."
        return RoutingFailed(f"{detail} {_rest(found)}", found=found, remedy=_remedy(found))
    return None


def _rest(found: KeyTrigger) -> str:
    return f"Rows without {found.key}: {found}."


def _wrong_key(found: KeyTrigger) -> str:
    give = f"give the {found.key} that the CHECK asks for"
    return f"{give}, or none." if found.state == "enabled" else f"{give}."


def _remedy(found: KeyTrigger) -> str | None:
    if found.state == "enabled":
        return (
            f"leave {found.key} out, or give the right one: partition_key(…); if it is right, its "
            "partition is missing: attach it again, or create it."
        )
    if found.state == "disabled" and found.leaf and found.trigger:
        leaf, trigger = Name(found.leaf, found.schema), Name(found.trigger)
        return f"ALTER TABLE {leaf} ENABLE TRIGGER {trigger}; or give every row its {found.key}."
    if found.state == "missing":
        return f"create the trigger again on {found.leaf}; or give every row its {found.key}."
    if found.state == "misplaced" and found.trigger:
        trigger, table = Name(found.trigger), Name(found.table, found.schema)
        return (
            f"DROP TRIGGER {trigger} ON {table}, since PostgreSQL chooses the partition before it "
            f"fires; give every row its {found.key}, or put a trigger on a partition for NULL."
        )
    return f"give every row its {found.key}: partition_key(…)."


def _told(said: Any, what: str) -> str:
    return str(getattr(said, what, None) or "")
