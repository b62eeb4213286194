"""Run env.py, or do what it would do where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep

from schemakit.errors import EnvironmentRefused, TransactionRefused
from schemakit.runner.limits import own_lock_timeout
from schemakit.safety.naming import is_backup_name
from schemakit.sql import Name

from . import callers, drift, operations, proxies  # noqa: F401 - operations registers its own
from .borrowed import BorrowedConnection, BorrowedEngine, borrowed, managed
from .bridge import bridged
from .careful import CarefulMigrationContext
from .config import STAND_IN_URL, url_shown
from .imports import Imports
from .journal import Configured, Journal
from .partitions import WithoutPartitions
from .scripts import describe

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection

    from schemakit.runner.settings import Migrations

#: Given the heads of the version table, the steps to run; what Alembic calls ``fn``.
Steps = Callable[[Sequence[str], MigrationContext], list[MigrationStep]]

_DEFAULT_TABLE = "alembic_version"
#: Schemas that schemakit keeps; a move has one of its own besides, called as the backup is.
_OURS = frozenset(("schemakit", "schemakit_backups"))


@dataclass(frozen=True, slots=True)
class Errand:
    """What env.py is run for.

    Attributes:
        steps: decides what runs.
        journal: gets everything that happens.
        observe: called with every statement before it is sent.
        options: the caller's.
        external: whether the transaction is the caller's.
        context: what Alembic's commands pass to ``EnvironmentContext`` (``purge``, ``as_sql``, …).
        metadata: takes the place of env.py's ``target_metadata``.
        differences: gets a line for each difference to the metadata, if they are asked for.
    """

    steps: Steps
    journal: Journal
    observe: Any
    options: Migrations
    external: bool
    context: dict[str, Any]
    metadata: Any = None
    differences: list[str] | None = None


class ScopedEnvironment(EnvironmentContext):
    """Alembic's environment, for one task, on one connection."""

    def __init__(
        self,
        config: Config,
        directory: ScriptDirectory,
        errand: Errand,
        connection: BorrowedConnection | None,
    ) -> None:
        super().__init__(config, directory, fn=self._wrapped_steps, **errand.context)
        self.errand = errand
        self.connection = connection
        self.connections = [connection] if connection is not None else []
        self.told_by = ""

    def configure(self, connection: Connection | None = None, *args: Any, **options: Any) -> None:
        """Configure as Alembic does, on the connection of this run and on no other."""
        self.told_by = callers.outside()
        if connection is not None:
            connection = self._accepted(connection)
        if self.is_offline_mode():
            # Whatever URL or dialect the files name: the script is for asyncpg's PostgreSQL.
            options |= {"url": STAND_IN_URL, "dialect_name": None}
        if self.errand.metadata is not None:
            options["target_metadata"] = self.errand.metadata
        elif self.errand.options.target_metadata is not None:
            options.setdefault("target_metadata", self.errand.options.target_metadata)
        include = options.get("include_name")
        if connection is not None:
            # Env.py may have one already, which does not know whose metadata are compared here.
            own = include.include_name if isinstance(include, WithoutPartitions) else include
            include = WithoutPartitions(connection, options.get("target_metadata"), own)
        options["include_name"] = _not_our_own(include)
        super().configure(connection, *args, **options)
        context = self.get_context()
        context.__class__ = CarefulMigrationContext
        context.on_version_apply_callbacks = (*context.on_version_apply_callbacks, self._stamped)

    def run_migrations(self, **arguments: Any) -> None:
        """Run the steps, with ``alembic.op`` meaning this run in this task."""
        journal, context = self.errand.journal, self.get_context()
        journal.migrating = True
        try:
            with (
                proxies.active(Operations(context)),
                self._bridged_other(context),
                managed(context.connection),
            ):
                context.run_migrations(**arguments)
        except BaseException:
            # Not left to env.py: one that caught the error would commit half a revision.
            with suppress(Exception):
                _roll_back(context)
            raise
        finally:
            journal.migrating = False

    def _accepted(self, connection: Connection) -> Connection:
        own = self.connection
        if own is None or borrowed(connection, own):
            return own or connection
        engine = getattr(connection, "engine", None)
        if engine is None or engine.pool is not own.engine.pool:
            detail = "context.configure() was called with a connection of another engine."
            raise EnvironmentRefused(detail)
        if self.errand.external:
            detail = (
                "context.configure() was called with a connection outside the caller's transaction."
            )
            raise EnvironmentRefused(detail)
        return connection  # the caller's engine, by a way of env.py's own

    @contextmanager
    def _bridged_other(self, context: MigrationContext) -> Iterator[None]:
        connection = context.connection
        if (
            connection is None
            or context.as_sql
            or self.connection is None
            or borrowed(connection, self.connection)
        ):
            yield
        else:
            with _bridged(connection, self.errand), self.errand.observe.elsewhere(connection):
                # What its revisions SET is not for the next user of the pool.
                connection.detach()
                yield

    def _wrapped_steps(self, heads: Any, context: MigrationContext) -> list[MigrationStep]:
        heads = tuple(heads or ())
        table = _version_table(context)
        self.errand.journal.configured.append(Configured(table, heads, self._plain(context)))
        if self.errand.differences is not None:
            self.errand.differences.extend(drift.compare(context))
        steps = self.errand.steps(heads, context)
        self.errand.journal.plan(len(steps))
        for step in steps:
            self._watch(step)
        return steps

    def _plain(self, context: MigrationContext) -> bool:
        connection = context.connection
        return (
            connection is not None
            and self.connection is not None
            and self._told_by_env_py()
            and borrowed(connection, self.connection)
            and not connection.get_execution_options().get("schema_translate_map")
        )

    def _told_by_env_py(self) -> bool:
        # A helper in another module may compute what it passes; env.py's text would not show it.
        env_py = Path(self.script.env_py_location)
        return self.told_by == str(env_py) or not env_py.exists()

    def _watch(self, step: MigrationStep) -> None:
        journal, migrate = self.errand.journal, step.migration_fn
        revision = getattr(step, "revision", None)
        if revision is None:  # a stamp: nothing runs
            return

        own = own_lock_timeout(revision.module, revision.path)

        def watched(**arguments: Any) -> None:
            journal.begin(describe(revision))
            with self._in_revision():
                try:
                    self._begin_revision(own)
                    migrate(**arguments)
                except BaseException as error:
                    journal.fail(error)
                    raise

        watched.__name__ = getattr(migrate, "__name__", "upgrade")
        step.migration_fn = watched

    def _begin_revision(self, lock_timeout: float | None) -> None:
        connection = self.get_context().connection
        if connection is not None and not self.is_offline_mode():
            self.errand.observe.revision(connection, lock_timeout)

    @contextmanager
    def _in_revision(self) -> Iterator[None]:
        state = self.connection.__dict__ if self.connection is not None else {}
        state["_schemakit_in_revision"] = True
        try:
            yield
        finally:
            state["_schemakit_in_revision"] = False

    def _stamped(self, *, ctx: MigrationContext, step: Any, heads: set[str], **_: Any) -> None:
        observe, connection = self.errand.observe, ctx.connection
        if connection is not None and not ctx.as_sql and observe.ledger is not None:
            table, path = _version_table(ctx), ""
            if step.is_stamp:
                found = step.up_revision_ids if step.is_upgrade else step.down_revision_ids
            else:
                found, path = step.up_revision_ids, step.up_revision.path
            for revision in found or ("base",):
                observe.applied(connection, table, revision, path)
        self.errand.journal.end(heads)


