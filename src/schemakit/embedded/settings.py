"""Server settings: which names are let through, and what a server gets that asks for nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from schemakit.errors import EmbeddedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = re.compile(r"[a-z_][a-z0-9_.]*")
PORT = 5432  # names the socket file; nothing listens on it
RESERVED = frozenset(
    {
        "config_file",
        "data_directory",
        "external_pid_file",
        "hba_file",
        "ident_file",
        "listen_addresses",
        "port",
        "unix_socket_directories",
        "unix_socket_permissions",
    }
)
MODEST = {"shared_buffers": "64MB"}
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def checked(settings: Mapping[str, object]) -> dict[str, str]:
    """``settings`` as a new dict.

    Raises:
        EmbeddedError: a name is no setting's name or is the server's own business, or a value
            is no string or holds a NUL.
    """
    accepted = {}
    for name, value in settings.items():
        if NAME.fullmatch(name) is None:
            raise EmbeddedError(
                f"{name!r} is not the name of a setting",
                remedy="spell it as `SELECT name FROM pg_settings` does: lower case, no spaces.",
            )
        if name in RESERVED:
            raise EmbeddedError(
                f"the setting {name!r} says how the server is reached, which is decided here",
                remedy="leave it out; for TCP or a port, run a server of your own and use its URL.",
            )
        if not isinstance(value, str) or "\0" in value:
            raise EmbeddedError(
                f"the value of {name!r} is {value!r}",
                remedy='give a string, such as {"max_connections": "200"}.',
            )
        accepted[name] = value
    return accepted


def arguments(settings: Mapping[str, str], socket_dir: Path, *, ephemeral: bool) -> list[str]:
    """The ``-c name=value`` arguments of ``postgres``.

    Arguments rather than a file: they need no quoting, they outrank ``ALTER SYSTEM``, and the
    cluster's own configuration files stay the user's.
    """
    reached = {
        "listen_addresses": "",
        "port": str(PORT),  # else PGPORT would decide
        "unix_socket_directories": str(socket_dir),
    }
    defaults = MODEST | (FORGETFUL if ephemeral else {})
    effective = defaults | dict(settings) | reached
    return [part for name, value in effective.items() for part in ("-c", f"{name}={value}")]
