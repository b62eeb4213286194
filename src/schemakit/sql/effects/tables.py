"""What CREATE TABLE and ALTER TABLE do (src/backend/commands/tablecmds.c, AlterTableGetLockLevel).

Measured against the server, statement by statement: tests/sql/test_effects_on_server.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from schemakit.sql.locks import LockMode
from schemakit.sql.name import Name

from . import functions
from .model import Answer, Effects, TableLock, together
from .nodes import (
    Node,
    all_of,
    calls,
    inner,
    name,
    options,
    strings,
    word,
)

AX, SRX = LockMode.ACCESS_EXCLUSIVE, LockMode.SHARE_ROW_EXCLUSIVE
SUX, RS, AS = LockMode.SHARE_UPDATE_EXCLUSIVE, LockMode.ROW_SHARE, LockMode.ACCESS_SHARE

DEFAULT_PARTITION = TableLock(AX, what="the default partition, if there is one")
_REFERENCED = "the table that it references, if it is a foreign key"

#: ALTER TABLE's subcommands that are brief and weaker than ACCESS EXCLUSIVE.
_WEAKER = {
    "AT_SetStatistics": SUX,
    "AT_SetOptions": SUX,
    "AT_ResetOptions": SUX,
    "AT_ClusterOn": SUX,
    "AT_DropCluster": SUX,
    "AT_DetachPartitionFinalize": SUX,
    "AT_EnableTrig": SRX,
    "AT_EnableAlwaysTrig": SRX,
    "AT_EnableReplicaTrig": SRX,
    "AT_EnableTrigAll": SRX,
    "AT_EnableTrigUser": SRX,
    "AT_DisableTrig": SRX,
    "AT_DisableTrigAll": SRX,
    "AT_DisableTrigUser": SRX,
}
#: Storage parameters that no running query may see change (reloptions.c).
_STRONG_OPTIONS = frozenset((
    "user_catalog_table", "autosummarize", "buffering", "fastupdate", "gin_pending_list_limit",
    "pages_per_range", "security_barrier", "security_invoker", "check_option", "length",
))  # fmt: skip
#: ACCESS EXCLUSIVE, with rewrite, scan and why.
_STRONG: dict[str, tuple[Answer, Answer, str]] = {
    "AT_AlterColumnType": (
        "maybe",
        "maybe",
        "rewrites, unless the new type reads the old one's bytes (varchar to a longer one or text)",
    ),
    "AT_SetNotNull": ("no", "maybe", "scans, unless a valid CHECK (… IS NOT NULL) is there"),
    "AT_SetLogged": ("maybe", "maybe", "rewrites, unless it is logged already"),
    "AT_SetUnLogged": ("maybe", "maybe", "rewrites, unless it is unlogged already"),
    "AT_SetTableSpace": ("maybe", "maybe", "copies the files, unless they are there already"),
    "AT_SetAccessMethod": ("maybe", "maybe", "rewrites, unless it has that access method"),
    "AT_SetExpression": ("maybe", "maybe", "rewrites if the column is stored"),
}
_SERIAL = frozenset(("serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"))
#: Types that are written without a schema, and are surely no domains.
_PLAIN_NAMES = """
    bool box bpchar bytea cidr circle citext date daterange float4 float8 geography geometry
    halfvec hstore inet int2 int4 int4range int8 int8range json jsonb line lseg ltree macaddr
    money name numeric numrange oid path point polygon regclass text time timestamp timestamptz
    timetz tsquery tsrange tstzrange tsvector uuid varchar vector xml
