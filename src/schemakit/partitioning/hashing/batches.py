"""Many keys at once: `partition_keys`, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, overload
from uuid import UUID

from schemakit.errors import HashUnknown, KeyRefused

from .engines import FEWEST_LANES, as_list, blocks, each, engine_for, is_array, vectors
from .packing import Rows, text_rows, uuid_rows
from .scalar import hash32
from .text import Key, checked_modulus, text_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@overload
def partition_keys(keys: NDArray[Any], modulus: int) -> NDArray[np.int32]: ...
@overload
def partition_keys(keys: Iterable[Key], modulus: int) -> list[int]: ...
def partition_keys(
    keys: Iterable[Key] | NDArray[Any], modulus: int
) -> list[int] | NDArray[np.int32]:
    """Return `partition_key` of each of *keys*, in order.

    Args:
        keys: of str, bytes or UUID: any iterable, which is read block by block, or a
            one-dimensional numpy array.
        modulus: 1 to 2**31-1.

    Returns:
        A list; for an array, an array of int32.

    Raises:
        HashUnknown: there is a key that no text on the server is like; the message says which.
        KeyRefused: there is one of another type, or *keys* is one key.
        ConfigurationError: the modulus is not in that range.
    """
    divisor = checked_modulus(modulus)
    if is_array(keys):
        return _of_array(keys, divisor)
    found: list[int] = []
    for block, first, batch in blocks(keys):
        found += as_list(_residues(block, divisor, first, batch))
    return found


def _of_array(keys: NDArray[Any], modulus: int) -> NDArray[np.int32]:
    engine = vectors()
    parts = []
    for (block,), first in engine.array_blocks(engine.key_column(keys)):
        rows = engine.text_rows(block)
        if rows is None:
            parts.append(_residues(block.tolist(), modulus, first, len(keys)))
        else:
            parts.append(engine.residues(rows, modulus))
    found: NDArray[np.int32] = engine.joined(parts)
    return found


def _residues(block: Sequence[Any], modulus: int, first: int, batch: int) -> Sequence[int]:
    """Return the partition keys of *block*, whose first key is the *first* of its *batch*."""

    def many(rows: Rows) -> Sequence[int]:
        found: Sequence[int] = engine_for(rows.size, batch).residues(rows, modulus)
        return found

    rows = _rows(block) if len(block) >= FEWEST_LANES else None
    if rows is not None:
        return many(rows)
    return each(_texts(block, first), partial(_residue, modulus), many)


def _residue(modulus: int, data: bytes) -> int:
    return abs(hash32(data)) % modulus


def _rows(block: Sequence[Any]) -> Rows | None:
    """Lay the keys of *block* side by side, if they are all of a kind and of one length."""
    if isinstance(block[0], str):
        try:
            return text_rows(block)
        except TypeError:  # a key of another type stands among them
            return None
    if isinstance(block[0], UUID):
        kinds = set(map(type, block))
        if all(issubclass(kind, UUID) for kind in kinds):
            return uuid_rows(block, plain=kinds == {UUID})
    return None


def _texts(block: Sequence[Any], first: int) -> list[bytes]:
    """Return the bytes of each of *block*'s keys; in a message they are counted from *first*."""
    try:
        texts = list(map(str.encode, block))
        if 0 not in b"".join(texts):
            return texts
    except (TypeError, UnicodeEncodeError):
        pass
    texts = []
    for key in block:
        try:
            texts.append(text_bytes(key))
        except (HashUnknown, KeyRefused) as error:
            place = f"Key {first + len(texts)}"
            raise type(error)(f"{place}: {error.detail}", remedy=error.remedy) from None
    return texts
