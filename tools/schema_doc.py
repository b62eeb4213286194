"""Write docs/schema.md, the reference application's schema, from a database's own catalog.

    python tools/schema_doc.py            write the file
    python tools/schema_doc.py --check    fail if the file is not what would be written

The text is the same for every PostgreSQL from 14 to 18: nothing in it depends on OIDs, on the order
of rows in a catalog, or on what only newer servers keep there (18 lists NOT NULL as constraints).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import schemakit
from schemakit.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection

ROOT = Path(__file__).resolve().parent.parent
MIGRATIONS = ROOT / "migrations"
PAGE = ROOT / "docs" / "schema.md"
COMMAND = "python tools/schema_doc.py"

# --- what the catalog is asked: the schema `public`, less the table Alembic keeps

# Tables (kind r, p) and views (v, m) by name, with their comments.
RELATIONS = """
SELECT c.oid, c.relname AS name, c.relkind::text AS kind,
       obj_description(c.oid, 'pg_class') AS comment
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace
  AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
  AND c.relname <> 'alembic_version'
ORDER BY c.relname COLLATE "C"
"""

# Columns of a relation in their order; `filled` says by what a value comes if none is given.
COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS required,
       CASE WHEN a.attidentity = 'a' THEN 'identity (always)'
            WHEN a.attidentity = 'd' THEN 'identity'
            WHEN a.attgenerated <> '' THEN 'generated: ' || pg_get_expr(d.adbin, d.adrelid)
            ELSE pg_get_expr(d.adbin, d.adrelid) END AS filled,
       col_description(a.attrelid, a.attnum) AS comment
FROM pg_attribute AS a
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = :oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""

# Primary key (p), unique (u), foreign key (f) and check (c) constraints of a table by name.
CONSTRAINTS = """
SELECT k.conname AS name, k.contype::text AS kind, pg_get_constraintdef(k.oid, true) AS definition,
       k.confrelid::regclass::text AS target, k.confdeltype::text AS on_delete,
       (SELECT array_agg(a.attname::text ORDER BY u.position)
        FROM unnest(k.conkey) WITH ORDINALITY AS u (attnum, position)
        JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.attnum) AS columns,
       (SELECT array_agg(a.attname::text ORDER BY u.position)
        FROM unnest(k.confkey) WITH ORDINALITY AS u (attnum, position)
        JOIN pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.attnum) AS targets
FROM pg_constraint AS k
WHERE k.conrelid = :oid AND k.contype IN ('p', 'u', 'f', 'c')
ORDER BY k.conname COLLATE "C"
"""

# Indexes of a table that no constraint owns, by name; `keys` are columns or expressions.
INDEXES = """
SELECT c.relname AS name, m.amname AS method, i.indisunique AS is_unique,
       (SELECT array_agg(pg_get_indexdef(i.indexrelid, n, true) ORDER BY n)
        FROM generate_series(1, i.indnkeyatts) AS n) AS keys,
       pg_get_expr(i.indpred, i.indrelid, true) AS predicate
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_am AS m ON m.oid = c.relam
WHERE i.indrelid = :oid
  AND NOT EXISTS (SELECT FROM pg_constraint AS k
                  WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
ORDER BY c.relname COLLATE "C"
"""

# How a table is partitioned, and into how many; no row for one that is not.
PARTITIONS = """
SELECT pg_get_partkeydef(p.partrelid) AS key,
       (SELECT count(*) FROM pg_inherits AS i WHERE i.inhparent = p.partrelid) AS number
FROM pg_partitioned_table AS p
WHERE p.partrelid = :oid
"""

# Triggers of a table and of its partitions, by name; not those that a partition has from the table.
TRIGGERS = """
SELECT t.tgname AS name, c.relname AS relation, c.oid = :oid AS own, p.proname AS function
FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = t.tgrelid
JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE (c.oid = :oid OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = :oid))
  AND NOT t.tgisinternal AND t.tgparentid = 0
