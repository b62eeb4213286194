"""Who the server runs as. PostgreSQL refuses root, so root steps down to an existing account."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from schemakit.errors import EmbeddedError

if sys.platform != "win32":
    import pwd

if TYPE_CHECKING:
    from pathlib import Path

USER_VARIABLE = "SCHEMAKIT_PG_USER"
USUAL_ACCOUNTS = ("postgres", "nobody")


class Identity(TypedDict, total=False):
    """What `subprocess.Popen` wants to know to run a child as somebody else."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """An unprivileged account that root lends to the server."""

    name: str
    uid: int
    gid: int

    def can_enter(self, directory: Path) -> bool:
        """Whether the mode bits let this account walk down to ``directory``, itself included."""
        return all(self._may_pass(place.stat()) for place in (directory, *directory.parents))

    def _may_pass(self, found: os.stat_result) -> bool:
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        if found.st_gid == self.gid:
            return bool(found.st_mode & stat.S_IXGRP)
        return bool(found.st_mode & stat.S_IXOTH)


def identity(account: Account | None) -> Identity:
    """The arguments that make a child run as ``account``; none when it is the caller."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def account_for(data_directory: Path) -> Account | None:
    """The account to run a cluster as; None for the caller's own.

    A cluster stays with whoever made it: PostgreSQL accepts no other owner.

    Raises:
        EmbeddedError: root finds nobody to step down to.
    """
    if os.geteuid() == 0 and data_directory.exists():
        return _owner(data_directory, data_directory.stat().st_uid)
    return default_account()


def _owner(data_directory: Path, uid: int) -> Account:
    with suppress(KeyError):
        if uid != 0:
            return _account(pwd.getpwuid(uid))
    raise EmbeddedError(
        f"{data_directory} belongs to user id {uid}, which PostgreSQL cannot run as here",
        remedy=f"chown -R the directory to one of the accounts {', '.join(USUAL_ACCOUNTS)}.",
    )


def default_account() -> Account | None:
    """The account to run a new cluster as; None for the caller's own.

    Raises:
        EmbeddedError: root finds nobody to step down to.
    """
    if os.geteuid() != 0:
        return None
    wish = os.environ.get(USER_VARIABLE)
    candidates = (wish,) if wish else USUAL_ACCOUNTS
    for name in candidates:
        try:
            account = _account(pwd.getpwnam(name))
        except KeyError:
            continue
        if account.uid != 0:
            return account
    raise EmbeddedError(
        f"PostgreSQL does not run as root and no unprivileged account is among {candidates}",
        remedy=f"set {USER_VARIABLE} to an existing unprivileged account, or do not run as root.",
    )


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
