"""Identifiers: the only place where a name becomes SQL."""

from __future__ import annotations

from typing import NamedTuple

from schemakit.errors import ConfigurationError

#: NAMEDATALEN - 1 (src/include/pg_config_manual.h): the server cuts longer names without an error.
MAX_IDENTIFIER_BYTES = 63


def quote(identifier: str) -> str:
    """Return *identifier* as a quoted SQL identifier.

    Always quoted, never folded: ``Users`` and ``users`` are two names (manual, 4.1.1).

    Raises:
        ConfigurationError: the name is empty, holds a NUL, or is longer than 63 bytes.
    """
    if not identifier or "\0" in identifier:
        detail = f"{identifier!r} is no identifier: it is empty or holds a NUL."
        raise ConfigurationError(detail, remedy="give a name that PostgreSQL can have.")
    if len(identifier.encode()) > MAX_IDENTIFIER_BYTES:
        detail = f"{identifier!r} is longer than {MAX_IDENTIFIER_BYTES} bytes."
        raise ConfigurationError(
            detail, remedy="shorten it; PostgreSQL would cut it off without saying so."
        )
    return '"' + identifier.replace('"', '""') + '"'


class Name(NamedTuple):
    """A relation's name, in a schema or (``schema=None``) found through the search_path."""

    name: str
    schema: str | None = None

    def __str__(self) -> str:
        """The name as SQL, every part quoted."""
        if self.schema is None:
            return quote(self.name)
        return f"{quote(self.schema)}.{quote(self.name)}"
