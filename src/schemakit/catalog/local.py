"""Settings of a session, changed until its transaction ends: SET LOCAL for many at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

_SET = """\
SELECT name, pg_catalog.current_setting(name), pg_catalog.set_config(name, value, true)
  FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]))
       AS pins (name, value)"""


def set_local(connection: Connection, values: Mapping[str, str]) -> dict[str, str]:
    """Set *values* until the transaction of *connection* ends.

    Returns:
        What those that had another value were before.
    """
    if not values:
        return {}
    rows = connection.exec_driver_sql(_SET, (list(values), list(values.values())))
    return {name: was for name, was, value in rows if was != value}
