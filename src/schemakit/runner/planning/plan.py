"""What would run, said before it runs: nothing is written, and no lock is taken."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from schemakit.catalog import read
from schemakit.errors import ConfigurationError, DatabaseAhead, UnsupportedServer
from schemakit.runner.locate import Source
from schemakit.runner.results import heads_text
from schemakit.runner.settings import Settings
from schemakit.runner.shelter import sheltered
from schemakit.runner.target import Target
from schemakit.runner.view import View, viewed
from schemakit.sql import parser
from schemakit.sql.delivery import statements_of
from schemakit.sql.effects.model import Effects, with_new
from schemakit.sql.effects.read import effects_of

from .model import Direction, Plan, PlannedRevision, PlannedStatement

if TYPE_CHECKING:
    from schemakit.runner._alembic.offline import Written
    from schemakit.runner.directory import Directory
    from schemakit.sql import Name

#: What goes down unless the direction is given: ``-1``, ``base``, ``branch@base``.
_DOWN = re.compile(r"(?:.+@)?(?:-\d+|base)")
_DIRECTIONS = ("upgrade", "downgrade")


async def plan(  # noqa: PLR0913 - upgrade's options, and two
    target: Target,
    revision: str = "head",
    *,
    direction: Direction | None = None,
    rehearse: bool = False,
    migrations: Source = None,
    settings: Settings | None = None,
) -> Plan:
    """Say what an upgrade or downgrade to *revision* would run, and write nothing.

    The revisions are executed without a database, as for ``alembic upgrade --sql``: one that asks
    the database something cannot be known by that, and is said to be unknown.

    Args:
        target: as for `upgrade`.
        revision: as for `upgrade` or `downgrade`.
        direction: ``upgrade`` or ``downgrade``; by default ``-1``, ``base`` and ``branch@base`` go
            down and everything else goes up.
        rehearse: run it, in a transaction that is rolled back, and say what it really did. It takes
            the real locks until its end, so *target* is best a copy. On a connection with an open
            transaction it runs in a savepoint.
        migrations: as for `upgrade`.
        settings: as for `upgrade`; a rehearsal waits for a lock no longer than ``lock_timeout``.

    Returns:
        The revisions and their statements, each with the locks it takes, whether it can run in a
        transaction and whether it rewrites or scans; falsy if there is nothing to do. A rehearsal
        that failed is no error: it says where and why.

    Raises:
        MultipleHeads: ``head`` is ambiguous.
        UnknownRevision: there is no such revision.
        DatabaseAhead: the database is newer than this code, and ``on_ahead`` is ``error`` or it is
            to go down.
        UnsupportedServer: PostgreSQL 13 or older.
        ConfigurationError: *revision* or *direction* makes no sense; or the server is a standby,
            which can rehearse nothing.
    """
    way = _direction(revision, direction)
    settings = settings or Settings.from_environment()
    work = partial(_plan, target, revision, way, migrations, settings, rehearse=rehearse)
    return await sheltered(work)


def _direction(revision: object, direction: object) -> Direction:
    if not isinstance(revision, str) or not revision.strip():
        raise ConfigurationError(
            f"revision={revision!r} is no revision.", remedy='give "head", an id, "+1" or "-1".'
        )
    if ":" in revision:
        raise ConfigurationError(
            f"{revision!r} is a range.",
            remedy="a plan begins where the database stands; give its end alone.",
        )
    if direction is None:
        return "downgrade" if _DOWN.fullmatch(revision) else "upgrade"
    if direction not in _DIRECTIONS:
        raise ConfigurationError(
            f"direction={direction!r} is none.", remedy='give "upgrade" or "downgrade".'
        )
    return direction  # type: ignore[return-value]  # one of the two


async def _plan(  # noqa: PLR0913 - the parts of the call
    target: Target,
    revision: str,
    way: Direction,
    migrations: Source,
    settings: Settings,
    *,
    rehearse: bool,
) -> Plan:
    async with viewed(target, migrations, settings) as view:
        server = await view.session.ask(read.server)
        if not server.supported:
            raise UnsupportedServer(f"{server.database!r} is on PostgreSQL {server.version}.")
        found = Plan(server.database, server.version, way, revision, view.versions)
        unknown = await _unknown(view, way, settings)
        if unknown:
            return replace(found, ahead=unknown)
        scripts = await view.directory.load()
        versions = view.versions
        work = partial(_planned, view.directory, scripts, way, versions, revision)
        found = replace(found, revisions=await anyio.to_thread.run_sync(work))
        if not rehearse or not found:
            return found
        from .rehearse import rehearsed  # noqa: PLC0415 - only then

        return await rehearsed(view.session, view.directory, found, settings, server)


async def _unknown(view: View, way: Direction, settings: Settings) -> tuple[str, ...]:
    """Return the revisions that this code does not know, having done as `on_ahead` says."""
    scripts = await view.directory.load()
    unknown = tuple(version for version in view.versions if not scripts.knows(version))
    if unknown and (way == "downgrade" or settings.on_ahead == "error"):
        detail = f"It holds {heads_text(unknown)}; the heads here are {heads_text(scripts.heads)}."
        raise DatabaseAhead(detail)
    return unknown


def _planned(
    directory: Directory,
    scripts: Any,
    way: Direction,
    versions: tuple[str, ...],
    revision: str,
) -> tuple[PlannedRevision, ...]:
    from schemakit.runner._alembic import offline  # noqa: PLC0415 - Alembic is imported where it is used

    sheets = offline.written(directory.located, scripts, way, versions, revision)
    made: set[Name] = set()
    return tuple(_revision(sheet, made) for sheet in sheets)


def _revision(sheet: Written, made: set[Name]) -> PlannedRevision:
    statements = tuple(
        planned_statement(sql, made, autocommit=autocommit)
        for text, autocommit in sheet.statements
        for sql in statements_of(text, parser.split)
    )
    unknown = ""
    if sheet.failure:
        rest = "its further statements" if statements else "its statements"
        unknown = f"{rest} cannot be known without a database, but by a rehearsal ({sheet.failure})"
    return PlannedRevision(sheet.revision, statements, unknown)


def planned_statement(sql: str, made: set[Name], *, autocommit: bool) -> PlannedStatement:
    """Return *sql* with what its text tells.

    Args:
        sql: one statement.
        made: relations that the plan has made so far; gets those that *sql* makes.
        autocommit: whether it stands in an ``autocommit_block()``.
    """
    effects = with_new(effects_of(sql), made)
    made.update(effects.creates)
    return _with_effects(sql.strip(), effects, autocommit=autocommit)


def _with_effects(sql: str, effects: Effects, *, autocommit: bool) -> PlannedStatement:
    return PlannedStatement(
        sql=sql,
        locks=effects.locks,
        in_transaction=effects.in_transaction,
        rewrites=effects.rewrites,
        scans=effects.scans,
        reason=effects.reason,
        known=effects.known,
        autocommit=autocommit,
    )
