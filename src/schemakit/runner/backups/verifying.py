"""Is a backup what was put away? Its facets and its content, compared under one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from schemakit.catalog import archive
from schemakit.catalog.backup import Backup, SourceColumn, shown
from schemakit.catalog.differences import FACETS, Difference
from schemakit.catalog.kept import damages
from schemakit.catalog.portrait import Portrait
from schemakit.catalog.portray import portray
from schemakit.errors import BackupAltered, BackupEdited, BackupMissing, BackupTruncated
from schemakit.runner.flow import Fetch, Flow, Run
from schemakit.runner.transactions import Transactions
from schemakit.safety.digest import digest
from schemakit.safety.manifest import Manifest
from schemakit.sql.literal import literal
from schemakit.sql.name import Name
from schemakit.sql.words import counted

from .pins import PLAIN, TEXTUAL, under
from .registry import Registry

SNAPSHOT = "ISOLATION LEVEL REPEATABLE READ"
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify_backup` has compared, and found to be as it was.

    Attributes:
        backup: the backup, with its digest.
        rows: how many it has, counted now.
        facets: what else was compared; nothing of the reference's backups, of which only the number
            of rows was noted.
        against: what the content was compared with: ``digest`` (of an earlier verification),
            ``seal`` (all rows were written when the copy was made, and none since), ``rows`` (their
            number), or ``nothing``: of a move that was not counted, this is the first look.
    """

    backup: Backup
    rows: int
    facets: tuple[str, ...]
    against: str

    def __str__(self) -> str:
        """One line."""
        facets = f"{len(self.facets)} facets" if self.facets else "no facets"
        rows = counted(self.rows, "row")
        return f"{self.backup.name}: {rows}, compared by {self.against}, and {facets}"


@dataclass(frozen=True, slots=True)
class Content:
    """What was counted of a table: its rows, the sum of their hashes, and rows of strangers."""

    rows: int
    digest: str
    strangers: int


def verified(
    means: Transactions, registry: Registry, backup: Backup | str, workers: int | None
) -> Flow[Verification]:
    """A flow that compares a backup with what was noted of it, and notes the digest."""

    def work() -> Flow[Verification]:
        return under(PLAIN, _verified(registry, backup, workers))

    return (yield from means.atomically(work, mode=SNAPSHOT))


def _verified(registry: Registry, backup: Backup | str, workers: int | None) -> Flow[Verification]:
    entry = yield from registry.entry(backup)
    if not entry.there:
        raise BackupMissing(f"{shown(entry.relation)} is not there, or another.")
    manifest: Manifest | None = None
    if not entry.legacy:
        manifest = yield from registry.manifest(entry)
        yield from same_facets(entry, manifest)
    found = yield from content_of(entry, workers)
    against = same_content(entry, found)
    if manifest is not None and entry.digest is None and not entry.transplanted:
        yield from _same_files(entry, manifest)
    if entry.id:
        now = "pg_catalog.clock_timestamp()"
        values = {"digest": literal(found.digest), "verified_at": now}
        yield from registry.changed(entry, **values)
        entry = yield from registry.entry(entry)
    return Verification(entry, found.rows, FACETS if manifest else (), against)


def content_of(backup: Backup, workers: int | None = None) -> Flow[Content]:
    """A flow that counts and hashes the rows of *backup*, as `content` does."""
    sealed = backup.kind != "move"
    return content(backup.relation, workers, seal=backup.seal or "", sealed=sealed)


def content(  # noqa: PLR0913 - each says one thing about the content
    table: Name,
    workers: int | None = None,
    *,
    seal: str = "",
    sealed: bool = False,
    only: tuple[str, ...] = (),
    heirs: bool = True,
) -> Flow[Content]:
    """A flow that counts and hashes the rows of *table*.

    Args:
        table: which.
        workers: how many processes read it beside the first; by default as the server thinks fit.
        seal: see `digest`.
        sealed: see `digest`.
        only: these columns, in this order; by default all.
        heirs: whether the rows of its partitions and heirs are counted, too.
    """
    settings = dict(TEXTUAL)
    if workers is not None:
        settings |= {"max_parallel_workers_per_gather": str(workers), "parallel_setup_cost": "0"}
        settings |= {"min_parallel_table_scan_size": "0"}
    columns = partial(_columns, table, only)
    as_sql = partial(digest, table, only=not heirs, seal=seal, sealed=sealed)
    return (yield from under(settings, _content(columns, as_sql)))


