"""Write a migration as SQL, without a database."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from schemakit.errors import RevisionFailed, SchemakitError
from schemakit.runner import failure
from schemakit.runner.environment import Observation

from .config import build_config
from .environment import Errand, run_environment
from .journal import Journal
from .scripts import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from schemakit.runner.locate import Located
    from schemakit.runner.revisions import Revision

    from .scripts import Scripts


def render(
    located: Located,
    scripts: Scripts,
    direction: Literal["upgrade", "downgrade"],
    start: str,
    end: str,
) -> str:
    """Return the script from *start* (``""``: base) to *end*."""
    if start:
        scripts.require(start)
    buffer = io.StringIO()
    config = build_config(located)
    config.output_buffer = buffer
    choose = scripts.upgrade_steps if direction == "upgrade" else scripts.downgrade_steps
    observation = Observation(lambda heads: choose(end, heads))
    observation.journal = Journal(direction, lambda _: None)
    errand = Errand(
        steps=lambda heads, _: observation.decide(heads),
        journal=observation.journal,
        observe=observation,
        options=located.options,
        external=False,
        context={"as_sql": True, "starting_rev": start or None, "destination_rev": end},
    )
    try:
        run_environment(None, config, scripts.directory, errand)
    except SchemakitError:
        raise
    except Exception as error:  # noqa: BLE001 - a revision is anybody's code
        raise _explained(error, observation) from failure.cause_of(error)
    return buffer.getvalue()


def _explained(error: Exception, observation: Observation) -> BaseException:
    explained = failure.explained(error, observation, (), (), external=False)
    if isinstance(explained, RevisionFailed):
        explained.remedy = (
            "a script cannot ask the database: guard that part with "
            "`if not op.get_context().as_sql:`, or upgrade online."
        )
    return explained


@dataclass(frozen=True, slots=True)
class Written:
    """What a revision would send, as far as it goes without a database.

    Attributes:
        revision: which.
        statements: each with whether it stands in an ``autocommit_block()``.
        failure: what it raised after these; empty if nothing.
    """

    revision: Revision
    statements: tuple[tuple[str, bool], ...] = ()
    failure: str = ""


def written(
    located: Located,
    scripts: Scripts,
    direction: Literal["upgrade", "downgrade"],
    heads: Sequence[str],
    end: str,
) -> tuple[Written, ...]:
    """Return what each revision from *heads* to *end* would send.

    One that cannot be written without a database does not stop those after it.
    """
    choose = scripts.upgrade_steps if direction == "upgrade" else scripts.downgrade_steps
    steps: list[Any] = list(choose(end, tuple(heads)))
    revisions = [describe(step.revision) for step in steps]
    sheets: list[Written] = []
    page = _Page()
    config = build_config(located)
    config.output_buffer = page
    for step in steps:
        step.migration_fn = page.recorded(step, sheets)
    observation = Observation(lambda _: [steps.pop(0) for _ in range(len(steps))])
    observation.journal = Journal(direction, lambda _: None)
    errand = Errand(
        steps=lambda found, _: observation.decide(found),
        journal=observation.journal,
        observe=observation,
        options=located.options,
        external=False,
        context={"as_sql": True, "starting_rev": list(heads) or None, "destination_rev": end},
    )
    failure_ = ""
    try:
        run_environment(None, config, scripts.directory, errand)
    except Exception as error:  # noqa: BLE001 - env.py is anybody's code
        failure_ = f"env.py: {_said(error)}"
    missing = revisions[len(sheets) :]
    failure_ = failure_ or "env.py: it never called context.run_migrations()"
    return (*sheets, *(Written(revision, failure=failure_) for revision in missing))


class _Page(io.StringIO):
    """A buffer that knows one statement from the next, and what stands outside a transaction."""

    def __init__(self) -> None:
        super().__init__()
        self._outside = False
        self._statements: list[tuple[str, bool]] = []

    def write(self, text: str) -> int:
        """Take a statement: Alembic writes each by itself, and COMMIT for an autocommit block."""
        said = text.strip()
        if said in ("COMMIT;", "BEGIN;"):
            self._outside = said == "COMMIT;"
        else:
            self._statements.append((said.removesuffix(";").rstrip(), self._outside))
        return len(text)

    def recorded(self, step: Any, sheets: list[Written]) -> Callable[..., None]:
        """Return the function of *step*, which leaves a sheet and never raises."""
        migrate, revision = step.migration_fn, describe(step.revision)

        def recording(**arguments: Any) -> None:
            self._statements, self._outside, failed = [], False, ""
            try:
                migrate(**arguments)
            except Exception as error:  # noqa: BLE001 - a revision is anybody's code
                failed = _said(error)
            sheets.append(Written(revision, tuple(self._statements), failed))

        recording.__name__ = getattr(migrate, "__name__", "upgrade")
        return recording


def _said(error: Exception) -> str:
    text = f"{error.summary} {error.detail}" if isinstance(error, SchemakitError) else str(error)
    return f"{type(error).__name__}: {text}".strip().split("\n")[0]
