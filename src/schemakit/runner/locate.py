"""Find the migrations directory, and the ini or pyproject that speaks of it. No Alembic here."""

from __future__ import annotations

import configparser
import importlib.util
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from schemakit.errors import ConfigurationError, MigrationsNotFound

from .settings import Migrations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alembic.config import Config

Source = Any  # str | Path | Migrations | alembic.config.Config | None; Config is not imported here

_INI = "alembic.ini"
_TOML = "pyproject.toml"
_FOLDERS = ("migrations", "alembic")
#: How far above a folder an ini that names it is looked for.
_LEVELS = 4


class Located(NamedTuple):
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
    options: Migrations = Migrations()
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
        options = replace(options, version_locations=_absolute(options.version_locations, cwd))
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


def _configured(config: Config, cwd: Path, options: Migrations) -> Located:
    location = config.get_alembic_option("script_location")
    if not location:
        raise MigrationsNotFound("The Config that was given has no script_location.")
    names = (config.config_file_name, config.toml_file_name)
    ini, toml = (cwd / name if name and (cwd / name).exists() else None for name in names)
    # Alembic resolves from the working directory; whoever wrote the file stood beside it.
    beside = (ini or toml or cwd / "x").parent
    named = _resolve(location, beside)
    base = beside if named is not None and named.is_dir() else cwd
    return Located(_folder(location, base), ini, toml, config.config_ini_section, options, config)


def _absolute(paths: Iterable[str | Path], cwd: Path) -> tuple[str, ...]:
    return tuple(str(path) if _is_resource(path, cwd) else str(cwd / path) for path in paths)


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


def _is_resource(location: str | Path, base: Path) -> bool:
    """Whether *location* means ``package:folder``: not if there is a folder of that name."""
    return (
        ":" in str(location) and not (base / location).exists() and not Path(location).is_absolute()
    )


def _resolve(location: str | Path, base: Path) -> Path | None:
    if not _is_resource(location, base):
        return (base / location).absolute()
    package, _, inside = str(location).partition(":")
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
    own = _table(tools, "schemakit").get("migrations")
    if own:
        if not isinstance(own, str):
            raise ConfigurationError(f"migrations = {own!r} in {toml} is no text.")
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
    """Return the ini and pyproject in or above *folder* that name it, and the section that does."""
    for directory in (folder, *list(folder.parents)[:_LEVELS]):
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
    except (configparser.Error, UnicodeDecodeError) as error:
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
    try:
        text = toml.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return {}
    if b"alembic" not in text and b"schemakit" not in text:
        return {}  # else the pyproject of most services is parsed at every start, for nothing
    import tomllib  # noqa: PLC0415 - the same

    try:
        return _table(tomllib.loads(text.decode("utf-8")), "tool")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{toml} cannot be read: {error}") from error


def _table(parent: dict[str, Any], name: str) -> dict[str, Any]:
    child = parent.get(name)
    return child if isinstance(child, dict) else {}


def _toml_location(tools: dict[str, Any], here: Path) -> str | None:
    location = _table(tools, "alembic").get("script_location")
    if not isinstance(location, str):
        return None
    return location.replace("%(here)s", here.absolute().as_posix())
