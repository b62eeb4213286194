"""Layouts that every strategy's conformance is tried on, with keys for them and hostile names."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from schemakit.partitioning import HashKeyLayout, HashLayout, Layout, Name, ValuesLayout

from . import values

HOSTILE = Name('"; drop table "ÜbeR', 'Sche"ma; --')
LONG = Name("p" * 58, "s" * 63)
#: abs(hashtext(…)) raises 22003 for these: their hash is -2147483648.
OVERFLOWING = ("8845783719", "12726034292", "00000000-0000-4000-8000-0001456ed970")


@dataclass(frozen=True)
class Case:
    """A layout on trial.

    Attributes:
        layout: it.
        decides: the columns that decide where a row goes, with their types.
        key: makes a random key of these columns.
    """

    layout: Layout
    decides: tuple[tuple[str, str], ...]
    key: Callable[[Any], tuple[Any, ...]]

    @property
    def definition(self):
        """The parent's columns."""
        columns = [f"{quoted(name)} {kind}" for name, kind in self.decides]
        if self.layout.key_expression:
            columns.append(f"{quoted(self.layout.columns[0])} int")
        return ", ".join(["n int", *columns])

    @property
    def insert(self):
        """From the table ``given``, with the key as the server computes it."""
        names = [quoted(name) for name, _ in self.decides]
        into, found = list(names), list(names)
        if self.layout.key_expression:
            into.append(quoted(self.layout.columns[0]))
            found.append(self.layout.key_expression)
        return (
            f"INSERT INTO {self.layout.parent} (n, {', '.join(into)}) "
            f"SELECT n, {', '.join(found)} FROM given"
        )


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def sometimes_null(make, chance=16):
    return lambda random: None if not random.randrange(chance) else make(random)


def one(make):
    return lambda random: (make(random),)


def several(*makers):
    makers = [sometimes_null(make, 4) for make in makers]
    return lambda random: tuple(make(random) for make in makers)


def overflowing(random):
    return random.choice(OVERFLOWING) if not random.randrange(50) else values.text(random)


def tenant(random):
    return random.choice(TENANTS)


TENANTS = (
    "acme",
    "Acme",
    "'; DROP TABLE x; --",
    "back\\slash $1",
    "ünï",
    "",
    "a: :b",
    "other",
    " acme",
)

CASES = {
    "hash of a text": Case(
        HashLayout(Name("chunks"), ("collection_id",), types=("text",), modulus=16),
        (("collection_id", "text"),),
        one(sometimes_null(values.text)),
    ),
    "hash of a uuid, hostile names": Case(
        HashLayout(HOSTILE, ('"; drop',), types=("uuid",), modulus=7, naming='{parent}"; {i:02}'),
        (('"; drop', "uuid"),),
        one(sometimes_null(values.uuid)),
    ),
    "hash of several columns, names of 63 bytes, leaves elsewhere": Case(
        HashLayout(
            LONG,
            ("a", "b", "c"),
            types=("text", "bigint", "timestamptz"),
            modulus=37,
            naming="{parent}_{i:04}",
            schema="Elsewhere",
        ),
        (("a", "text"), ("b", "bigint"), ("c", "timestamptz")),
        several(values.text, values.integer(64), values.timestamptz),
    ),
    "one leaf": Case(
        HashLayout(Name("t"), ("x",), types=("int",), modulus=1),
        (("x", "int"),),
        one(sometimes_null(values.integer(32))),
    ),
    "list by hash key": Case(
        HashKeyLayout(
            Name("chunks"),
            "partition_key",
            source="collection_id",
            modulus=100,
            naming="chunk_part_{i}",
        ),
        (("collection_id", "text"),),
        one(overflowing),
    ),
    "list by hash key of a uuid, hostile names, a leaf without key": Case(
        HashKeyLayout(
            HOSTILE,
            'k"; drop',
            source='Source"',
            modulus=13,
            naming="{{{i:02}}}%s",
            unkeyed='the "rest"',
        ),
        (('Source"', "uuid"),),
        one(sometimes_null(values.uuid)),
    ),
    "list of values": Case(
        ValuesLayout(
            Name("events", "app"), "tenant", values=TENANTS, naming="{parent}_{i}", default="rest"
        ),
        (("tenant", "text"),),
        one(sometimes_null(lambda random: random.choice((tenant, values.text))(random))),
    ),
    "list of values, several to a leaf, names given": Case(
        ValuesLayout(
            HOSTILE,
            'T"',
            values=((1, -(2**63), None), 2**40, (0, 2**63 - 1)),
            type="bigint",
            names=('"', "'", "%"),
        ),
        (('T"', "bigint"),),
        one(lambda random: random.choice((1, -(2**63), None, 2**40, 0, 2**63 - 1))),
    ),
    "list of uuids, named by them": Case(
        ValuesLayout(
            Name("t"),
            "u",
            values=(UUID(int=1), "00000000-0000-0000-0000-00000000000A"),
            type="uuid",
            naming="{value}",
        ),
        (("u", "uuid"),),
        one(lambda random: random.choice((UUID(int=1), str(UUID(int=10))))),
    ),
    **{
        f"list of {kind}": Case(
            ValuesLayout(
                Name("t"),
                "v",
                values=some,
                type=kind,
                naming="t_{i}",
                default="t_rest",
            ),
            (("v", kind),),
            one(lambda random, some=some, make=make: random.choice((*some, make(random)))),
        )
        for kind, make, some in (
            ("numeric", values.numeric, (values.Decimal("1.50"), 3)),
            ("float8", values.float8, (1.5, 3, float("-inf"), 0.0)),
            ("float4", values.float4, (0.1, 3, float("inf"), -0.0)),
            ("bool", lambda random: random.random() < 0.5, (True,)),
            ("bytea", lambda random: random.randbytes(3), (b"\\\x00'", b"")),
            ("date", values.date, (values.dt.date.max, values.dt.date(2000, 1, 1))),
            ("time", values.time, (values.dt.time(0, 0, 0, 1),)),
            (
                "timestamp",
                values.timestamp,
                (values.dt.datetime.min, values.dt.datetime(2026, 1, 1)),
            ),
            (
                "timestamptz",
                values.timestamptz,
                (values.dt.datetime(2026, 1, 1, tzinfo=values.dt.UTC),),
            ),
        )
    },
}
