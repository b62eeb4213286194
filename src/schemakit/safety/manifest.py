"""What is noted of a backup when it is made: enough to put it back, and to tell if it is whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schemakit.catalog.portrait import Portrait
from schemakit.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is noted of a backup.

    Attributes:
        portrait: of the table, where it lived.
        places: of a move, the schemas that it went to, by those that it came from.
        files: of a move, the file of each of its relations that has one, by the oid.
        kept: of a copy, its own portrait.
        columns: of a copy of columns, which ones were dropped.
        part: of a copy, whether it holds some of the rows only.
    """

    portrait: Portrait
    places: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[int, int] = field(default_factory=dict)
    kept: Portrait | None = None
    columns: tuple[str, ...] = ()
    part: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as what the json module writes."""
        return {
            "portrait": self.portrait.to_json(),
            "places": dict(self.places),
            "files": {str(oid): file for oid, file in self.files.items()},
            "kept": None if self.kept is None else self.kept.to_json(),
            "columns": list(self.columns),
            "part": self.part,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], name: str) -> Manifest:
        """Return the manifest that `to_json` made *data* of.

        Args:
            data: as the registry has it.
            name: of the backup, for the message.

        Raises:
            ConfigurationError: there is none: the backup is the reference's.
        """
        if not data:
            detail = f"Of {name} nobody noted what its table was like: only its rows are there."
            raise ConfigurationError(detail, remedy="INSERT INTO … SELECT * FROM it, by hand.")
        kept = data.get("kept")
        return cls(
            Portrait.from_json(data["portrait"]),
            data.get("places", {}),
            {int(oid): file for oid, file in data.get("files", {}).items()},
            None if kept is None else Portrait.from_json(kept),
            tuple(data.get("columns", ())),
            data.get("part", False),
        )
