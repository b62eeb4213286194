"""The values of schemakit as plain dicts, for ``--json`` and for whoever writes logs.

The keys are part of the interface: they are added to, never renamed. Tuples become lists,
durations are seconds, and nothing but str, int, float, bool, None, list and dict comes out.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from schemakit.sql import Name
from schemakit.sql.locks import LockMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import DataclassInstance

    from schemakit.catalog.backup import Backup
    from schemakit.catalog.model import Entry
    from schemakit.errors import BackupDamaged, SchemakitError
    from schemakit.runner.backups.keeping import Cleaned, Overview
    from schemakit.runner.backups.results import Restored
    from schemakit.runner.backups.verifying import Verification
    from schemakit.runner.findings import Drift, Status
    from schemakit.runner.planning.model import Plan, PlannedRevision
    from schemakit.runner.results import Event, Result
    from schemakit.runner.revisions import Revision

Object = dict[str, Any]


def result(value: Result) -> Object:
    """Return what an upgrade, downgrade or stamp did.

    ``command``, ``changed`` (did it do anything), ``applied`` (objects of ``revision``,
    ``direction``, ``duration``, ``doc``, in the order in which they ran), ``heads_before``,
    ``heads_after``, ``waited``, ``duration``, ``ahead`` (revisions in the database that this code
    does not know), ``committed``.
    """
    return {"command": value.command, "changed": bool(value)} | _object(value)


def status(value: Status) -> Object:
    """Return where a database stands.

    ``database``, ``server``, ``at_head``, ``current``, ``heads``, ``pending`` (see `revision`, in
    the order in which they would run), ``unknown`` (revisions in the database that this code does
    not know), ``changed`` (applied revisions whose file has changed since, where a history is
    kept), ``invalid_indexes`` (objects of ``schema``, ``name``, ``table``), ``key_triggers``
    (tables PARTITION BY LIST of a hash: objects of ``schema``, ``table``, ``key``, ``leaf``,
    ``trigger``, ``state``, which is ``enabled``, ``disabled``, ``missing``, ``misplaced`` or
    ``none``, and ``check``).
    """
    return _object(value) | {"at_head": value.at_head}


def recorded(entries: Sequence[Entry]) -> Object:
    """Return ``recorded``: what the durable history holds, newest first.

    Objects of ``version_table``, ``revision``, ``direction``, ``user``, ``role``, ``host``,
    ``application_name``, ``finished`` (ISO 8601), ``seconds``, ``checksum``, ``schemakit``.
    """
    return {
        "recorded": [_object(entry) | {"finished": entry.finished.isoformat()} for entry in entries]
    }


def revision(value: Revision) -> Object:
    """Return ``id``, ``down``, ``doc``, ``path``, ``labels``, ``depends_on``, ``is_head``."""
    return _object(value)


def event(value: Event) -> Object:
    """Return something that happened during a run.

    ``kind``, ``command``, ``revision`` (see `revision`, or null), ``position``, ``total``,
    ``seconds``, ``holders`` (objects of ``pid``, ``application_name``, ``client``, ``state``,
    ``seconds``, ``query``), ``message``, and of ``progress`` ``rows``, ``bytes``, ``of_bytes``.
    """
    return _object(value)


def current(versions: Sequence[str]) -> Object:
    """Return ``current``: the revisions that a database stands at; empty at base."""
    return {"current": list(versions)}


def heads(revisions: Sequence[Revision], current: Sequence[str] | None) -> Object:
    """Return ``heads`` (see `revision`) and ``current``, which is null without a database."""
    return {"heads": _plain(revisions), "current": _plain(current)}


def history(revisions: Sequence[Revision], current: Sequence[str] | None) -> Object:
    """Return ``revisions``, newest first (see `revision`), and ``current``, as `heads` does."""
    return {"revisions": _plain(revisions), "current": _plain(current)}


def pending(revisions: Sequence[Revision]) -> Object:
    """Return ``pending`` (see `revision`), in the order in which they would run."""
    return {"pending": _plain(revisions)}


def plan(value: Plan) -> Object:
    """Return what would run.

    ``pending`` (is there anything to do), ``complete`` (is every statement known), ``database``,
    ``server``, ``direction``, ``target``, ``current``, ``revisions`` (in the order in which they
    would run), ``ahead`` (revisions in the database that this code does not know), ``rehearsed``
    (seconds, or null), ``failed`` (why the rehearsal ended early), ``notes``.

    Each of ``revisions``: ``revision`` (see `revision`), ``statements``, ``unknown`` (why there
    are further ones that cannot be known), ``failed``, ``rehearsed``. A statement: ``sql``,
    ``locks`` (objects of ``mode``, ``relation``, which is ``name`` and ``schema`` or null,
    ``what`` in words in that case, ``new``), ``in_transaction``, ``rewrites`` and ``scans``
    (``yes``, ``no``, ``maybe``), ``reason``, ``known``, ``brief``, ``refused``, ``autocommit``,
    ``measured`` (null, or ``seconds``, ``locks``, ``rewritten``, ``scanned``, ``moved``),
    ``skipped``, ``failed``.
    """
    return _object(value) | {
        "pending": bool(value),
        "complete": value.complete,
        "failed": value.failed,
        "revisions": [_planned(each) for each in value.revisions],
    }


def _planned(value: PlannedRevision) -> Object:
    statements = [
        _object(each) | {"brief": each.brief, "refused": each.refused} for each in value.statements
    ]
    return _object(value) | {"statements": statements}


def drift(value: Drift) -> Object:
    """Return what `check` found.

    ``differs`` (is there anything), ``differences`` (lines of Alembic operations), ``pending``
    (see `revision`).
    """
    return {"differs": bool(value)} | _object(value)


def written(revisions: Sequence[Revision]) -> Object:
    """Return ``written``: the revisions that were written (see `revision`); maybe none."""
    return {"written": _plain(revisions)}


def backup(value: Backup) -> Object:
    """Return a backup.

    ``id``, ``name``, ``kind`` (``move``, ``copy``, ``column``), ``original`` and ``relation``
    (objects of ``name``, ``schema``), ``status`` (``ACTIVE``, ``EXPIRING SOON``, ``EXPIRED``),
    ``rows``, ``exact`` (were they counted), ``bytes``, ``created``, ``kept_until`` (ISO 8601; null
    for ever), ``revision``, ``reason``, ``user``, ``role``, ``host``, ``application_name``,
    ``schemakit``, ``digest``, ``verified`` (ISO 8601), ``there`` (is it really), ``oid``,
    ``read`` (when this was asked).
    """
    return _object(value) | {"status": value.status}


def backups(found: Sequence[Backup]) -> Object:
    """Return ``backups`` (see `backup`), newest first; maybe none."""
    return {"backups": [backup(each) for each in found]}


def cleaned(value: Cleaned) -> Object:
    """Return what was removed.

    ``removed`` (see `backup`), ``failed`` (objects of ``backup``, ``why``), ``dry_run`` (was
    nothing done).
    """
    return {
        "removed": [backup(each) for each in value.removed],
        "failed": [{"backup": backup(each), "why": why} for each, why in value.failed],
        "dry_run": value.dry_run,
    }


def overview(value: Overview) -> Object:
    """Return how the backups stand.

    ``backups`` (see `backup`), ``orphans`` (in no registry; objects of ``name``, which is empty
    for a whole schema, and ``schema``), ``missing`` (names), ``rows``, ``bytes`` (of all that are
    there), ``statuses`` (how many have each).
    """
    statuses = ("ACTIVE", "EXPIRING SOON", "EXPIRED")
    return {
        "backups": [backup(each) for each in value.backups],
        "orphans": _plain(value.orphans),
        "missing": [each.name for each in value.missing],
        "rows": value.rows,
        "bytes": value.bytes,
        "statuses": {status: len(value.with_status(status)) for status in statuses},
    }


def restored(value: Restored) -> Object:
    """Return what was restored.

    ``table`` (an object of ``name``, ``schema``), ``rows``, ``exact``, ``backup`` (see `backup`),
    ``overwritten`` (the backup of what was there before, or null), ``unproven`` (foreign keys that
    do not hold any more), ``left`` (what could not be put back) and ``damaged`` (with ``--to``,
    what is not as it was put away; else empty), in words.
    """
    overwritten = value.overwritten
    return {
        "table": _plain(value.table),
        "rows": value.rows,
        "exact": value.exact,
        "backup": backup(value.backup),
        "overwritten": None if overwritten is None else backup(overwritten),
        "unproven": list(value.unproven),
        "left": list(value.left),
        "damaged": value.damaged,
    }


def verified(good: Sequence[Verification], bad: Sequence[tuple[str, BackupDamaged]]) -> Object:
    """Return what was compared.

    ``verified`` (objects of ``backup``, ``rows``, ``facets``, ``against``: see `Verification`) and
    ``damaged`` (objects of ``name``, ``type``, ``message``, ``differences``).
    """
    return {
        "verified": [_object(each) | {"backup": backup(each.backup)} for each in good],
        "damaged": [
            {
                "name": name,
                "type": type(error).__name__,
                "message": error.detail,
                "differences": list(error.differences),
            }
            for name, error in bad
        ],
    }


def error(value: SchemakitError) -> Object:
    """Return ``error``: an object of ``type`` (the class), ``message``, ``remedy`` (may be empty).

    What the class carries besides comes too. RevisionFailed: ``revision``, ``path``,
    ``direction``, ``statement``, ``applied`` (what the database has kept), ``heads``, ``partial``.
    LockTimeout: ``holders``, as in `event`.
    """
    known = ("detail", "remedy")
    further = {key: _plain(found) for key, found in vars(value).items() if key not in known}
    message = "\n".join(part for part in (value.summary, value.detail) if part)
    return failure(type(value).__name__, message, value.remedy, further)


def failure(kind: str, message: str, remedy: str = "", further: Object | None = None) -> Object:
    """Return the object of `error` for what is no SchemakitError."""
    return {"error": {"type": kind, "message": message, "remedy": remedy} | (further or {})}


def _object(value: DataclassInstance) -> Object:
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def _plain(value: object) -> object:
    if isinstance(value, Name):
        return value._asdict()
    if isinstance(value, LockMode):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return _object(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
