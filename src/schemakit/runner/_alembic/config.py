"""Build the Alembic ``Config`` that env.py sees."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from alembic.config import Config
from sqlalchemy import URL

from schemakit.runner.locate import Located

#: An ini for directories that have none: some env.py files demand a path, or read the section.
STAND_IN_INI = Path(__file__).with_name("stand-in.ini")
#: A URL for env.py files that demand one; it is never connected to.
STAND_IN_URL = URL.create("postgresql+asyncpg", "schemakit", host="localhost", database="schemakit")


def build_config(located: Located, url: URL | None = None, **attributes: Any) -> Config:
    """Return a ``Config`` for *located*; the caller's own one, if it gave one, is copied.

    Args:
        located: the directory and its ini and pyproject.
        url: shown as ``sqlalchemy.url`` where no file says one, without its password. Nothing
            connects to it.
        attributes: for ``config.attributes``.
    """
    given = located.config
    config = Config(
        file_=str(located.ini or STAND_IN_INI),
        toml_file=str(located.toml) if located.toml else None,
        ini_section=located.section,
        cmd_opts=_command_options(located),
        **_given_streams(given),
    )
    if given is not None:
        _copy_options(given, config)
    _anchor_paths(config, located)
    if not config.get_main_option("sqlalchemy.url"):
        shown = (url or STAND_IN_URL).render_as_string(hide_password=True)
        config.set_main_option("sqlalchemy.url", _escaped(shown))
    config.attributes.update(given.attributes if given is not None else {})
    config.attributes.update(located.options.attributes)
    config.attributes.update(attributes)
    return config


def _command_options(located: Located) -> Namespace:
    given = getattr(located.config, "cmd_opts", None)
    options = Namespace(**vars(given)) if given is not None else Namespace()
    if located.options.x or not hasattr(options, "x"):
        options.x = list(located.options.x)
    return options


def _given_streams(given: Config | None) -> dict[str, Any]:
    if given is None:
        return {}
    return {"stdout": given.stdout, "output_buffer": given.output_buffer}


def _copy_options(given: Config, config: Config) -> None:
    # What the caller has set on its Config, beyond what the file says.
    section = given.config_ini_section
    if given.file_config.has_section(section):
        for name, value in given.file_config.items(section, raw=True):
            if name != "here":
                config.set_main_option(name, value)


def _anchor_paths(config: Config, located: Located) -> None:
    """Make every path absolute, so that the process may stand in any directory."""
    config.set_main_option("script_location", _escaped(str(located.folder)))
    base = (located.ini or located.toml or located.folder / "x").parent
    # Both are read before either is set: they share one separator.
    paths = {
        "version_locations": located.options.version_locations
        or config.get_version_locations_list(),
        "prepend_sys_path": config.get_prepend_sys_paths_list(),
    }
    for name, found in paths.items():
        if found:
            config.set_main_option("path_separator", "newline")
            config.set_main_option(name, _escaped("\n".join(_anchored(found, base))))


def _anchored(paths: Iterable[str | Path], base: Path) -> list[str]:
    """Resolve relative *paths* from *base*, as `alembic` run there would; packages stay."""
    return [
        str(path) if ":" in str(path) and not (base / path).exists() else str(base / path)
        for path in paths
    ]


def _escaped(value: str) -> str:
    return value.replace("%", "%%")
