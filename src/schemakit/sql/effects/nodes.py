"""The parse tree of postgast, asked in our words: names, enumerations, what stands inside.

Every node is a protobuf message; nothing here imports protobuf or the parser.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from schemakit.sql.name import Name

Node = Any  # a protobuf message: libpg_query's tree has no types


def kind_of(node: Node) -> str:
    """Return what a ``Node`` holds, e.g. ``alter_table_stmt``; ``""`` if it is empty."""
    return str(node.WhichOneof("node") or "")


def inner(node: Node) -> Node:
    """Return what a ``Node`` holds."""
    return getattr(node, kind_of(node))


def word(message: Node, field: str) -> str:
    """Return the name of an enumeration's value, e.g. ``AT_AddColumn``."""
    values = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    return str(values[getattr(message, field)].name)


def name(relation: Node) -> Name:
    """Return the name of a ``RangeVar``."""
    return Name(relation.relname, relation.schemaname or None)


def strings(nodes: Sequence[Node]) -> tuple[str, ...]:
    """Return a qualified name's parts."""
    return tuple(node.string.sval for node in nodes if kind_of(node) == "string")


def named(parts: Sequence[str]) -> Name:
    """Return the relation that *parts* name: ``[database,] [schema,] name``."""
    return Name(parts[-1], parts[-2] if len(parts) > 1 else None)


def options(nodes: Sequence[Node]) -> dict[str, Node]:
    """Return the ``DefElem``s among *nodes* by name."""
    return {
        node.def_elem.defname.lower(): node.def_elem
        for node in nodes
        if kind_of(node) == "def_elem"
    }


def is_on(found: dict[str, Node], option: str) -> bool:
    """Whether a boolean option is given and not switched off."""
    if option not in found:
        return False
    arg = found[option].arg
    said = arg.string.sval if kind_of(arg) == "string" else ""
    return said.lower() not in ("false", "off", "0", "no") and not (
        kind_of(arg) == "integer" and arg.integer.ival == 0
    )


def walk(message: Node) -> Iterator[Node]:
    """Yield *message* and every message below it, the outermost first."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for child in (value,) if hasattr(value, "ListFields") else value:
            yield from walk(child)


def type_of(message: Node) -> str:
    """Return the message's type, e.g. ``RangeVar``."""
    return str(message.DESCRIPTOR.name)


def all_of(message: Node, *types: str) -> Iterator[Node]:
    """Yield the messages of one of *types* in *message*."""
    return (each for each in walk(message) if type_of(each) in types)


def calls(message: Node) -> Iterator[tuple[str, ...]]:
    """Yield the name of every function that is called in *message*, in its parts."""
    for call in all_of(message, "FuncCall"):
        yield strings(call.funcname)
