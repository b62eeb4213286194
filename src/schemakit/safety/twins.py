"""Types and functions that only the table needs: they move along, and a twin takes their place.

So the table keeps them whatever becomes of the twin: DROP TYPE and DROP FUNCTION of what only
archived tables need succeed, and the living see no difference. The way is told as DO blocks: it is
known only then whose rights the role has. The way home is in `homecoming`.

A type or function that belongs to an extension, or that the role may not move, stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from schemakit.catalog.dependants import Need
from schemakit.catalog.portrait import Portrait
from schemakit.sql.literal import literal
from schemakit.sql.name import Name, quote
from schemakit.sql.plan import Statement

from . import grants
from .saying import comment

#: What can be moved and made again, with what ALTER calls it.
KINDS = {"type": "TYPE", "domain": "DOMAIN", "function": "FUNCTION", "procedure": "PROCEDURE"}


def going_along(portrait: Portrait) -> tuple[Need, ...]:
    """Return what only the table needs and can move along, what others of it need first."""
    stay = {each.oid for each in portrait.needs if not _is_own(each)}
    while True:  # what is needed by something that stays has to stay, too
        more = {each.oid for each in portrait.needs if stay.intersection(each.needed_by)} - stay
        if not more:
            break
        stay |= more
    found = (each for each in portrait.needs if each.oid not in stay)
    return tuple(sorted(found, key=lambda each: -each.depth))


def _is_own(need: Need) -> bool:
    return movable(need) and not need.shared


def movable(need: Need) -> bool:
    """Whether it is of a kind that can move, and be made again."""
    ready = need.kind in KINDS and need.definition is not None and need.owner is not None
    return ready and need.extension is None


def away(portrait: Portrait, places: dict[str, str]) -> Iterator[Statement]:
    """What moves them along, and makes their twins."""
    for need in going_along(portrait):
        yield Statement(_away(need, places[str(need.schema)]), why="only the table needs it")


_AWAY = """BEGIN
  IF (SELECT pg_has_role({owner}, 'USAGE') FROM pg_catalog.{catalog} WHERE oid = {oid})
     AND has_schema_privilege({home}, 'CREATE') THEN
    {moved};
    {twin}
  END IF;
END"""


def _away(need: Need, place: str) -> str:
    block = _AWAY.format(
        catalog="pg_type" if is_type(need) else "pg_proc",
        owner="typowner" if is_type(need) else "proowner",
        oid=need.oid,
        home=literal(need.schema),
        moved=told(need, f"SET SCHEMA {quote(place)}"),
        twin="\n    ".join(f"EXECUTE {literal(each)};" for each in _twin(need)),
    )
    return f"DO {literal(block)}"


def told(need: Need, action: str) -> str:
    """Return what alters it, within a DO block.

    By its oid: of which schema the types of a function's arguments are changes on the way.
    """
    text = literal(f"ALTER {KINDS[need.kind]} %s {action.replace('%', '%%')}")
    spelt = "regtype" if is_type(need) else "regprocedure"
    return f"EXECUTE pg_catalog.format({text}, {need.oid}::pg_catalog.{spelt})"


def is_type(need: Need) -> bool:
    """Whether it is a type, and not a function."""
    return need.kind in ("type", "domain")


def _twin(need: Need) -> Iterator[str]:
    what, owner = called(need), str(need.owner)
    yield str(need.definition).strip()
    yield f"ALTER {what} OWNER TO {quote(owner)}"
    kind = "TYPE" if need.kind == "domain" else KINDS[need.kind]
    rights = grants.granted(f"{kind} {_signature(need)}", need.acl, owner)
    yield from (each.sql for each in rights)
    yield from (each.sql for each in comment(what, need.comment))


def _signature(need: Need) -> str:
    arguments = "" if need.arguments is None else f"({need.arguments})"
    return f"{Name(str(need.name), need.schema)}{arguments}"


def called(need: Need) -> str:
    """Return what DROP and ALTER call it where it lived, or its twin."""
    return f"{KINDS[need.kind]} {_signature(need)}"
