"""Which engine hashes many keys.

A few are hashed one by one, more of them as big integers (`swar`), and many with numpy (`vectors`)
if the process has loaded it or the batch is worth loading it. All give the same: the two engines
have the functions ``residues`` and ``hashes`` of `Rows`, and ``zeros``, ``combine`` and
``remainders`` for what comes of several columns; the numbers are in a list, or in an array.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from operator import length_hint
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeGuard

from schemakit.errors import KeyRefused

from . import swar
from .packing import Rows, grouped
from .text import kind_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Keys that are in memory a second time, at most.
BLOCK = 32768
#: From how many keys of one length on each engine is the faster one.
FEWEST_LANES = 8
FEWEST_VECTORS = 600
#: From how many keys on numpy is worth importing, which takes as long as they do without it.
WORTH_IMPORTING = 500_000


def engine_for(count: int, batch: int) -> ModuleType:
    """Return the engine for *count* keys of a *batch* of at least so many."""
    if count < FEWEST_VECTORS:
        return swar
    loaded = sys.modules.get("numpy") is not None
    return vectors() if loaded or (batch >= WORTH_IMPORTING and _numpy_is_there()) else swar


@cache
def _numpy_is_there() -> bool:
    return find_spec("numpy") is not None


def vectors() -> ModuleType:
    """Return the engine that imports numpy."""
    return import_module(f"{__package__}.vectors")


def is_array(values: object) -> TypeGuard[NDArray[Any]]:
    """Whether *values* is a numpy array; where numpy is not loaded there is none."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(values, numpy.ndarray)


def blocks(values: Iterable[Any]) -> Iterator[tuple[list[Any], int, int]]:
    """Yield block after block of *values*, the place of its first, and the size of the batch.

    Raises:
        KeyRefused: *values* is one value, not many.
    """
    if isinstance(values, str | bytes | bytearray | memoryview):
        raise KeyRefused(f"A batch is an iterable, and this {kind_of(values)} is one key.")
    if not isinstance(values, Iterable):
        raise KeyRefused(f"A batch is an iterable, and {kind_of(values)} is none.")
    hint = length_hint(values)
    rest = iter(values)
    first = 0
    while block := list(islice(rest, BLOCK)):
        yield block, first, max(hint, first)
        first += len(block)


def each(
    keys: Sequence[bytes],
    one: Callable[[bytes], int],
    many: Callable[[Rows], Sequence[int]],
) -> Sequence[int]:
    """Return what *one* says of each of *keys*, or *many* of all that are of a length."""
    if len(keys) < FEWEST_LANES:
        return list(map(one, keys))
    groups = list(grouped(keys))
    if len(groups) == 1:
        return many(groups[0][1])
    found = [0] * len(keys)
    for places, rows in groups:
        few = len(places) < FEWEST_LANES
        values = [one(keys[place]) for place in places] if few else as_list(many(rows))
        for place, value in zip(places, values, strict=True):
            found[place] = value
    return found


def as_list(numbers: Sequence[int]) -> list[int]:
    """Return an engine's *numbers* as a list of int."""
    tolist: Callable[[], list[int]] | None = getattr(numbers, "tolist", None)
    return list(numbers) if tolist is None else tolist()
