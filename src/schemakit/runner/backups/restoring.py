"""A backup is restored: by whichever way it was made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from schemakit.catalog import archive
from schemakit.catalog.backup import Backup, shown
from schemakit.catalog.dependants import Need
from schemakit.catalog.table import Table
from schemakit.errors import (
    BackupAltered,
    BackupEdited,
    BackupMissing,
    BackupTruncated,
    HasDependants,
    RestoreRefused,
)
from schemakit.runner.flow import Fetch, Flow, Run
from schemakit.safety import twins
from schemakit.safety.manifest import Manifest
from schemakit.safety.refill import read_back
from schemakit.sql.name import Name, quote
from schemakit.sql.words import counted

from .columns import ColumnReturn
from .homing import ready
from .moving import SPOKEN
from .pins import under
from .refilling import Refilling
from .registry import Registry
from .results import Restored
from .returning import Return

if TYPE_CHECKING:
    from schemakit.catalog.backup import Places

_SALVAGE = (
    "what is left of it can be had beside the table with to=… (--to), to be merged by hand; a "
    "table that was moved away comes back as it is with unverified=True (--unverified)."
)
#: A restore never takes along what did not depend on the table when it was backed up.
_IN_THE_WAY = (
    "drop those first and make them again afterwards, or restore beside the table with to=… (--to)."
)


@dataclass(frozen=True, slots=True)
class Restore:
    """A backup that is to be restored.

    Attributes:
        backup: it, or its name.
        registry: which has it.
        days: for how many days what is overwritten is kept.
        to: another table to make of it.
        drop_backup: whether a copy is removed afterwards.
        overwrite: whether what is there may be replaced.
        reason: why rows may be destroyed.
        unverified: whether a move may come back as it is now, whatever that is.
    """

    backup: Backup | str
    registry: Registry
    days: int
    to: Name | None = None
    drop_backup: bool = False
    overwrite: bool = False
    reason: str = ""
    unverified: bool = False

    def flow(self) -> Flow[Restored]:
        """A flow that does it, within one transaction."""
        try:
            return (yield from self._restored())
        except (BackupTruncated, BackupEdited, BackupAltered) as error:
            error.remedy = _SALVAGE
            raise
        except HasDependants as error:
            error.remedy = _IN_THE_WAY
            raise

    def _restored(self) -> Flow[Restored]:
        entry = yield from self.registry.entry(self.backup)
        if entry.kind == "move" and self.to is None:
            back = Return(
                entry,
                self.registry,
                self.days,
                overwrite=self.overwrite,
                reason=self.reason,
                unverified=self.unverified,
            )
            return (yield from back.flow())
        if self.to is not None:
            return (yield from beside(self.registry, entry, self.to))
        if entry.kind == "column":
            return (yield from ColumnReturn(entry, self.registry).flow())
        copy = Refilling(
            entry,
            self.registry,
            self.days,
            drop_backup=self.drop_backup,
            overwrite=self.overwrite,
            reason=self.reason,
        )
        return (yield from copy.flow())


def beside(registry: Registry, backup: Backup, to: Name) -> Flow[Restored]:
    """A flow that makes a plain table of a backup's rows: to look at, or to merge by hand.

    Its columns are of their types, and NOT NULL where they were, with the primary key; it has no
    other constraint, no index and no default.
    """
    return (yield from under(SPOKEN, _beside(registry, backup, to)))


def _beside(registry: Registry, backup: Backup, to: Name) -> Flow[Restored]:
    if not backup.there:
        raise BackupMissing(f"{shown(backup.relation)} is not there.")
    target = Name(to.name, to.schema or backup.original.schema)
    yield from _refuse_taken(target)
    table: Table | None = None
    manifest: Manifest | None = None
    if not backup.legacy:
        manifest = yield from registry.manifest(backup)
        table = _held(manifest)
    columns = "*"
    if table is not None and manifest is not None:
        at_home = yield from ready(manifest.portrait)
        table = yield from _readable(backup, table)
        columns = selected(backup, table, () if at_home else twins.going_along(manifest.portrait))
    sql = f"CREATE TABLE {target} AS SELECT {columns} FROM {backup.relation}"  # noqa: S608 - quoted names
    tag: str = yield Run(sql, long=True)
    if table is not None and (actions := list(_marked(table))):
        yield Run(f"ALTER TABLE {target} {', '.join(actions)}", long=True)
    rows = int(tag.rsplit(maxsplit=1)[-1])
    return Restored(target, backup, rows, damaged=(yield from _damaged(backup, rows)))


def _damaged(backup: Backup, rows: int) -> Flow[str]:
    """A flow that says in words what of a backup with *rows* rows is not as it was put away.

    To look at what is left is what it was asked for, so that this refuses nothing.
    """
    whole = rows
    if backup.seal:
        sealed = f"xmin = '{int(backup.seal)}'::xid"
        sql = f"SELECT count(*) FROM {backup.relation} WHERE {sealed}"  # noqa: S608 - a quoted name
        whole = yield Fetch(partial(archive.counted, sql=sql))
    if not backup.exact or whole == rows == backup.rows:
        return ""
    if not backup.seal:
        return f"{backup.name} has {counted(rows, 'row')}, and had {backup.rows:,}."
    still = f"{whole:,} of {backup.rows:,} rows are as they were put away"
    return f"of {backup.name} {still}; it has {rows:,}."


def _refuse_taken(target: Name) -> Flow[None]:
    places: Places = yield Fetch(partial(archive.places, schema=target.schema or ""))
    if not places.schema:
        detail = f"There is no schema {target.schema!r}."
        raise RestoreRefused(detail, remedy="create it first, or choose another (--to-schema).")
    if (yield Fetch(partial(archive.source, name=target.name, schema=target.schema))) is not None:
        remedy = "choose another name for to=… (--to)."
        raise RestoreRefused(f"There is a {shown(target)} already.", remedy=remedy)


def _held(manifest: Manifest) -> Table:
    """The table as it was, with the columns that the backup has of it."""
    table = manifest.portrait.table
    if manifest.kept is None:
        return table
    names = {each.name for each in manifest.kept.table.columns}
    return replace(table, columns=tuple(each for each in table.columns if each.name in names))


def _readable(backup: Backup, table: Table) -> Flow[Table]:
    """A flow that leaves as text, which a copy has, the values of types that are not here."""
    if backup.kind == "move":
        return table
    types = tuple(each.type for each in table.columns)
    gone: frozenset[str] = yield Fetch(partial(archive.unreadable, types=types))
    columns = (replace(each, type="text") if each.type in gone else each for each in table.columns)
    return replace(table, columns=tuple(columns))


def selected(backup: Backup, table: Table, away: Iterable[Need] = ()) -> str:
    """Return the values of a backup's columns: a move has them, a copy keeps some as text.

    Args:
        backup: which.
        table: it, with the types of its columns where it lived.
        away: of a move, those of its types that lie with it, while others have their places.
    """
    if backup.kind != "move":
        return ", ".join(f"{read_back(each)} AS {quote(each.name)}" for each in table.columns)
    own = {f"{each.identity}{array}" for each in away for array in ("", "[]")}
    return ", ".join(
        f"CAST(CAST({quote(each.name)} AS text) AS {each.type}) AS {quote(each.name)}"
        if each.type in own
        else quote(each.name)
        for each in table.columns
    )


def _marked(table: Table) -> Iterator[str]:
    for column in table.columns:
        if column.not_null:
            yield f"ALTER {quote(column.name)} SET NOT NULL"
    for constraint in table.constraints:
        if constraint.kind == "p":
            yield f"ADD PRIMARY KEY ({', '.join(map(quote, constraint.columns))})"
