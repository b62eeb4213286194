"""What a table needs comes home from the schemas of backups, before the table does."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from schemakit.catalog import archive
from schemakit.catalog.dependants import Away
from schemakit.catalog.portrait import Portrait
from schemakit.runner.flow import Fetch, Flow
from schemakit.safety import homecoming

from .proving import attempted
from .sending import sent

#: Not supported, data, dependent objects, and whatever does not fit together.
_UNFIT = ("0A", "22", "2B", "42")


def home(portrait: Portrait, places: Mapping[str, str]) -> Flow[tuple[str, ...]]:
    """A flow that brings home what *portrait* needs; returns in words what is not as it was.

    Args:
        portrait: of a table that was moved away, as it was where it lived.
        places: where its tables are.
    """
    coming = []
    for each in (yield from _coming(portrait)):
        if each.blocked and each.is_enum:
            statements = tuple(homecoming.converted(each, portrait, places))
            if statements and (yield from attempted(statements, _UNFIT)):
                continue
        coming.append(each)
    yield from sent(homecoming.home(coming))
    return tuple(homecoming.left(coming))


def ready(portrait: Portrait) -> Flow[bool]:
    """A flow that brings home what a table made of a backup will need, as *portrait* says.

    Returns:
        Whether it did, or none of that was away. Where others need one of the twins, that is what
        the table gets, and all is left where it lies.
    """
    coming = yield from _coming(portrait)
    if any(each.blocked for each in coming):
        return False
    yield from sent(homecoming.home(coming))
    return True


def _coming(portrait: Portrait) -> Flow[tuple[homecoming.Coming, ...]]:
    needs = homecoming.can_come(portrait)
    if not needs:
        return ()
    found: tuple[Away, ...] = yield Fetch(partial(archive.away, needs=needs))
    return homecoming.coming(portrait, found)
