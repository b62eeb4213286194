"""Rights and owners, from what the server writes of them: an aclitem is ``grantee=rw*/grantor``.

(Manual, 5.8 Privileges; src/backend/utils/adt/acl.c.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from schemakit.catalog.table import Table
from schemakit.sql.literal import literal
from schemakit.sql.name import Name, quote
from schemakit.sql.plan import Statement

_PRIVILEGES = {
    "r": "SELECT",
    "a": "INSERT",
    "w": "UPDATE",
    "d": "DELETE",
    "D": "TRUNCATE",
    "x": "REFERENCES",
    "t": "TRIGGER",
    "m": "MAINTAIN",
    "U": "USAGE",
    "X": "EXECUTE",
}
_WHOSE = "schemakit.role"


@dataclass(frozen=True, slots=True)
class Grant:
    """A right of one role, given by another.

    Attributes:
        grantee: whose; None for PUBLIC.
        privileges: as GRANT spells them.
        grantable: WITH GRANT OPTION.
        grantor: who gave it.
    """

    grantee: str | None
    privileges: tuple[str, ...]
    grantable: bool
    grantor: str


def parsed(item: str) -> tuple[Grant, ...]:
    """Return the grants of the aclitem *item*: those with the grant option, and those without."""
    grantee, rest = _role(item)
    letters, _, grantor = rest[1:].partition("/")
    found: dict[bool, list[str]] = {True: [], False: []}
    for letter, after in zip(letters, [*letters[1:], ""], strict=True):
        if letter != "*":
            found[after == "*"].append(_PRIVILEGES[letter])
    whose = grantee or None
    return tuple(
        Grant(whose, tuple(privileges), grantable, _role(grantor)[0])
        for grantable, privileges in found.items()
        if privileges
    )


def _role(text: str) -> tuple[str, str]:
    """Split a role's name, quoted or not, from what follows it."""
    if not text.startswith('"'):
        end = next((i for i, char in enumerate(text) if char == "="), len(text))
        return text[:end], text[end:]
    name, position = [], 1
    while text[position] != '"' or text[position + 1 : position + 2] == '"':
        name.append(text[position])
        position += 2 if text[position] == '"' else 1
    return "".join(name), text[position + 1 :]


def granted(
    what: str, acl: tuple[str, ...] | None, owner: str, column: str | None = None
) -> Iterator[Statement]:
    """What gives the rights of *acl* to something new of *owner*, in that order.

    Args:
        what: on what, e.g. ``TABLE public.t``.
        acl: its aclitems; None for the default, which it has.
        owner: whose it is already.
        column: on which of its columns only.
    """
    if acl is None:
        return
    if column is None:
        yield Statement(f"REVOKE ALL ON {what} FROM PUBLIC, {quote(owner)}")
    grants = [grant for item in acl for grant in parsed(item)]
    for grantor, given in groupby(grants, key=lambda each: each.grantor):
        statements = [_statement(each, what, column) for each in given]
        yield from statements if grantor == owner else _as_role(grantor, statements)


def _statement(grant: Grant, what: str, column: str | None) -> Statement:
    suffix = "" if column is None else f" ({quote(column)})"
    privileges = ", ".join(each + suffix for each in grant.privileges)
    grantee = "PUBLIC" if grant.grantee is None else quote(grant.grantee)
    option = " WITH GRANT OPTION" if grant.grantable else ""
    return Statement(f"GRANT {privileges} ON {what} TO {grantee}{option}")


def _as_role(role: str, statements: list[Statement]) -> Iterator[Statement]:
    """Run *statements* as *role*: who gives a right is a part of it."""
    keep = f"SELECT pg_catalog.set_config({literal(_WHOSE)}, current_setting('role'), true)"
    yield Statement(keep, why="to be that role again")
    yield Statement(f"SET LOCAL ROLE {quote(role)}", why="it is its grant")
    yield from statements
    back = f"SELECT pg_catalog.set_config('role', current_setting({literal(_WHOSE)}), true)"
    yield Statement(back)


def of_columns(relation: Table) -> Iterator[Statement]:
    """What gives the rights on the columns of *relation*."""
    for column in relation.columns:
        what = f"TABLE {relation.full_name}"
        yield from granted(what, column.acl, relation.owner, column.name)


_CLEARED = """DECLARE given record;
BEGIN
  FOR given IN
    SELECT DISTINCT c.oid::regclass AS relation, g.grantee, c.relkind
      FROM unnest(ARRAY[{names}]::regclass[]) AS r (oid)
      JOIN pg_catalog.pg_class AS c USING (oid)
     CROSS JOIN LATERAL aclexplode(c.relacl) AS g
     WHERE g.grantee <> c.relowner
  LOOP
    EXECUTE format('REVOKE ALL ON %s %s FROM %s',
      CASE given.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, given.relation,
      CASE given.grantee WHEN 0 THEN 'PUBLIC'
           ELSE quote_ident(pg_get_userbyid(given.grantee)) END);
  END LOOP;
END"""


def cleared(relations: Iterable[Name]) -> Iterator[Statement]:
    """What takes away the rights that ALTER DEFAULT PRIVILEGES has given on new *relations*."""
    names = ", ".join(literal(str(each)) for each in relations)
    if names:
        block = _CLEARED.format(names=names)
        yield Statement(
            f"DO {literal(block)}", why="ALTER DEFAULT PRIVILEGES may have given rights"
        )
