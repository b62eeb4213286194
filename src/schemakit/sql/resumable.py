"""Statements that run outside a transaction, and so can be found done or half done.

Of each, what must be known to look in the catalog how far it got.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .name import Name

#: A message of the parser's, whose classes are made when it is imported.
_Node = Any

_WORTH_PARSING = re.compile(
    r"\bconcurrently\b|\badd\s+value\b|\bdetach\s+partition\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class BuildIndex:
    """``CREATE INDEX CONCURRENTLY``; a name without a schema is on the search_path."""

    index: Name


@dataclass(frozen=True, slots=True)
class DropIndex:
    """``DROP INDEX CONCURRENTLY``, which takes one index at a time."""

    index: Name


@dataclass(frozen=True, slots=True)
class AddValue:
    """``ALTER TYPE … ADD VALUE``.

    Attributes:
        type: the enum.
        value: its new label.
        before: the label that it stands right before.
        after: the label that it stands right after; where neither is said, it is the last.
    """

    type: Name
    value: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Detach:
    """``ALTER TABLE parent DETACH PARTITION partition CONCURRENTLY``."""

    parent: Name
    partition: Name


@dataclass(frozen=True, slots=True)
class Reindex:
    """``REINDEX … CONCURRENTLY`` of an index, a table, a schema, or (all None) the database."""

    index: Name | None = None
    table: Name | None = None
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Repeatable:
    """What can be sent again as it is: it says ``IF EXISTS`` or ``IF NOT EXISTS``."""


Resumable = Repeatable | BuildIndex | DropIndex | AddValue | Detach | Reindex


def resumable(sql: str) -> Resumable | None:
    """Return what *sql* does, if it is one of those; None for all else, and for a script."""
    if _WORTH_PARSING.search(sql) is None:
        return None
    import postgast  # noqa: PLC0415 - loaded when something must be parsed, not before

    try:
        statements = postgast.parse(sql).stmts
    except postgast.PgQueryError:
        return None
    if len(statements) != 1:
        return None
    kind = statements[0].stmt.WhichOneof("node")
    understand = _KINDS.get(kind)
    return understand(getattr(statements[0].stmt, kind)) if understand else None


def add_if_absent(sql: str) -> str:
    """Return the ``ALTER TYPE … ADD VALUE`` that *sql* is, with ``IF NOT EXISTS``."""
    import postgast  # noqa: PLC0415 - the same

    tree = postgast.parse(sql)
    tree.stmts[0].stmt.alter_enum_stmt.skip_if_new_val_exists = True
    return str(postgast.deparse(tree))


def _build(index: _Node) -> BuildIndex | None:
    if not index.concurrent or not index.idxname:
        return None  # without a name the server chooses a fresh one
    return BuildIndex(Name(index.idxname, index.relation.schemaname or None))


def _drop(drop: _Node) -> DropIndex | Repeatable | None:
    if not drop.concurrent or len(drop.objects) != 1:
        return None
    if drop.missing_ok:
        return Repeatable()
    return DropIndex(_name(drop.objects[0].list.items))


def _add_value(change: _Node) -> AddValue | Repeatable | None:
    if change.old_val:  # RENAME VALUE
        return None
    if change.skip_if_new_val_exists:
        return Repeatable()
    near = change.new_val_neighbor or None
    after = change.new_val_is_after
    return AddValue(
        _name(change.type_name), change.new_val, None if after else near, near if after else None
    )


def _detach(change: _Node) -> Detach | None:
    if len(change.cmds) != 1:
        return None
    what = getattr(change.cmds[0].alter_table_cmd, "def").partition_cmd
    return Detach(_relation(change.relation), _relation(what.name)) if what.concurrent else None


def _reindex(what: _Node) -> Reindex | None:
    if "concurrently" not in [each.def_elem.defname for each in what.params]:
        return None
    if what.name:  # a schema, or the current database
        return Reindex(schema=what.name if _is_schema(what) else None)
    if not what.relation.relname:
        return Reindex()
    name = _relation(what.relation)
    return Reindex(index=name) if _is_index(what) else Reindex(table=name)


def _is_schema(what: _Node) -> bool:
    return _kind(what) == "REINDEX_OBJECT_SCHEMA"


def _is_index(what: _Node) -> bool:
    return _kind(what) == "REINDEX_OBJECT_INDEX"


def _kind(what: _Node) -> str:
    field = what.DESCRIPTOR.fields_by_name["kind"]
    return str(field.enum_type.values_by_number[what.kind].name)


def _relation(relation: _Node) -> Name:
    return Name(relation.relname, relation.schemaname or None)


def _name(parts: _Node) -> Name:
    names = [part.string.sval for part in parts]
    return Name(names[-1], names[-2] if len(names) > 1 else None)


_KINDS = {
    "index_stmt": _build,
    "drop_stmt": _drop,
    "alter_enum_stmt": _add_value,
    "alter_table_stmt": _detach,
    "reindex_stmt": _reindex,
}
