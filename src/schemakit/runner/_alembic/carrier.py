"""What need not travel alone: BEGIN, and Alembic's note of the revision that it has just run.

Each goes with the statement after it, in one message of the simple query protocol. The server
executes them in the order and in the transaction in which they would have come, so that nothing
changes but the number of round trips. Whatever takes another way makes them go first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from alembic.util import CommandError

_COMMIT, _ROLLBACK = "COMMIT;", "ROLLBACK;"  # as asyncpg's Transaction sends them


@dataclass(slots=True)
class Carrier:
    """What is held back on one connection, for one run.

    Attributes:
        begin: a BEGIN that waits for the first statement of its transaction.
        update: an UPDATE of the version table that waits for the next statement.
        checks: for each version that these have written, a SELECT that fails without its row.
        begins: whether a BEGIN that comes now is to be held back.
    """

    begin: str = ""
    update: str = ""
    checks: dict[str, str] = field(default_factory=dict)
    begins: bool = False

    def hold(self, update: str, to: str, check: str) -> None:
        """Hold *update* back, and send it with COMMIT at the latest.

        Args:
            update: to be sent.
            to: the version that it writes.
            check: to be sent before COMMIT, if nothing has asked for that version by then.
        """
        ahead = f"{self.update};\n" if self.update else ""
        self.update = ahead + update
        self.checks[to] = check

    def asked_for(self, version: str) -> None:
        """A later statement looks for *version*, and will fail or be checked if it is not there."""
        self.checks.pop(version, None)

    def ahead_of(self, query: str) -> str:
        """Return what goes before *query*, and hold it no more."""
        parts = [self.begin.rstrip(";"), self.update]
        if query == _COMMIT:
            parts.extend(self.checks.values())
            self.checks.clear()
        self.begin = self.update = ""
        return "".join(f"{part};\n" for part in parts if part)

    def dropped(self) -> bool:
        """Forget what is held back, since it is rolled back; was there no transaction yet?"""
        unbegun = bool(self.begin)
        self.begin = self.update = ""
        self.checks.clear()
        return unbegun


@contextmanager
def carrying(driver: Any) -> Iterator[Carrier]:
    """Yield the `Carrier` of asyncpg's connection *driver*, which carries inside the block."""
    original, carrier = type(driver), Carrier()
    driver.__class__ = type(
        original.__name__, (_Carrying, original), {"__slots__": (), "_schemakit": carrier}
    )
    try:
        yield carrier
    finally:
        driver.__class__ = original


_Base: Any = object  # asyncpg's class, or a subclass that the engine was given


class _Carrying(_Base):  # type: ignore[misc]  # as above
    """How asyncpg's connection sends what is held back."""

    __slots__ = ()
    _schemakit: Carrier

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109 - asyncpg's
        carrier = self._schemakit
        if args:
            await self.first()
        elif query == _ROLLBACK:
            if carrier.dropped():
                return "ROLLBACK"
        elif carrier.begins and query.startswith("BEGIN"):
            carrier.begin = query
            return "BEGIN"
        elif query == _COMMIT and carrier.begin and not carrier.update:
            carrier.dropped()
            return "COMMIT"
        else:
            ahead = carrier.ahead_of(query)
            if ahead:
                return await self._together(ahead, query, timeout)
        return str(await super().execute(query, *args, timeout=timeout))

    async def first(self) -> None:
        """Send what is held back, by itself."""
        ahead = self._schemakit.ahead_of("")
        if ahead:
            await super().execute(ahead)

    async def _together(self, ahead: str, query: str, timeout: float | None) -> str:  # noqa: ASYNC109 - asyncpg's
        try:
            return str(await super().execute(ahead + query, timeout=timeout))
        except asyncpg.PostgresError as error:
            answered = getattr(error, "severity_en", None) == "ERROR"  # and is there yet
            if ahead.startswith("BEGIN") and answered and not self.is_in_transaction():
                # It could not be parsed, so that none of it was executed.
                await super().execute(ahead)
                return str(await super().execute(query, timeout=timeout))
            if query == _COMMIT:
                if self.is_in_transaction():
                    await super().execute(_ROLLBACK)
                if isinstance(error, asyncpg.DivisionByZeroError):
                    detail = "the version table does not hold what the last revision has written"
                    raise CommandError(detail) from error
            _told_of(error, query, len(ahead))
            raise

    async def _get_statement(self, *args: Any, **options: Any) -> Any:
        await self.first()
        return await super()._get_statement(*args, **options)

    async def _copy_in(self, *args: Any, **options: Any) -> Any:
        await self.first()
        return await super()._copy_in(*args, **options)

    async def _copy_out(self, *args: Any, **options: Any) -> Any:
        await self.first()
        return await super()._copy_out(*args, **options)


def _told_of(error: Any, query: str, ahead: int) -> None:
    """Have *error* speak of *query* alone, which it would have come from."""
    error.query = query
    position = getattr(error, "position", None)
    if position and str(position).isdigit():
        error.position = str(max(1, int(position) - ahead))
