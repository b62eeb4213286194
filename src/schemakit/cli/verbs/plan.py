"""The verb that says what would run, and can try it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import schemakit
from schemakit.cli.exit_codes import ExitCode
from schemakit.cli.verb import verb
from schemakit.errors import ConfigurationError
from schemakit.report import json

from .migrate import _step_back

if TYPE_CHECKING:
    from schemakit import Plan
    from schemakit.cli.call import Call


@verb
@click.argument("revision", default="head", callback=_step_back)
@click.option("--downgrade", is_flag=True, help="Down to REVISION, if that is an id.")
@click.option(
    "--rehearse",
    is_flag=True,
    help="Run it in a transaction that is rolled back, and say what it really did. Takes the real "
    "locks: use a copy. Needs --database-url or --embedded; DATABASE_URL is not enough.",
)
async def plan(call: Call, revision: str, downgrade: bool, rehearse: bool) -> ExitCode:  # noqa: FBT001 - click calls it by name
    """Say what an upgrade to REVISION would run, and the locks it would take.

    Writes nothing. REVISION is as for upgrade, or -1 or base for what a downgrade would run. The
    exit code is 0 if there is nothing to do, 3 if there is, and 4 if the database is ahead of
    this code; with --rehearse it is 0 if all went well and 1 if something failed.

    \b
    Example:
      schemakit plan
      schemakit plan --rehearse --database-url postgresql://app@localhost/shop_copy
    """  # noqa: D301 - \b is click's mark for lines to keep as they are
    if rehearse and not call.named:
        raise ConfigurationError(
            "A rehearsal takes the locks of a real run, so its database is not taken for granted.",
            remedy="name it: --database-url, or --embedded; DATABASE_URL is not enough.",
        )
    async with call.engine() as engine:
        found = await schemakit.plan(
            engine,
            revision,
            direction="downgrade" if downgrade else None,
            rehearse=rehearse,
            migrations=call.migrations,
            settings=call.settings,
        )
    call.output.show(str(found), json.plan(found))
    return _code(found)


def _code(found: Plan) -> ExitCode:
    if found.ahead:
        return ExitCode.BLOCKED
    if found.rehearsed is not None:
        return ExitCode.FAILED if found.failed else ExitCode.DONE
    return ExitCode.PENDING if found else ExitCode.DONE


plan.ignore_unknown_options = True  # for the -1, see `_step_back`
