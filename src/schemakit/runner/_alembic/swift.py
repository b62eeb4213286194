"""Alembic's note of where the database stands, without its compiler and a round trip of its own."""

from __future__ import annotations

import re
from types import FunctionType
from typing import TYPE_CHECKING, Any

from alembic.runtime import migration
from alembic.runtime.migration import HeadMaintainer, MigrationContext

from schemakit.runner import wire

if TYPE_CHECKING:
    from .carrier import Carrier

_PLAIN = re.compile(r"[^'\\:%]+")  # an id as it may stand in a literal


class SwiftHeadMaintainer(HeadMaintainer):
    """Has the UPDATEs of the version table travel with the statement after them.

    Only inside a transaction, and not the first: whatever is wrong with the table shows at the
    revision that it is wrong for.
    """

    def __init__(self, context: MigrationContext, heads: Any) -> None:
        super().__init__(context, heads)
        self._proved = False
        self._adapted: Any = None
        table = context._version  # noqa: SLF001 - Alembic's own table
        self._length = getattr(table.c.version_num.type, "length", None) or 0
        quote = context.dialect.identifier_preparer
        self._table, self._column = quote.format_table(table), quote.format_column(table.c[0])
        if _is_plain(context):
            self._adapted = wire.adapted(context.connection)  # type: ignore[arg-type]  # plain has it

    def _update_version(self, from_: str, to_: str) -> None:
        carrier = self._carrier(from_, to_)
        proved, self._proved = self._proved, True
        self._asked_for(from_)
        if carrier is None or not proved:
            super()._update_version(from_, to_)
            return
        self.heads.remove(from_)
        self.heads.add(to_)
        table, column = self._table, self._column
        sql = f"UPDATE {table} SET {column}='{to_}' WHERE {table}.{column} = '{from_}'"  # noqa: S608 - quoted
        self.context.environment_context.errand.journal.sent(sql)  # type: ignore[union-attr]  # ours
        carrier.hold(sql, to_, f"SELECT 1/count(*) FROM {table} WHERE {column} = '{to_}'")  # noqa: S608 - quoted

    def _delete_version(self, version: str) -> None:
        self._asked_for(version)
        super()._delete_version(version)

    def _asked_for(self, version: str) -> None:
        carrier = wire.carrier(self._adapted) if self._adapted is not None else None
        if carrier is not None:
            carrier.asked_for(version)

    def _carrier(self, from_: str, to_: str) -> Carrier | None:
        """Return who can carry an update, if it makes no odds to it."""
        if self._adapted is None or not wire.in_transaction(self._adapted):
            return None
        if to_ in self.heads or len(to_) > self._length:
            return None  # for Alembic, or the server, to say what is wrong with it
        if not (_PLAIN.fullmatch(from_) and _PLAIN.fullmatch(to_)):
            return None
        carrier: Carrier | None = wire.carrier(self._adapted)
        return carrier


def _is_plain(context: MigrationContext) -> bool:
    connection = context.connection
    return (
        connection is not None
        and not context.as_sql
        and len(context._version.columns) == 1  # noqa: SLF001 - Alembic's own table
        and not connection.get_execution_options().get("schema_translate_map")
    )


#: Alembic's own loop over the steps, with `SwiftHeadMaintainer` in the place of its HeadMaintainer.
run_migrations = FunctionType(
    MigrationContext.run_migrations.__code__,
    {**vars(migration), "HeadMaintainer": SwiftHeadMaintainer},
    "run_migrations",
)
run_migrations.__kwdefaults__ = MigrationContext.run_migrations.__kwdefaults__