"""
_PLAIN_TYPES = frozenset(_PLAIN_NAMES.split())


def alter_table(node: Node) -> Effects:
    """Return the effects of ALTER TABLE, INDEX, VIEW, SEQUENCE, …: the strongest of its parts."""
    kind = word(node, "objtype")
    if kind == "OBJECT_TYPE":
        return Effects(locks=(TableLock(AX, name(node.relation)),), reason="a composite type")
    on = name(node.relation)
    index = kind == "OBJECT_INDEX"
    parts = [_subcommand(each.alter_table_cmd, on, index=index) for each in node.cmds]
    return together(parts)


def _subcommand(command: Node, on: Name, *, index: bool) -> Effects:
    which = word(command, "subtype")
    special = _SPECIAL.get(which)
    if index and which == "AT_AttachPartition":
        return _finalize(command, on)
    if special is not None:
        return special(command, on)
    if which in _WEAKER:
        return Effects(locks=(TableLock(_WEAKER[which], on),))
    rewrites, scans, reason = _STRONG.get(which, ("no", "no", ""))
    return Effects(locks=(TableLock(AX, on),), rewrites=rewrites, scans=scans, reason=reason)


def _defined(command: Node) -> Node:
    return inner(getattr(command, "def"))


def _add_column(command: Node, on: Name) -> Effects:
    column = _defined(command)
    parts = [Effects(locks=(TableLock(AX, on),)), _type(column)]
    kinds = {word(each.constraint, "contype"): each.constraint for each in column.constraints}
    filled = "CONSTR_DEFAULT" in kinds
    for kind, constraint in kinds.items():
        parts.append(_column_constraint(kind, constraint, on, filled=filled))
    if "CONSTR_NOTNULL" in kinds and not filled and together(parts).rewrites == "no":
        parts.append(Effects(scans="maybe", reason="NOT NULL without a default fails on rows"))
    return together(parts)


def _type(column: Node) -> Effects:
    parts = strings(column.type_name.names)
    last = parts[-1].lower() if parts else ""
    if last in _SERIAL:
        return Effects(rewrites="yes", scans="yes", reason="a serial gives each row its number")
    if parts[:1] == ("pg_catalog",) or last in _PLAIN_TYPES:
        return Effects()
    return Effects(
        rewrites="maybe", scans="maybe", reason=f"rewrites if {last} is a domain with a constraint"
    )


_FOR_EACH_ROW = {
    "CONSTR_IDENTITY": Effects(
        rewrites="yes", scans="yes", reason="an identity gives each row its number"
    ),
    "CONSTR_CHECK": Effects(scans="yes", reason="CHECK looks at each row"),
    "CONSTR_UNIQUE": Effects(scans="yes", reason="builds an index"),
    "CONSTR_PRIMARY": Effects(scans="yes", reason="builds an index"),
}


def _column_constraint(kind: str, constraint: Node, on: Name, *, filled: bool) -> Effects:
    if kind == "CONSTR_DEFAULT":
        return _default(constraint.raw_expr)
    if kind == "CONSTR_GENERATED" and constraint.generated_kind != "v":
        reason = "a stored column is computed for each row"
        return Effects(rewrites="yes", scans="yes", reason=reason)
    if kind == "CONSTR_FOREIGN":
        referenced = name(constraint.pktable)
        locks = () if referenced == on else (TableLock(SRX, referenced),)
        return Effects(locks, scans="maybe" if filled else "no")
    return _FOR_EACH_ROW.get(kind, Effects())


def _default(expression: Node) -> Effects:
    kinds = functions.kinds(calls(expression))
    for kind in ("volatile", "sequence"):
        if kind in kinds:
            reason = f"{kinds[kind]}() gives another value for each row"
            # It moves a sequence only if that one is there already, as for a serial it is not.
            moves: Answer = "yes" if kind == "sequence" else "no"
            return Effects(rewrites="yes", scans="yes", reason=reason, moves_sequences=moves)
    if "unknown" in kinds:
        reason = f"rewrites if {kinds['unknown']}() is volatile"
        return Effects(rewrites="maybe", scans="maybe", reason=reason)
    return Effects()


def _add_constraint(command: Node, on: Name) -> Effects:
    constraint = _defined(command)
    kind = word(constraint, "contype")
    if kind == "CONSTR_FOREIGN":
        both = (TableLock(SRX, on), TableLock(SRX, name(constraint.pktable)))
        checked = _checked(constraint)
        return Effects(locks=both, scans=checked, reason="checks each row" * (checked == "yes"))
    own = TableLock(AX, on)
    locks = (own,)
    if kind == "CONSTR_CHECK":
        checked = _checked(constraint)
        return Effects(locks=locks, scans=checked, reason="checks each row" * (checked == "yes"))
    if kind == "CONSTR_NOTNULL":
        scans: Answer = "no" if constraint.skip_validation else "maybe"
        return Effects(locks=locks, scans=scans, reason="checks each row" * (scans == "maybe"))
    if constraint.indexname:
        index = Name(constraint.indexname, on.schema)
        if kind == "CONSTR_PRIMARY":
            return Effects(locks, scans="maybe", reason="scans if a column is not NOT NULL yet")
        return Effects((own, TableLock(SUX, index)))
    return Effects(locks, scans="yes", reason="builds an index")


def _checked(constraint: Node) -> Answer:
    return "no" if constraint.skip_validation or not constraint.is_enforced else "yes"


def _drop_constraint(command: Node, on: Name) -> Effects:
    locks = [TableLock(AX, on), TableLock(AX, what=_REFERENCED)]
    if word(command, "behavior") == "DROP_CASCADE":
        locks.append(TableLock(AX, what="the tables whose foreign keys need it"))
    return Effects(tuple(locks))


def _drop_column(command: Node, on: Name) -> Effects:
    locks = [TableLock(AX, on), TableLock(AX, what="the tables that its foreign keys reference")]
    if word(command, "behavior") == "DROP_CASCADE":
        locks.append(TableLock(AX, what="the views and tables that need it"))
    return Effects(tuple(locks))


def _validate(_: Node, on: Name) -> Effects:
    locks = TableLock(SUX, on), TableLock(RS, what=_REFERENCED)
    return Effects(locks, scans="maybe", reason="scans, unless it is validated; writes go on")


def _alter_constraint(command: Node, on: Name) -> Effects:
    scans: Answer = "maybe" if _defined(command).is_enforced else "no"
    return Effects((TableLock(AX, on), TableLock(AX, what=_REFERENCED)), scans=scans)


def _attach(command: Node, on: Name) -> Effects:
    partition = name(_defined(command).name)
    return Effects(
        (
            TableLock(AX, partition),
            DEFAULT_PARTITION,
            TableLock(SRX, what="the tables that its foreign keys reference"),
            TableLock(SUX, on),
        ),
        scans="maybe",
        reason="scans the partition, unless a CHECK shows its bound, and the default partition",
    )


def _detach(command: Node, on: Name) -> Effects:
    detached = _defined(command)
    if detached.concurrent:
        both = TableLock(AX, name(detached.name)), TableLock(SUX, on)
        return Effects(both, in_transaction="no", reason="waits for every older query on both")
    locks = TableLock(AX, on), TableLock(AX, name(detached.name)), DEFAULT_PARTITION
    further = TableLock(AX, what="the tables that foreign keys tie to it")
    return Effects((*locks, further))


def _finalize(command: Node, on: Name) -> Effects:
    return Effects((TableLock(AX, name(_defined(command).name)), TableLock(SUX, on)))


def _inherit(command: Node, on: Name) -> Effects:
    return Effects((TableLock(AX, on), TableLock(SUX, name(_defined(command)))))


def _disinherit(command: Node, on: Name) -> Effects:
    return Effects((TableLock(AX, on), TableLock(AS, name(_defined(command)))))


def _options(command: Node, on: Name) -> Effects:
    given = options(_defined(command).items)
    return Effects((TableLock(AX if _STRONG_OPTIONS & given.keys() else SUX, on),))


def _drop_identity(_: Node, on: Name) -> Effects:
    return Effects((TableLock(AX, on), TableLock(AX, what="its sequence")))


_SPECIAL: dict[str, Callable[[Node, Name], Effects]] = {
    "AT_AddColumn": _add_column,
    "AT_AddConstraint": _add_constraint,
    "AT_AddInherit": _inherit,
    "AT_AlterConstraint": _alter_constraint,
    "AT_AttachPartition": _attach,
    "AT_DetachPartition": _detach,
    "AT_DetachPartitionFinalize": _finalize,
    "AT_DropColumn": _drop_column,
    "AT_DropConstraint": _drop_constraint,
    "AT_DropIdentity": _drop_identity,
    "AT_DropInherit": _disinherit,
    "AT_ResetRelOptions": _options,
    "AT_SetIdentity": _drop_identity,
    "AT_SetRelOptions": _options,
    "AT_ValidateConstraint": _validate,
}


def create_table(node: Node) -> Effects:
    """Return the effects of CREATE TABLE on what is there: parents, and what it references."""
    own = name(node.relation)
    referenced = tuple(
        TableLock(SRX, name(each.pktable))
        for each in all_of(node, "Constraint")
        if word(each, "contype") == "CONSTR_FOREIGN" and name(each.pktable) != own
    )
    made = () if node.if_not_exists else (own,)
    found = Effects((*_of_parents(node), *referenced), creates=made)
    if not node.HasField("partbound"):
        return found
    further = TableLock(SRX, what="the tables that its parent's foreign keys reference")
    return replace(
        found,
        locks=(*found.locks, DEFAULT_PARTITION, further),
        scans="maybe",
        reason="scans the default partition, if there is one",
    )


def _of_parents(node: Node) -> Iterator[TableLock]:
    for parent in node.inh_relations:
        yield TableLock(AX if node.HasField("partbound") else SUX, name(parent.range_var))
    for like in all_of(node, "TableLikeClause"):
        yield TableLock(AS, name(like.relation))
