"""The verbs that write files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schemakit.cli import imports, options
from schemakit.cli.exit_codes import ExitCode
from schemakit.cli.verb import bare_verb, offline_verb, verb
from schemakit.report import json

if TYPE_CHECKING:
    from schemakit import Revision
    from schemakit.cli.call import Call

_FOUND = ("migrations", "alembic")

_message = click.option("-m", "--message", required=True, help="What it does, in a line.")
_branch_label = click.option("--branch-label", metavar="NAME", help="A name for its branch.")
_rev_id = click.option("--rev-id", metavar="ID", help="Its id.  [default: a random one]")


@bare_verb
@click.argument("folder", default="migrations")
async def init(call: Call, folder: str) -> ExitCode:
    """Write a new migrations directory into FOLDER, by default ./migrations.

    Its env.py is two lines, and serves `alembic` as well. An existing Alembic directory needs no
    init: it runs as it is.

    \b
    Example:
      schemakit init
    """  # noqa: D301 - \b is click's mark for lines to keep as they are
    from schemakit.runner.authoring import init_directory  # noqa: PLC0415 - imports SQLAlchemy

    written = await init_directory(folder)
    pyproject = f'[tool.schemakit]\nmigrations = "{Path(folder).as_posix()}"'
    lines = [f"wrote {path}" for path in written]
    if folder not in _FOUND:
        lines += ["", "For it to be found, add to pyproject.toml:", "", pyproject, ""]
    lines.append('Next: schemakit revision -m "first tables"')
    data = {"folder": folder, "files": [str(path) for path in written], "pyproject": pyproject}
    call.output.show("\n".join(lines), data)
    return ExitCode.DONE


@verb
@_message
@click.option(
    "--autogenerate",
    is_flag=True,
    help="Fill it with what the models have and the database has not. Needs a database at head.",
)
@options.metadata
@click.option("--head", default="head", metavar="REVISION", help="What it follows.")
@click.option("--splice", is_flag=True, help="Let it follow what others follow already.")
@_branch_label
@click.option(
    "--depends-on",
    multiple=True,
    metavar="REVISION",
    help="What must have run before, though it does not follow it. May be repeated.",
)
@_rev_id
@click.option("--version-path", metavar="DIR", help="Which of the version locations it goes to.")
async def revision(call: Call, message: str, metadata: str | None, **given: Any) -> ExitCode:  # noqa: ANN401 - the options of `new_revision`
    """Write a new revision.

    Needs no database, unless it is to be filled by --autogenerate: then the database, at head,
    is compared with the models that env.py names. If nothing differs, nothing is written. If
    revisions are pending, the exit code is 3.

    \b
    Example:
      schemakit revision -m "add users"
      schemakit revision -m "add users" --autogenerate
    """  # noqa: D301 - as above
    from schemakit.errors import NotAtHead  # noqa: PLC0415 - as above
    from schemakit.runner.authoring import new_revision  # noqa: PLC0415 - as above

    given |= {"migrations": call.migrations}
    try:
        if metadata is not None:
            given["metadata"] = imports.metadata(metadata)
        if call.where is None and not given["autogenerate"]:
            written = await new_revision(message, **given)
        else:
            async with call.engine() as engine:
                written = await new_revision(message, engine, **given)
    except NotAtHead as error:
        call.output.failed(error)
        return ExitCode.PENDING
    return _said(call, written, "nothing has changed: no revision is written")


@offline_verb
@click.argument("revisions", nargs=-1)
@_message
@_branch_label
@_rev_id
async def merge(call: Call, revisions: tuple[str, ...], message: str, **given: Any) -> ExitCode:  # noqa: ANN401 - the options of `merge_heads`
    """Write a revision that joins REVISIONS, by default all heads, into one history.

    \b
    Example:
      schemakit merge -m "join users and orders"
    """  # noqa: D301 - as above
    from schemakit.runner.authoring import merge_heads  # noqa: PLC0415 - as above

    written = await merge_heads(message, revisions or "heads", migrations=call.migrations, **given)
    return _said(call, written, "nothing to merge: there is one head")


def _near(path: str) -> Path:
    """Return *path* as seen from the working directory, if it is below."""
    here = Path.cwd()
    return Path(path).relative_to(here) if Path(path).is_relative_to(here) else Path(path)


def _said(call: Call, written: tuple[Revision, ...], nothing: str) -> ExitCode:
    lines = [f"wrote {_near(revision.path)}" for revision in written]
    call.output.show("\n".join(lines) or nothing, json.written(written))
    return ExitCode.DONE
