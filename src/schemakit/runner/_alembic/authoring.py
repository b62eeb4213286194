"""Write revisions: Alembic's templates, hooks and autogenerate, run through our environment."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import RevisionContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError, asbool

from schemakit.errors import ConfigurationError, SchemakitError
from schemakit.runner.authoring import TEMPLATE, Draft, refuse_unless_at_head

from . import proxies
from .environment import Errand, run_environment
from .journal import Journal
from .scripts import Scripts, describe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from alembic.operations import ops
    from alembic.runtime.migration import MigrationContext, MigrationStep
    from sqlalchemy import Connection, MetaData

    from schemakit.runner.environment import Observation
    from schemakit.runner.locate import Located
    from schemakit.runner.revisions import Revision


class WritingDirectory(ScriptDirectory):
    """Alembic's directory, which overwrites nothing and can do without a script.py.mako."""

    written: tuple[Path, ...] = ()

    def _generate_template(self, src: Path, dest: Path, **arguments: Any) -> None:
        if dest.exists():
            remedy = "choose another message, or a file_template with %%(rev)s in it."
            raise ConfigurationError(f"{dest} is there already.", remedy=remedy)
        super()._generate_template(src if src.exists() else TEMPLATE / src.name, dest, **arguments)
        self.written += (dest,)


class Author:
    """Who writes one draft.

    Attributes:
        asks: whether env.py must run before it can write.
    """

    def __init__(
        self, located: Located, scripts: Scripts, draft: Draft, metadata: MetaData | None
    ) -> None:
        self._located, self._scripts, self._draft = located, scripts, draft
        self._metadata = metadata
        self._directory = _writing(scripts.directory)
        self._nothing = draft.merge and self._lone_head()
        _check(scripts, draft)
        arguments = _arguments(draft)
        # env.py files look at these: `if config.cmd_opts.autogenerate: …` is in Alembic's manual.
        vars(scripts.config.cmd_opts).update(arguments)
        self._context = RevisionContext(scripts.config, self._directory, arguments)
        environment = asbool(scripts.config.get_alembic_option("revision_environment"))
        self.asks = not self._nothing and (draft.autogenerate or bool(environment))

    def ask(self, connection: Connection | None, watch: Observation, *, external: bool) -> None:
        """Run env.py on *connection*, or offline, and take from it what the draft needs."""
        watch.journal = Journal("upgrade", lambda _: None)
        context: dict[str, Any] = {
            "template_args": self._context.template_args,
            "revision_context": self._context,
        }
        context |= {"as_sql": True} if connection is None else {"dont_mutate": True}
        errand = Errand(
            steps=self._steps,
            journal=watch.journal,
            observe=watch,
            options=self._located.options,
            external=external,
            context=context,
            metadata=self._metadata,
        )
        config = self._scripts.config
        config.output_buffer = io.StringIO()  # offline, Alembic prints BEGIN and COMMIT
        with _translated():
            run_environment(connection, config, self._scripts.directory, errand, keep=False)

    def _steps(self, heads: Sequence[str], context: MigrationContext) -> list[MigrationStep]:
        rev: Any = tuple(heads)
        if self._draft.autogenerate:
            unknown = [version for version in heads if not self._scripts.knows(version)]
            refuse_unless_at_head(heads, self._scripts.effective_heads, unknown)
            _require_metadata(context)
            self._context.run_autogenerate(rev, context)
        elif not self._draft.merge:
            self._context.run_no_autogenerate(rev, context)
        return []

    def write(self) -> tuple[Revision, ...]:
        """Write the files, run the ini's post-write hooks, and return what is there now.

        Raises:
            SchemakitError: a file was written, and cannot be used.
        """
        drafts = self._context.generated_revisions
        if self._nothing or (self._draft.autogenerate and all(map(_is_empty, drafts))):
            return ()
        environment = EnvironmentContext(self._scripts.config, self._directory)
        with _translated(), proxies.active(environment):
            try:
                found = list(self._context.generate_scripts())
            except Exception as error:
                raise _unusable(error, self._directory.written) from error
        return tuple(describe(script) for script in found if script is not None)

    def _lone_head(self) -> bool:
        wanted = self._draft.head
        return wanted == ("heads",) and len(self._scripts.heads) <= 1


def _writing(directory: ScriptDirectory) -> WritingDirectory:
    directory.__class__ = WritingDirectory
    directory.messaging_opts = {"quiet": True}  # what was written is for the caller to say
    assert isinstance(directory, WritingDirectory)  # noqa: S101 - for the type checker
    return directory


def _check(scripts: Scripts, draft: Draft) -> None:
    """Raise what Alembic would raise half way, in its own words."""
    heads = draft.head if isinstance(draft.head, tuple) else (draft.head,)
    for name in (*heads, *draft.depends_on):
        scripts.refuse_ambiguous(name)
        scripts.require(name)
    if draft.rev_id is not None and scripts.knows(draft.rev_id):
        raise ConfigurationError(
            f"There is a revision {draft.rev_id!r} already.", remedy="choose another id."
        )
    if draft.merge and heads != ("heads",):
        named = {script.revision for script in scripts.directory.get_revisions(heads)}
        if len(named) < 2:  # noqa: PLR2004 - one alone is no merge
            raise ConfigurationError(
                f"{', '.join(heads)} is one revision.", remedy="name two, or none for all heads."
            )


def _arguments(draft: Draft) -> dict[str, Any]:
    return {
        "message": draft.message,
        "autogenerate": draft.autogenerate,
        "sql": False,
        "head": draft.head,
        "splice": draft.splice,
        "branch_label": draft.branch_label,
        "version_path": draft.version_path,
        "rev_id": draft.rev_id,
        "depends_on": list(draft.depends_on) or None,
    }


def _require_metadata(context: MigrationContext) -> None:
    if context.opts.get("target_metadata") is None:
        raise ConfigurationError(
            "There are no models to compare the database with.",
            remedy="set target_metadata in env.py, or give --metadata (metadata=).",
        )


def _is_empty(draft: ops.MigrationScript) -> bool:
    return all(each.is_empty() for each in (*draft.upgrade_ops_list, *draft.downgrade_ops_list))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        remedy = "see `schemakit history`, and what `schemakit revision --help` offers."
        raise ConfigurationError(str(error), remedy=remedy) from error


def _unusable(error: Exception, written: Sequence[Path]) -> Exception:
    if not written:
        return error
    files = ", ".join(map(str, written))
    return SchemakitError(
        f"{files}: it is written, and cannot be used. {type(error).__name__}: {error}",
        remedy="mend that file, script.py.mako, or the post-write hook.",
    )
