"""The verbs about backups: ``schemakit backups …``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from schemakit import safety
from schemakit.cli import options
from schemakit.cli.confirm import confirmed, yes
from schemakit.cli.exit_codes import ExitCode
from schemakit.cli.verb import InOrder, verb
from schemakit.errors import BackupDamaged, ConfigurationError
from schemakit.report import json, text
from schemakit.sql import Name
from schemakit.sql.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from schemakit.cli.call import Call
    from schemakit.safety import Backup, Verification
    from schemakit.safety.container import Compression

_verb = partial(verb, shared=options.DATABASE)
_DAYS = click.IntRange(min=1)
_days = click.option(
    "--days",
    type=_DAYS,
    metavar="N",
    help="For how many days it is kept.  [default: MIGRATION_BACKUP_RETENTION_DAYS, or 7]",
)
_FILTERS = (
    click.option("--table", metavar="NAME", help="Only backups of this table."),
    click.option("--schema", metavar="NAME", help="Only backups of tables in this schema."),
    click.option("--revision", metavar="ID", help="Only those that this revision made."),
)


def _filters(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_FILTERS):
        function = option(function)
    return function


def _matching(
    backups: Iterable[Backup], table: str | None, schema: str | None, revision: str | None
) -> tuple[Backup, ...]:
    return tuple(
        each
        for each in backups
        if table in (None, each.original.name)
        and schema in (None, each.original.schema)
        and revision in (None, each.revision)
    )


@_verb
@_filters
@click.option(
    "--status",
    type=click.Choice(["ACTIVE", "EXPIRING SOON", "EXPIRED"], case_sensitive=False),
    help="Only those that stand so; EXPIRING SOON is within a day.",
)
@options.limits
async def list_(call: Call, status: str | None, **only: str | None) -> ExitCode:
    """List the backups of the database, newest first.

    A database without backups has an empty list; the exit code is 0 then as well.

    \b
    Example:
      schemakit backups list --table chunks
    """  # noqa: D301 - \b is click's mark for lines to keep as they are
    async with call.engine(directory=False) as engine:
        found = await safety.list_backups(engine, settings=call.settings)
    found = _matching(found, only["table"], only["schema"], only["revision"])
    found = tuple(each for each in found if status in (None, each.status))
    call.output.show(text.backups(found), json.backups(found))
    return ExitCode.DONE


@_verb
@click.argument("table")
@click.option("--schema", metavar="NAME", help="Where it is.  [default: on the search_path]")
@click.option("--where", metavar="SQL", help="Only these rows; sent as it is.")
@click.option("--revision", metavar="ID", help="To be noted.")
@_days
@click.option("--max-bytes", type=click.IntRange(min=0), help="How much space it may take.")
@options.limits
async def create(call: Call, table: str, days: int | None, **further: Any) -> ExitCode:  # noqa: ANN401 - its options
    """Copy TABLE into the backup schema, as one snapshot shows it.

    TABLE is its name as the catalog has it, unquoted. Readers and writers go on meanwhile.

    \b
    Example:
      schemakit backups create chunks --days 30
    """  # noqa: D301 - as above
    async with call.engine(directory=False) as engine:
        with call.watching() as on_event:
            made = await safety.backup_table(
                engine,
                table,
                retention_days=days,
                settings=call.settings,
                on_event=on_event,
                **further,
            )
    call.output.show(str(made), json.backup(made))
    return ExitCode.DONE


@_verb
@click.argument("backups", nargs=-1, metavar="[BACKUP]...")
@click.option("--all", "every", is_flag=True, help="All that there are.")
@options.limits
async def verify(call: Call, *, backups: tuple[str, ...], every: bool) -> ExitCode:
    """Compare each BACKUP with what was put away: its facets and its content.

    The exit code is 1 if one of them is not what was put away.

    \b
    Example:
      schemakit backups verify chunks_backup_20260101_120000
    """  # noqa: D301 - as above
    if bool(backups) == every:
        raise ConfigurationError("It is not said which.", remedy="name a BACKUP, or give --all.")
    good: list[Verification] = []
    bad: list[tuple[str, BackupDamaged]] = []
    async with call.engine(directory=False) as engine:
        if every:
            found = await safety.list_backups(engine, settings=call.settings)
            backups = tuple(each.name for each in found)
        with call.watching() as on_event:
            for name in backups:
                try:
                    good.append(
                        await safety.verify_backup(
                            engine, name, settings=call.settings, on_event=on_event
                        )
                    )
                except BackupDamaged as error:
                    bad.append((name, error))
    call.output.show(text.verified(good, bad), json.verified(good, bad))
    return ExitCode.FAILED if bad else ExitCode.DONE


@_verb
@click.argument("backup")
@_days
@options.limits
async def extend(call: Call, backup: str, days: int | None) -> ExitCode:
    """Keep BACKUP for so many days from now on; never for a shorter time than it was.

    \b
    Example:
      schemakit backups extend chunks_backup_20260101_120000 --days 30
    """  # noqa: D301 - as above
    async with call.engine(directory=False) as engine:
        found = await safety.extend_backup(engine, backup, days, settings=call.settings)
    call.output.show(str(found), json.backup(found))
    return ExitCode.DONE


@_verb
@click.argument("backups", nargs=-1, metavar="[BACKUP]...")
@_filters
@click.option("--dry-run", is_flag=True, help="Only say which they are.")
@yes
@options.allow_destructive
@options.limits
async def cleanup(
    call: Call,
    *,
    backups: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    **only: str | None,
) -> ExitCode:
    """Remove the backups that have expired, or each BACKUP that is named.

    Asks first. What has not expired takes permission as well: --allow-destructive, or
    ALLOW_DESTRUCTIVE_MIGRATIONS=true. The exit code is 1 if one could not be removed.

    \b
    Example:
      schemakit backups cleanup --dry-run
      schemakit backups cleanup --yes
    """  # noqa: D301 - as above
    remove = partial(safety.cleanup_backups, settings=call.settings)
    async with call.engine(directory=False) as engine:
        done = await remove(engine, backups or None, dry_run=True)
        chosen = _matching(done.removed, only["table"], only["schema"], only["revision"])
        done = safety.Cleaned(chosen, dry_run=dry_run)
        if chosen and not dry_run:
            if not yes and not confirmed(call.output, f"{text.removal(chosen)}\nRemove them?"):
                return ExitCode.FAILED
            done = await remove(engine, chosen)
    call.output.show(str(done), json.cleaned(done))
    return ExitCode.FAILED if done.failed else ExitCode.DONE


@_verb
@click.argument("backup")
@click.option("--to", metavar="NAME", help="Make a table of this name instead; unquoted.")
@click.option("--to-schema", metavar="NAME", help="Where.  [default: the original's schema]")
@click.option("--drop-backup", is_flag=True, help="Remove a copy once it is restored.")
@click.option("--overwrite", is_flag=True, help="Replace what is there now; it is backed up first.")
@click.option("--unverified", is_flag=True, help="Take a moved table back though it was changed.")
@yes
@options.allow_destructive
@options.limits
async def restore(  # noqa: PLR0913 - its options
    call: Call,
    *,
    backup: str,
    to: str | None,
    to_schema: str | None,
    drop_backup: bool,
    overwrite: bool,
    unverified: bool,
    yes: bool,
) -> ExitCode:
    """Put BACKUP back where it came from, as it was.

    With --overwrite or --drop-backup it asks first, and what it overwrites takes permission:
    --allow-destructive, or ALLOW_DESTRUCTIVE_MIGRATIONS=true.

    \b
    Example:
      schemakit backups restore chunks_backup_20260101_120000
    """  # noqa: D301 - as above
    if to_schema is not None and to is None:
        raise ConfigurationError("--to-schema says where --to is.", remedy="give both.")
    question = f"Restore {backup}{_losing(overwrite=overwrite, drop_backup=drop_backup)}?"
    if (overwrite or drop_backup) and not yes and not confirmed(call.output, question):
        return ExitCode.FAILED
    async with call.engine(directory=False) as engine:
        with call.watching() as on_event:
            done = await safety.restore_backup(
                engine,
                backup,
                to=None if to is None else Name(to, to_schema),
                drop_backup=drop_backup,
                overwrite=overwrite,
                unverified=unverified,
                settings=call.settings,
                on_event=on_event,
            )
    call.output.show(str(done), json.restored(done))
    return ExitCode.DONE


def _losing(*, overwrite: bool, drop_backup: bool) -> str:
    losses = ["replace what is there now"] * overwrite + ["remove the backup"] * drop_backup
    return "".join(f", and {loss}" for loss in losses)


@_verb
@click.argument("backup")
@click.argument("path")
@click.option(
    "--compression",
    type=click.Choice(["zlib", "zstd"]),
    default="zlib",
    show_default=True,
    help="zstd is faster and smaller; needs Python 3.14 or schemakit[zstd], also to import.",
)
@options.limits
async def export(call: Call, backup: str, path: str, compression: Compression) -> ExitCode:
    """Write BACKUP into the new file PATH: compressed, with checksums, for its owner alone.

    \b
    Example:
      schemakit backups export chunks_backup_20260101_120000 chunks.backup
    """  # noqa: D301 - as above
    async with call.engine(directory=False) as engine:
        with call.watching() as on_event:
            done = await safety.export_backup(
                engine,
                backup,
                path,
                compression=compression,
                settings=call.settings,
                on_event=on_event,
            )
    call.output.show(
        f"exported {done.name} to {path}: {counted(done.rows, 'row')}", json.backup(done)
    )
    return ExitCode.DONE


@_verb
@click.argument("path")
@_days
@options.limits
async def import_(call: Call, path: str, days: int | None) -> ExitCode:
    """Make a backup of the file PATH, which `export` wrote, maybe from another database.

    A file that was cut or changed is refused before the database is touched. What it says that a
    table was like is DDL: import files that you trust.

    \b
    Example:
      schemakit backups import chunks.backup
    """  # noqa: D301 - as above
    async with call.engine(directory=False) as engine:
        with call.watching() as on_event:
            made = await safety.import_backup(
                engine, path, retention_days=days, settings=call.settings, on_event=on_event
            )
    call.output.show(str(made), json.backup(made))
    return ExitCode.DONE


@_verb
@options.limits
async def status(call: Call) -> ExitCode:
    """Say how the backups stand: how many, how large, what is missing, what is in no registry.

    The exit code is 1 if one that the registry has is not there.

    \b
    Example:
      schemakit backups status
    """  # noqa: D301 - as above
    async with call.engine(directory=False) as engine:
        found = await safety.backup_status(engine, settings=call.settings)
    call.output.show(str(found), json.overview(found))
    return ExitCode.FAILED if found.missing else ExitCode.DONE


backups = InOrder(
    "backups",
    commands=[list_, create, verify, extend, cleanup, restore, export, import_, status],
    help="List, make, verify, restore and remove backups of tables.\n\n\b\nExample:\n"
    "  schemakit backups list\n  schemakit backups restore chunks_backup_20260101_120000",
)
