"""The portrait of a table: everything that the catalog knows of it, as one plain value.

A portrait is compared with another one (`schemakit.catalog.differences`), kept as JSON, and turned
into the DDL that makes the table anew (`schemakit.ddl`). `schemakit.catalog.portray` reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from schemakit.errors import ConfigurationError
from schemakit.sql.name import Name

from .dependants import Child, ForeignKeyIn, Mention, Need, Other, Routine
from .plain import decoded, encoded
from .table import Sequence, Table

#: Of the form that `Portrait.to_json` writes.
VERSION = 1

#: A schema with this comment was given to a backup: what lies there does not count among those who
#: need a type or function.
BACKUP_MARK = "schemakit backup"

#: The settings on which it depends how the server writes SQL, and how it reads what it wrote: those
#: of pg_dump (src/bin/pg_dump/pg_dump.c, setup_connection), and what else constants depend on.
PINNED = {
    "search_path": "",
    "quote_all_identifiers": "off",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "standard_conforming_strings": "on",
}


@dataclass(frozen=True, slots=True)
class Portrait:
    """What the catalog knows of a table, its partitions, and what depends on them.

    Attributes:
        tables: the table, and its partitions and heirs below it, each behind its parent.
        views: views and materialised views that depend on them, in an order in which they can be
            made.
        foreign_keys_in: of other tables.
        children: which tables inherit from which of it, and are no partitions.
        routines: that need its row type or name its tables, in an order in which they can be made.
        others: whatever else depends on it.
        mentions: those of the others that can be taken down and put back.
        needs: what it cannot do without.
        server_version: of the server that it was read from, as ``server_version_num``.
    """

    tables: tuple[Table, ...]
    views: tuple[Table, ...] = ()
    foreign_keys_in: tuple[ForeignKeyIn, ...] = ()
    children: tuple[Child, ...] = ()
    routines: tuple[Routine, ...] = ()
    others: tuple[Other, ...] = ()
    mentions: tuple[Mention, ...] = ()
    needs: tuple[Need, ...] = ()
    server_version: int = 0

    @property
    def table(self) -> Table:
        """The table itself."""
        return self.tables[0]

    @property
    def name(self) -> Name:
        """The table's name."""
        return self.table.full_name

    @property
    def leaves(self) -> tuple[Table, ...]:
        """Those of its tables that hold rows; read ONLY them, an heir is one of its own."""
        return tuple(each for each in self.tables if each.kind != "p")

    @property
    def sequences(self) -> tuple[Sequence, ...]:
        """Those that its columns own."""
        return tuple(each for table in self.tables for each in table.sequences)

    @property
    def has_dependants(self) -> bool:
        """Whether DROP TABLE without CASCADE would be refused (2BP01)."""
        return any((self.views, self.foreign_keys_in, self.children, self.routines, self.others))

    def relations(self) -> Iterator[Table]:
        """Its tables, then the views."""
        yield from self.tables
        yield from self.views

    def to_json(self) -> dict[str, Any]:
        """Return it as what the json module writes."""
        data: dict[str, Any] = encoded(self)
        return {"version": VERSION, **data}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Portrait:
        """Return the portrait that `to_json` made *data* of.

        Raises:
            ConfigurationError: *data* is of another version, or no portrait.
        """
        version = data.get("version")
        if version != VERSION:
            detail = f"A portrait of version {version!r}; this schemakit reads {VERSION}."
            raise ConfigurationError(detail, remedy="use the schemakit that wrote it.")
        try:
            return decoded(cls, {key: value for key, value in data.items() if key != "version"})
        except (TypeError, AttributeError) as error:
            detail = f"That is no portrait of a table: {error}."
            raise ConfigurationError(detail) from error
