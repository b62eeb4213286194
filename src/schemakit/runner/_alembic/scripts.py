"""A loaded migrations directory: Alembic's ``ScriptDirectory``, asked in our words."""

from __future__ import annotations

import difflib
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alembic.runtime.environment import EnvironmentContext
from alembic.script import Script, ScriptDirectory
from alembic.script import revision as alembic_revision
from alembic.util import CommandError

from schemakit.errors import (
    ConfigurationError,
    MigrationsNotFound,
    MultipleHeads,
    UnknownRevision,
    UnreachableRevision,
)
from schemakit.runner.revisions import Revision

from . import proxies

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alembic.config import Config
    from alembic.runtime.migration import MigrationStep

#: ``ScriptDirectory.from_config`` puts prepend_sys_path in front of sys.path, at every call.
_sys_path = threading.Lock()


#: What Alembic says of revisions that are there, but not on the way.
_UNREACHABLE = ("Ambiguous walk", "is not a valid", "didn't produce")


@dataclass(frozen=True, slots=True)
class Scripts:
    """The revisions of a directory, executed and ready to run."""

    config: Config
    directory: ScriptDirectory

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads, sorted."""
        return tuple(sorted(self.directory.get_heads()))

    @property
    def effective_heads(self) -> tuple[str, ...]:
        """The heads as the version table shows them when everything is applied."""
        return tuple(sorted(self.directory.revision_map._real_heads))  # noqa: SLF001 - public only from Alembic 1.18.5

    @property
    def folders(self) -> tuple[Path, ...]:
        """The version locations."""
        return tuple(self.directory._version_locations)  # noqa: SLF001 - the resolved ones

    def knows(self, revision: str) -> bool:
        """Whether *revision* is the whole id of one of its revisions."""
        return revision in self.directory.revision_map._revision_map  # noqa: SLF001 - exact, no partial match

    def history(self) -> tuple[Revision, ...]:
        """Every revision, newest first."""
        return tuple(describe(script) for script in self.directory.walk_revisions())

    def pending(self, heads: Sequence[str]) -> tuple[Revision, ...]:
        """What `upgrade` to heads would apply to a database at *heads*, in order."""
        return tuple(describe(step.revision) for step in self.upgrade_steps("heads", heads))  # type: ignore[attr-defined]  # RevisionStep has it

    def upgrade_steps(self, target: str, heads: Sequence[str]) -> list[MigrationStep]:
        """What `upgrade` to *target* runs on a database at *heads*, in order."""
        self.refuse_ambiguous(target)
        with self._translated(target):
            return list(self.directory._upgrade_revs(target, tuple(heads)))  # type: ignore[arg-type]  # noqa: SLF001 - what command.upgrade calls

    def downgrade_steps(self, target: str, heads: Sequence[str]) -> list[MigrationStep]:
        """What `downgrade` to *target* runs on a database at *heads*, in order."""
        with self._translated(target):
            return list(self.directory._downgrade_revs(target, tuple(heads)))  # type: ignore[arg-type]  # noqa: SLF001 - what command.downgrade calls

    def stamp_steps(self, targets: Sequence[str], heads: Sequence[str]) -> list[MigrationStep]:
        """What `stamp` with *targets* changes in the version table."""
        for target in targets:
            self.refuse_ambiguous(target)
        with self._translated(", ".join(targets)):
            return list(self.directory._stamp_revs(tuple(targets), tuple(heads)))  # noqa: SLF001 - what command.stamp calls

    def refuse_ambiguous(self, target: str) -> None:
        """Raise `MultipleHeads` if *target* is ``head`` and there are several."""
        if target == "head" and len(self.heads) > 1:
            raise multiple_heads(self.heads)

    def require(self, name: str) -> None:
        """Raise `UnknownRevision` unless *name* means something here."""
        with self._translated(name):
            self.directory.get_revisions(name)

    @contextmanager
    def _translated(self, target: str) -> Iterator[None]:
        try:
            yield
        except AttributeError as error:
            file = getattr(error.obj, "__file__", None)
            if file is None:
                raise
            detail = f"{file} has no function {error.name}()."
            raise ConfigurationError(
                detail, remedy="write it; it may raise or do nothing."
            ) from error
        except CommandError as error:
            cause = error.__cause__
            if isinstance(cause, alembic_revision.MultipleHeads):
                raise multiple_heads(tuple(cause.heads)) from error
            if any(phrase in str(error) for phrase in _UNREACHABLE):
                raise UnreachableRevision(f"{target!r}: {error}") from error
            raise self._unknown(target, str(error)) from error

    def _unknown(self, target: str, said: str) -> UnknownRevision:
        wanted = target.rpartition("@")[2].partition(":")[2] or target.rpartition("@")[2]
        known = [str(key) for key in self.directory.revision_map._revision_map if key]  # noqa: SLF001 - ids and labels
        names = [*known, "head", "heads", "base"]
        near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        return UnknownRevision(f"{said}.{hint}".replace("..", "."))


def multiple_heads(heads: Sequence[str]) -> MultipleHeads:
    """Return the error for an ambiguous ``head``."""
    return MultipleHeads(f"They are {', '.join(sorted(heads))}.")


def load(config: Config) -> Scripts:
    """Execute every revision of the directory. Heavy: call it in a thread.

    Raises:
        ConfigurationError: the directory cannot be loaded; says which file.
    """
    try:
        directory = _directory(config)
        with proxies.active(EnvironmentContext(config, directory)):
            directory.get_heads()
    except (CommandError, alembic_revision.RevisionError) as error:
        raise ConfigurationError(str(error), remedy="mend the directory.") from error
    except SyntaxError as error:
        detail = f"{error.filename}, line {error.lineno}: {error.msg}."
        raise ConfigurationError(detail, remedy="mend that file.") from error
    except Exception as error:
        detail = f"A revision of {config.get_main_option('script_location')} cannot be loaded: "
        detail += f"{_last_file(error)}{type(error).__name__}: {error}"
        raise ConfigurationError(detail, remedy="mend that file.") from error
    _refuse_a_folder_of_something_else(directory)
    return Scripts(config, directory)


def _refuse_a_folder_of_something_else(directory: ScriptDirectory) -> None:
    # A mistyped path, or an image built without its revisions, must not pass for "at head".
    places = (Path(directory.env_py_location), *directory._version_locations)  # noqa: SLF001 - resolved
    if not any(place.exists() for place in places):
        detail = f"{directory.dir} holds neither env.py nor versions/."
        raise MigrationsNotFound(detail)


def _directory(config: Config) -> ScriptDirectory:
    with _sys_path:
        before = list(sys.path)
        directory = ScriptDirectory.from_config(config)
        added = sys.path[: len(sys.path) - len(before)]
        sys.path[:] = [path for path in added if path not in before] + before
    return directory


def environment_directory(config: Config) -> ScriptDirectory:
    """Return the directory without executing any revision, to run env.py alone."""
    return _directory(config)


def _last_file(error: BaseException) -> str:
    traceback, file = error.__traceback__, ""
    while traceback is not None:
        file = f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}: "
        traceback = traceback.tb_next
    return file


def describe(script: Script) -> Revision:
    """Return *script* as a plain value."""
    return Revision(
        id=script.revision,
        down=tuple(script._versioned_down_revisions),  # noqa: SLF001 - normalised to a tuple
        doc=script.doc,
        path=script.path,
        labels=tuple(sorted(script.branch_labels)),
        depends_on=tuple(script._resolved_dependencies),  # noqa: SLF001 - normalised to a tuple
        is_head=script.is_head,
    )
