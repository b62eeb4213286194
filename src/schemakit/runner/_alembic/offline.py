"""Write a migration as SQL, without a database."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

from schemakit.errors import RevisionFailed, SchemakitError
from schemakit.runner import failure
from schemakit.runner.environment import Observation

from .config import build_config
from .environment import Errand, run_environment
from .journal import Journal

if TYPE_CHECKING:
    from schemakit.runner.locate import Located

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
