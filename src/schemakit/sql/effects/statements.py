"""What every other statement does: indexes, drops, maintenance, types, rights."""

from __future__ import annotations

from collections.abc import Callable

from schemakit.sql.locks import LockMode
from schemakit.sql.name import Name

from .model import Answer, Effects, TableLock, together, unknown
from .nodes import (
    Node,
    all_of,
    inner,
    is_on,
    kind_of,
    name,
    named,
    options,
    strings,
    word,
)

Reader = Callable[[Node], Effects]

AX, EX, SRX = LockMode.ACCESS_EXCLUSIVE, LockMode.EXCLUSIVE, LockMode.SHARE_ROW_EXCLUSIVE
S, SUX, AS = LockMode.SHARE, LockMode.SHARE_UPDATE_EXCLUSIVE, LockMode.ACCESS_SHARE

_RELATIONS = {"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_SEQUENCE",
              "OBJECT_FOREIGN_TABLE", "OBJECT_INDEX"}  # fmt: skip
_ON_TABLES = {"OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE", "OBJECT_TABCONSTRAINT"}
_WAITS = "waits for every older transaction; broken off, it leaves an INVALID index"


def create_index(node: Node) -> Effects:
    """Return the effects of CREATE INDEX."""
    table = name(node.relation)
    named_new = node.idxname and not node.if_not_exists
    made = (Name(node.idxname, table.schema),) if named_new else ()
    if node.concurrent:
        locks = (TableLock(SUX, table),)
        return Effects(locks, "no", scans="yes", creates=made, reason=_WAITS)
    return Effects(
        (TableLock(S, table),),
        scans="yes" if node.relation.inh else "maybe",
        creates=made,
        reason="writes wait until the index is built",
    )


def drop(node: Node) -> Effects:
    """Return the effects of DROP."""
    kind, cascade = word(node, "remove_type"), word(node, "behavior") == "DROP_CASCADE"
    further = [TableLock(AX, what="whatever depends on it")] if cascade else []
    if kind == "OBJECT_INDEX":
        return together(_dropped_index(each.list.items, node.concurrent) for each in node.objects)
    if kind in _RELATIONS:
        locks = [TableLock(AX, named(strings(each.list.items))) for each in node.objects]
        return Effects(
            tuple(locks + [TableLock(AX, what=w) for w in _TIED.get(kind, ())] + further)
        )
    if kind in _ON_TABLES:
        tables = [named(strings(each.list.items)[:-1]) for each in node.objects]
        return Effects(tuple([TableLock(AX, table) for table in tables] + further))
    if cascade and kind == "OBJECT_SCHEMA":
        further = [TableLock(AX, what="every relation in it, and whatever depends on one")]
    elif cascade:
        further = [TableLock(AX, what="the tables that use it; it may drop columns of theirs")]
    return Effects(tuple(further))


_TIED = {
    "OBJECT_TABLE": (
        "the tables that its foreign keys reference",
        "its parent and the default partition, if it is a partition",
    ),
}


def _dropped_index(items: Node, concurrent: bool) -> Effects:  # noqa: FBT001 - a field of the node
    index = named(strings(items))
    mode = SUX if concurrent else AX
    locks = TableLock(mode, index), TableLock(mode, what=f"the table of {index}")
    if concurrent:
        return Effects(locks, "no", reason="waits for every older transaction")
    return Effects(locks)


def truncate(node: Node) -> Effects:
    """Return the effects of TRUNCATE; the old file goes at commit, so it is brief."""
    locks = [TableLock(AX, name(each.range_var)) for each in node.relations]
    if word(node, "behavior") == "DROP_CASCADE":
        locks.append(TableLock(AX, what="every table that references one of them, emptied as well"))
    if node.restart_seqs:
        locks.append(TableLock(AX, what="their sequences"))
    return Effects(tuple(locks), reason="empties it")


def cluster(node: Node) -> Effects:
    """Return the effects of CLUSTER."""
    if not node.HasField("relation"):
        locks = (TableLock(AX, what="each table that was clustered before"),)
        return Effects(locks, "no", "yes", "yes")
    return Effects((TableLock(AX, name(node.relation)),), rewrites="yes", scans="yes")


def vacuum(node: Node) -> Effects:
    """Return the effects of VACUUM and ANALYZE."""
    tables = [name(each.vacuum_relation.relation) for each in node.rels]
    full = is_on(options(node.options), "full")
    mode = AX if full else SUX
    locks = tuple(TableLock(mode, table) for table in tables) or (
        TableLock(mode, what="each table in turn"),
    )
    if not node.is_vacuumcmd:
        return Effects(locks, scans="maybe", reason="reads a sample")
    return Effects(locks, "no", "yes" if full else "no", "yes")


def reindex(node: Node) -> Effects:
    """Return the effects of REINDEX."""
    kind, concurrent = word(node, "kind"), is_on(options(node.params), "concurrently")
    if not node.HasField("relation"):
        mode, other = (SUX, SUX) if concurrent else (S, AX)
        locks = TableLock(mode, what="each table in turn"), TableLock(other, what="its indexes")
        return Effects(locks, "no", scans="yes")
    on = name(node.relation)
    if concurrent:
        what = f"the table of {on}"
        table = (TableLock(SUX, what=what),) if kind == "REINDEX_OBJECT_INDEX" else ()
        return Effects((TableLock(SUX, on), *table), "no", scans="yes", reason=_WAITS)
    if kind == "REINDEX_OBJECT_INDEX":
        locks = TableLock(AX, on), TableLock(S, what=f"the table of {on}")
    else:
        locks = TableLock(AX, what=f"each index of {on}"), TableLock(S, on)
    reason = "not in a transaction if it is partitioned; queries that plan with the index wait"
    return Effects(locks, "maybe", scans="yes", reason=reason)


