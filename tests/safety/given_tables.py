"""The tables under test by their names, portraits of them, and statements run on them."""

from __future__ import annotations

from sqlalchemy import make_url

from schemakit.catalog import archive
from schemakit.catalog.portray import portray
from schemakit.safety import homecoming

from . import everything as given

#: The scripts that make them, and what the table is called.
CASES = {
    "everything": (given.everything, f"{given.SCHEMA}.{given.TABLE}"),
    "tree": (given.tree, 'forest."Events; all"'),
    "leaves": (lambda _: given.hundred_leaves(), "chunks"),
}


async def make(oracle, case):
    """Make the table *case*; return its name."""
    script, name = CASES[case]
    await oracle.execute(script(await major_of(oracle)))
    return name


async def major_of(oracle):
    return int(await oracle.fetchval("SHOW server_version_num")) // 10000


async def portrayed(engine, oracle, name):
    oid = await oracle.fetchval("SELECT $1::regclass::oid::bigint", name)
    async with engine.begin() as connection:
        return await connection.run_sync(portray, oid)


async def run(oracle, statements):
    """Run *statements* in one transaction."""
    await oracle.execute(";\n".join(each.sql for each in statements))


async def run_back(engine, oracle, way, portrait):
    """Bring what *portrait* needs home, and it back."""
    needs = homecoming.can_come(portrait)
    async with engine.begin() as connection:
        found = await connection.run_sync(archive.away, needs)
    statements = homecoming.home(homecoming.coming(portrait, found))
    await run(oracle, (*statements, *way.back))


async def run_proofs(oracle, way):
    for proof in way.proofs:
        await run(oracle, proof.statements)


def dsn_of(engine):
    """The URL of the engine's database for libpq."""
    url = make_url(engine.url).set(drivername="postgresql")
    return url.render_as_string(hide_password=False)
