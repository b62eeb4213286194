"""Settings that a flow needs, for as long as it needs them, in whoever's transaction it runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TypeVar

from schemakit.catalog import read
from schemakit.runner.flow import Fetch, Flow, Run
from schemakit.sql.literal import literal

_T = TypeVar("_T")

#: So that a policy makes a copy fail, and not leave rows out (manual, 5.9).
WHOLE = {"row_security": "off"}
#: A full copy never gets a parallel plan by the default cost (measured: 0.88 of the time with it).
BULK = WHOLE | {"parallel_tuple_cost": "0"}
#: On which it depends how a value looks as text, and with it its digest.
TEXTUAL = BULK | {
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
}


def under(settings: Mapping[str, str], work: Flow[_T]) -> Flow[_T]:
    """A flow that does *work* under *settings*, and gives back what was.

    If it fails, the ROLLBACK to where its transaction or savepoint began gives it back.
    """
    before: dict[str, str] = {}
    for name in settings:
        before[name] = yield Fetch(partial(read.setting, name=name))
    yield Run(_set(settings))
    result = yield from work
    yield Run(_set(before))
    return result


def _set(values: Mapping[str, str]) -> str:
    calls = (
        f"pg_catalog.set_config({literal(name)}, {literal(value)}, true)"
        for name, value in values.items()
    )
    return "SELECT " + ", ".join(calls)
