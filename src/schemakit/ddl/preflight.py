"""What cannot work is refused before anything is touched. Functions of what the catalog shows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from schemakit.errors import TreeRefused

from .neighbours import Neighbours

if TYPE_CHECKING:
    from schemakit.catalog.tree import Tree
    from schemakit.sql.name import Name

#: Beside the table itself: its TOAST table, the index of that, types and schema.
_LOCKS_OF_A_TABLE = 6
_HASHTEXT = re.compile(
    r"\b(?P<outer>abs|mod)\s*\((?P<more>[\s(]*)(?:pg_catalog\s*\.\s*)?hashtext\s*\(", re.IGNORECASE
)


def neighbours_of(tree: Tree) -> Neighbours:
    """Return what is locked with *tree*."""
    return Neighbours(tree.default, tree.referenced, tree.referencing, tree.version)


def locks_needed(leaves: int, indexes: int) -> int:
    """Return how many locks making so many *leaves* takes, each with so many *indexes*."""
    return leaves * (_LOCKS_OF_A_TABLE + 2 * indexes)


def batch_size(most: int, indexes: int, room: int) -> int:
    """Return how many leaves to make in one transaction: at most *most*, if there is *room*."""
    return max(1, min(most, room // 4 // locks_needed(1, indexes)))  # others need locks, too


def check_lock_room(needed: int, room: int) -> None:
    """Refuse what does not fit into the lock table.

    Raises:
        TreeRefused: more locks are needed, in one transaction, than the server promises.
    """
    if needed > room:
        raise TreeRefused(
            f"In one transaction it takes about {needed:,} locks, and the server has room for "
            f"{room:,}: max_locks_per_transaction * (max_connections + max_prepared_transactions).",
            remedy="call it outside of a transaction, where it commits every few leaves; or raise "
            "max_locks_per_transaction, which needs a restart.",
        )


def check_parent(tree: Tree, parent: Name, partition_by: str | None = None) -> None:
    """Refuse a parent that is none, or is divided in another way.

    Raises:
        TreeRefused: it is missing, no partitioned table, or has another key.
    """
    if not tree.exists:
        raise TreeRefused(f"There is no table {parent}.", remedy="make it with create_tree.")
    if tree.kind != "p":
        raise TreeRefused(
            f"{parent} is there, and is not partitioned.",
            remedy="rename it, make the partitioned table, and move the rows.",
        )
    if partition_by is not None and _key(tree.partition_by) != _key(partition_by):
        raise TreeRefused(
            f"{parent} is partitioned by {tree.partition_by}, and the layout says {partition_by}.",
            remedy="a key cannot be changed: let the layout say what is there, or make another "
            "table and move the rows.",
        )


def _key(text: str) -> str:
    return re.sub(r'[\s"]', "", text.removeprefix("PARTITION BY ")).lower()


def check_detach(tree: Tree, leaf: Name, *, concurrently: bool) -> None:
    """Refuse a DETACH CONCURRENTLY that the server would refuse.

    Raises:
        TreeRefused: there is a default leaf.
    """
    if concurrently and tree.default is not None:
        raise TreeRefused(
            f"{leaf} cannot be detached concurrently: {tree.default} is a default leaf, and beside "
            "one PostgreSQL has only the DETACH that locks the parent exclusively.",
            remedy="ask for that with concurrently=False, which waits no longer than lock_timeout; "
            "or detach the default leaf first.",
        )


def check_triggers(tree: Tree, columns: Iterable[str]) -> None:
    """Refuse a trigger on the parent that sets its key.

    PostgreSQL finds the leaf before row triggers fire, and does not let them change it.

    Raises:
        TreeRefused: there is one.
    """
    for trigger, source in tree.triggers:
        setting = [column for column in columns if _sets(source, column)]
        if setting:
            raise TreeRefused(
                f"The trigger {trigger} BEFORE INSERT sets {', '.join(setting)} of the partition "
                "key. PostgreSQL finds the leaf before row triggers fire: without the key a row is "
                "refused (23514), and a trigger may not move it to another leaf (0A000).",
                remedy="drop it, and let the client compute the key; or partition by HASH of the "
                "column that the trigger computes it from.",
            )


def _sets(source: str, column: str) -> bool:
    name = f'(?:"{re.escape(column)}"|{re.escape(column)})'
    set_ = rf"\bnew\s*\.\s*{name}\s*:?=(?!=)|\binto\s+(?:strict\s+)?new\s*\.\s*{name}\b"
    comments = re.sub(r"--.*|/\*.*?\*/", " ", source)
    # "IF NEW.k = 3" compares; an assignment begins a statement.
    return any(
        match.group().lower().startswith("into") or _begins(comments[: match.start()])
        for match in re.finditer(set_, comments, re.IGNORECASE)
    )


def _begins(before: str) -> bool:
    return (
        re.search(r"(?:;|\b(?:begin|then|else|loop)|>>|^)\s*$", before, re.IGNORECASE) is not None
    )


def check_formula(sql: str) -> None:
    """Refuse a formula of a key that fails or goes wrong for some texts.

    Raises:
        TreeRefused: ``abs(hashtext(…))``, which is out of range where the hash is -2147483648, or
            ``mod(hashtext(…), n)``, which is negative half of the time.
    """
    for match in _HASHTEXT.finditer(sql):
        rest = re.sub(r"\s", "", sql[_closing(sql, match.end()) :])
        closed = rest.startswith(")" * (1 + match["more"].count("(")))
        if match["outer"].lower() == "abs" and closed:
            raise TreeRefused(
                "abs(hashtext(…)) fails with 22003 for a text whose hash is -2147483648; there "
                "are UUIDs among them.",
                remedy="write abs(hashtext(x::text) % n): the same number for all others.",
            )
        if match["outer"].lower() == "mod" and not _within_abs(sql[: match.start()]):
            raise TreeRefused(
                "mod(hashtext(…), n) is negative for half of all texts.",
                remedy="write abs(hashtext(x::text) % n).",
            )


def _within_abs(before: str) -> bool:
    return re.search(r"\babs\s*\(\s*$", before, re.IGNORECASE) is not None


def _closing(sql: str, place: int) -> int:
    """Return where the parenthesis closes in which *place* is."""
    depth = 1
    while depth and place < len(sql):
        depth += {"(": 1, ")": -1}.get(sql[place], 0)
        place += 1
    return place
