"""From whatever was raised in the depths of a run to what the caller gets."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, NoReturn

from sqlalchemy.exc import StatementError

from schemakit.errors import (
    AccessDenied,
    ConnectionLost,
    EnvironmentFailed,
    PoolerRefused,
    RevisionFailed,
    RevisionInterrupted,
    SchemakitError,
)
from schemakit.safety.naming import is_backup_name
from schemakit.sql import without_literals
from schemakit.sql.position import line_at, statement_at

from . import broken
from .results import heads_text, in_the_way
from .revisions import Applied

if TYPE_CHECKING:
    from sqlalchemy import URL

    from schemakit.sql.plan import Step

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
        for link in broken.links(error):
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


def unreached(error: Exception, url: URL) -> SchemakitError | None:
    """Return the typed error for a connection to *url* that could not be had; None: another."""
    if isinstance(error, SchemakitError) or not isinstance(error, broken.DRIVER_ERRORS):
        return None
    return broken.by_a_pooler(error) or broken.failed(broken.place(url), error)


def cut_off(error: Exception) -> SchemakitError | None:
    """Return the typed error for *error*, if a broken connection or a pooler is behind it."""
    if isinstance(error, SchemakitError):
        return None
    if not broken.is_lost(error):
        return broken.by_a_pooler(error)
    first = broken.first(error)
    return ConnectionLost(f"{type(first).__name__}: {brief(first)}")


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
    lost = broken.is_lost(error)
    if revision is None and isinstance(error, SchemakitError):
        return error
    said = broken.first(error) if lost else error
    blamed = journal.blamed if journal else None
    if journal is None or blamed is None:
        return _of_env_py(said, kept, heads, lost=lost)
    if lost and revision is None and blamed.id in [each.revision for each in kept]:
        detail = f"{type(said).__name__}, after {blamed.id} was committed: {brief(said)}"
        return _lost(f"{detail}\n{_left(kept, heads, external=external)}", kept, heads)
    statement = _statement(error, journal, lost=lost) if revision else None
    unsure = bool(revision and lost and journal.sends and observation.outside)
    parts = _parts(journal, kept if heads is not None else None, unsure=unsure)
    partial = not observation.can_resume(parts)
    lines = [
        f"{journal.command} of {blamed.id} ({blamed.path})"
        + ("" if revision else ", when it was committed"),
        f"{type(said).__name__}: {brief(said)}",
        f"statement{_line(error)}: {statement}" if statement else "",
        _inside(error),
        f"in the way: {in_the_way(observation.blockers)}" if observation.blockers else "",
        f"routing: {observation.routing.detail}" if observation.routing else "",
        _left(kept, heads, external=external),
        f"{_PART} {', '.join(parts)}." if set(parts) & set(journal.parts) else "",
        _UNSURE if unsure else "",
        _RESUMED if parts and not partial else "",
    ]
    kind = RevisionInterrupted if lost else RevisionFailed
    return kind(
        "\n".join(line for line in lines if line),
        revision=blamed.id,
        path=blamed.path,
        direction=journal.command,
        statement=statement,
        applied=kept,
        heads=heads or (),
        partial=partial,
        blockers=observation.blockers,
        remedy=_REPEATABLE if partial else _remedy(observation.routing or said),
    )


def _of_env_py(
    said: BaseException,
    kept: tuple[Applied, ...],
    heads: tuple[str, ...] | None,
    *,
    lost: bool,
) -> SchemakitError:
    detail = f"{type(said).__name__}: {brief(said)}"
    if lost:
        return _lost(detail, kept, heads)
    if _sqlstate(getattr(said, "orig", None)) == _INSUFFICIENT_PRIVILEGE:
        return AccessDenied(f"While env.py ran: {brief(said)}.")
    return EnvironmentFailed(detail)


def _lost(detail: str, kept: tuple[Applied, ...], heads: tuple[str, ...] | None) -> ConnectionLost:
    return ConnectionLost(detail, applied=kept, heads=heads or ())


_INSUFFICIENT_PRIVILEGE = "42501"
_PART = "An autocommit_block() has committed, so the database also keeps the first part of"
_UNSURE = "That statement ran outside a transaction: it may be done, half done or not done."
_RESUMED = "The next run sees in the catalog how far that got, and goes on from there."
_REPEATABLE = (
    "take that part back by hand, or write it so that it can run twice (IF NOT EXISTS), and run "
    "again; what needs an autocommit_block() is best a revision of its own."
)


def _parts(journal: Journal, kept: tuple[Applied, ...] | None, *, unsure: bool) -> dict[str, int]:
    """Return the revisions of which the server has kept a part only, and how many statements.

    Args:
        journal: of the run.
        kept: the revisions that the server has kept; None if that is not known.
        unsure: whether the statement that the connection broke in has to be counted.
    """
    running = journal.blamed.id if journal.blamed else ""
    whole = [each.revision for each in kept or ()]
    parts = {
        revision: sends
        for revision, sends in journal.parts.items()
        if revision not in whole and (kept is not None or revision == running)
    }
    return parts | {running: journal.sends} if unsure else parts


def _statement(error: Exception, journal: Journal, *, lost: bool) -> str | None:
    """Return the statement that failed; what fails in Python fails after its last statement."""
    sql = lost or isinstance(error, StatementError | SchemakitError)
    if journal.statement is None or not sql:
        return None
    sent, position = _position(error)
    return without_literals(statement_at(sent, position) if position else journal.statement)


def _position(error: BaseException) -> tuple[str, int]:
    """Return what was sent, and where in it the server saw the error, from 1; 0: it did not say."""
    origin = broken.origin(error)
    sent, position = getattr(origin, "query", None), getattr(origin, "position", None)
    return (str(sent), int(position)) if sent and position else ("", 0)


def _line(error: BaseException) -> str:
    sent, position = _position(error)
    return f" in line {line_at(sent, position)}" if "\n" in sent.strip() else ""


#: A frame of PL/pgSQL (pl_exec.c, plpgsql_exec_error_callback); what else a context may hold,
#: such as a row that COPY could not read, is not for a message.
_FRAME = re.compile(
    r"^PL/pgSQL function [\w.\"$]+(?:\([^'\n]*\))? line \d+ at [\w /-]+$", re.MULTILINE
)


def _inside(error: BaseException) -> str:
    frame = _FRAME.search(str(getattr(broken.origin(error), "context", None) or ""))
    return f"in: {frame[0]}" if frame else ""


#: asyncpg's: ``invalid input for query argument $1: 'x' (expected str, got int)``
_ARGUMENT = re.compile(r"(argument \$\d+[^:]*: ).*( \()")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_TOKEN = re.compile(r"\"'.*")


def brief(error: BaseException) -> str:
    """Return the first line of *error*: what the server says, without statement and values.

    An error of ours is its sentence and its detail, whole: the lines of that name what it is about.
    """
    if isinstance(error, SchemakitError):
        return f"{error.summary} {error.detail}".strip()
    original = getattr(error, "orig", None)
    text = str(getattr(original, "__cause__", None) or original or error)
    line = text.strip().split("\n")[0]
    state = _sqlstate(original) or _sqlstate(error)
    if state.startswith("22"):  # data exceptions quote the value; others quote names
        line = _QUOTED.sub("?", _ARGUMENT.sub(r"\1?\2", line))
    elif state == "42601":  # syntax_error quotes the token
        line = _TOKEN.sub("?", line)
    elif state == _DEPENDENT:  # whose detail is names, and no values
        line = "; ".join([line, *_dependants(error)])
    return line


def _dependants(error: BaseException) -> list[str]:
    """What depends on what was to be dropped, in the server's words, each once."""
    lines = str(getattr(broken.origin(error), "detail", None) or "").splitlines()
    return lines[:_SHOWN] + ["…"] * (len(lines) > _SHOWN)


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
    "40P01": "run again; if it happens again, take the locks in one order (LOCK TABLE first).",
    "42501": "grant that right, or migrate as the role that owns the objects: Settings(role=…), "
    "--role.",
    "55P03": "end the session named above, or wait for it; Settings(lock_timeout=…, retry_for=…), "
    "--lock-timeout and --retry-for say how long to wait, and to try again.",
    "57014": "Settings(statement_timeout=…), --statement-timeout or the revision's own says how "
    "long it may take; if it was cancelled by somebody, run again.",
    "55006": "a Session or cursor of the revision is still open on that table: close it first, or "
    "set transaction_per_migration=True.",
    "25P02": "an earlier statement failed and the revision went on: use a savepoint around it.",
    "42P18": "the server cannot tell the parameter's type: write CAST(:x AS type).",
    "42P08": "the server cannot tell the parameter's type: write CAST(:x AS type).",
    "26000": PoolerRefused.remedy,
    "42P05": PoolerRefused.remedy,
    "22000": "asyncpg takes values of the column's own type, such as a date and not its text.",
    "25006": "the server is read-only: a standby (after a failover?), or it says so in "
    "default_transaction_read_only. Let the URL lead to the primary, and run again.",
    "25P03": "the server ends sessions that wait inside a transaction: let the revision wait less, "
    "or raise idle_in_transaction_session_timeout for this role; then run again.",
    "57P01": "somebody ended the session (pg_terminate_backend), or the server is shutting down: "
    "run again when it answers; it goes on from where the database stands.",
    "57P02": "the server broke down or was stopped at once: run again when it has recovered; it "
    "goes on from where the database stands.",
    "53100": "the server's disk is full: free space there, and run again.",
    "53200": "the server is out of memory, or of locks (raise max_locks_per_transaction where the "
    "message says so): see to that, and run again.",
}
#: What something else depends on was to be dropped, without CASCADE; how many are named.
_DEPENDENT, _SHOWN = "2BP01", 5
#: A name, plain or quoted, before a dot.
_SCHEMAS = re.compile(r'([^\s".,(]+)\.|"((?:[^"]|"")+)"\.')
_NUMBERED = re.compile(r"_\d+\Z")
_PSYCOPG = (
    "copy_expert", "copy_from", "copy_to", "notices", "mogrify", "set_isolation_level",
    "execute_values",
)  # fmt: skip


