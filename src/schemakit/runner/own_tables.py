"""The tables that schemakit keeps in its own schema: made when first needed, by whoever comes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from schemakit.catalog import read
from schemakit.sql.name import quote

from .flow import Fetch, Flow, Run
from .locks import lock_key

if TYPE_CHECKING:
    from schemakit.catalog.model import OwnTable


def made(name: str, create: str, schema: str = "schemakit") -> Flow[None]:
    """A flow that makes the table *name* in *schema*, if there is none.

    IF NOT EXISTS is no help against others that do the same: the loser gets a unique violation.
    So they take turns, by a lock of the one transaction that this is.

    Args:
        name: of the table.
        create: its CREATE TABLE IF NOT EXISTS, and what else belongs to it.
        schema: where it lies.
    """
    there: OwnTable = yield Fetch(partial(read.own_table, name=name, schema=schema))
    if there.table:
        return
    # Only if need be: it asks for a right on the database even where the schema is there.
    home = "" if there.schema else f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}; "
    yield Run(f"{turn(name, schema)}; {home}{create}")


def turn(name: str, schema: str) -> str:
    """Return the SQL that waits for one's turn at the table *name*, until the transaction ends."""
    return f"SELECT pg_catalog.pg_advisory_xact_lock({lock_key(f'{schema}.{name}')})"
