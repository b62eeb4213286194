"""What an exported backup says of itself, as plain values: written by one server, read by another.

A file may come from anywhere. What of it becomes SQL is a name, which is quoted, or the name of a
built-in type, which has to look like one.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from schemakit.errors import BackupFileDamaged, ConfigurationError
from schemakit.sql.name import Name, quote

_FIELDS = r"(?: (?:year|month|day|hour|minute|second)(?: to (?:month|hour|minute|second))?)?"
#: As format_type() writes the types of pg_catalog (src/backend/utils/adt/format_type.c).
_TYPE = re.compile(
    rf'(?:"char"|bit varying|character varying|double precision|interval{_FIELDS}|[a-z_][a-z0-9_]*)'
    r"(?:\(-?\d+(?:,-?\d+)?\))?(?: with(?:out)? time zone)?(?:\[\])?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class FileColumn:
    """A column of an exported backup: its name, and its built-in type as SQL."""

    name: str
    type: str

    @property
    def definition(self) -> str:
        """The column for CREATE TABLE."""
        return f"{quote(self.name)} {self.type}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """An exported backup.

    Attributes:
        name: what the backup was called where it was exported.
        kind: ``move``, ``copy`` or ``column``, there.
        original: what it is a backup of.
        columns: what each of its rows has, in this order.
        rows: how many there were to be, by the registry; None if they were estimated.
        bytes: the space it took there.
        created: when it was made.
        revision: of the migration that made it.
        reason: why rows were allowed to be destroyed.
        digest: of its content, taken when it was first verified.
        manifest: the portrait of the original, as JSON; None if none was kept.
        schemakit: the version that exported it.
        server_version: of the server it was exported from, e.g. ``14.22``.
    """

    name: str
    kind: str
    original: Name
    columns: tuple[FileColumn, ...]
    rows: int | None
    bytes: int
    created: datetime
    revision: str | None
    reason: str | None
    digest: str | None
    manifest: dict[str, Any] | None
    schemakit: str
    server_version: str

    def to_json(self) -> dict[str, Any]:
        """Return it as what the json module writes."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return values | {
            "original": {"schema": self.original.schema, "name": self.original.name},
            "columns": [asdict(each) for each in self.columns],
            "created": self.created.isoformat(),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Exported:
        """Return what `to_json` made *values* of.

        Raises:
            BackupFileDamaged: they are not that.
        """
        try:
            return cls(**_read(values))
        except (KeyError, TypeError, ValueError, AttributeError, ConfigurationError) as error:
            detail = f"What it says of itself makes no sense: {type(error).__name__}."
            raise BackupFileDamaged(detail) from error


def _read(values: dict[str, Any]) -> dict[str, Any]:
    original = Name(str(values["original"]["name"]), str(values["original"]["schema"]))
    str(original), quote(str(values["name"]))  # a name that cannot be one is not let in
    rows, manifest = values["rows"], values.get("manifest")
    if not isinstance(manifest, dict | None):
        raise TypeError(manifest)
    return {
        **{name: _text(values.get(name)) for name in _TEXTS},
        "manifest": manifest,
        "original": original,
        "columns": tuple(_column(each) for each in values["columns"]),
        "created": datetime.fromisoformat(values["created"]),
        "rows": None if rows is None else int(rows),
        "bytes": int(values["bytes"]),
    }


_TEXTS = ("name", "kind", "revision", "reason", "digest", "schemakit", "server_version")


def _text(value: object) -> str | None:
    if not isinstance(value, str | None):
        raise TypeError(value)
    return value


def _column(values: dict[str, Any]) -> FileColumn:
    found = FileColumn(str(values["name"]), str(values["type"]))
    if _TYPE.fullmatch(found.type) is None:
        raise BackupFileDamaged(f"The type of column {found.name!r} is none.")
    str(found.definition)
    return found
