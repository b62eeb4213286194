"""Types and functions that only the table needs: they move along, and a twin takes their place.

So the table keeps them whatever becomes of the twin: DROP TYPE and DROP FUNCTION of what only
archived tables need succeed, and the living see no difference. When the table returns, the twin
goes and the original takes its place again. Both ways are told as DO blocks: it is known only then
whose rights the role has, where the original lies, as another backup may share it, and what has
become of the twin.

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

#: What can be moved and made again; with what ALTER calls it and which catalog has it.
_KINDS = {
    "type": ("TYPE", "pg_type", "typowner", "typnamespace"),
    "domain": ("DOMAIN", "pg_type", "typowner", "typnamespace"),
    "function": ("FUNCTION", "pg_proc", "proowner", "pronamespace"),
    "procedure": ("PROCEDURE", "pg_proc", "proowner", "pronamespace"),
}


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
    ready = need.kind in _KINDS and need.definition is not None and need.owner is not None
    return ready and not need.shared and need.extension is None


def away(portrait: Portrait, places: dict[str, str]) -> Iterator[Statement]:
    """What moves them along, and makes their twins."""
    for need in going_along(portrait):
        yield Statement(_away(need, places[str(need.schema)]), why="only the table needs it")


def back(portrait: Portrait) -> Iterator[Statement]:
    """What drops the twins, and moves them back."""
    for need in reversed(going_along(portrait)):
        yield Statement(_back(need), why="it takes the place of its twin")


_AWAY = """BEGIN
  IF (SELECT pg_has_role({owner}, 'USAGE') FROM pg_catalog.{catalog} WHERE oid = {oid})
     AND has_schema_privilege({home}, 'CREATE') THEN
    {statements}
  END IF;
END"""

_BACK = """DECLARE place text; twin oid; code text;
BEGIN
  SELECT n.nspname INTO place FROM pg_catalog.{catalog} AS o
    JOIN pg_catalog.pg_namespace AS n ON n.oid = o.{namespace} WHERE o.oid = {oid};
  IF place = {home} THEN RETURN; END IF;
  twin := {finds}({name});
  IF twin IS NOT NULL THEN
    {code}EXECUTE {drop};
  END IF;
  EXECUTE format({moved}, place);
  IF code IS NOT NULL THEN EXECUTE code; END IF;
END"""


def _away(need: Need, place: str) -> str:
    _, catalog, owner, _ = _KINDS[need.kind]
    statements = [_moved(need, str(need.schema), place), *_twin(need)]
    block = _AWAY.format(
        catalog=catalog,
        owner=owner,
        oid=need.oid,
        home=literal(need.schema),
        statements="\n    ".join(f"EXECUTE {literal(each)};" for each in statements),
    )
    return f"DO {literal(block)}"


def _twin(need: Need) -> Iterator[str]:
    what, owner = _called(need), str(need.owner)
    yield str(need.definition).strip()
    yield f"ALTER {what} OWNER TO {quote(owner)}"
    kind = "TYPE" if need.kind == "domain" else _KINDS[need.kind][0]
    rights = grants.granted(f"{kind} {_signature(need)}", need.acl, owner)
    yield from (each.sql for each in rights)
    yield from (each.sql for each in comment(what, need.comment))


def _back(need: Need) -> str:
    _, catalog, _, namespace = _KINDS[need.kind]
    block = _BACK.format(
        catalog=catalog,
        namespace=namespace,
        oid=need.oid,
        home=literal(need.schema),
        finds="to_regtype" if catalog == "pg_type" else "to_regprocedure",
        name=literal(need.identity),
        code=_code_of(need),
        drop=literal(f"DROP {_called(need)}"),
        moved=literal(_moved_from(need)),
    )
    return f"DO {literal(block)}"


def _code_of(need: Need) -> str:
    """A function may have been replaced meanwhile: the original gets the code of its twin."""
    if _KINDS[need.kind][1] == "pg_type":
        return ""
    return "code := pg_catalog.pg_get_functiondef(twin);\n    "


def _moved(need: Need, source: str, target: str) -> str:
    return f"ALTER {_KINDS[need.kind][0]} {_signature(need, source)} SET SCHEMA {quote(target)}"


def _moved_from(need: Need) -> str:
    """The statement that moves it back, for format(): ``%I`` stands for where it is."""
    home = quote(str(need.schema)).replace("%", "%%")
    arguments = "" if need.arguments is None else f"({need.arguments})".replace("%", "%%")
    name = quote(str(need.name)).replace("%", "%%")
    return f"ALTER {_KINDS[need.kind][0]} %I.{name}{arguments} SET SCHEMA {home}"


def _signature(need: Need, schema: str | None = None) -> str:
    arguments = "" if need.arguments is None else f"({need.arguments})"
    return f"{Name(str(need.name), schema or need.schema)}{arguments}"


def _called(need: Need) -> str:
    return f"{_KINDS[need.kind][0]} {_signature(need)}"