ORDER BY t.tgname COLLATE "C"
"""

# Functions by name, with what they return.
FUNCTIONS = """
SELECT p.oid::regprocedure::text AS name, pg_get_function_result(p.oid) AS result,
       obj_description(p.oid, 'pg_proc') AS comment
FROM pg_proc AS p
WHERE p.pronamespace = 'public'::regnamespace
ORDER BY p.proname COLLATE "C"
"""

# What a view reads, by name. Its text is not asked for: releases spell one view differently.
SOURCES = """
SELECT DISTINCT c.relname COLLATE "C" AS name
FROM pg_rewrite AS r
JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
JOIN pg_class AS c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid
WHERE r.ev_class = :oid AND c.oid <> r.ev_class
ORDER BY 1
"""

# Enum types by name, their labels in sort order.
ENUMS = """
SELECT t.typname AS name, obj_description(t.oid, 'pg_type') AS comment,
       (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
        FROM pg_enum AS e WHERE e.enumtypid = t.oid) AS labels
FROM pg_type AS t
WHERE t.typnamespace = 'public'::regnamespace AND t.typtype = 'e'
ORDER BY t.typname COLLATE "C"
"""

ON_DELETE = {
    "a": "NO ACTION",
    "r": "RESTRICT",
    "c": "CASCADE",
    "n": "SET NULL",
    "d": "SET DEFAULT",
}

PREFACE = f"""\
<!-- Generated by `{COMMAND}` from the migrations. Do not edit. -->

# The reference schema

