"""The async-native schema engine for PostgreSQL.

::

    import schemakit

    await schemakit.upgrade(engine)  # the engine that the application already has

Importing this package is light: what a name needs is imported when the name is first used, and
neither Alembic nor the SQL parser before something has to be migrated or parsed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from schemakit._on_demand import on_demand
from schemakit._version import __version__

if TYPE_CHECKING:
    from schemakit import errors
    from schemakit.errors import SchemakitError
    from schemakit.runner.calls import downgrade, stamp, upgrade
    from schemakit.runner.findings import Drift, Status
    from schemakit.runner.inspect import (
        check,
        current,
        heads,
        history,
        pending,
        recorded,
        render_sql,
        status,
        wait_until_current,
    )
    from schemakit.runner.planning.model import Plan
    from schemakit.runner.planning.plan import plan
    from schemakit.runner.results import Event, Result
    from schemakit.runner.revisions import Applied, Revision
    from schemakit.runner.settings import Migrations, Settings

__all__ = [
    "Applied",
    "Drift",
    "Event",
    "Migrations",
    "Plan",
    "Result",
    "Revision",
    "SchemakitError",
    "Settings",
    "Status",
    "__version__",
    "check",
    "current",
    "downgrade",
    "errors",
    "heads",
    "history",
    "pending",
    "plan",
    "recorded",
    "render_sql",
    "stamp",
    "status",
    "upgrade",
    "wait_until_current",
]

_HOMES = {
    "schemakit.errors": ("SchemakitError",),
    "schemakit.runner.calls": ("downgrade", "stamp", "upgrade"),
    "schemakit.runner.inspect": (
        "check",
        "current",
        "heads",
        "history",
        "pending",
        "recorded",
        "render_sql",
        "status",
        "wait_until_current",
    ),
    "schemakit.runner.findings": ("Drift", "Status"),
    "schemakit.runner.planning.plan": ("plan",),
    "schemakit.runner.planning.model": ("Plan",),
    "schemakit.runner.results": ("Event", "Result"),
    "schemakit.runner.revisions": ("Applied", "Revision"),
    "schemakit.runner.settings": ("Migrations", "Settings"),
}
_found = on_demand(globals(), _HOMES)


def __getattr__(name: str) -> object:
    return import_module("schemakit.errors") if name == "errors" else _found(name)


def __dir__() -> list[str]:
    return __all__
