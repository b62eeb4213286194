"""A lent session keeps the settings that it came with, whatever migrations SET."""

from __future__ import annotations

import re
from functools import partial

from schemakit.catalog import read
from schemakit.sql.literal import literal

from .flow import Fetch, Flow, Run

#: Names that pg_settings does not list: an application's or an extension's, such as app.tenant.
_CUSTOM = re.compile(r"\b([A-Za-z_]\w*\.[A-Za-z_][\w.]*)")
_SETS = re.compile(r"\bset(?:_config)?\b", re.IGNORECASE)
#: Given back in this order: a change of the session's user sets the role as well.
_FIRST = ("session_authorization", "role")


class SessionState:
    """The settings of a session as they were."""

    def __init__(self) -> None:
        self._before: dict[str, str] = {}
        self._custom: dict[str, str] = {}

    def remember(self) -> Flow[None]:
        """A flow that reads them, before anything is SET."""
        self._before = yield Fetch(read.session_settings)

    def statement(self, sql: str) -> Flow[None]:
        """A flow that reads what *sql*, which is about to be sent, may SET and nothing lists."""
        if _SETS.search(sql) is None:
            return
        for name in _CUSTOM.findall(sql):
            if name not in self._custom:
                self._custom[name] = yield Fetch(partial(read.setting, name=name))

    def restore(self) -> Flow[None]:
        """A flow that puts them back."""
        now: dict[str, str] = yield Fetch(read.session_settings)
        changed = {name: was for name, was in self._before.items() if now.get(name) != was}
        new = [name for name in now if name not in self._before]
        order = [*(name for name in _FIRST if name in changed), *changed]
        calls = [f"set_config({literal(name)}, {literal(changed[name])}, false)" for name in order]
        for name, was in self._custom.items():
            # A name that only looked like one, as a table's, is one that nobody has SET.
            calls.append(_if_changed(name, was))
        script = [f"SELECT {call}" for call in calls] + [f"RESET {name}" for name in new]
        if script:
            yield Run("; ".join(script))


def _if_changed(name: str, was: str) -> str:
    text, value = literal(name), literal(was)
    return (
        f"set_config({text}, {value}, false)"
        f" WHERE coalesce(current_setting({text}, true), '') <> {value}"
    )
