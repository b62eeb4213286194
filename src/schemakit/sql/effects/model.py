"""What a statement does to those who use the database meanwhile: values, and how they add up.

`read` gets them from a statement's text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from schemakit.sql.locks import LockMode
from schemakit.sql.name import Name

#: ``maybe``: it depends on what is in the database, which the text does not tell.
Answer = Literal["no", "maybe", "yes"]

_ORDER: tuple[Answer, ...] = ("no", "maybe", "yes")


@dataclass(frozen=True, slots=True)
class TableLock:
    """A lock on a relation, held until the transaction ends.

    Attributes:
        mode: how strong.
        relation: on what; its schema is None where the statement names none. None where the text
            does not tell.
        what: in that case, in words: ``the table of "x"``.
        new: the relation is made by the same plan, so nobody else waits for it.
    """

    mode: LockMode
    relation: Name | None = None
    what: str = ""
    new: bool = False

    def __str__(self) -> str:
        """``ACCESS EXCLUSIVE on "public"."user"``."""
        return f"{self.mode} on {self.where}"

    @property
    def where(self) -> str:
        """The relation as SQL, or in words."""
        named = str(self.relation) if self.relation is not None else self.what
        return f"{named} (new)" if self.new else named


@dataclass(frozen=True, slots=True)
class Effects:
    """What a statement does, as far as its text tells.

    Locks of partitions and children, which get the same as their parent, and locks up to ROW
    EXCLUSIVE that foreign keys and views bring along are not listed.

    Attributes:
        locks: on relations, the strongest first.
        in_transaction: whether it can run inside a transaction block.
        rewrites: whether it writes a table and its indexes anew.
        scans: whether it reads a whole table.
        moves_sequences: whether it moves a sequence, which no rollback takes back.
        creates: relations that it makes.
        reason: why, or what to know about it; may be empty.
        known: False where nothing can be said before it runs.
    """

    locks: tuple[TableLock, ...] = ()
    in_transaction: Answer = "yes"
    rewrites: Answer = "no"
    scans: Answer = "no"
    moves_sequences: Answer = "no"
    creates: tuple[Name, ...] = ()
    reason: str = ""
    known: bool = True

    @property
    def strongest(self) -> LockMode | None:
        """The strongest of its locks on what was there before."""
        return max((lock.mode for lock in self.locks if not lock.new), default=None)

    @property
    def brief(self) -> bool:
        """Whether it takes no longer on a large table than on an empty one."""
        return self.known and self.rewrites == "no" and self.scans == "no"


def unknown(reason: str) -> Effects:
    """Return the effects of what nobody can tell before it runs."""
    return Effects(
        in_transaction="maybe",
        rewrites="maybe",
        scans="maybe",
        moves_sequences="maybe",
        reason=reason,
        known=False,
    )


def worst(answers: Iterable[Answer]) -> Answer:
    """Return the answer for things that all happen."""
    return max(answers, key=_ORDER.index, default="no")


def together(parts: Iterable[Effects]) -> Effects:
    """Return the effects of what does all of *parts*."""
    found = tuple(parts)
    return Effects(
        locks=strongest_of(lock for part in found for lock in part.locks),
        in_transaction=_weakest(part.in_transaction for part in found),
        rewrites=worst(part.rewrites for part in found),
        scans=worst(part.scans for part in found),
        moves_sequences=worst(part.moves_sequences for part in found),
        creates=tuple(name for part in found for name in part.creates),
        reason="; ".join(dict.fromkeys(part.reason for part in found if part.reason)),
        known=all(part.known for part in found),
    )


def strongest_of(locks: Iterable[TableLock]) -> tuple[TableLock, ...]:
    """Return *locks* with one for each relation, the strongest first."""
    found: dict[tuple[Name | None, str], TableLock] = {}
    for lock in locks:
        known = found.get((lock.relation, lock.what))
        if known is None or lock.mode > known.mode:
            found[lock.relation, lock.what] = lock
    return tuple(sorted(found.values(), key=lambda lock: -lock.mode))


def locks_text(locks: Iterable[TableLock]) -> str:
    """Return *locks* for people: each mode once, with what it is on."""
    found: dict[LockMode, list[str]] = {}
    for lock in locks:
        found.setdefault(lock.mode, []).append(lock.where)
    return "; ".join(f"{mode} on {', '.join(where)}" for mode, where in found.items())


def with_new(effects: Effects, made: Iterable[Name]) -> Effects:
    """Return *effects* with the locks on what is in *made* marked as new."""
    fresh = frozenset(made)
    locks = tuple(
        replace(lock, new=True) if lock.relation in fresh else lock for lock in effects.locks
    )
    return replace(effects, locks=locks)


def _weakest(answers: Iterable[Answer]) -> Answer:
    return min(answers, key=_ORDER.index, default="yes")
