"""Foreign keys that a drop takes down: may the role put them back? Asked before it does."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from schemakit.catalog import archive
from schemakit.catalog.backup import shown
from schemakit.errors import AccessDenied
from schemakit.runner.flow import Fetch, Flow
from schemakit.sql.name import Name


def refuse_irrevocable(
    table: Name, oids: Iterable[int], columns: Iterable[str] | None = None
) -> Flow[None]:
    """A flow that refuses to take down foreign keys that a restore could not put back.

    The owner of a table may drop them, and needs REFERENCES on the other table to make them.

    Args:
        table: what is about to go, for the message.
        oids: of it, and of what goes with it.
        columns: only foreign keys of these; by default all.

    Raises:
        AccessDenied: a right is missing; each is named.
    """
    missing: tuple[str, ...]
    missing = yield Fetch(partial(archive.unreferable, oids=oids, columns=columns))
    if missing:
        detail = f"To put the foreign keys of {shown(table)} back takes {', '.join(missing)}."
        raise AccessDenied(detail, remedy="GRANT it to the role, or connect as one that has it.")