def refresh(node: Node) -> Effects:
    """Return the effects of REFRESH MATERIALIZED VIEW."""
    on = name(node.relation)
    if node.concurrent:
        return Effects((TableLock(EX, on),), scans="yes", reason="reads go on")
    filled: Answer = "no" if node.skip_data else "yes"
    return Effects((TableLock(AX, on),), rewrites="yes", scans=filled)


def rename(node: Node) -> Effects:
    """Return the effects of RENAME."""
    if not node.HasField("relation"):
        return Effects()
    kind, on = word(node, "rename_type"), name(node.relation)
    made = (Name(node.newname, on.schema),) if kind in _RELATIONS else ()
    reason = "" if kind == "OBJECT_INDEX" else "what runs with the old name fails"
    return Effects(
        (TableLock(SUX if kind == "OBJECT_INDEX" else AX, on),), creates=made, reason=reason
    )


def set_schema(node: Node) -> Effects:
    """Return the effects of SET SCHEMA."""
    if not node.HasField("relation"):
        return Effects()
    return Effects(
        (TableLock(AX, name(node.relation)),), reason="what runs with the old name fails"
    )


def depends(node: Node) -> Effects:
    """Return the effects of DEPENDS ON EXTENSION."""
    return (
        Effects((TableLock(AX, name(node.relation)),)) if node.HasField("relation") else Effects()
    )


def comment(node: Node) -> Effects:
    """Return the effects of COMMENT and SECURITY LABEL."""
    kind = word(node, "objtype")
    parts = strings(node.object.list.items) if kind_of(node.object) == "list" else ()
    if kind in _RELATIONS and parts:
        return Effects((TableLock(SUX, named(parts)),))
    if kind == "OBJECT_COLUMN" and len(parts) > 1:
        return Effects((TableLock(SUX, named(parts[:-1])),))
    if kind in _ON_TABLES and len(parts) > 1:
        return Effects((TableLock(AS, named(parts[:-1])),))
    return Effects()


def trigger(node: Node) -> Effects:
    """Return the effects of CREATE TRIGGER."""
    return Effects((TableLock(SRX, name(node.relation)),))


def policy(node: Node) -> Effects:
    """Return the effects of CREATE and ALTER POLICY."""
    return Effects((TableLock(AX, name(node.table)),))


def rule(node: Node) -> Effects:
    """Return the effects of CREATE RULE."""
    return Effects((TableLock(AX, name(node.relation)),))


def statistics(node: Node) -> Effects:
    """Return the effects of CREATE STATISTICS."""
    return Effects(tuple(TableLock(SUX, name(each.range_var)) for each in node.relations))


def lock(node: Node) -> Effects:
    """Return the effects of LOCK TABLE."""
    mode = LockMode(node.mode)
    return Effects(tuple(TableLock(mode, name(each.range_var)) for each in node.relations))


def publication(node: Node) -> Effects:
    """Return the effects of CREATE and ALTER PUBLICATION."""
    tables = [each.relation for each in all_of(node, "PublicationTable")]
    return Effects(tuple(TableLock(SUX, name(each)) for each in tables))


def sequence(node: Node) -> Effects:
    """Return the effects of ALTER SEQUENCE: transactional, unlike setval()."""
    return Effects((TableLock(SRX, name(node.sequence)),), reason="nextval() on it waits")


def new_sequence(node: Node) -> Effects:
    """Return the effects of CREATE SEQUENCE."""
    return Effects(creates=() if node.if_not_exists else (name(node.sequence),))


def enumeration(node: Node) -> Effects:
    """Return the effects of ALTER TYPE ADD VALUE and RENAME VALUE."""
    if node.old_val:
        return Effects()
    return Effects(reason="the new value cannot be used before COMMIT")


def domain(node: Node) -> Effects:
    """Return the effects of ALTER DOMAIN."""
    kind = node.subtype
    if kind == "V":
        locks = (TableLock(S, what="every table that uses it"),)
        return Effects(locks, scans="maybe", reason="checks each row of these")
    if kind == "O" or (kind == "C" and not inner(getattr(node, "def")).skip_validation):
        locks = (TableLock(S, what="every table that uses it"),)
        return Effects(locks, scans="maybe", reason="checks each row of these")
    return Effects()


def transaction(node: Node) -> Effects:
    """Return the effects of BEGIN, COMMIT, SAVEPOINT and their kin."""
    kind = word(node, "kind")
    inside = ("TRANS_STMT_SAVEPOINT", "TRANS_STMT_RELEASE", "TRANS_STMT_ROLLBACK_TO")
    if kind in inside:
        return Effects()
    return Effects(in_transaction="no", reason="begins or ends a transaction by itself")


def discard(node: Node) -> Effects:
    """Return the effects of DISCARD."""
    everything = word(node, "target") == "DISCARD_ALL"
    return Effects(in_transaction="no" if everything else "yes")


#: What concerns no table and runs in no transaction.
APART = Effects(in_transaction="no")
SUBSCRIPTION = Effects(in_transaction="maybe", reason="not where it makes, drops or reads a slot")
EVERYTHING = Effects((TableLock(AX, what="everything that this applies to"),), rewrites="maybe")
OPAQUE = unknown("it runs code of its own: unknown until it runs")
