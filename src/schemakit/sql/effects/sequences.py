"""Which sequences a statement would move, as far as its text tells: no rollback takes that back."""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemakit.sql.name import Name

from .functions import kind
from .nodes import Node, all_of, inner, kind_of, name, strings, word

_IGNORES_GIVEN = "OVERRIDING_USER_VALUE"
_MENTIONED = re.compile(r"\b(?:nextval|setval)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Insertion:
    """Rows that a statement adds: where it names no value, the column's default gives one.

    Attributes:
        table: to which.
        columns: those that it names; None if it names none.
        width: how many values it gives without naming columns; None if that is not known.
        defaults: whether one of the values is DEFAULT.
    """

    table: Name
    columns: tuple[str, ...] | None
    width: int | None = None
    defaults: bool = False

    def gives(self, column: str, number: int) -> bool:
        """Whether it gives a value for *column*, the *number*-th of the table (from 1)."""
        if self.defaults:
            return False
        if self.columns is not None:
            return column in self.columns
        return self.width is not None and number <= self.width


@dataclass(frozen=True, slots=True)
class Movement:
    """What a statement would do to sequences.

    Attributes:
        named: arguments of its nextval() and setval(): names of sequences, as SQL spells them.
        of_tables: tables of its pg_get_serial_sequence().
        hidden: it moves one that its text does not name.
        insertions: rows that it adds.
    """

    named: tuple[str, ...] = ()
    of_tables: tuple[str, ...] = ()
    hidden: bool = False
    insertions: tuple[Insertion, ...] = ()


def movement(sql: str) -> Movement:
    """Return what *sql* would do to sequences; never fails."""
    import postgast  # noqa: PLC0415 - loaded when something must be parsed, not before

    try:
        tree = postgast.parse(sql)
    except postgast.PgQueryError:
        return Movement(hidden=_MENTIONED.search(sql) is not None)
    named, tables, hidden = [], [], False
    for call in all_of(tree, "FuncCall"):
        if kind(strings(call.funcname)) == "sequence":
            sequence, table = _argument(call.args[0]) if call.args else ("", "")
            named += [sequence] if sequence else []
            tables += [table] if table else []
            hidden = hidden or not (sequence or table)
    code = next(all_of(tree, "DoStmt"), None)
    hidden = hidden or (code is not None and _MENTIONED.search(sql) is not None)
    return Movement(tuple(named), tuple(tables), hidden, tuple(_insertions(tree)))


def _argument(node: Node) -> tuple[str, str]:
    """Return the sequence that an argument names, or the table whose sequence it asks for."""
    while kind_of(node) == "type_cast":
        node = node.type_cast.arg
    if kind_of(node) == "a_const":
        return node.a_const.sval.sval, ""
    if kind_of(node) == "func_call":
        call = node.func_call
        if strings(call.funcname)[-1] == "pg_get_serial_sequence" and call.args:
            return "", _argument(call.args[0])[0]
    return "", ""


def _insertions(tree: Node) -> list[Insertion]:
    found = [_insertion(each) for each in all_of(tree, "InsertStmt")]
    for merge in all_of(tree, "MergeStmt"):
        for when in all_of(merge, "MergeWhenClause"):
            columns = tuple(each.res_target.name for each in when.target_list) or None
            defaults = next(all_of(when, "SetToDefault"), None) is not None
            found.append(Insertion(name(merge.relation), columns, len(when.values), defaults))
    copies = [each for each in all_of(tree, "CopyStmt") if each.is_from]
    found += [Insertion(name(each.relation), strings(each.attlist) or None) for each in copies]
    for update in all_of(tree, "UpdateStmt"):
        if next(all_of(update, "SetToDefault"), None) is not None:
            found.append(Insertion(name(update.relation), None, defaults=True))
    return found


def _insertion(node: Node) -> Insertion:
    columns = tuple(each.res_target.name for each in node.cols) or None
    width: int | None = None
    # DEFAULT VALUES, or an identity that gives its own whatever is said
    defaults = not kind_of(node.select_stmt) or word(node, "override") == _IGNORES_GIVEN
    if kind_of(node.select_stmt) == "select_stmt":
        rows = [each.list for each in inner(node.select_stmt).values_lists]
        width = min((len(row.items) for row in rows), default=None)
        defaults = defaults or any(
            next(all_of(row, "SetToDefault"), None) is not None for row in rows
        )
    return Insertion(name(node.relation), columns, width, defaults)
