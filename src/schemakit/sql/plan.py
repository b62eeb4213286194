"""What is to be done, as values: statements that know their danger, and a COMMIT between steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from schemakit.errors import ConfigurationError

from .effects.model import TableLock, locks_text, strongest_of
from .locks import LockMode


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, with what those who use the database meanwhile notice of it.

    Attributes:
        sql: its text, without a semicolon at its end.
        locks: on relations, the strongest first; those on what the plan itself makes are ``new``.
        why: what it is for, or why it is done in this way.
        transactional: whether it can run inside a transaction block.
    """

    sql: str
    locks: tuple[TableLock, ...] = ()
    why: str = ""
    transactional: bool = True

    @property
    def lock(self) -> LockMode | None:
        """The strongest of its locks on what was there before."""
        return max((lock.mode for lock in self.locks if not lock.new), default=None)

    def __str__(self) -> str:
        """The text, with locks and reason as a comment behind it."""
        known = [locks_text(self.locks), self.why]
        note = "; ".join(part for part in known if part)
        return f"{self.sql};" + (f"  -- {note}" if note else "")


@dataclass(frozen=True, slots=True)
class Step:
    """Statements that belong in one transaction, or one that cannot run in any.

    A lock that one of them takes is held until the last has run.
    """

    statements: tuple[Statement, ...]

    def __post_init__(self) -> None:
        alone = len(self.statements) == 1
        if not alone and not all(each.transactional for each in self.statements):
            detail = "A statement that runs in no transaction must be a step of its own."
            raise ConfigurationError(detail)

    @classmethod
    def of(cls, *statements: Statement) -> Step:
        """Return the step of *statements*."""
        return cls(statements)

    @property
    def transactional(self) -> bool:
        """Whether it can run inside a transaction block."""
        return all(each.transactional for each in self.statements)

    @property
    def locks(self) -> tuple[TableLock, ...]:
        """The locks held when it ends, one for each relation, the strongest first."""
        return strongest_of(lock for each in self.statements for lock in each.locks)

    @property
    def sql(self) -> str:
        """Its statements as one text."""
        return ";\n".join(each.sql for each in self.statements)


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps that follow each other, with a COMMIT between them: a stop in between is a state too.

    Attributes:
        steps: in this order.
    """

    steps: tuple[Step, ...] = ()

    @classmethod
    def of(cls, *steps: Step) -> Plan:
        """Return the plan of those *steps* that have statements."""
        return cls(tuple(step for step in steps if step.statements))

    @classmethod
    def in_batches(cls, statements: Iterable[Statement], size: int) -> Plan:
        """Return the plan that runs *statements*, at most *size* of them in a transaction."""
        found = tuple(statements)
        starts = range(0, len(found), size)
        return cls(tuple(Step(found[start : start + size]) for start in starts))

    def __add__(self, other: Plan) -> Plan:
        """This plan, and then the *other*."""
        return Plan(self.steps + other.steps)

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.steps)

    def __iter__(self) -> Iterator[Statement]:
        """Its statements, in their order."""
        return iter(self.statements)

    @property
    def statements(self) -> tuple[Statement, ...]:
        """The statements of all steps."""
        return tuple(each for step in self.steps for each in step.statements)

    @property
    def transactional(self) -> bool:
        """Whether all of it could run inside one transaction."""
        return all(step.transactional for step in self.steps)

    def in_one_transaction(self) -> Plan:
        """Return the same statements as one step, for an empty place where no lock hurts anybody.

        Raises:
            ConfigurationError: one of them cannot run in a transaction.
        """
        return Plan.of(Step(self.statements))

    def __str__(self) -> str:
        """A script: each step between BEGIN and COMMIT, each statement with locks and reason."""
        return "\n".join(map(_scripted, self.steps))


def _scripted(step: Step) -> str:
    lines = [str(each) for each in step.statements]
    return "\n".join(["BEGIN;", *lines, "COMMIT;"] if step.transactional else lines)
