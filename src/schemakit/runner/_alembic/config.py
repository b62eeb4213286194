"""Build the Alembic ``Config`` that env.py sees."""

from __future__ import annotations

import configparser
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.config import Config
from sqlalchemy import URL

from schemakit.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        **_given_arguments(given),
    )
    if given is not None:
        _copy_options(given, config)
    _anchor_paths(config, located)
    # Raw: a percent sign that is not doubled is env.py's matter, if it reads that option at all.
    if not config.file_config.get(located.section, "sqlalchemy.url", raw=True, fallback=None):
        shown = (url or STAND_IN_URL).render_as_string(hide_password=True)
        config.set_main_option("sqlalchemy.url", _escaped(shown))
    config.attributes.update(given.attributes if given is not None else {})
    config.attributes.update(located.options.attributes)
    config.attributes.update(attributes)
    return config


def url_shown(config: Config) -> str:
    """Return the ``sqlalchemy.url`` that env.py sees; a stand-in for one that cannot be read."""
    try:
        return config.get_main_option("sqlalchemy.url") or str(STAND_IN_URL)
    except configparser.InterpolationError:
        return str(STAND_IN_URL)


def _command_options(located: Located) -> Namespace:
    given = getattr(located.config, "cmd_opts", None)
    options = Namespace(**vars(given)) if given is not None else Namespace()
    if located.options.x or not hasattr(options, "x"):
        options.x = list(located.options.x)
    return options


def _given_arguments(given: Config | None) -> dict[str, Any]:
    if given is None:
        return {}
    values = {name: value for name, value in given.config_args.items() if name != "here"}
    streams = {"stdout": given.stdout, "output_buffer": given.output_buffer}
    return {"config_args": values, **streams}


def _copy_options(given: Config, config: Config) -> None:
    """Copy what the caller has set on its Config, beyond what the file says."""
    for section in given.file_config.sections():
        for name, value in given.file_config.items(section, raw=True):
            if name not in given.config_args:  # these come with every section, and "here" is one
                config.set_section_option(section, name, value)


def _anchor_paths(config: Config, located: Located) -> None:
    """Make every path absolute, so that the process may stand in any directory."""
    config.set_main_option("script_location", _escaped(str(located.folder)))
    file = located.ini or located.toml
    base = file.parent if file else Path.cwd()
    # Both are read before either is set: they share one separator.
    try:
        paths = {
            "version_locations": located.options.version_locations
            or config.get_version_locations_list(),
            "prepend_sys_path": config.get_prepend_sys_paths_list(),
        }
    except (ValueError, configparser.Error) as error:
        raise ConfigurationError(f"{file} cannot be used: {error}") from error
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
