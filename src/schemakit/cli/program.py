"""``schemakit``: the list of its verbs, and its way from arguments to an exit code."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from schemakit import __version__

from .exit_codes import ExitCode
from .output import Output
from .verb import InOrder
from .verbs import author, backups, inspect, migrate, plan

if TYPE_CHECKING:
    from collections.abc import Sequence

VERBS = (
    author.init,
    author.revision,
    author.merge,
    migrate.upgrade,
    migrate.downgrade,
    migrate.stamp,
    inspect.status,
    inspect.current,
    inspect.pending,
    plan.plan,
    inspect.check,
    inspect.wait,
    inspect.heads,
    inspect.history,
    inspect.sql,
    backups.backups,
)

_CODES = "\n".join(f"  {code.value:>3}  {code.meaning}" for code in ExitCode)
_EPILOG = f"""\
\b
Exit codes:
{_CODES}

\b
The database is named by --database-url or DATABASE_URL; --embedded starts one.
Its password may stand in the URL, in --password-file, PGPASSWORD or PGPASSFILE.
SCHEMAKIT_LOCK_TIMEOUT=10 does as --lock-timeout 10, and so with each option of upgrade that
says how to run; SCHEMAKIT_DEBUG=1 shows the traceback of a failure.

\b
Completion of verbs and options with TAB, in ~/.bashrc (or ~/.zshrc with zsh_source):
  eval "$(_SCHEMAKIT_COMPLETE=bash_source schemakit)"
"""


@click.group(cls=InOrder, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="schemakit")
def program() -> None:
    """Migrate a PostgreSQL database with the revisions of an Alembic directory.

    \b
    Begin with:
      schemakit status --embedded     where a database of your own stands
      schemakit upgrade --embedded    bring it to the newest revision
    """  # noqa: D301 - \b is click's mark for lines to keep as they are


for _verb in VERBS:
    program.add_command(_verb)


def run(arguments: Sequence[str]) -> int:
    """Do what *arguments* say and return the exit code."""
    try:
        return _entered(arguments)
    except BrokenPipeError:
        # The reader has gone (| head). Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED


def _entered(arguments: Sequence[str]) -> int:
    output = Output(json="--json" in arguments, about_backups="backups" in arguments[:1])
    try:
        return int(program.main(list(arguments), prog_name="schemakit", standalone_mode=False) or 0)
    except click.ClickException as error:
        output.misused(error)
        code = ExitCode.MISUSE
    except (click.Abort, KeyboardInterrupt):
        output.interrupted()
        code = ExitCode.INTERRUPTED
    output.hand_over()
    return code
