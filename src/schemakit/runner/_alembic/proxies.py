"""``alembic.op`` and ``alembic.context``, one for each task instead of one for each process.

Both are module globals. Two upgrades gathered on one event loop put B's tables into A and stamped
B (measured); two threads hung. Here they go through a ContextVar, which the greenlets of
``run_sync`` share with their task. What stays in Alembic's modules is a dispatcher without state.

Alembic's own commands run in the same process go through it as well: they keep working, and they
cannot pull the dispatcher out under a run of ours.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import alembic.context
import alembic.op
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.util.langhelpers import ModuleClsProxy

Proxy = EnvironmentContext | Operations

_Stack = tuple[Any, ...]
_active: dict[type, ContextVar[_Stack]] = {
    EnvironmentContext: ContextVar("schemakit_alembic_context", default=()),
    Operations: ContextVar("schemakit_alembic_op", default=()),
}
_modules = {EnvironmentContext: alembic.context, Operations: alembic.op}
_installing = threading.Lock()
_MARK = "__schemakit__"


@contextmanager
def active(proxy: Proxy) -> Iterator[None]:
    """Make *proxy* what ``alembic.op`` or ``alembic.context`` stand for, in this context only."""
    install()
    stack = _stack_of(proxy)
    before = stack.get()
    stack.set((*before, proxy))
    try:
        yield
    finally:
        stack.set(before)


def install() -> None:
    """Put the dispatchers into Alembic's modules, once for a process."""
    if getattr(ModuleClsProxy, _MARK, False):
        return
    with _installing:
        if getattr(ModuleClsProxy, _MARK, False):
            return
        for base in _modules:
            for module_globals, _ in ModuleClsProxy._setups[base][1]:  # noqa: SLF001 - no public way
                _dispatch(base, module_globals)
        ModuleClsProxy._install_proxy = _push  # type: ignore[method-assign]  # noqa: SLF001
        ModuleClsProxy._remove_proxy = _pop  # type: ignore[method-assign]  # noqa: SLF001
        setattr(ModuleClsProxy, _MARK, True)


def _dispatch(base: type, module_globals: Any) -> None:
    stack = _active[base]
    attributes = ModuleClsProxy._setups[base][0]  # noqa: SLF001
    module_globals["_proxy"] = _Dispatcher(base)
    for name in attributes:
        module_globals.pop(name, None)

    def __getattr__(name: str) -> Any:  # noqa: N807 - PEP 562: a module's own
        proxies = stack.get()
        if proxies and name in attributes:
            return getattr(proxies[-1], name)
        detail = f"module {module_globals['__name__']!r} has no attribute {name!r}"
        raise AttributeError(detail)

    module_globals["__getattr__"] = __getattr__


class _Dispatcher:
    """Stands for the proxy that is active where it is asked."""

    __slots__ = ("_base",)

    def __init__(self, base: type) -> None:
        self._base = base

    def __getattr__(self, name: str) -> Any:
        proxies = _active[self._base].get()
        if not proxies:
            # What Alembic says in this case, and as the same type.
            detail = (
                f"Can't invoke function {name!r}, as the proxy object has not yet been established "
                f"for the Alembic {self._base.__name__!r} class.  Try placing this code inside a "
                "callable."
            )
            raise NameError(detail)
        return getattr(proxies[-1], name)

    def __bool__(self) -> bool:
        return bool(_active[self._base].get())


def _stack_of(proxy: object) -> ContextVar[_Stack]:
    return _active[Operations if isinstance(proxy, Operations) else EnvironmentContext]


def _push(self: ModuleClsProxy) -> None:
    stack = _stack_of(self)
    stack.set((*stack.get(), self))


def _pop(self: ModuleClsProxy) -> None:
    # By identity, not the top: Operations.context() leaves its proxy behind when a revision
    # raises, and the next removal must not take another run's.
    stack = _stack_of(self)
    stack.set(tuple(proxy for proxy in stack.get() if proxy is not self))
