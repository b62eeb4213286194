"""What queries and changes of rows do: SELECT, INSERT, UPDATE, DELETE, MERGE, COPY."""

from __future__ import annotations

from collections.abc import Iterator

from schemakit.sql.locks import LockMode
from schemakit.sql.name import Name

from . import functions
from .model import Answer, Effects, TableLock, strongest_of, together, unknown
from .nodes import Node, all_of, calls, inner, is_on, kind_of, name, options, type_of

AS, RS = LockMode.ACCESS_SHARE, LockMode.ROW_SHARE
RX = LockMode.ROW_EXCLUSIVE

_CHANGES = {
    "InsertStmt": "insert",
    "UpdateStmt": "update",
    "DeleteStmt": "delete",
    "MergeStmt": "merge",
}


def rows(node: Node) -> Effects:
    """Return the effects of a query or of a change of rows, subqueries and WITH included."""
    found = tuple(_locks(node))
    changing = {_CHANGES[type_of(each)] for each in all_of(node, *_CHANGES)}
    parts = [Effects(strongest_of(found), scans=_scans(node)), *_called(node)]
    if "insert" in changing or any(_inserts(each) for each in all_of(node, "MergeWhenClause")):
        parts.append(Effects(moves_sequences="maybe"))  # a column's default may
    return together(parts)


def _inserts(clause: Node) -> bool:
    return (
        bool(clause.command_type)
        and bool(clause.target_list)
        and "INSERT"
        in str(
            clause.DESCRIPTOR.fields_by_name["command_type"]
            .enum_type.values_by_number[clause.command_type]
            .name
        )
    )


def _locks(node: Node) -> Iterator[TableLock]:
    shadowed = {each.ctename for each in all_of(node, "CommonTableExpr")}
    for change in all_of(node, *_CHANGES):
        yield TableLock(RX, name(change.relation))
    for locking in all_of(node, "SelectStmt"):
        if locking.locking_clause:
            for each in locking.from_clause:
                for relation in all_of(each, "RangeVar"):
                    yield TableLock(RS, name(relation))
    for relation in all_of(node, "RangeVar"):
        found = name(relation)
        if found.schema is not None or found.name not in shadowed:
            yield TableLock(AS, found)


def _scans(node: Node) -> Answer:
    kind = type_of(node)
    if kind == "InsertStmt":
        query = node.select_stmt
        values = kind_of(query) == "select_stmt" and query.select_stmt.values_lists
        return "no" if values or not kind_of(query) else "maybe"
    if kind in ("UpdateStmt", "DeleteStmt"):
        return "maybe" if kind_of(node.where_clause) else "yes"
    return "maybe" if next(all_of(node, "RangeVar"), None) is not None else "no"


def _called(node: Node) -> Iterator[Effects]:
    kinds = functions.kinds(calls(node))
    if "sequence" in kinds:
        reason = f"{kinds['sequence']}() moves a sequence, which no rollback takes back"
        yield Effects(moves_sequences="yes", reason=reason)
    if "unknown" in kinds:
        yield unknown(f"what {kinds['unknown']}() does is unknown until it runs")


def copy(node: Node) -> Effects:
    """Return the effects of COPY."""
    if not node.is_from and kind_of(node.query):
        return rows(inner(node.query))
    mode = RX if node.is_from else AS
    return Effects(
        (TableLock(mode, name(node.relation)),),
        scans="no" if node.is_from else "yes",
        moves_sequences="maybe" if node.is_from else "no",
    )


def explain(node: Node) -> Effects:
    """Return the effects of EXPLAIN: the statement's own with ANALYZE, else its locks."""
    found = rows(inner(node.query))
    if is_on(options(node.options), "analyze"):
        return found
    return Effects(found.locks)


def view(node: Node) -> Effects:
    """Return the effects of CREATE VIEW: it reads no row."""
    own = name(node.view)
    locks = rows(node.query).locks if kind_of(node.query) else ()
    mine = (TableLock(LockMode.ACCESS_EXCLUSIVE, own),) if node.replace else ()
    reason = "nothing to wait for if the view is new" if node.replace else ""
    made = () if node.replace else (own,)
    return Effects(strongest_of((*mine, *locks)), creates=made, reason=reason)


def table_as(node: Node) -> Effects:
    """Return the effects of CREATE TABLE AS and CREATE MATERIALIZED VIEW."""
    own: Name = name(node.into.rel)
    query = inner(node.query)
    found = rows(query) if type_of(query) != "ExecuteStmt" else unknown("EXECUTE runs it")
    return together([found, Effects(creates=() if node.if_not_exists else (own,))])
