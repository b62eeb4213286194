"""What env.py gets when it imports: its own modules, with a few functions exchanged.

env.py is executed in a namespace whose ``__import__`` is ours, so nothing is patched: the same
modules imported anywhere else, also by env.py's own imports, are the real ones. Exchanged are
engine factories (the caller's connection comes out), ``asyncio.run`` and its like (the loop runs
already), logging configuration (it is the application's), and a missing DATABASE_URL.
"""

from __future__ import annotations

import asyncio
import builtins
import logging
import logging.config
import os
from collections.abc import Callable, Coroutine, Mapping
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy
import sqlalchemy.ext.asyncio
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

from schemakit.errors import EnvironmentRefused

if TYPE_CHECKING:
    from .borrowed import BorrowedEngine

Exchange = Mapping[str, Any]


class Exchanged(ModuleType):
    """A module of which some names are exchanged."""

    def __init__(self, real: ModuleType, names: Exchange) -> None:
        super().__init__(real.__name__, real.__doc__)
        public = [name for name in dir(real) if not name.startswith("_")]
        self.__dict__.update(__all__=getattr(real, "__all__", public), **names)
        self.__dict__["_schemakit_real"] = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_schemakit_real"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["_schemakit_real"], name, value)

    def __dir__(self) -> list[str]:
        return dir(self.__dict__["_schemakit_real"])


class Imports:
    """The exchanged modules of one run of env.py."""

    def __init__(self, engine: BorrowedEngine | None, url: str) -> None:
        self._engine = engine
        self._urls: set[str] = set()
        self._modules = {module.__name__: module for module in self._exchanged(url)}
        self._functions: dict[object, object] = {
            sqlalchemy.create_engine: self._create,
            sqlalchemy.engine_from_config: self._from_config,
            sqlalchemy.ext.asyncio.create_async_engine: self._create_async,
            sqlalchemy.ext.asyncio.async_engine_from_config: self._async_from_config,
            logging.config.fileConfig: _accept_anything,
            logging.config.dictConfig: _accept_anything,
        }

    def builtins(self) -> dict[str, Any]:
        """Return the ``__builtins__`` to execute env.py with."""
        return {**vars(builtins), "__import__": self._import}

    def _import(
        self,
        name: str,
        globals: Any = None,  # noqa: A002 - the signature of __import__
        locals: Any = None,  # noqa: A002 - the same
        fromlist: Any = (),
        level: int = 0,
    ) -> Any:
        module = builtins.__import__(name, globals, locals, fromlist, level)
        known = self._modules.get(module.__name__)
        if known is not None:
            return known
        if module.__name__ in _RUNNERS:
            return Exchanged(module, _RUNNERS[module.__name__])
        return self._re_exported(module)

    def _re_exported(self, module: ModuleType) -> ModuleType:
        """Exchange what *module* passes on: sqlmodel has create_engine, app.db the engine."""
        offered = ((name, self._instead_of(value)) for name, value in vars(module).items())
        found = {name: value for name, value in offered if value is not None}
        return Exchanged(module, found) if found else module

    def _instead_of(self, value: object) -> object:
        """Return what env.py gets for *value*; None if it gets *value* itself."""
        kind, own = type(value), self._engine  # the type: a lazy proxy must not be woken up
        if issubclass(kind, FunctionType):
            return self._functions.get(value)
        if own is None or not issubclass(kind, Engine | AsyncEngine):
            return None
        engine: Any = value
        engine = engine.sync_engine if issubclass(kind, AsyncEngine) else engine
        if engine.pool is not own.pool or engine.get_execution_options():
            return None
        return AsyncEngine(own) if issubclass(kind, AsyncEngine) else own

    def _exchanged(self, url: str) -> list[ModuleType]:
        nothing = _accept_anything
        config = Exchanged(logging.config, {"fileConfig": nothing, "dictConfig": nothing})
        engines = {"create_engine": self._create, "engine_from_config": self._from_config}
        core = Exchanged(sqlalchemy.engine, engines)
        async_engines = {
            "create_async_engine": self._create_async,
            "async_engine_from_config": self._async_from_config,
        }
        async_ = Exchanged(sqlalchemy.ext.asyncio, async_engines)
        ext = Exchanged(sqlalchemy.ext, {"asyncio": async_})
        return [
            config,
            Exchanged(logging, {"config": config, "basicConfig": nothing}),
            core,
            async_,
            ext,
            Exchanged(sqlalchemy, {**engines, "engine": core, "ext": ext}),
            Exchanged(sqlalchemy.ext.asyncio.engine, async_engines),
            _exchanged_asyncio(),
            Exchanged(os, {"environ": _Environ(url), "getenv": _Environ(url).get}),
        ]

    def _create(self, url: Any = None, **options: Any) -> BorrowedEngine:
        self._note(url)
        if self._engine is None:
            raise EnvironmentRefused("env.py opens an engine to write SQL offline.")
        if "search_path" in str(options.get("connect_args")):
            # The one argument that decides where tables go: not to be dropped without a word.
            raise EnvironmentRefused(
                "env.py sets search_path in connect_args.",
                remedy="set it on the engine that you pass, or by SET search_path in env.py.",
            )
        return self._engine.execution_options(**options.get("execution_options") or {})

    def _from_config(
        self, configuration: Mapping[str, Any], prefix: str = "sqlalchemy.", **options: Any
    ) -> BorrowedEngine:
        return self._create(configuration.get(f"{prefix}url"), **options)

    def _create_async(self, url: Any = None, **options: Any) -> AsyncEngine:
        return AsyncEngine(self._create(url, **options))

    def _async_from_config(
        self, configuration: Mapping[str, Any], prefix: str = "sqlalchemy.", **options: Any
    ) -> AsyncEngine:
        return AsyncEngine(self._from_config(configuration, prefix, **options))

    def _note(self, url: Any) -> None:
        """Refuse a second database: its migrations would run on the first."""
        if url:
            parsed = make_url(url)
            self._urls.add(f"{parsed.host}:{parsed.port}/{parsed.database}")
        if len(self._urls) > 1:
            detail = f"env.py opens {len(self._urls)} databases: {', '.join(sorted(self._urls))}."
            remedy = "call schemakit once for each of them, with a directory or section of its own."
            raise EnvironmentRefused(detail, remedy=remedy)


