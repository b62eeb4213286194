"""The verbs that only look."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import click

import schemakit
from schemakit.cli import imports, options
from schemakit.cli.exit_codes import ExitCode
from schemakit.cli.verb import offline_verb, verb
from schemakit.errors import DatabaseAhead, SchemakitError, UnknownRevision
from schemakit.report import json, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemakit.cli.call import Call


@verb
async def current(call: Call) -> ExitCode:
    """Print the revision that the database stands at, or base if it is empty.

    One line for each, where the history has branches.

    \b
    Example:
      schemakit current --database-url postgresql://app@localhost/shop
    """  # noqa: D301 - \b is click's mark for lines to keep as they are
    async with call.engine() as engine:
        versions = await schemakit.current(engine, migrations=call.migrations)
    call.output.show(text.current(versions), json.current(versions))
    return ExitCode.DONE


@verb
async def status(call: Call) -> ExitCode:
    """Say where the database stands and what an upgrade would apply.

    The exit code is 0 at head, 3 if revisions are pending and 4 if the database is ahead of
    this code.

    \b
    Example:
      schemakit status --quiet || schemakit upgrade
    """  # noqa: D301 - as above
    async with call.engine() as engine:
        found = await schemakit.status(engine, migrations=call.migrations)
    call.output.show(str(found), json.status(found))
    if found.unknown:
        return ExitCode.BLOCKED
    return ExitCode.DONE if found.at_head else ExitCode.PENDING


@verb
async def pending(call: Call) -> ExitCode:
    """Print the revisions that an upgrade would apply, in that order.

    The exit code is 0 if there are none, 3 if there are, and 4 if the database is ahead of this
    code.

    \b
    Example:
      schemakit pending
    """  # noqa: D301 - as above
    async with call.engine() as engine:
        with _ahead():
            found = await schemakit.pending(engine, migrations=call.migrations)
    call.output.show(text.pending(found), json.pending(found))
    return ExitCode.PENDING if found else ExitCode.DONE


@verb
@options.metadata
async def check(call: Call, metadata: str | None) -> ExitCode:
    """Compare the database with the models that env.py names, as `alembic check` does.

    The exit code is 0 if nothing differs, 3 if something does or revisions are pending, and 4 if
    the database is ahead of this code.

    \b
    Example:
      schemakit check --metadata shop.models:Base
    """  # noqa: D301 - as above
    models = None if metadata is None else imports.metadata(metadata)
    async with call.engine() as engine:
        with _ahead():
            drift = await schemakit.check(engine, models, migrations=call.migrations)
    call.output.show(str(drift), json.drift(drift))
    return ExitCode.PENDING if drift else ExitCode.DONE


@verb
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait.",
)
async def wait(call: Call, timeout: float) -> ExitCode:  # noqa: ASYNC109 - the option's name
    """Wait until another process has brought the database to the newest revision.

    For what must not start before, and does not migrate itself. The exit code is 4 if it takes
    too long. A database that is ahead of this code is waited for no longer.

    \b
    Example:
      schemakit wait --timeout 60 && exec worker
    """  # noqa: D301 - as above
    async with call.engine() as engine:
        versions = await schemakit.wait_until_current(
            engine, timeout=timeout, migrations=call.migrations
        )
    call.output.show(text.current(versions), json.current(versions))
    return ExitCode.DONE


@offline_verb
@click.argument("revision", default="head", metavar="[START:]END")
@click.option("--downgrade", is_flag=True, help="From START back to END.")
async def sql(call: Call, revision: str, downgrade: bool) -> ExitCode:  # noqa: FBT001 - click calls it by name
    """Print a migration as a script, without a database.

    START is base by default; a downgrade must name it. END is head by default.

    \b
    Example:
      schemakit sql a1b2:head > release.sql
      schemakit sql head:-1 --downgrade
    """  # noqa: D301 - as above
    way: Literal["upgrade", "downgrade"] = "downgrade" if downgrade else "upgrade"
    script = await schemakit.render_sql(revision, direction=way, migrations=call.migrations)
    call.output.show_as_it_is(script.rstrip("\n"), {"direction": way, "sql": script})
    return ExitCode.DONE


@contextmanager
def _ahead() -> Iterator[None]:
    try:
        yield
    except UnknownRevision as error:  # the only one that is asked for here is the database's
        raise DatabaseAhead(error.detail) from error


@verb
async def heads(call: Call) -> ExitCode:
    """Print the newest revision, or all of them if the history has branches.

    Needs no database; one that is named is marked where it stands.

    \b
    Example:
      schemakit heads --migrations shop:migrations
    """  # noqa: D301 - as above
    found = await schemakit.heads(migrations=call.migrations)
    here = await _standing(call)
    call.output.show(text.revisions(found, here), json.heads(found, here))
    return ExitCode.DONE


@verb
@click.option("--recorded", is_flag=True, help="What ran on the database, when and by whom.")
async def history(call: Call, recorded: bool) -> ExitCode:  # noqa: FBT001 - click calls it by name
    """Print every revision, the newest first.

    Needs no database; one that is named is marked where it stands. With --recorded it prints what
    ran on the database instead: what `upgrade --record` has kept in schemakit.history.

    \b
    Example:
      schemakit history --migrations migrations
    """  # noqa: D301 - as above
    if recorded:
        async with call.engine() as engine:
            entries = await schemakit.recorded(engine)
        call.output.show(text.recorded(entries), json.recorded(entries))
        return ExitCode.DONE
    found = await schemakit.history(migrations=call.migrations)
    here = await _standing(call)
    call.output.show(text.history(found, here), json.history(found, here))
    return ExitCode.DONE


async def _standing(call: Call) -> tuple[str, ...] | None:
    """Return where the database stands, if one was named.

    That DATABASE_URL names one which cannot be asked is no failure of a verb that needs none.
    """
    if call.where is None:
        return None
    try:
        async with call.engine() as engine:
            return await schemakit.current(engine, migrations=call.migrations)
    except SchemakitError as error:
        if call.named:
            raise
        call.output.note(f"The database of DATABASE_URL is left out. {error.summary}")
        return None
