"""What CREATE TABLE and ALTER TABLE do (src/backend/commands/tablecmds.c, AlterTableGetLockLevel).

Measured against the server, statement by statement: tests/sql/test_effects_on_server.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from . import effects_functions as functions
from .effects import Answer, Effects, TableLock, together, worst
from .effects_nodes import (
    Node,
    all_of,
    calls,
    inner,
    kind_of,
    name,
    options,
    strings,
    type_of,
    word,
)
from .locks import LockMode
from .name import Name

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
    "AT_SetLogged": ("maybe", "no", "rewrites, unless it is logged already"),
    "AT_SetUnLogged": ("maybe", "no", "rewrites, unless it is unlogged already"),
    "AT_SetTableSpace": ("maybe", "no", "copies the files, unless they are there already"),
    "AT_SetAccessMethod": ("maybe", "no", "rewrites, unless it has that access method"),
    "AT_SetExpression": ("maybe", "maybe", "rewrites if the column is stored"),
}
_SERIAL = frozenset(
    ("serial", "bigserial", "smallserial", "serial2", "serial4", "serial8", "serial_2")
)
#: Types that are written without a schema, and are surely no domains.
_PLAIN_TYPES = frozenset("""
    bool bytea box cidr circle date float4 float8 inet int2 int4 int8 json jsonb line lseg macaddr
    money name numeric path point polygon text timestamp timestamptz time timetz tsquery tsvector
    uuid varchar bpchar xml int4range int8range numrange daterange tsrange tstzrange citext hstore
    vector halfvec geometry geography ltree regclass oid
