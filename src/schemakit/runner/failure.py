"""From whatever was raised in the depths of a run to what the caller gets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy.exc import StatementError

from schemakit.errors import EnvironmentFailed, RevisionFailed, SchemakitError
from schemakit.sql import without_literals

from .results import Applied, heads_text

if TYPE_CHECKING:
    from .environment import Observation


def cancellation(*errors: BaseException | None) -> BaseException | None:
    """Return the cancellation in *errors* or behind them.

    SQLAlchemy and Alembic tidy up after a CancelledError, and what that raises
    (PendingRollbackError, AssertionError) would hide it from the caller's timeout.
    """
    for error in errors:
        for link in _chain(error):
            if isinstance(link, asyncio.CancelledError):
                return link
    return None


def cause_of(error: BaseException) -> BaseException | None:
    """Return *error* as the cause of another, without values from the database in its text."""
    if isinstance(error, StatementError):
        error.hide_parameters = True
        error.statement = without_literals(error.statement or "")
    return None if isinstance(error, asyncio.CancelledError) else error


def explained(
    error: BaseException,
    observation: Observation,
    kept: tuple[Applied, ...],
    heads: tuple[str, ...],
    *,
    external: bool,
) -> BaseException:
    """Return the typed error for *error*, which a run has raised.

    Args:
        error: what came out of it.
        observation: of the run.
        kept: the revisions that the server has kept.
        heads: what the version table holds now.
        external: whether the caller's transaction is to be rolled back yet.
    """
    if not isinstance(error, Exception):
        return error
    journal = observation.journal
    revision = journal.revision if journal else None
    if revision is None and isinstance(error, SchemakitError):
        return error
    if journal is None or (revision is None and not journal.steps):
        return EnvironmentFailed(f"{type(error).__name__}: {brief(error)}")
    blamed = revision.id if revision else journal.steps[-1].applied.revision
    statement = without_literals(journal.statement) if revision and journal.statement else None
    lines = [
        f"{journal.command} of {blamed}"
        + (f" ({revision.path})" if revision else " (when it was committed)"),
        f"{type(error).__name__}: {brief(error)}",
        f"statement: {statement}" if statement else "",
        _left(kept, heads, external=external),
    ]
    return RevisionFailed(
        "\n".join(line for line in lines if line),
        revision=blamed,
        path=revision.path if revision else None,
        direction=journal.command,
        statement=statement,
        applied=kept,
        heads=heads,
        remedy=_remedy(error),
    )


def brief(error: BaseException) -> str:
    """Return the first line of *error*: what the server says, without the statement."""
    original = getattr(error, "orig", None)
    text = str(getattr(original, "__cause__", None) or original or error)
    if isinstance(error, SchemakitError):
        text = f"{error.summary} {error.detail}"
    return text.strip().split("\n")[0]


def _left(kept: tuple[Applied, ...], heads: tuple[str, ...], *, external: bool) -> str:
    if external:
        return "The transaction is the caller's: roll it back."
    done = ", ".join(applied.revision for applied in kept) or "nothing"
    return f"Kept of this run: {done}. The database is at {heads_text(heads)}."


_HINTS = {
    "25001": "run it in `with op.get_context().autocommit_block():`, on an engine.",
    "55006": "a Session or cursor of the revision is still open on that table: close it first, or "
    "set transaction_per_migration=True.",
    "25P02": "an earlier statement failed and the revision went on: use a savepoint around it.",
}
_PSYCOPG = (
    "copy_expert", "copy_from", "copy_to", "notices", "mogrify", "set_isolation_level",
    "execute_values",
)  # fmt: skip


def _remedy(error: BaseException) -> str | None:
    if isinstance(error, SchemakitError):
        return error.remedy
    hint = _HINTS.get(str(getattr(getattr(error, "orig", None), "sqlstate", "")))
    if hint is not None:
        return hint
    if isinstance(error, AttributeError) and any(name in str(error) for name in _PSYCOPG):
        return (
            "that is psycopg2's own interface: use op.run_async(), whose connection's "
            "get_raw_connection() leads to asyncpg's (copy_records_to_table and the like)."
        )
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
