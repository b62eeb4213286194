"""The verbs that change the database."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

import schemakit
from schemakit.cli import options
from schemakit.cli.exit_codes import ExitCode
from schemakit.cli.verb import verb
from schemakit.report import json

if TYPE_CHECKING:
    from schemakit.cli.call import Call


@verb
@click.argument("revision", default="head")
@options.running
@options.on_ahead
@options.allow_destructive
@options.cleanup_backups
async def upgrade(call: Call, revision: str) -> ExitCode:
    """Bring the database to REVISION, by default to the newest one.

    REVISION is head, heads (if there are several), an id or the beginning of one, +1 for one
    step, or a branch label. Any number of processes may do this at once: one migrates, the
    others wait and find the work done.

    \b
    Example:
      schemakit upgrade --database-url postgresql://app@localhost/shop
      schemakit upgrade --embedded        no server needed
    """  # noqa: D301 - \b is click's mark for lines to keep as they are
    async with call.engine() as engine:
        with call.watching() as on_event:
            result = await schemakit.upgrade(
                engine,
                revision,
                migrations=call.migrations,
                settings=call.settings,
                on_event=on_event,
            )
    call.output.show(str(result), json.result(result))
    return ExitCode.DONE


def _step_back(context: click.Context, _: click.Parameter, revision: str) -> str:
    # -1 is a revision here. Whatever else begins with a dash is an option that does not exist.
    if revision.startswith("-") and not re.fullmatch(r"-\d+", revision):
        raise click.NoSuchOption(revision, ctx=context)
    return revision


@verb
@click.argument("revision", callback=_step_back)
@options.running
@options.allow_destructive
async def downgrade(call: Call, revision: str) -> ExitCode:
    """Take the database back to REVISION. What the revisions drop is lost.

    REVISION is an id or the beginning of one, -1 for one step, or base for an empty database.

    \b
    Example:
      schemakit downgrade -1
    """  # noqa: D301 - as above
    async with call.engine() as engine:
        with call.watching() as on_event:
            result = await schemakit.downgrade(
                engine,
                revision,
                migrations=call.migrations,
                settings=call.settings,
                on_event=on_event,
            )
    call.output.show(str(result), json.result(result))
    return ExitCode.DONE


@verb
@click.argument("revisions", nargs=-1, required=True, metavar="REVISION...")
@click.option("--purge", is_flag=True, help="Empty the version table first, whatever it holds.")
@options.running
async def stamp(call: Call, revisions: tuple[str, ...], purge: bool) -> ExitCode:  # noqa: FBT001 - click calls it by name
    """Write down that the database is at REVISION, and run nothing.

    For a database whose tables are there already: head, several ids if the history has branches,
    or base for none.

    \b
    Example:
      schemakit stamp head
    """  # noqa: D301 - as above
    async with call.engine() as engine:
        with call.watching() as on_event:
            result = await schemakit.stamp(
                engine,
                revisions,
                purge=purge,
                migrations=call.migrations,
                settings=call.settings,
                on_event=on_event,
            )
    call.output.show(str(result), json.result(result))
    return ExitCode.DONE


downgrade.ignore_unknown_options = True  # for the -1, see `_step_back`
