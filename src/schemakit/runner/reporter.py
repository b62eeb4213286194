"""Tell the caller, the log and the trace what happens. schemakit prints nothing."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.util import await_only

from .results import Event

OnEvent = Callable[[Event], Awaitable[None] | None]

_log = logging.getLogger("schemakit")
# Else Python would print warnings to stderr where the application configures no logging.
_log.addHandler(logging.NullHandler())
_LEVELS = {
    "progress": logging.DEBUG,
    "waiting_for_lock": logging.WARNING,
    "retrying": logging.WARNING,
    "blocked": logging.WARNING,
    "notice": logging.WARNING,
    "revision_failed": logging.ERROR,
}


class Reporter:
    """Hands events to the callback, to ``logging`` and to OpenTelemetry."""

    def __init__(self, on_event: OnEvent | None) -> None:
        self._on_event = on_event
        self._spans: dict[str, Any] = {}

    async def tell(self, event: Event) -> None:
        """Report *event*, from a coroutine.

        A callback that raises is logged and does not stop the migration.
        """
        _log.log(_LEVELS.get(event.kind, logging.INFO), "%s", event)
        self._trace(event)
        if self._on_event is None:
            return
        try:
            answer = self._on_event(event)
            if inspect.isawaitable(answer):
                await answer
        except Exception:  # noqa: BLE001 - a listener must not stop a migration
            _log.exception("on_event raised at %s", event.kind)

    def unheard(self) -> bool:
        """Whether nobody would notice the ordinary events."""
        return (
            self._on_event is None
            and not _log.isEnabledFor(logging.INFO)
            and "opentelemetry.trace" not in sys.modules
        )

    def warn(self, message: str) -> None:
        """Log a warning that is no event."""
        _log.warning("%s", message)

    def __call__(self, event: Event) -> None:
        """Report *event*, from code inside ``run_sync``."""
        await_only(self.tell(event))

    def _trace(self, event: Event) -> None:
        # Only where the application has imported the API: otherwise nobody can have configured it.
        trace: Any = sys.modules.get("opentelemetry.trace")
        if trace is None:
            return
        key = event.revision.id if event.revision else ""
        if event.kind in ("started", "revision_started"):
            parent = self._spans.get("")
            context = trace.set_span_in_context(parent) if parent is not None else None
            name = f"schemakit.{event.command}" + (".revision" if key else "")
            self._spans[key] = trace.get_tracer("schemakit").start_span(name, context)
            if key:
                self._spans[key].set_attribute("schemakit.revision", key)
        elif event.kind in ("finished", "revision_finished", "revision_failed"):
            span = self._spans.pop(key, None)
            if span is not None:
                if event.kind == "revision_failed":
                    span.set_status(trace.StatusCode.ERROR, event.message)
                span.end()

    def close(self, error: BaseException | None = None) -> None:
        """End the spans that are still open, after a failure."""
        for span in reversed(list(self._spans.values())):
            if error is not None:
                span.set_attribute("error.type", type(error).__name__)
                trace: Any = sys.modules["opentelemetry.trace"]
                span.set_status(trace.StatusCode.ERROR)
            span.end()
        self._spans.clear()
