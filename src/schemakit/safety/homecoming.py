"""What a table needs comes home with it: types and functions that lie where a backup lives.

Each takes its place again, for nothing living shall need what lies with a backup: its twin is
dropped. A twin that others need by now stays. An enum's columns become of that then, in which the
rows are written anew; whatever cannot, comes home under another name, and it is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from schemakit.catalog.dependants import Away, Need
from schemakit.catalog.portrait import Portrait
from schemakit.catalog.table import Column
from schemakit.sql.literal import literal
from schemakit.sql.name import MAX_IDENTIFIER_BYTES, Name, quote
from schemakit.sql.plan import Statement

from . import twins
from .saying import on, pins


@dataclass(frozen=True, slots=True)
class Coming:
    """One of what comes home.

    Attributes:
        need: as it was where it lived.
        away: where it is now, and what has become of its twin.
        blocked: whether others need its twin.
    """

    need: Need
    away: Away
    blocked: bool

    @property
    def is_enum(self) -> bool:
        """Whether it and its twin are enums."""
        return bool(self.away.labels and self.away.twin_labels)

    @property
    def other_name(self) -> str:
        """What it is called while its twin has its name: no other is, by its oid."""
        end = f"_{self.need.oid}"
        start = str(self.need.name).encode()[: MAX_IDENTIFIER_BYTES - len(end)]
        return start.decode(errors="ignore") + end


def can_come(portrait: Portrait) -> tuple[Need, ...]:
    """Return what *portrait* needs and may lie with a backup now."""
    return tuple(each for each in portrait.needs if twins.movable(each))


def coming(portrait: Portrait, found: Iterable[Away]) -> tuple[Coming, ...]:
    """Return those of its needs that are away, *found* by now; what others of them need first."""
    away = {each.oid: each for each in found}
    blocked = {each.twin for each in away.values() if each.users}
    while (
        more := {each.twin for each in away.values() if blocked.intersection(each.used_by)}
        - blocked
    ):
        blocked |= more
    needs = sorted(can_come(portrait), key=lambda each: -each.depth)
    return tuple(
        Coming(each, away[each.oid], away[each.oid].twin in blocked)
        for each in needs
        if each.oid in away
    )


def home(these: Iterable[Coming]) -> Iterator[Statement]:
    """What brings them home."""
    all_ = tuple(these)
    if all_:
        yield pins()
    for each in reversed(all_):
        if each.away.twin is not None and not each.blocked:
            yield Statement(f"DROP {twins.called(each.need)}", why="the original takes its place")
    for each in all_:
        yield from _moved(each)
    for each in all_:
        if not each.blocked:
            yield from _as_its_twin(each)


def _moved(each: Coming) -> Iterator[Statement]:
    actions = [f"RENAME TO {quote(each.other_name)}"] if each.blocked else []
    actions.append(f"SET SCHEMA {quote(str(each.need.schema))}")
    block = "; ".join(twins.told(each.need, action) for action in actions)
    yield Statement(f"DO {literal(f'BEGIN {block}; END')}", why="the table needs it")


def _as_its_twin(each: Coming) -> Iterator[Statement]:
    """What makes it as its twin was: code that was replaced meanwhile, labels that came."""
    if _is_replaced(each):
        yield Statement(str(each.away.twin_definition).strip(), why="it was replaced meanwhile")
    known = set(each.away.labels)
    before: str | None = None
    for label in each.away.twin_labels if each.is_enum else ():
        if label not in known:
            place = f"BEFORE {literal(each.away.labels[0])}"
            if before is not None:
                place = f"AFTER {literal(before)}"
            sql = f"ALTER {twins.called(each.need)} ADD VALUE {literal(label)} {place}"
            yield Statement(sql, why="its twin got it meanwhile")
        before = label


def _is_replaced(each: Coming) -> bool:
    return each.away.twin_definition not in (None, each.need.definition)


def left(these: Iterable[Coming]) -> Iterator[str]:
    """What is not as it was afterwards, in words."""
    for each in these:
        what = f"{each.need.kind} {each.need.identity}"
        if each.blocked:
            others = ", ".join(each.away.users) or "another function or type"
            yield (
                f"{what}: {others} needs the one that took its place; the table's is called"
                f" {each.other_name} now"
            )
        elif _is_replaced(each):
            yield f"{what}: it was replaced meanwhile, and keeps the newer code"
        elif each.is_enum and (
            new := [one for one in each.away.twin_labels if one not in each.away.labels]
        ):
            yield f"{what}: it keeps what was added to it meanwhile: {', '.join(map(repr, new))}"


def converted(each: Coming, portrait: Portrait, places: Mapping[str, str]) -> Iterator[Statement]:
    """What makes the columns of the tables in *places* of its twin, and drops it if it is theirs.

    Nothing, where none is of that enum, or another type or a function needs it; where anything
    else does, the server refuses.
    """
    changed = () if each.need.needed_by else tuple(_changed(each, portrait, places))
    if changed:
        yield pins()
        yield from changed
        if each.away.place in places.values():
            yield Statement(f"DROP TYPE {Name(str(each.need.name), each.away.place)}")


def _changed(each: Coming, portrait: Portrait, places: Mapping[str, str]) -> Iterator[Statement]:
    own = {table.full_name for table in portrait.tables}
    for table in portrait.tables:
        if own.intersection(table.parents):  # its columns follow
            continue
        name = Name(table.name, places[table.schema])
        for column in table.columns:
            if column.type in (each.need.identity, f"{each.need.identity}[]"):
                actions = ", ".join(_conversion(column))
                yield on(name, f"ALTER TABLE {name} {actions}", "others need its twin")


def _conversion(column: Column) -> Iterator[str]:
    name = quote(column.name)
    if column.default is not None:
        yield f"ALTER {name} DROP DEFAULT"
    yield f"ALTER {name} TYPE {column.type} USING CAST(CAST({name} AS text) AS {column.type})"
    if column.default is not None:
        yield f"ALTER {name} SET DEFAULT {column.default}"
