"""From whatever was raised in the depths of a run to what the caller gets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

from sqlalchemy.exc import StatementError

from schemakit.errors import EnvironmentFailed, RevisionFailed, SchemakitError
from schemakit.sql import without_literals

from .results import heads_text
from .revisions import Applied

if TYPE_CHECKING:
    from ._alembic.journal import Journal
    from .environment import Observation


def unmasked(error: Exception) -> BaseException:
    """Return the cancellation that *error* hides, if this task was cancelled; else *error*.

    SQLAlchemy and Alembic tidy up after a CancelledError, and what that raises
    (PendingRollbackError, AssertionError) would hide it. A task that was not cancelled may hold
    one all the same: behind every TimeoutError of asyncio there is one.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        for link in _chain(error):
            if isinstance(link, asyncio.CancelledError):
                return link
    return error


def reraise(
    error: Exception,
    observation: Observation,
    kept: tuple[Applied, ...] = (),
    heads: tuple[str, ...] | None = None,
    *,
    external: bool,
) -> NoReturn:
    """Raise the typed error for *error*; see `explained`."""
    typed = explained(error, observation, kept, heads, external=external)
    if typed is error:
        raise error
    raise typed from cause_of(error)


def cause_of(error: Exception) -> Exception:
    """Return *error* as the cause of another: a traceback shows no value from the database.

    What the server said in full stays in the attributes of ``error.orig``.
    """
    if isinstance(error, StatementError):
        error.hide_parameters = True
        error.statement = without_literals(error.statement or "")
        error.args = (brief(error),)
        error.__cause__ = None  # the driver's own, with the values in its text
    elif _sqlstate(error):
        error.args = (brief(error),)
        vars(error).update(detail=None)
    return error


def explained(
    error: Exception,
    observation: Observation,
    kept: tuple[Applied, ...],
    heads: tuple[str, ...] | None,
    *,
    external: bool,
) -> Exception:
    """Return the typed error for *error*, which a run has raised.

    Args:
        error: what came out of it.
        observation: of the run.
        kept: the revisions that the server has kept.
        heads: what the version table holds now; None if that cannot be known.
        external: whether the caller's transaction is to be rolled back yet.
    """
    journal = observation.journal
    revision = journal.revision if journal else None
    if revision is None and isinstance(error, SchemakitError):
        return error
    blamed = journal.blamed if journal else None
    if journal is None or blamed is None:
        return EnvironmentFailed(f"{type(error).__name__}: {brief(error)}")
    statement = _statement(error, journal) if revision else None
    lines = [
        f"{journal.command} of {blamed.id} ({blamed.path})"
        + ("" if revision else ", when it was committed"),
        f"{type(error).__name__}: {brief(error)}",
        f"statement: {statement}" if statement else "",
        _left(kept, heads, external=external),
        f"{_PART} {blamed.id}." if revision and journal.partial else "",
    ]
    return RevisionFailed(
        "\n".join(line for line in lines if line),
        revision=blamed.id,
        path=blamed.path,
        direction=journal.command,
        statement=statement,
        applied=kept,
        heads=heads or (),
        partial=bool(revision and journal.partial),
        remedy=_REPEATABLE if revision and journal.partial else _remedy(error),
    )


_PART = "Its autocommit_block() has committed, so the database also keeps the first part of"
_REPEATABLE = (
    "take that part back by hand, or write it so that it can run twice (IF NOT EXISTS), and run "
    "again; what needs an autocommit_block() is best a revision of its own."
)


def _statement(error: Exception, journal: Journal) -> str | None:
    """Return the statement that failed; what fails in Python fails after its last statement."""
    if journal.statement is None or not isinstance(error, StatementError | SchemakitError):
        return None
    return without_literals(journal.statement)


#: asyncpg's: ``invalid input for query argument $1: 'x' (expected str, got int)``
_ARGUMENT = re.compile(r"(argument \$\d+[^:]*: ).*( \()")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_TOKEN = re.compile(r"\"'.*")


def brief(error: BaseException) -> str:
    """Return the first line of *error*: what the server says, without statement and values."""
    original = getattr(error, "orig", None)
    text = str(getattr(original, "__cause__", None) or original or error)
    if isinstance(error, SchemakitError):
        text = f"{error.summary} {error.detail}"
    line = text.strip().split("\n")[0]
    state = _sqlstate(original) or _sqlstate(error)
    if state.startswith("22"):  # data exceptions quote the value; others quote names
        line = _QUOTED.sub("?", _ARGUMENT.sub(r"\1?\2", line))
    elif state == "42601":  # syntax_error quotes the token
        line = _TOKEN.sub("?", line)
    return line


def _sqlstate(error: object) -> str:
    return str(getattr(error, "sqlstate", None) or "")


def _left(kept: tuple[Applied, ...], heads: tuple[str, ...] | None, *, external: bool) -> str:
    if external:
        return "The transaction is the caller's: roll it back."
    if heads is None:
        return "What the database has kept of this run is not known."
    done = ", ".join(applied.revision for applied in kept) or "nothing"
    return f"Kept of this run: {done}. The database is at {heads_text(heads)}."


_HINTS = {
    "25001": "run it in `with op.get_context().autocommit_block():`, on an engine.",
    "55006": "a Session or cursor of the revision is still open on that table: close it first, or "
    "set transaction_per_migration=True.",
    "25P02": "an earlier statement failed and the revision went on: use a savepoint around it.",
    "42P18": "the server cannot tell the parameter's type: write CAST(:x AS type).",
    "42P08": "the server cannot tell the parameter's type: write CAST(:x AS type).",
    "22000": "asyncpg takes values of the column's own type, such as a date and not its text.",
}
_PSYCOPG = (
    "copy_expert", "copy_from", "copy_to", "notices", "mogrify", "set_isolation_level",
    "execute_values",
)  # fmt: skip


def _remedy(error: BaseException) -> str | None:
    if isinstance(error, SchemakitError):
        return error.remedy
    hint = _HINTS.get(_sqlstate(getattr(error, "orig", None)))
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
