"""Alembic's migration context, careful with transactions that are not its own."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from alembic.runtime.migration import MigrationContext

from schemakit.errors import TransactionRefused
from schemakit.runner import target

from .borrowed import managed
from .swift import run_migrations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .journal import Journal


class CarefulMigrationContext(MigrationContext):
    """Alembic's context, with an autocommit_block that says what is wrong and masks nothing."""

    def begin_transaction(self, _per_migration: bool = False) -> Any:  # noqa: FBT001, FBT002 - Alembic's signature
        """Begin as Alembic does."""
        with managed(self.connection):
            return super().begin_transaction(_per_migration)

    def run_migrations(self, **arguments: Any) -> None:
        """Run the steps as Alembic does, with another way for the version table."""
        run_migrations(self, **arguments)

    @contextmanager
    def autocommit_block(self) -> Iterator[None]:
        """Leave the transaction for the block, as Alembic does.

        Raises:
            TransactionRefused: the transaction is not Alembic's to end.
        """
        if self.as_sql:
            with super().autocommit_block():
                yield
            return
        instead = self.environment_context.errand.observe.autocommit_block()  # type: ignore[union-attr]  # ours
        if instead is not None:
            with instead:
                yield
            return
        base = self.connection
        # A transaction that env.py opened before configure() is not the caller's: it may end.
        if self._in_external_transaction and getattr(base, "_schemakit_external", True):
            raise TransactionRefused(
                "The revision has an autocommit_block(), which would have to commit it."
            )
        if base is None:  # pragma: no cover - Alembic's typing; offline is handled above
            raise TransactionRefused("There is no connection.")
        journal = self._journal
        was_open = self._end_transaction()
        journal.commit(before := journal.sends)
        level = target.isolation_level(base)
        self.connection = self.impl.connection = base.execution_options(
            isolation_level="AUTOCOMMIT"
        )
        block = base.begin()
        try:
            yield
        except BaseException:
            if journal.sends > before:
                journal.commit(journal.sends - 1)  # all but the one that failed
            # Whatever goes wrong while tidying up must not hide what went wrong.
            with suppress(Exception):
                block.rollback()
                if not base.invalidated:  # it would connect again
                    base.execution_options(isolation_level=level)
            raise
        block.commit()
        journal.commit(journal.sends)
        base.execution_options(isolation_level=level)
        if was_open:
            self._transaction = base.begin()

    @property
    def _journal(self) -> Journal:
        journal: Journal = self.environment_context.errand.journal  # type: ignore[union-attr]  # ours
        return journal

    def _end_transaction(self) -> bool:
        """Commit what is open; return whether Alembic had opened it."""
        if self._transaction is not None:
            self._transaction.commit()
            self._transaction = None
            return True
        if self.connection is not None and self.connection.in_transaction():
            self.connection.commit()
        return False
