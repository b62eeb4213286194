"""Read the portrait of a table: a look what there can be, one statement for all, its sequences."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from sqlalchemy import TextClause, text

from schemakit.errors import ConfigurationError
from schemakit.sql.literal import literal
from schemakit.sql.name import Name

from .local import set_local
from .plain import decoded
from .portrait import PINNED, Portrait
from .table import Sequence, Table

if TYPE_CHECKING:
    from sqlalchemy import Connection

_OWN = (
    "columns",
    "constraints",
    "indexes",
    "triggers",
    "rules",
    "policies",
    "statistics",
    "sequences",
    "publications",
)
_ASIDE = ("foreign_keys_in", "children", "routines", "others", "mentions", "needs")
#: Facets that many tables have nothing of, by the catalog that they are kept in.
_RARE = {
    "pg_trigger": "triggers",
    "pg_rewrite": "rules",
    "pg_policy": "policies",
    "pg_statistic_ext": "statistics",
    "pg_publication": "publications",
    "pg_inherits": "children",
}
#: What depends on a table without being a part of it.
_TIES = ("foreign_keys_in", "routines", "others", "mentions")
_VERSIONED = re.compile(r"^.*? -- (from|until) (\d+)$")

_Rows = Mapping[tuple[str, int], list[dict[str, Any]]]


@contextmanager
def pinned(connection: Connection) -> Iterator[None]:
    """Pin the settings that the server writes SQL under, within the transaction of *connection*.

    At the end they are what they were, unless the transaction has failed.

    Raises:
        ConfigurationError: there is no transaction, so that they would not stay.
    """
    # To compile so long a statement takes longer than to run it.
    before = set_local(connection, {**PINNED, "jit": "off"})
    if not before:
        yield
        return
    if connection.execute(text("SELECT current_setting('search_path')")).scalar() != "":
        detail = "A portrait is read inside a transaction, which keeps its settings; there is none."
        raise ConfigurationError(detail, remedy="begin one.")
    yield
    set_local(connection, before)


def portray(connection: Connection, oid: int, *, heirs: bool = True) -> Portrait:
    """Return the portrait of the table *oid*, with its partitions.

    Of a partition it is that of the partition, whose parent is named in it.

    Args:
        connection: inside a transaction; what shall not change until its end must be locked.
        oid: the table's, e.g. from `schemakit.catalog.read.relation_oid`.
        heirs: whether tables that inherit from it, and are no partitions, are among its tables:
            DROP TABLE … CASCADE would drop them, a copy leaves them where they are.

    Raises:
        ConfigurationError: there is no transaction.
        LookupError: there is no such table.
    """
    major = _version(connection) // 10000
    with pinned(connection):
        asked = {"oid": oid, "heirs": heirs}
        tied, needy, catalogs = connection.execute(_look(major), asked).all()[0]
        rare = frozenset(facet for catalog, facet in _RARE.items() if catalog in catalogs)
        rows = connection.execute(_query(major, rare, tied=tied, needy=needy), asked)
        found: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
        for block, relation, _, data in sorted(rows, key=lambda row: row[2]):
            found[block, relation].append(data)
        portrait = replace(_assembled(found, oid), server_version=_version(connection))
        return _with_positions(connection, portrait)


def _version(connection: Connection) -> int:
    major, minor, *_ = *(connection.dialect.server_version_info or (0,)), 0
    return int(major) * 10000 + int(minor)


@cache
def _blocks(major: int) -> dict[str, str]:
    source = resources.files(__package__).joinpath("portrait.sql").read_text("utf-8")
    lines = [line for line in source.splitlines() if _is_for(line, major)]
    parts = re.split(r"^-- name: (\w+)\n(?:--.*\n)*", "\n".join(lines), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _is_for(line: str, major: int) -> bool:
    found = _VERSIONED.match(line)
    if found is None:
        return True
    bound = int(found[2])
    return major >= bound if found[1] == "from" else major <= bound


@cache
def _look(major: int) -> TextClause:
    blocks = _blocks(major)
    return text(blocks["tree"] + blocks["parts"] + blocks["look"])


@cache
def _query(major: int, rare: frozenset[str], *, tied: bool, needy: bool) -> TextClause:
    # To plan the whole takes longer than to run it, and most of that is for what most tables have
    # nothing of.
    blocks = _blocks(major)
    if tied or needy:
        begin = blocks["parts"] + blocks["walks"]
        without = {*(() if tied else _TIES), *(() if needy else ("needs",))}
    else:
        begin = blocks["alone"]
        without = {*_TIES, "needs", *(set(_RARE.values()) - rare)}
    facets = (each for each in ("relations", *_OWN, *_ASIDE) if each not in without)
    arms = [
        f"SELECT {literal(facet)} AS block, relation::bigint, place, data\n"  # noqa: S608 - our own
        f"  FROM ({blocks[facet]}) AS {facet} (relation, place, data)"
        for facet in facets
    ]
    return text(blocks["tree"] + begin + "\nUNION ALL\n".join(arms))


def _assembled(found: _Rows, oid: int) -> Portrait:
    relations = [
        each for (block, _), rows in found.items() if block == "relations" for each in rows
    ]
    if not relations:
        detail = f"there is no table with the oid {oid}"
        raise LookupError(detail)
    whole = [decoded(Table, data | _belongings(found, data["oid"])) for data in relations]
    aside = {name: found.get((name, 0), []) for name in _ASIDE}
    rest = decoded(Portrait, {"tables": [], **aside})
    return replace(
        rest,
        tables=tuple(each for each in whole if each.kind not in ("v", "m")),
        views=tuple(each for each in whole if each.kind in ("v", "m")),
    )


def _belongings(found: _Rows, relation: int) -> dict[str, Any]:
    return {name: found.get((name, relation), []) for name in _OWN}


def _with_positions(connection: Connection, portrait: Portrait) -> Portrait:
    sequences = portrait.sequences
    if not sequences:
        return portrait
    asked = " UNION ALL ".join(
        f"SELECT {number}, last_value, is_called FROM {Name(each.name, each.schema)}"  # noqa: S608 - Name quotes
        for number, each in enumerate(sequences)
    )
    rows = {number: rest for number, *rest in connection.exec_driver_sql(asked)}
    stands = {
        (each.schema, each.name): replace(
            each, last_value=rows[number][0], is_called=rows[number][1]
        )
        for number, each in enumerate(sequences)
    }
    return replace(portrait, tables=tuple(_standing(each, stands) for each in portrait.tables))


def _standing(table: Table, stands: Mapping[tuple[str, str], Sequence]) -> Table:
    own = tuple(stands[each.schema, each.name] for each in table.sequences)
    return replace(table, sequences=own)