""".split())


def alter_table(node: Node, major: int) -> Effects:
    """Return the effects of ALTER TABLE, INDEX, VIEW, SEQUENCE, …: the strongest of its parts."""
    kind = word(node, "objtype")
    if kind == "OBJECT_TYPE":
        return Effects(locks=(TableLock(AX, name(node.relation)),), reason="a composite type")
    on = name(node.relation)
    index = kind == "OBJECT_INDEX"
    parts = [_subcommand(each.alter_table_cmd, on, major, index=index) for each in node.cmds]
    return together(parts)


def _subcommand(command: Node, on: Name, major: int, *, index: bool) -> Effects:
    which = word(command, "subtype")
    special = _SPECIAL.get(which)
    if special is not None and not (index and which == "AT_AttachPartition"):
        return special(command, on, major)
    if index and which == "AT_AttachPartition":
        child = name(command.def_.partition_cmd.name) if hasattr(command, "def_") else None
        child = child or name(getattr(command, "def").partition_cmd.name)
        return Effects(locks=(TableLock(AX, child), TableLock(SUX, on)))
    if which in _WEAKER:
        return Effects(locks=(TableLock(_WEAKER[which], on),))
    rewrites, scans, reason = _STRONG.get(which, ("no", "no", ""))
    return Effects(
        locks=(TableLock(AX, on),), rewrites=rewrites, scans=scans, reason=reason
    )


def _defined(command: Node) -> Node:
    return inner(getattr(command, "def"))


def _add_column(command: Node, on: Name, major: int) -> Effects:
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


def _column_constraint(kind: str, constraint: Node, on: Name, *, filled: bool) -> Effects:
    if kind == "CONSTR_DEFAULT":
        return _default(constraint.raw_expr)
    if kind == "CONSTR_IDENTITY":
        return Effects(rewrites="yes", scans="yes", reason="an identity gives each row its number")
    if kind == "CONSTR_GENERATED":
        if constraint.generated_kind == "v":
            return Effects()
        return Effects(rewrites="yes", scans="yes", reason="a stored column is computed for each row")
    if kind == "CONSTR_CHECK":
        return Effects(scans="yes", reason="CHECK looks at each row")
    if kind in ("CONSTR_UNIQUE", "CONSTR_PRIMARY"):
        return Effects(scans="yes", reason="builds an index")
    if kind == "CONSTR_FOREIGN":
        locks = (TableLock(SRX, name(constraint.pktable)),)
        locks = tuple(lock for lock in locks if lock.relation != on)
        scans: Answer = "maybe" if filled else "no"
        return Effects(locks=locks, scans=scans)
    return Effects()


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


def _add_constraint(command: Node, on: Name, major: int) -> Effects:  # noqa: ARG001 - as its kin
    constraint = _defined(command)
    kind = word(constraint, "contype")
    if kind == "CONSTR_FOREIGN":
        locks = (TableLock(SRX, on), TableLock(SRX, name(constraint.pktable)))
        checked = _checked(constraint)
        return Effects(locks=locks, scans=checked, reason="checks each row" * (checked == "yes"))
    locks = (TableLock(AX, on),)
    if kind == "CONSTR_CHECK":
        checked = _checked(constraint)
        return Effects(locks=locks, scans=checked, reason="checks each row" * (checked == "yes"))
    if kind == "CONSTR_NOTNULL":
        scans: Answer = "no" if _checked(constraint) == "no" else "maybe"
        return Effects(locks=locks, scans=scans, reason="checks each row" * (scans == "maybe"))
    if constraint.indexname:
        index = Name(constraint.indexname, on.schema)
        if kind == "CONSTR_PRIMARY":
            return Effects(locks, scans="maybe", reason="scans if a column is not NOT NULL yet")
        return Effects((*locks, TableLock(AX, index)))
    return Effects(locks, scans="yes", reason="builds an index")


def _checked(constraint: Node) -> Answer:
    return "no" if constraint.skip_validation or not constraint.is_enforced else "yes"


def _drop_constraint(command: Node, on: Name, major: int) -> Effects:  # noqa: ARG001 - as its kin
    locks = [TableLock(AX, on), TableLock(AX, what=_REFERENCED)]
    if word(command, "behavior") == "DROP_CASCADE":
        locks.append(TableLock(AX, what="the tables whose foreign keys need it"))
    return Effects(tuple(locks))


def _drop_column(command: Node, on: Name, major: int) -> Effects:  # noqa: ARG001 - as its kin
    locks = [TableLock(AX, on), TableLock(AX, what="the tables that its foreign keys reference")]
    if word(command, "behavior") == "DROP_CASCADE":
        locks.append(TableLock(AX, what="the views and tables that need it"))
    return Effects(tuple(locks))


def _validate(command: Node, on: Name, major: int) -> Effects:  # noqa: ARG001 - as its kin
    locks = TableLock(SUX, on), TableLock(RS, what=_REFERENCED)
    return Effects(locks, scans="maybe", reason="scans, unless it is validated; writes go on")


def _alter_constraint(command: Node, on: Name, major: int) -> Effects:  # noqa: ARG001 - as its kin
    scans: Answer = "maybe" if _defined(command).is_enforced else "no"
    return Effects((TableLock(AX, on), TableLock(AX, what=_REFERENCED)), scans=scans)


def _attach(command: Node, on: Name, major: int) -> Effects:  # noqa: ARG001 - as its kin
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


def _detach(command: Node, on: Name, major: int) -> Effects:  # noqa: ARG001 - as its kin
    detached = _defined(command)
    if detached.concurrent:
        locks = TableLock(AX, name(detached.name)), TableLock(SUX, on)
        return Effects(locks, in_transaction="no", reason="waits for every older query on both")
    locks = TableLock(AX, on), TableLock(AX, name(detached.name)), DEFAULT_PARTITION
    further = TableLock(AX, what="the tables that foreign keys tie to it")
    return Effects((*locks, further))


def _finalize(command: Node, on: Name, major: int) -> Effects:  # noqa: ARG001 - as its kin
    return Effects((TableLock(AX, name(_defined(command).name)), TableLock(SUX, on)))


def _inherit(command: Node, on: Name, major: int) -> Effects:  # noqa: ARG001 - as its kin
    return Effects((TableLock(AX, on), TableLock(SUX, name(_defined(command)))))


def _options(command: Node, on: Name, major: int) -> Effects:  # noqa: ARG001 - as its kin
    given = options(_defined(command).items)
    return Effects((TableLock(AX if _STRONG_OPTIONS & given.keys() else SUX, on),))


def _drop_identity(command: Node, on: Name, major: int) -> Effects:  # noqa: ARG001 - as its kin
    return Effects((TableLock(AX, on), TableLock(AX, what="its sequence")))


_SPECIAL: dict[str, Callable[[Node, Name, int], Effects]] = {
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
    "AT_DropInherit": _inherit,
    "AT_ResetRelOptions": _options,
    "AT_SetIdentity": _drop_identity,
    "AT_SetRelOptions": _options,
    "AT_ValidateConstraint": _validate,
}


def create_table(node: Node, major: int) -> Effects:  # noqa: ARG001 - as its kin
    """Return the effects of CREATE TABLE on what is there: parents, and what it references."""
    own = name(node.relation)
    locks = tuple(_of_parents(node)) + tuple(
        TableLock(SRX, name(each.pktable))
        for each in all_of(node, "Constraint")
        if word(each, "contype") == "CONSTR_FOREIGN" and name(each.pktable) != own
    )
    partition = node.HasField("partbound")
    if partition:
        further = TableLock(SRX, what="the tables that its parent's foreign keys reference")
        locks += (DEFAULT_PARTITION, further)
    return Effects(
        locks=locks,
        creates=(own,),
        scans="maybe" if partition else "no",
        reason="scans the default partition, if there is one" if partition else "",
    )


def _of_parents(node: Node) -> Iterator[TableLock]:
    for parent in node.inh_relations:
        yield TableLock(AX if node.HasField("partbound") else SUX, name(parent.range_var))
    for like in all_of(node, "TableLikeClause"):
        yield TableLock(AS, name(like.relation))