def hint(error: BaseException) -> str | None:
    """Return the way out of *error*, where its SQLSTATE tells one."""
    state = _sqlstate(getattr(error, "orig", None)) or _sqlstate(error)
    return _let_go(error) if state == _DEPENDENT else _HINTS.get(state)


def _let_go(error: BaseException) -> str | None:
    """The way out where only backups need what was to be dropped, such as an extension."""
    detail = str(getattr(broken.origin(error), "detail", None) or "")
    words = {plain or quoted.replace('""', '"') for plain, quoted in _SCHEMAS.findall(detail)}
    # A move that needs several schemas numbers them: the first is called as the backup.
    words |= {_NUMBERED.sub("", each) for each in words}
    names = sorted(filter(is_backup_name, words))
    if not names:
        return None
    listed = ", ".join(names)
    return (
        f"the server names what depends on it, in backups too: {listed}. Export them if their rows "
        "are needed (export_backup, `schemakit backups export`), and remove them (cleanup_backups, "
        "`schemakit backups cleanup`); then run again."
    )


def shown(error: BaseException) -> str:
    """Return the statement that *error* is about, without its literals."""
    sent, position = _position(error)
    return without_literals(statement_at(sent, position) if position else _sent(error))


def _sent(error: BaseException) -> str:
    return str(getattr(error, "statement", None) or "")


def statement_of(error: BaseException, step: Step) -> str:
    """Return the statement of *step* that *error* is about, if it is known; else what it is for."""
    _, position = _position(error)
    if position or len(step.statements) == 1:
        return shown(error) if position else without_literals(step.sql)
    first = without_literals(step.statements[0].sql)
    return f"{first} … ({len(step.statements)} statements)"


def _remedy(error: BaseException) -> str | None:
    if isinstance(error, SchemakitError):
        return error.remedy
    told = hint(error)
    if told is not None:
        return told
    if isinstance(error, AttributeError) and any(name in str(error) for name in _PSYCOPG):
        return (
            "that is psycopg2's own interface: use op.run_async(), whose connection's "
            "get_raw_connection() leads to asyncpg's (copy_records_to_table and the like)."
        )
    return None
