"""Find the migrations directory, and the ini or pyproject that speaks of it. No Alembic here."""

from __future__ import annotations

import configparser
import importlib.util
import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemakit.errors import ConfigurationError, MigrationsNotFound

from .settings import Migrations

if TYPE_CHECKING:
    from alembic.config import Config

Source = Any  # str | Path | Migrations | alembic.config.Config | None; Config is not imported here

_INI = "alembic.ini"
_TOML = "pyproject.toml"
_FOLDERS = ("migrations", "alembic")
#: How far above a folder an ini that names it is looked for.
_LEVELS = 4


@dataclass(frozen=True, slots=True)
class Located:
    """A migrations directory and what configures it.

    Attributes:
        folder: the script location (absolute).
        ini: the alembic.ini that names it, if any.
        toml: the pyproject.toml that names it, if any.
        section: the section of the ini.
        options: the caller's options.
        config: the caller's own Alembic configuration, if that was given.
    """

    folder: Path
    ini: Path | None = None
    toml: Path | None = None
    section: str = "alembic"
    options: Migrations = Migrations()  # noqa: RUF009 - frozen
    config: Config | None = None

    @property
    def env_py(self) -> Path:
        """Where env.py would be."""
        return self.folder / "env.py"


def locate(source: Source, *, cwd: Path | None = None) -> Located:
    """Return the migrations directory that *source* means.

    Args:
        source: a folder, ``package:folder``, an Alembic ``Config``, a `Migrations`, or None to
            search *cwd*: ``[tool.schemakit]``, ``[tool.alembic]``, alembic.ini, ``migrations/``,
            ``alembic/``.
        cwd: the directory that relative paths start from; the process's own by default.

    Raises:
        MigrationsNotFound: there is none; says where it looked.
        ConfigurationError: *source* is of another type.
    """
    cwd = cwd or Path.cwd()
    options = source if isinstance(source, Migrations) else Migrations()
    if isinstance(source, Migrations):
        source = options.location
    if source is None:
        return _searched(cwd, options)
    if isinstance(source, str | os.PathLike):
        source = os.fspath(source)
        folder = _folder(source, cwd)
        ini, toml, section = _adopted(folder, options.ini_section)
        return Located(folder, ini, toml, section, options)
    if hasattr(source, "get_main_option") and hasattr(source, "attributes"):
        return _configured(source, cwd, options)
    detail = f"migrations={source!r} is a {type(source).__name__}."
    remedy = "give a folder, 'package:folder', an alembic Config or a schemakit.Migrations."
    raise ConfigurationError(detail, remedy=remedy)


def _configured(config: Any, cwd: Path, options: Migrations) -> Located:
    location = config.get_alembic_option("script_location")
    if not location:
        raise MigrationsNotFound("The Config that was given has no script_location.")
    ini, toml = config.config_file_name, config.toml_file_name
    return Located(
        _folder(location, cwd),
        Path(ini).absolute() if ini and Path(ini).exists() else None,
        Path(toml).absolute() if toml and Path(toml).exists() else None,
        config.config_ini_section,
        options,
        config,
    )


def _folder(location: str | Path, cwd: Path) -> Path:
    folder = _resolve(location, cwd)
    if folder is None or not folder.is_dir():
        where = f"{str(location)!r} is no folder" + (f" (looked at {folder})" if folder else "")
        raise MigrationsNotFound(where + ".")
    if not (folder / "env.py").exists() and not (folder / "versions").is_dir():
        nested = folder / "alembic"
        hint = f" Did you mean {str(nested)!r}?" if (nested / "env.py").exists() else ""
        if not any(folder.glob("*.py")) and hint:
            raise MigrationsNotFound(f"{folder} holds neither env.py nor versions/.{hint}")
    return folder


def _resolve(location: str | Path, base: Path) -> Path | None:
    path = base / location
    text = str(location)
    if path.exists() or ":" not in text or Path(text).is_absolute():
        return path.absolute()
    package, _, inside = text.partition(":")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        return None
    roots = [Path(root) for root in spec.submodule_search_locations]
    found = (root.joinpath(*inside.split(":")) for root in roots)
    return next((folder.absolute() for folder in found if folder.is_dir()), None)


def _searched(cwd: Path, options: Migrations) -> Located:
    section = options.ini_section
    toml = cwd / _TOML
    tools = _tools(toml)
    own = tools.get("schemakit", {}).get("migrations")
    if own:
        folder = _folder(own, cwd)
        return Located(folder, *_adopted(folder, section), options)
    ini = cwd / _INI
    for named, kind in ((_toml_location(tools, cwd), "toml"), (_ini_location(ini, section), "ini")):
        if named:
            folder = _folder(named, cwd)
            files = (ini if ini.exists() else None, toml if kind == "toml" else None)
            return Located(folder, *files, section, options)
    for name in _FOLDERS:
        if (cwd / name / "env.py").exists() or (cwd / name / "versions").is_dir():
            return Located(cwd / name, None, None, section, options)
    looked = f"[tool.schemakit] and [tool.alembic] in {toml}, {ini}, " + ", ".join(
        f"{cwd / name}/" for name in _FOLDERS
    )
    raise MigrationsNotFound(f"Looked at {looked}.")


def _adopted(folder: Path, section: str) -> tuple[Path | None, Path | None, str]:
    """Return the ini and pyproject above *folder* that name it, and the section that does."""
    for directory in list(folder.parents)[:_LEVELS]:
        ini, toml = directory / _INI, directory / _TOML
        named = next((s for s in _sections(ini, section) if _names(ini, s, folder)), None)
        location = _toml_location(_tools(toml), directory)
        in_toml = location is not None and _same(location, directory, folder)
        if named is not None or in_toml:
            # Alembic reads both files where both are there: the ini then carries the logging.
            beside = ini if ini.exists() else None
            return beside, (toml if in_toml else None), named or section
    return None, None, section


def _sections(ini: Path, first: str) -> Iterator[str]:
    parser = _parser(ini)
    if parser is not None:
        yield from sorted(parser.sections(), key=lambda name: name != first)


def _names(ini: Path, section: str, folder: Path) -> bool:
    location = _ini_location(ini, section)
    return location is not None and _same(location, ini.parent, folder)


def _same(location: str, base: Path, folder: Path) -> bool:
    found = _resolve(location, base)
    return found is not None and found.resolve() == folder.resolve()


def _parser(ini: Path) -> configparser.ConfigParser | None:
    if not ini.is_file():
        return None
    parser = configparser.ConfigParser({"here": ini.absolute().parent.as_posix()})
    try:
        parser.read(ini, encoding="utf-8")
    except configparser.Error as error:
        raise ConfigurationError(f"{ini} cannot be read: {error}") from error
    return parser


def _ini_location(ini: Path, section: str) -> str | None:
    parser = _parser(ini)
    if parser is None or not parser.has_section(section):
        return None
    try:
        return parser.get(section, "script_location", fallback=None)
    except configparser.InterpolationError:
        return parser.get(section, "script_location", fallback=None, raw=True)


def _tools(toml: Path) -> dict[str, Any]:
    if not toml.is_file():
        return {}
    try:
        with toml.open("rb") as file:
            tools = tomllib.load(file).get("tool", {})
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{toml} cannot be read: {error}") from error
    return tools if isinstance(tools, dict) else {}


def _toml_location(tools: dict[str, Any], here: Path) -> str | None:
    location = tools.get("alembic", {}).get("script_location")
    if not isinstance(location, str):
        return None
    return location.replace("%(here)s", here.absolute().as_posix())
