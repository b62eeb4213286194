"""Text for people, where ``str(value)`` is not enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemakit.catalog.backup import Backup
    from schemakit.catalog.model import Entry
    from schemakit.errors import BackupDamaged
    from schemakit.runner.backups.verifying import Verification
    from schemakit.runner.revisions import Revision

#: Follows the revision that the database stands at.
CURRENT = "  <- current"


def current(versions: Sequence[str]) -> str:
    """Return a line per revision; an empty database is at ``base``."""
    return "\n".join(versions) or "base"


def pending(revisions: Sequence[Revision]) -> str:
    """Return a line per revision."""
    return "\n".join(map(str, revisions)) or "nothing is pending"


def revisions(shown: Sequence[Revision], current: Sequence[str] | None) -> str:
    """Return a line per revision of *shown*, in that order.

    Args:
        shown: the revisions, newest first.
        current: where the database stands, to be marked; None without a database.
    """
    here = frozenset(current or ())
    lines = [f"{revision}{CURRENT if revision.id in here else ''}" for revision in shown]
    return "\n".join(lines) or "no revisions"


def history(shown: Sequence[Revision], current: Sequence[str] | None) -> str:
    """Return `revisions` of all there are, so that wherever the database stands is on a line."""
    known = {revision.id for revision in shown}
    unknown = [
        f"{version}, unknown here{CURRENT}" for version in current or () if version not in known
    ]
    empty = [f"<base>{CURRENT}"] if current is not None and not current else []
    return "\n".join([*unknown, revisions(shown, current), *empty])


def recorded(entries: Sequence[Entry]) -> str:
    """Return a line per entry of the durable history."""
    return "\n".join(map(str, entries)) or "nothing is recorded (see Settings.record)"


def backups(found: Sequence[Backup]) -> str:
    """Return a line per backup."""
    return "\n".join(map(str, found)) or "no backups"


def removal(found: Sequence[Backup]) -> str:
    """Return what is about to be removed, a line each."""
    return "To be removed:\n" + "\n".join(f"  {backup}" for backup in found)


def verified(good: Sequence[Verification], bad: Sequence[tuple[str, BackupDamaged]]) -> str:
    """Return a line per backup that is what was put away, and why the others are not."""
    lines = [f"ok       {each}" for each in good]
    lines += [f"DAMAGED  {name}: {error.summary} {error.detail}" for name, error in bad]
    return "\n".join(lines) or "no backups"
