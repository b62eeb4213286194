"""What a backup needs where it is restored, and what of that is not there."""

from __future__ import annotations

from functools import partial

from schemakit.catalog import archive
from schemakit.catalog.backup import Wanted, shown
from schemakit.catalog.portrait import Portrait
from schemakit.errors import RestoreRefused
from schemakit.runner.flow import Fetch, Flow
from schemakit.safety import required
from schemakit.sql.name import Name

_REMEDY = (
    "create what is missing (CREATE ROLE … for a role), or restore the rows alone with to=… (--to)."
)
_PARENTS = "restore {} first, or make it again; the rows alone can be had beside with to=… (--to)."


def parents_there(portrait: Portrait) -> Flow[None]:
    """A flow that asks whether what a table was a partition or an heir of is there to take it back.

    Raises:
        RestoreRefused: it is not; each is named.
    """
    wanted = required.parents(portrait)
    missing: tuple[Wanted, ...] = yield Fetch(partial(archive.absent, wanted=wanted))
    if missing:
        gone = ", ".join(shown(Name(each.name, each.schema)) for each in missing)
        verb = "are" if len(missing) > 1 else "is"
        detail = f"{gone}, which {shown(portrait.name)} was below, {verb} not there."
        raise RestoreRefused(detail, remedy=_PARENTS.format(gone))


def makeable(portrait: Portrait) -> Flow[tuple[Portrait, tuple[str, ...]]]:
    """A flow that asks whether the tables of *portrait* can be made here, before any is.

    Returns:
        It without the foreign keys whose other table is not here, and those in words.

    Raises:
        RestoreRefused: something that it needs is not here; all of that is named.
    """
    wanted = required.required(portrait)
    missing: tuple[Wanted, ...] = yield Fetch(partial(archive.absent, wanted=wanted))
    if missing:
        lines = "\n".join(f"  {each}" for each in missing)
        detail = f"To make {shown(portrait.name)} anew takes what is not there:\n{lines}"
        raise RestoreRefused(detail, remedy=_REMEDY)
    others = required.partners(portrait)
    alone: tuple[Wanted, ...] = yield Fetch(partial(archive.absent, wanted=others))
    return required.without(portrait, {Name(each.name, each.schema) for each in alone})
