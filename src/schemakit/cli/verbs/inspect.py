"""The verbs that only look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import schemakit
from schemakit.cli.exit_codes import ExitCode
from schemakit.cli.verb import verb
from schemakit.errors import SchemakitError
from schemakit.report import json, text

if TYPE_CHECKING:
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
async def history(call: Call) -> ExitCode:
    """Print every revision, the newest first.

    Needs no database; one that is named is marked where it stands.

    \b
    Example:
      schemakit history --migrations migrations
    """  # noqa: D301 - as above
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