def _not_our_own(include: Callable[..., bool] | None) -> Callable[..., bool]:
    """Return *include*, Alembic's ``include_name``, that leaves out what schemakit keeps."""

    def included(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "schema" and name is not None and (name in _OURS or is_backup_name(name)):
            return False
        return include is None or include(name, kind, parents)

    return included


def _version_table(context: MigrationContext) -> Name:
    """Return where the version table lies: a schema_translate_map moves it as well."""
    schema = context.version_table_schema
    if context.connection is not None and not context.as_sql:
        options = context.connection.get_execution_options()
        schema = (options.get("schema_translate_map") or {}).get(schema, schema)
    return Name(context.version_table, schema)


def run_environment(
    connection: Connection | None,
    config: Config,
    directory: ScriptDirectory,
    errand: Errand,
    *,
    keep: bool = True,
) -> None:
    """Run env.py on *connection* (None: offline), or configure Alembic without one.

    What env.py leaves uncommitted is committed if *keep*, else rolled back.

    Called inside ``run_sync`` when online: whatever env.py awaits is awaited by the event loop.
    """
    own = (
        BorrowedConnection(connection, external=errand.external) if connection is not None else None
    )
    config.attributes["connection"] = own
    environment = ScopedEnvironment(config, directory, errand, own)
    transaction = connection.get_transaction() if connection is not None else None
    try:
        with proxies.active(environment), _bridged(own, errand):
            if Path(directory.env_py_location).exists():
                _execute(Path(directory.env_py_location), config, own)
            else:
                _without_env_py(environment, errand)
            if own is not None and errand.external and not own.still_in(transaction):
                raise TransactionRefused("env.py or a revision has ended it.")
            if own is not None and not errand.external and keep and own.in_transaction():
                # Left open by env.py, as by a statement before configure(): Alembic's own runner
                # would roll everything back here without a word.
                own.commit()
    finally:
        config.attributes.pop("connection", None)
        environment._migration_context = None  # noqa: SLF001 - it holds the connection
        environment.connection = None


@contextmanager
def _bridged(connection: Connection | None, errand: Errand) -> Iterator[None]:
    if connection is None:
        yield
        return
    escapes = errand.options.percent_escapes
    with bridged(connection, errand.observe, percent_escapes=escapes, external=errand.external):
        yield


def _execute(path: Path, config: Config, connection: BorrowedConnection | None) -> None:
    """Execute env.py as the module ``env_py`` (the name Alembic gives it)."""
    spec = spec_from_file_location("env_py", path, loader=SourceFileLoader("env_py", str(path)))
    if spec is None or spec.loader is None:  # pragma: no cover - a loader was given
        raise ImportError(path)
    module = module_from_spec(spec)
    engine = BorrowedEngine(connection) if connection is not None else None
    module.__dict__["__builtins__"] = Imports(engine, url_shown(config)).builtins()
    code = spec.loader.get_code("env_py")  # type: ignore[attr-defined]  # SourceFileLoader has it
    exec(code, module.__dict__)  # noqa: S102 - the user's own env.py


def _without_env_py(environment: ScopedEnvironment, errand: Errand) -> None:
    options: dict[str, Any] = {"transaction_per_migration": True, **errand.options.configure}
    if environment.connection is None:
        options.setdefault("dialect_name", "postgresql")
        options.setdefault("literal_binds", True)
    else:
        options["connection"] = environment.connection
    environment.configure(**options)
    with environment.begin_transaction():
        environment.run_migrations()


def _roll_back(context: MigrationContext) -> None:
    """Roll back the transaction that Alembic has opened, if it has."""
    transaction = context._transaction  # noqa: SLF001 - what its own begin_transaction sets
    if transaction is not None:
        context._transaction = None  # noqa: SLF001
        connection: Any = context.connection
        if connection.get_transaction() is transaction:  # else it was lost
            transaction.rollback()
