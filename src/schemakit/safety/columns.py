"""CREATE TABLE from a portrait, and what can only be said of its columns afterwards."""

from __future__ import annotations

from collections.abc import Iterator

from schemakit.catalog.table import Column, Constraint, Sequence, Table
from schemakit.sql.literal import literal
from schemakit.sql.name import Name, quote
from schemakit.sql.plan import Statement

from .saying import alter, option

_STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
_COMPRESSION = {"p": "pglz", "l": "lz4"}
_GENERATED = {"s": "STORED", "v": "VIRTUAL"}
_IDENTITY = {"a": "ALWAYS", "d": "BY DEFAULT"}


def loadable(table: Table) -> tuple[str, ...]:
    """Return the columns that INSERT (OVERRIDING SYSTEM VALUE) or COPY can fill."""
    return tuple(each.name for each in table.columns if not each.generated)


def created(table: Table) -> Statement:
    """Return the CREATE TABLE, with the constraints that cost nothing while rows are loaded.

    Of a partition it is a table by itself, which is attached to its parent afterwards: so its
    columns keep their order.
    """
    parts = [*_elements(table), *_constraints(table)]
    words = [
        {"u": "CREATE UNLOGGED", "t": "CREATE TEMPORARY"}.get(table.persistence, "CREATE"),
        "FOREIGN TABLE" if table.kind == "f" else "TABLE",
        f"{table.full_name} ({', '.join(parts)})",
        f"INHERITS ({', '.join(map(str, table.parents))})" if inherits(table) else "",
        f"PARTITION BY {table.partition_key}" if table.partition_key else "",
        f"SERVER {quote(table.server)}{server_options(table.server_options)}"
        if table.server
        else "",
        *_storage(table),
    ]
    return Statement(" ".join(word for word in words if word))


def inherits(table: Table) -> bool:
    """Whether it must be made as an heir; what declares all columns itself becomes one later."""
    return table.bound is None and any(not each.local for each in table.columns)


def server_options(options: tuple[str, ...]) -> str:
    """Return OPTIONS (…) of a foreign table or column."""
    pairs = (each.partition("=") for each in options)
    text = ", ".join(f"{quote(name)} {literal(value)}" for name, _, value in pairs)
    return f" OPTIONS ({text})" if text else ""


def _storage(table: Table) -> Iterator[str]:
    if table.access_method and table.access_method != "heap":
        yield f"USING {quote(table.access_method)}"
    options = [option(each) for each in table.options]
    options += [f"toast.{option(each)}" for each in table.toast_options]
    if options:
        yield f"WITH ({', '.join(options)})"
    if table.tablespace:
        yield f"TABLESPACE {quote(table.tablespace)}"


def _declared(table: Table) -> tuple[Column, ...]:
    if not inherits(table):
        return table.columns
    return tuple(each for each in table.columns if each.local)


def _elements(table: Table) -> Iterator[str]:
    sequences = {each.column: each for each in table.sequences if each.identity}
    named = {each.columns[0]: each for each in table.constraints if each.kind == "n"}
    for column in _declared(table):
        words = [quote(column.name), column.type]
        if column.collation:
            words.append(f"COLLATE {column.collation}")
        words.extend(_value(column, sequences.get(column.name)))
        words.extend(_not_null(column, named.get(column.name)))
        yield " ".join(words) + server_options(column.server_options)


def _value(column: Column, sequence: Sequence | None) -> Iterator[str]:
    if column.generated:
        yield f"GENERATED ALWAYS AS ({column.default}) {_GENERATED[column.generated]}"
    elif column.identity and sequence is not None:
        name = Name(sequence.name, sequence.schema)
        given = f"SEQUENCE NAME {name} {sequence_options(sequence)}"
        yield f"GENERATED {_IDENTITY[column.identity]} AS IDENTITY ({given})"
    elif column.default is not None:
        yield f"DEFAULT {column.default}"


def _not_null(column: Column, constraint: Constraint | None) -> Iterator[str]:
    if constraint is None:
        if column.not_null:
            yield "NOT NULL"
    elif constraint.validated:
        yield f"CONSTRAINT {quote(constraint.name)} NOT NULL"
        if constraint.no_inherit:
            yield "NO INHERIT"


def sequence_options(sequence: Sequence) -> str:
    """Return what CREATE SEQUENCE and GENERATED … AS IDENTITY take."""
    return (
        f"START WITH {sequence.start} INCREMENT BY {sequence.increment}"
        f" MINVALUE {sequence.minimum} MAXVALUE {sequence.maximum}"
        f" CACHE {sequence.cache} {'CYCLE' if sequence.cycle else 'NO CYCLE'}"
    )


def _constraints(table: Table) -> Iterator[str]:
    """Checks, and the not-null constraints of columns that are inherited."""
    declared = {each.name for each in _declared(table)}
    for each in table.constraints:
        if not each.validated or (inherits(table) and not each.local):
            continue
        if each.kind == "c" or (each.kind == "n" and each.columns[0] not in declared):
            yield f"CONSTRAINT {quote(each.name)} {each.definition}"


def adjusted(table: Table) -> Iterator[Statement]:
    """What can only be said afterwards, and how rows are written: before they are."""
    for column in table.columns:
        for action in _adjustments(column):
            yield alter(table, f"ALTER {quote(column.name)} {action}", only=True)
        if inherits(table) and not column.local:
            yield from _of_inherited(table, column)


def _adjustments(column: Column) -> Iterator[str]:
    if column.storage:
        yield f"SET STORAGE {_STORAGE[column.storage]}"
    if column.compression:
        yield f"SET COMPRESSION {_COMPRESSION[column.compression]}"
    if column.statistics is not None:
        yield f"SET STATISTICS {column.statistics}"
    if column.options:
        yield f"SET ({', '.join(map(option, column.options))})"


def _of_inherited(table: Table, column: Column) -> Iterator[Statement]:
    named = {each.columns[0] for each in table.constraints if each.kind == "n"}
    if column.default is not None and not column.generated:
        yield alter(table, f"ALTER {quote(column.name)} SET DEFAULT {column.default}", only=True)
    if column.not_null and column.name not in named:
        yield alter(table, f"ALTER {quote(column.name)} SET NOT NULL", only=True)