def _accept_anything(*_: Any, **__: Any) -> None:
    """Do nothing: logging belongs to the application."""


_RUNNERS: dict[str, Exchange] = {
    "anyio": {"run": lambda function, *args, **_: await_only(function(*args))},
    "uvloop": {"run": lambda main, **_: await_only(main), "install": _accept_anything},
    "nest_asyncio": {"apply": _accept_anything},
}


class _Environ(Mapping[str, str]):
    """``os.environ``, with a DATABASE_URL for the env.py that demands one."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __getitem__(self, name: str) -> str:
        if name == "DATABASE_URL" and not os.environ.get(name):
            return self._url
        return os.environ[name]

    def __iter__(self) -> Any:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)

    def __getattr__(self, name: str) -> Any:
        return getattr(os.environ, name)

    def __setitem__(self, name: str, value: str) -> None:
        os.environ[name] = value


def _exchanged_asyncio() -> ModuleType:
    depth = 0

    def run(main: Coroutine[Any, Any, Any], **_: Any) -> Any:
        nonlocal depth
        depth += 1
        try:
            return await_only(main)
        finally:
            depth -= 1

    def get_running_loop() -> asyncio.AbstractEventLoop:
        # env.py asks so as to choose between asyncio.run and a task that nobody waits for.
        if depth == 0:
            raise RuntimeError("no running event loop")
        return asyncio.get_running_loop()

    loop = _Loop(run)
    names: dict[str, Callable[..., Any] | type] = {
        "run": run,
        "get_running_loop": get_running_loop,
        "get_event_loop": lambda: loop,
        "new_event_loop": lambda: loop,
        "set_event_loop": _accept_anything,
        "set_event_loop_policy": _accept_anything,
        "Runner": lambda **_: loop,
    }
    return Exchanged(asyncio, names)


class _Loop:
    """What env.py gets as an event loop, or as an ``asyncio.Runner``."""

    def __init__(self, run: Callable[..., Any]) -> None:
        self.run = self.run_until_complete = run

    def is_running(self) -> bool:
        return False

    def is_closed(self) -> bool:
        return False

    def close(self) -> None:
        """Do nothing: the loop is the application's."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: the loop is the application's."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio.get_running_loop(), name)
