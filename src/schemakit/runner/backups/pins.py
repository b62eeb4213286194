"""Settings that a flow needs, for as long as it needs them, in whoever's transaction it runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TypeVar

from schemakit.catalog.local import set_local
from schemakit.runner.flow import Fetch, Flow

_T = TypeVar("_T")

#: A portrait is read by a long statement that takes longer to plan than to run, so it is planned
#: once, the simple way, and not compiled (measured: half the time).
PLAIN = {
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "join_collapse_limit": "1",
    "from_collapse_limit": "1",
}
#: So that a policy makes a copy fail, and not leave rows out (manual, 5.9).
WHOLE = PLAIN | {"row_security": "off"}
#: A full copy never gets a parallel plan by the default cost (measured: 0.88 of the time with it).
BULK = WHOLE | {"parallel_tuple_cost": "0"}
#: On which it depends how a value looks as text, and with it its digest.
TEXTUAL = BULK | {
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "search_path": "",
}


def under(settings: Mapping[str, str], work: Flow[_T]) -> Flow[_T]:
    """A flow that does *work* under *settings*, and gives back what was.

    If it fails, the ROLLBACK to where its transaction or savepoint began gives it back.
    """
    before: dict[str, str] = yield Fetch(partial(set_local, values=settings))
    result = yield from work
    if before:
        yield Fetch(partial(set_local, values=before))
    return result
