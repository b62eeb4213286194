"""How many rows a table has: counted if that is quick, else as the planner expects."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from schemakit.catalog import archive
from schemakit.catalog.backup import Source
from schemakit.runner import broken
from schemakit.runner.flow import Fetch, Flow, Run

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: What is read in a few milliseconds; counting a larger table would no more be instantaneous.
_SMALL = 16 * 1024 * 1024
_MILLISECONDS = 250
#: It took too long; or a policy that even the owner has to keep hides rows.
_NOT_COUNTED = frozenset({"57014", "42501"})
_SAVEPOINT = "schemakit_count"


def rows_of(source: Source) -> Flow[tuple[int, bool]]:
    """A flow that returns how many rows *source* has, and whether it counted them.

    A large table may be empty, too: it is asked for one row, within the same time.
    """
    if source.bytes <= _SMALL:
        sql = f"SELECT count(*) FROM {source.name}"  # noqa: S608 - a quoted name
        counted = yield from _tried(partial(archive.counted, sql=sql))
        if counted is not None:
            return counted, True
    about = yield from _tried(partial(archive.estimated, name=source.name))
    if about == 0:
        return 0, True
    return max(source.rows if about is None else about, 1), False


def _tried(read: Callable[[Connection], int]) -> Flow[int | None]:
    """A flow that gets a number; None if it takes too long, or may not be known."""
    limit = f"SELECT pg_catalog.set_config('statement_timeout', '{_MILLISECONDS}', true)"
    yield Run(f"SAVEPOINT {_SAVEPOINT}; {limit}")
    try:
        found: int | None = yield Fetch(read)
    except DBAPIError as error:
        if getattr(broken.origin(error), "sqlstate", None) not in _NOT_COUNTED:
            raise
        found = None
    # The ROLLBACK gives the time-out back as well.
    yield Run(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; RELEASE SAVEPOINT {_SAVEPOINT}")
    return found
