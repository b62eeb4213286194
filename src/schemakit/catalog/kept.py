"""What differs between a backup as it was put away, and as it is: what is no damage left out.

What others make of a type or function that they need, too, is none: it gets labels or other code,
and lies elsewhere once a table that needs it was dropped or came back. It cannot go while the
backup needs it (pg_depend).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from schemakit.sql.name import quote

from .dependants import Need
from .differences import Difference, differences
from .plain import decoded, encoded
from .portrait import Portrait


def damages(kept: Portrait, now: Portrait, *, transplanted: bool = False) -> tuple[Difference, ...]:
    """Return in what a backup is not as it was put away.

    Args:
        kept: its portrait of then.
        now: its portrait of now.
        transplanted: whether all objects have other oids since.
    """
    if transplanted:
        kept = renumbered(kept, now)
    one, other = _spelt_alike(kept, now)
    ignoring = ("identity of objects",) if transplanted else ()
    found = differences(replace(one, needs=()), replace(other, needs=()), ignoring=ignoring)
    return (*found, *_needs(kept, now))


def renumbered(kept: Portrait, now: Portrait) -> Portrait:
    """Return *kept* with the oids that what it needs has *now*, told by kind and name."""
    oids = {_called(each): each.oid for each in now.needs}
    others = {each.oid: oids.get(_called(each), each.oid) for each in kept.needs}
    needs = (
        replace(
            each,
            oid=others[each.oid],
            needed_by=tuple(others.get(one, one) for one in each.needed_by),
        )
        for each in kept.needs
    )
    return replace(kept, needs=tuple(needs))


def _called(need: Need) -> tuple[object, ...]:
    return need.kind, need.name or need.identity, need.arguments


def _needs(kept: Portrait, now: Portrait) -> Iterator[Difference]:
    """By their oids, and of the tables themselves: what a type needs is its own affair."""
    before = {(each.classid, each.oid): each for each in kept.needs}
    after = {(each.classid, each.oid): each for each in now.needs}
    for key, each in before.items():
        if key not in after and each.depth == 1:
            yield Difference("needs", f"{each.kind} {each.identity}", "", each.identity, None)
    for key, each in after.items():
        if key not in before and each.depth == 1:
            yield Difference("needs", f"{each.kind} {each.identity}", "", None, each.identity)


def _spelt_alike(kept: Portrait, now: Portrait) -> tuple[Portrait, Portrait]:
    """Both with the names that were kept for what has got another name or schema since."""
    after = {(each.classid, each.oid): each for each in now.needs}
    for each in kept.needs:
        found = after.get((each.classid, each.oid))
        if found is None or (found.schema, found.name) == (each.schema, each.name):
            continue
        if each.schema is not None and found.schema is not None:
            names = re.compile(
                rf'(?<![\w."$])(?:{"|".join((*_spellings(each), *_spellings(found)))})(?![\w"$])'
            )
            kept, now = (_renamed(one, names, _spellings(each)[0]) for one in (kept, now))
    return kept, now


def _spellings(need: Need) -> tuple[str, ...]:
    """What the server may call it, as patterns: it quotes what has to be quoted."""
    schema, name = str(need.schema), str(need.name)
    return tuple(
        re.escape(f"{one}.{other}")
        for one in (schema, quote(schema))
        for other in (name, quote(name))
    )


def _renamed(portrait: Portrait, names: re.Pattern[str], to: str) -> Portrait:
    return decoded(Portrait, _replaced(encoded(portrait), names, to))


def _replaced(value: object, names: re.Pattern[str], to: str) -> object:
    if isinstance(value, str):
        return names.sub(lambda _: to, value)
    if isinstance(value, dict):
        return {key: _replaced(each, names, to) for key, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, names, to) for each in value]
    return value
