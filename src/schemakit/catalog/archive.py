"""What there is of backups, their registry and the tables they are made of: SELECTs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from schemakit.sql.name import Name

from .backup import REGISTRY, Backup, Leaf, Places, PortableColumn, Source, SourceColumn, Wanted
from .dependants import Away, Need
from .portrait import BACKUP_MARK
from .portray import pinned

if TYPE_CHECKING:
    from sqlalchemy import Connection

_PLAN_ROWS = re.compile(r" rows=(\d+) width=")


@cache
def _query(name: str) -> str:
    source = resources.files(__package__).joinpath("archive.sql").read_text("utf-8")
    blocks = re.split(r"^-- name: (\w+)\n(?:--.*\n)*", source, flags=re.MULTILINE)
    return dict(zip(blocks[1::2], blocks[2::2], strict=True))[name].strip()


def _rows(connection: Connection, which: str, *values: object, **names: Name) -> list[Any]:
    sql = _query(which)
    for key, name in names.items():
        sql = sql.replace(f"<{key}>", str(name))
    return list(connection.exec_driver_sql(sql, values))


def source(connection: Connection, name: str, schema: str | None) -> Source | None:
    """Return the relation *name* of *schema* (None: by the search_path); None if there is none."""
    rows = _rows(connection, "source", name, schema)
    return _source(rows[0]._asdict()) if rows else None


def _source(values: dict[str, Any]) -> Source:
    name = Name(values.pop("name"), values.pop("schema"))
    return Source(name=name, **values)


def elsewhere(connection: Connection, name: str) -> tuple[str, ...]:
    """Return the schemas that have a table *name*."""
    return tuple(row[0] for row in _rows(connection, "elsewhere", name))


def columns(connection: Connection, oid: int) -> tuple[SourceColumn, ...]:
    """Return the columns of the table *oid*, in their order."""
    return tuple(SourceColumn(*row) for row in _rows(connection, "columns", oid))


def counted(connection: Connection, sql: str) -> int:
    """Return the one number that the SELECT *sql* gives."""
    return int(connection.exec_driver_sql(sql).all()[0][0])


def digested(connection: Connection, sql: str) -> tuple[int, str, int]:
    """Return what the SELECT *sql* of `schemakit.safety.digest` gives: rows, hash, strangers."""
    rows, total, strangers = connection.exec_driver_sql(sql).all()[0]
    return int(rows), str(total), int(strangers)


def share(connection: Connection, name: Name, where: str) -> float:
    """Return which share of a table's rows the planner expects *where* to leave, 0 to 1.

    The statement is parsed as one, and not executed.
    """
    plans = []
    for condition in (f" WHERE (\n{where}\n)", ""):
        sql = f"EXPLAIN SELECT FROM {name}{condition}"
        plan = connection.exec_driver_sql(sql).all()[0][0]
        plans.append(float(_PLAN_ROWS.findall(plan)[0]))
    return min(1.0, plans[0] / max(plans[1], 1.0))


def estimated(connection: Connection, name: Name) -> int:
    """Return how many rows the planner expects in a table; 0 only if it has none.

    The planner knows how large the table is now, and never expects none of it.
    """
    if not counted(connection, f"SELECT count(*) FROM (SELECT FROM {name} LIMIT 1) AS a"):  # noqa: S608 - a quoted name
        return 0
    plan = connection.exec_driver_sql(f"EXPLAIN SELECT FROM {name}").all()[0][0]
    return max(int(_PLAN_ROWS.findall(plan)[0]), 1)


def noted(connection: Connection, schema: str, number: int) -> dict[str, Any]:
    """Return the manifest of the backup *number* of the registry in *schema*; empty without one."""
    if not places(connection, schema).table:
        return {}
    rows = _rows(connection, "manifest", number, registry=Name(REGISTRY, schema))
    return dict(json.loads(rows[0][0] or "{}")) if rows else {}


def strangers(connection: Connection, owners: Iterable[str]) -> tuple[str, ...]:
    """Return those of the roles *owners* whose rights the role of *connection* has not."""
    return tuple(row[0] for row in _rows(connection, "strangers", sorted(set(owners))))


def unreferable(
    connection: Connection, oids: Iterable[int], columns: Iterable[str] | None = None
) -> tuple[str, ...]:
    """Return the rights that it takes to make the foreign keys of the tables *oids*, and lacks.

    Of those to others of *oids* it asks for none; with *columns*, only keys of these count.
    """
    only = None if columns is None else list(columns)
    rows = _rows(connection, "unreferable", list(map(str, oids)), only)
    return tuple(row[0] for row in rows)


def outsiders(connection: Connection, schemas: Iterable[str]) -> tuple[str, ...]:
    """Return in words what depends on what lies in *schemas*, and lies elsewhere itself."""
    return tuple(row[0] for row in _rows(connection, "outsiders", list(schemas)))


def files(connection: Connection, oids: Iterable[int]) -> dict[int, int | None]:
    """Return the file of each of the tables *oids* that is there; None of what has none."""
    return {row[0]: row[1] for row in _rows(connection, "files", list(map(str, oids)))}


def places(connection: Connection, schema: str) -> Places:
    """Return what there is of the registry in *schema*."""
    return Places(*_rows(connection, "places", schema)[0])


def absent(connection: Connection, wanted: tuple[Wanted, ...]) -> tuple[Wanted, ...]:
    """Return those of *wanted* that are not there; of a kind that is not known, none."""
    if not wanted:
        return ()
    columns = zip(*((each.kind, each.schema, each.name) for each in wanted), strict=True)
    places = {row[0] for row in _rows(connection, "absent", *map(list, columns))}
    return tuple(each for place, each in enumerate(wanted, 1) if place in places)


def unreadable(connection: Connection, types: tuple[str, ...]) -> frozenset[str]:
    """Return those of *types*, as SQL, that are not there."""
    return frozenset(row[0] for row in _rows(connection, "unreadable", list(types)))


def names_taken(connection: Connection, schema: str, start: str) -> set[str]:
    """Return the names that begin with *start* and are not to be had in *schema*."""
    taken = {row.name for row in _rows(connection, "names_taken", schema, start)}
    if places(connection, schema).table:
        registry = Name(REGISTRY, schema)
        taken.update(row[0] for row in _rows(connection, "names_kept", start, registry=registry))
    return taken


def backups(connection: Connection, schema: str, name: str | None = None) -> tuple[Backup, ...]:
    """Return the backups that the registry in *schema* has, newest first.

    Those of the reference's table in ``public`` are among them, adopted or not.

    Args:
        connection: to ask on.
        schema: of the registry.
        name: only those of this name.
    """
    there = places(connection, schema)
    found: list[Any] = []
    if there.table:
        found += _rows(connection, "backups", name, registry=Name(REGISTRY, schema))
    if there.legacy and schema != "public":
        found += _rows(connection, "legacy_backups", name)
    made = [_backup(row._asdict()) for row in found]
    return tuple(sorted(made, key=lambda each: (each.created, each.id), reverse=True))


def _backup(values: dict[str, Any]) -> Backup:
    original = Name(values.pop("original_name"), values.pop("original_schema"))
    relation = Name(values.pop("relation_name"), values.pop("relation_schema"))
    columns = tuple(values.pop("columns"))
    return Backup(original=original, relation=relation, columns=columns, **values)


def given_to_backups(connection: Connection) -> tuple[str, ...]:
    """Return the schemas that were made for backups, by their mark."""
    return tuple(row[0] for row in _rows(connection, "given_to_backups", BACKUP_MARK))


def away(connection: Connection, needs: Iterable[Need]) -> tuple[Away, ...]:
    """Return those of *needs*, types and functions, that lie in a schema given to a backup."""
    columns = zip(*((str(each.oid), each.kind, each.identity) for each in needs), strict=True)
    asked = list(map(list, columns)) or [[], [], []]
    with pinned(connection):  # what the server writes as SQL depends on the search_path
        rows = _rows(connection, "away", *asked, BACKUP_MARK)
    lists = ("labels", "twin_labels", "users", "used_by")
    values = [row._asdict() for row in rows]
    return tuple(Away(**(each | {name: tuple(each[name]) for name in lists})) for each in values)


def orphans(connection: Connection, schema: str) -> tuple[Name, ...]:
    """Return the relations in *schema*, and whole schemas, that look like backups of no registry.

    A schema of its own, as a move has, is named with an empty name.
    """
    known = {each.name for each in backups(connection, schema)}
    rows = _rows(connection, "archived", schema)
    return tuple(Name(row.name, row.schema) for row in rows if row.called not in known)


def leaves(connection: Connection, oid: int) -> tuple[Leaf, ...]:
    """Return the tables that hold the rows of the table *oid*: itself, or what is below it."""
    rows = _rows(connection, "leaves", oid)
    return tuple(Leaf(Name(row.name, row.schema), row.heir) for row in rows)


def portable(connection: Connection, oid: int) -> tuple[PortableColumn, ...]:
    """Return the columns of the table *oid*, as a file may hold them."""
    return tuple(PortableColumn(*row) for row in _rows(connection, "portable", oid))
