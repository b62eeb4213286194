"""Statements that may fail without a loss: each group in a savepoint."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.exc import DBAPIError

from schemakit.catalog.backup import shown
from schemakit.runner import broken
from schemakit.runner.flow import Flow, Run
from schemakit.safety.foreign_keys import Proof
from schemakit.sql.plan import Statement

#: NOT NULL, foreign key, unique, check and exclusion violations.
_VIOLATIONS = ("23502", "23503", "23505", "23514", "23P01")
_SAVEPOINT = "schemakit_proof"


def proven(proofs: Iterable[Proof]) -> Flow[tuple[str, ...]]:
    """A flow that proves foreign keys, each by itself; returns in words those that do not hold."""
    unproven: list[str] = []
    for proof in proofs:
        if not (yield from attempted(proof.statements)):
            missing = ", which is missing now" if proof.puts_back else ""
            unproven.append(f"foreign key {proof.constraint} of {shown(proof.table)}{missing}")
    return tuple(unproven)


def attempted(statements: Iterable[Statement], errors: tuple[str, ...] = _VIOLATIONS) -> Flow[bool]:
    """A flow that runs *statements*, and says whether it did.

    Args:
        statements: which.
        errors: which errors undo them, by how their SQLSTATE begins; by default those that say
            that rows break what is claimed.
    """
    yield Run(f"SAVEPOINT {_SAVEPOINT}")
    try:
        yield Run(";\n".join(each.sql for each in statements), long=True)
    except DBAPIError as error:
        if not str(getattr(broken.origin(error), "sqlstate", "")).startswith(errors):
            raise
        yield Run(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; RELEASE SAVEPOINT {_SAVEPOINT}")
        return False
    yield Run(f"RELEASE SAVEPOINT {_SAVEPOINT}")
    return True
