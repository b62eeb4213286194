"""Names of a package that are imported when they are first asked for: importing it stays cheap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def on_demand(
    namespace: dict[str, Any], homes: Mapping[str, tuple[str, ...]]
) -> Callable[[str], object]:
    """Return the ``__getattr__`` of a package that finds its names in other modules.

    Args:
        namespace: the package's ``globals()``, which keep what was found.
        homes: for each module, by its full name, the names that are taken from it.
    """
    home_of = {name: module for module, names in homes.items() for name in names}

    def found(name: str) -> object:
        if name not in home_of:
            detail = f"module {namespace['__name__']!r} has no attribute {name!r}"
            raise AttributeError(detail)
        value: object = getattr(import_module(home_of[name]), name)
        namespace[name] = value
        return value

    return found
