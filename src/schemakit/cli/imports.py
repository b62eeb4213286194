"""What the project's own modules need: to be found, and to be named on the command line."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from schemakit.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import MetaData


@contextmanager
def project_first() -> Iterator[None]:
    """Let Python find the modules of the working directory, as ``python -m`` does.

    An installed program does not see them, and env.py has to import the models.
    """
    here = str(Path.cwd())
    if here in sys.path or "" in sys.path:
        yield
        return
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


def metadata(name: str) -> MetaData:
    """Return what *name* means: ``module:attribute``, a MetaData or a class that has one.

    Raises:
        ConfigurationError: there is no such thing.
    """
    from sqlalchemy import MetaData  # noqa: PLC0415 - `--help` must not wait for SQLAlchemy

    module, _, path = name.partition(":")
    try:
        found: object = import_module(module)
        for attribute in path.split("."):
            found = getattr(found, attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise _unusable(name, str(error)) from error
    found = getattr(found, "metadata", found)
    if not isinstance(found, MetaData):
        raise _unusable(name, f"it is a {type(found).__name__}")
    return found


def _unusable(name: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"--metadata {name} cannot be used: {why}.",
        remedy="name it module:attribute, e.g. shop.models:Base or shop.models:Base.metadata.",
    )