def _content(
    columns: Callable[[], Flow[tuple[SourceColumn, ...]]], as_sql: Callable[..., str]
) -> Flow[Content]:
    sql = as_sql((yield from columns()))
    rows, total, strangers = yield Fetch(partial(archive.digested, sql=sql))
    return Content(rows, f"{rows}:{total}", strangers)


def _columns(table: Name, only: tuple[str, ...]) -> Flow[tuple[SourceColumn, ...]]:
    source = yield Fetch(partial(archive.source, name=table.name, schema=table.schema))
    columns: tuple[SourceColumn, ...] = yield Fetch(partial(archive.columns, oid=source.oid))
    if only:
        known = {each.name: each for each in columns}
        return tuple(known[name] for name in only)
    return columns


def same_facets(backup: Backup, manifest: Manifest) -> Flow[None]:
    """A flow that compares what a backup is like with what it was like.

    Raises:
        BackupMissing: something is gone: a column, an index, a partition.
        BackupAltered: something is another.
    """
    yield Run(f"LOCK TABLE {backup.relation} IN ACCESS SHARE MODE")
    now: Portrait = yield Fetch(partial(portray, oid=backup.oid))
    if manifest.kept is None:
        return
    found = damages(manifest.kept, now, transplanted=backup.transplanted)
    gone = [each for each in found if each.now is None and not each.field]
    if gone:
        raise _error(BackupMissing, gone)
    if found:
        raise _error(BackupAltered, found)


def _same_files(backup: Backup, manifest: Manifest) -> Flow[None]:
    """A flow that looks whether a move whose content nobody knows is still in its files."""
    now: dict[int, int | None]
    now = yield Fetch(partial(archive.files, oids=tuple(manifest.files)))
    others = [oid for oid, file in manifest.files.items() if now.get(oid) != file]
    if others:
        what = f"{len(others)} of the {len(manifest.files)} tables and views of {backup.name}"
        raise BackupEdited(f"{what} were written anew since, as by TRUNCATE or VACUUM FULL.")


def same_content(backup: Backup, found: Content) -> str:
    """Return by what the content was found to be the same.

    Raises:
        BackupTruncated: there are not as many rows as there were.
        BackupEdited: they are others.
    """
    if backup.exact:
        same_number(backup, found.rows)
    if backup.digest is not None and found.digest != backup.digest:
        raise BackupEdited(f"The digest of {backup.name} is another than when it was verified.")
    if found.strangers:
        raise BackupEdited(f"Written since in {backup.name}: {counted(found.strangers, 'row')}.")
    if backup.digest is not None:
        return "digest"
    if backup.kind == "move":
        return "rows" if backup.exact else "nothing"
    return "seal" if backup.seal else "rows"


def same_number(backup: Backup, rows: int) -> None:
    """Refuse a backup that has not as many rows as were counted when it was made.

    Raises:
        BackupTruncated: it has not.
    """
    if rows != backup.rows:
        raise BackupTruncated(f"{backup.name} has {counted(rows, 'row')}, and had {backup.rows:,}.")


def refuse_damaged(backup: Backup, rows: int) -> Flow[None]:
    """A flow that says what has become of a copy of which only *rows* are still as they were.

    Raises:
        BackupTruncated: rows are gone, or have come.
        BackupEdited: there are as many as there were, and some were written since.
    """
    there: int
    there = yield Fetch(partial(archive.counted, sql=f"SELECT count(*) FROM {backup.relation}"))  # noqa: S608 - a quoted name
    detail = f"Of {backup.name} {rows:,} of {backup.rows:,} rows are still as they were"
    kind = BackupEdited if there == backup.rows else BackupTruncated
    raise kind(f"{detail}; it has {there:,}.")


def _error(
    kind: type[BackupMissing | BackupAltered], found: Iterable[Difference]
) -> BackupMissing | BackupAltered:
    lines = [str(each) for each in found]
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return kind("\n".join([*lines[:_SHOWN], *more]), differences=lines)
