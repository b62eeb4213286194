"""From a database URL to what asyncpg is given. Pure; never repeats what might be a password.

The URL is handed on nearly as it is, so that hosts, sockets, services, passfiles, certificates and
encoded passwords mean what they mean to libpq and asyncpg. Translated are only the spellings that
SQLAlchemy and libpq have and asyncpg has not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from schemakit.errors import ConfigurationError

_FORM = "postgresql://user:password@host:5432/database"
_SCHEME = re.compile(r"(?:postgres|postgresql)(?:\+\w+)?://", re.IGNORECASE)
_HOST = re.compile(r"(?:\[[^\[\]]*\]|[^:\[\]]*)(?::\d*)?")
_PASSWORDS = ("password", "sslpassword")
#: Known to libpq or SQLAlchemy and of no consequence here; asyncpg would send them to the server.
_IDLE = frozenset(
    {
        "async_fallback", "fallback_application_name", "gssencmode", "keepalives",
        "keepalives_count", "keepalives_idle", "keepalives_interval",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Address:
    """A database to connect to.

    Attributes:
        dsn: for asyncpg, with the password in it.
        place: for messages, without it.
        timeout: seconds that connecting may take; None for asyncpg's default.
        named: whether the URL gives an ``application_name``.
        password: goes before the one in the URL; None if that is to be taken.
    """

    dsn: str = field(repr=False)
    place: str
    timeout: float | None = None
    named: bool = False
    password: str | None = field(default=None, repr=False)


def address(url: str) -> Address:
    """Return what *url* means.

    Raises:
        ConfigurationError: it is no URL of a PostgreSQL database.
    """
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise _unreadable("it does not begin with postgresql://")
    try:
        parts = urlsplit("postgresql://" + url[scheme.end() :])
        query = dict(
            parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        )
    except ValueError:
        raise _unreadable("its host or its query cannot be parsed") from None
    _check(url, parts)
    user, _, hosts = parts.netloc.rpartition("@")
    timeout = _timeout(query.pop("connect_timeout", ""))
    query = _asyncpg_options(query)
    dsn = f"postgresql://{parts.netloc}{parts.path}"
    if query:
        dsn += "?" + urlencode(query, quote_via=quote, safe="/,:")
    place = _place(unquote(user.partition(":")[0]), hosts, unquote(parts.path[1:]), query)
    return Address(dsn, place, timeout, "application_name" in query)


def secrets(url: str, *further: str) -> frozenset[str]:
    """Return *further* and the passwords in *url*, encoded and plain, however broken it is."""
    userinfo = url.partition("://")[2].rpartition("@")[0]
    found = {userinfo.partition(":")[2], *further}
    for pair in url.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        if name in _PASSWORDS:
            found.add(value)
    return frozenset(found | {unquote(one) for one in found}) - {""}


def _check(url: str, parts: SplitResult) -> None:
    # A password with a bare @ / ? or # in it splits the URL elsewhere, and a part of it would be
    # taken for a host, a port or a database and be shown as such.
    elsewhere = "@" in parts.path or (parts.netloc and url.count("@") > parts.netloc.count("@"))
    hosts = parts.netloc.rpartition("@")[2].split(",")
    understood = all(_HOST.fullmatch(host) for host in hosts)
    if elsewhere or parts.fragment or parts.netloc.count("@") > 1 or not understood:
        raise _unreadable("a part of it is not where user:password@host:port/database puts it")


def _unreadable(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The database URL cannot be read: {why}.",
        remedy=f"write {_FORM}; in a password, @ is %40, : is %3A, / is %2F, ? is %3F, # is %23, "
        "[ is %5B and % is %25.",
    )


def _timeout(given: str) -> float | None:
    try:
        return float(given) or None if given else None  # 0 is libpq's "no limit"
    except ValueError:
        raise _unreadable("connect_timeout is not a number of seconds") from None


def _asyncpg_options(query: dict[str, str]) -> dict[str, str]:
    options = {name: value for name, value in query.items() if name not in _IDLE}
    if "ssl" in options:
        mode = options.pop("ssl")
        options.setdefault("sslmode", mode)
    if options.pop("channel_binding", "prefer") == "require":
        raise ConfigurationError(
            "The database URL says channel_binding=require, which asyncpg does not offer.",
            remedy="take it out; sslmode=verify-full makes sure of the server as well.",
        )
    return options


def _place(user: str, hosts: str, database: str, query: dict[str, str]) -> str:
    database = database or query.get("dbname", query.get("database", ""))
    hosts = hosts or query.get("host", "")
    user = user or query.get("user", "")
    service = query.get("service", "")
    parts = (
        f"database {database!r}" if database else "the default database",
        f"on {unquote(hosts)}" if hosts else "",
        f"as {user!r}" if user else "",
        f"of service {service!r}" if service else "",
    )
    return " ".join(part for part in parts if part)
