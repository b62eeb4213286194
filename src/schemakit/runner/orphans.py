"""An index build whose client has died may go on: the next run waits for it.

Where the server does not look after its clients, or a pooler hides their death from it, CREATE
INDEX CONCURRENTLY ends when it is done. The lock of its run is free before that. Whoever builds
the same index then would fail, since there is a relation of that name; who waits finds it built,
or INVALID.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from schemakit.catalog import read

from .flow import Fetch, Flow, Notify, Sleep
from .results import Event

if TYPE_CHECKING:
    from schemakit.catalog.model import LockHolder
    from schemakit.sql import Name

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
#: Seconds between two reports to whoever listens.
_REPORT_EVERY = 5.0


def build_is_over(index: Name, command: str) -> Flow[None]:
    """A flow that waits until nobody builds *index* any more.

    It holds no snapshot meanwhile, for which that build would wait.
    """
    waited, pause, reported = 0.0, _FIRST_PAUSE, -_REPORT_EVERY
    while True:
        builders: tuple[LockHolder, ...] = yield Fetch(partial(read.index_builders, name=index))
        if not builders:
            return
        if waited - reported >= _REPORT_EVERY:
            reported = waited
            message = f"index {index} is being built already: waiting for {builders[0]}"
            yield Notify(Event("notice", command, None, 0, 0, waited, builders, message))
        yield Sleep(pause)
        waited += pause
        pause = min(pause * 1.5, _LONGEST_PAUSE)
