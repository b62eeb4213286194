"""What callers give to the coroutines about backups, checked before a connection is used."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable

from schemakit.catalog.backup import Backup
from schemakit.errors import ConfigurationError
from schemakit.runner.settings import Settings
from schemakit.sql.name import Name

from .sources import named

_NAMES = 'its name, unquoted ("orders"), or a schemakit.partitioning.Name'
_BACKUPS = "a Backup, or its name"


def settings_given(settings: object) -> Settings:
    """Return *settings*, or those of the environment.

    Raises:
        ConfigurationError: they are something else.
    """
    if settings is None:
        return Settings.from_environment()
    if not isinstance(settings, Settings):
        raise _wrong("settings", settings, "a schemakit.Settings, e.g. Settings(lock_timeout=1)")
    return settings


def table_given(table: object, schema: object, argument: str = "table") -> Name:
    """Return the name of the table that is meant.

    Raises:
        ConfigurationError: it is no name, or *schema* is none.
    """
    if not isinstance(table, str | Name):
        raise _wrong(argument, table, _NAMES)
    text_given("schema", schema, "its name, unquoted")
    return named(table, str(schema) if schema is not None else None)


def backup_given(backup: object) -> Backup | str:
    """Return the *backup* that is meant.

    Raises:
        ConfigurationError: it is neither a backup nor a name.
    """
    if not isinstance(backup, Backup | str):
        raise _wrong("backup", backup, _BACKUPS)
    return backup


def backups_given(backups: object) -> tuple[Backup | str, ...] | None:
    """Return the *backups* that are meant: one, or several; None of none in particular.

    Raises:
        ConfigurationError: one is neither a backup nor a name.
    """
    if backups is None:
        return None
    if isinstance(backups, Backup | str):
        return (backups,)
    if not isinstance(backups, Iterable):
        raise _wrong("backups", backups, f"{_BACKUPS}, or several")
    return tuple(map(backup_given, backups))


def text_given(argument: str, value: object, wanted: str, *, empty: bool = True) -> None:
    """Refuse a *value* that is neither None nor a text, which may be *empty*.

    Raises:
        ConfigurationError: it is that.
    """
    if value is None:
        return
    if not isinstance(value, str) or not (empty or value.strip()):
        raise _wrong(argument, value, wanted)


def number_given(argument: str, value: object, wanted: str) -> None:
    """Refuse a *value* that is neither None nor a whole number from 0 on.

    Raises:
        ConfigurationError: it is that.
    """
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _wrong(argument, value, wanted)


def names_given(argument: str, names: object) -> tuple[str, ...]:
    """Return the names that a caller gave: one, or several.

    Raises:
        ConfigurationError: it is none, or something else.
    """
    wanted = "a name, or several, unquoted"
    found = (names,) if isinstance(names, str) else names
    if not isinstance(found, Iterable):
        raise _wrong(argument, names, wanted)
    found = tuple(found)
    if not found or not all(isinstance(each, str) and each for each in found):
        raise _wrong(argument, names, wanted)
    return found


def _wrong(argument: str, value: object, wanted: str) -> ConfigurationError:
    kind = type(value).__name__
    detail = f"{argument}={reprlib.repr(value)} (of the type {kind}) is not what it takes."
    return ConfigurationError(detail, remedy=f"give {wanted}.")
