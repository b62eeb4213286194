"""What belongs to a table or a view besides columns and indexes: owner, rights, sequences."""

from __future__ import annotations

from collections.abc import Iterator

from schemakit.catalog.table import Sequence, Table
from schemakit.sql.literal import literal
from schemakit.sql.name import Name, quote
from schemakit.sql.plan import Statement

from . import grants
from .columns import sequence_options
from .saying import alter, comment, kind_of


def sequences_made(table: Table) -> Iterator[Statement]:
    """What makes the sequences that columns of *table* will own; identity columns make theirs."""
    for each in table.sequences:
        if not each.identity:
            kind = "UNLOGGED SEQUENCE" if each.persistence == "u" else "SEQUENCE"
            options = sequence_options(each)
            yield Statement(f"CREATE {kind} {_named(each)} AS {each.type} {options}")


def sequences_owned(table: Table) -> Iterator[Statement]:
    """What makes them theirs; before the table gets its owner, whom they follow."""
    for each in table.sequences:
        if not each.identity:
            column = f"{table.full_name}.{quote(each.column)}"
            yield Statement(f"ALTER SEQUENCE {_named(each)} OWNED BY {column}")


def sequences_set(table: Table) -> Iterator[Statement]:
    """What has the sequences of *table* go on where they were, with their rights and comments."""
    for each in table.sequences:
        if each.last_value is not None:
            name, called = literal(str(_named(each))), literal(each.is_called)
            yield Statement(f"SELECT pg_catalog.setval({name}, {each.last_value}, {called})")
        yield from grants.granted(f"SEQUENCE {_named(each)}", each.acl, each.owner)
        yield from comment(f"SEQUENCE {_named(each)}", each.comment)


def _named(sequence: Sequence) -> Name:
    return Name(sequence.name, sequence.schema)


def owned(relation: Table) -> Statement:
    """What gives *relation* its owner."""
    return alter(relation, f"OWNER TO {quote(relation.owner)}")


def described(relation: Table) -> Iterator[Statement]:
    """What gives *relation* its rights, comments and security labels."""
    what = f"{kind_of(relation)} {relation.full_name}"
    yield from grants.granted(f"TABLE {relation.full_name}", relation.acl, relation.owner)
    yield from grants.of_columns(relation)
    yield from comment(what, relation.comment)
    for column in relation.columns:
        yield from comment(f"COLUMN {relation.full_name}.{quote(column.name)}", column.comment)
    for label in relation.security_labels:
        on = f"COLUMN {relation.full_name}.{quote(label.column)}" if label.column else what
        provider, text = quote(label.provider), literal(label.label)
        yield Statement(f"SECURITY LABEL FOR {provider} ON {on} IS {text}")


def statistics_made(relation: Table) -> Iterator[Statement]:
    """What makes the extended statistics of *relation*."""
    for each in relation.statistics:
        name = Name(each.name, each.schema)
        yield Statement(each.definition)
        if each.target is not None:
            yield Statement(f"ALTER STATISTICS {name} SET STATISTICS {each.target}")
        yield from comment(f"STATISTICS {name}", each.comment)
        yield Statement(f"ALTER STATISTICS {name} OWNER TO {quote(each.owner)}")