What `migrations/` makes of an empty database, read back from the catalog. A foreign key is shown
with what happens to the row when the row it points to is deleted. Indexes that belong to a primary
key or a unique constraint are not listed a second time.
"""


async def document(connection: AsyncConnection) -> str:
    """Describe the schema `public` of a database, as Markdown.

    Args:
        connection: an open connection to the database; it is only read from.

    Returns:
        The whole page, ending in one newline.
    """
    relations = await _rows(connection, RELATIONS)
    enums = await _rows(connection, ENUMS)
    tables = [r for r in relations if r["kind"] in {"r", "p"}]
    views = [r for r in relations if r["kind"] in {"v", "m"}]
    sections = [
        PREFACE,
        *[_contents(title, of) for title, of in (("Tables", tables), ("Views", views)) if of],
        *[await _table_section(connection, table) for table in tables],
        *[await _view_section(connection, view) for view in views],
        _enum_section(enums),
        _function_section(await _rows(connection, FUNCTIONS)),
    ]
    return _paragraphs(sections)


async def _rows(
    connection: AsyncConnection, query: str, **parameters: object
) -> Sequence[RowMapping]:
    return (await connection.execute(text(query), parameters)).mappings().all()


async def _table_section(connection: AsyncConnection, table: RowMapping) -> str:
    columns = await _rows(connection, COLUMNS, oid=table["oid"])
    constraints = await _rows(connection, CONSTRAINTS, oid=table["oid"])
    indexes = await _rows(connection, INDEXES, oid=table["oid"])
    partitions = await _rows(connection, PARTITIONS, oid=table["oid"])
    triggers = await _rows(connection, TRIGGERS, oid=table["oid"])
    return _paragraphs(
        [
            _heading(table),
            _grid(("Column", "Type", "Null", "Default", "Comment"), map(_column_cells, columns)),
            _bullets("Primary key", [_key_line(k) for k in constraints if k["kind"] == "p"]),
            _bullets("Unique", [_key_line(k) for k in constraints if k["kind"] == "u"]),
            _bullets("Foreign keys", [_foreign_line(k) for k in constraints if k["kind"] == "f"]),
            _bullets("Checks", [_check_line(k) for k in constraints if k["kind"] == "c"]),
            _bullets("Indexes", [_index_line(i) for i in indexes]),
            _bullets("Partitions", [f"{p['number']}, by {_code(p['key'])}" for p in partitions]),
            _bullets("Triggers", [_trigger_line(t) for t in triggers]),
        ]
    )


async def _view_section(connection: AsyncConnection, view: RowMapping) -> str:
    columns = await _rows(connection, COLUMNS, oid=view["oid"])
    sources = await _rows(connection, SOURCES, oid=view["oid"])
    return _paragraphs(
        [
            _heading(view),
            _grid(("Column", "Type"), ((_code(c["name"]), _code(c["type"])) for c in columns)),
            _bullets("Reads", [_link(source["name"]) for source in sources]),
        ]
    )


def _enum_section(enums: Sequence[RowMapping]) -> str:
    cells = ((_code(e["name"]), _listed(e["labels"]), e["comment"] or "") for e in enums)
    return "## Enums\n\n" + _grid(("Type", "Labels, in order", "Comment"), cells) if enums else ""


def _function_section(functions: Sequence[RowMapping]) -> str:
    cells = ((_code(f["name"]), _code(f["result"]), f["comment"] or "") for f in functions)
    head = ("Function", "Returns", "Comment")
    return "## Functions\n\n" + _grid(head, cells) if functions else ""


def _contents(title: str, relations: Sequence[RowMapping]) -> str:
    return f"{title}: " + ", ".join(_link(r["name"]) for r in relations) + ".\n"


def _heading(relation: RowMapping) -> str:
    comment = f"\n{relation['comment']}\n" if relation["comment"] else ""
    return f"## {relation['name']}\n{comment}"


def _column_cells(column: RowMapping) -> tuple[str, ...]:
    return (
        _code(column["name"]),
        _code(column["type"]),
        "" if column["required"] else "null",
        _code(column["filled"]) if column["filled"] else "",
        column["comment"] or "",
    )


def _key_line(key: RowMapping) -> str:
    return f"{_code(key['name'])}: {_listed(key['columns'])}"


def _foreign_line(key: RowMapping) -> str:
    return (
        f"{_code(key['name'])}: {_listed(key['columns'])} → {_link(key['target'])}"
        f" ({_listed(key['targets'])}), ON DELETE {ON_DELETE[key['on_delete']]}"
    )


def _check_line(check: RowMapping) -> str:
    return f"{_code(check['name'])}: {_code(check['definition'])}"


def _index_line(index: RowMapping) -> str:
    kind = ("unique " if index["is_unique"] else "") + index["method"]
    only = f", where {_code(index['predicate'])}" if index["predicate"] else ""
    return f"{_code(index['name'])}: {kind} on {_listed(index['keys'])}{only}"


def _trigger_line(trigger: RowMapping) -> str:
    where = "" if trigger["own"] else f" on {_code(trigger['relation'])}"
    return f"{_code(trigger['name'])}{where}: {_code(trigger['function'])}"


def _paragraphs(parts: Iterable[str]) -> str:
    return "\n".join(part for part in parts if part)


def _grid(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Lay out a Markdown table; a `|` in a cell would end it, so it is escaped."""
    lines = [head, ["---"] * len(head), *body]
    cells = ([cell.replace("|", r"\|").replace("\n", " ") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _bullets(title: str, lines: Sequence[str]) -> str:
    return f"{title}:\n\n" + "".join(f"- {line}\n" for line in lines) if lines else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(_code(name) for name in names)


def _code(name: str) -> str:
    return f"`{name}`"


def _link(name: str) -> str:
    return f"[{name}](#{name})"


async def _current() -> str:
    """Describe an empty database that the migrations have taken to head."""
    async with EmbeddedServer() as server:
        engine = create_async_engine(server.url)
        try:
            await schemakit.upgrade(engine, migrations=MIGRATIONS)
            async with engine.connect() as connection:
                return await document(connection)
        finally:
            await engine.dispose()


def _stale(page: str) -> bool:
    return not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or with ``--check`` compare it; return the exit code."""
    parser = argparse.ArgumentParser(description="Write docs/schema.md from the migrations.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    check = parser.parse_args(arguments).check
    page = asyncio.run(_current())
    if check and _stale(page):
        print(f"docs/schema.md is not what the migrations make. Run: {COMMAND}", file=sys.stderr)
        return 1
    if not check:
        PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
