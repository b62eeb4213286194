"""The coroutines that write files: a new directory, a new revision, a merge."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemakit.errors import ConfigurationError, DatabaseAhead, MultipleHeads, NotAtHead

from . import failure
from .directory import Directory
from .environment import Observation
from .results import heads_text
from .revisions import Revision
from .settings import Settings
from .target import Target, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sqlalchemy import URL, Connection, MetaData

    from ._alembic.authoring import Author
    from .locate import Source

TEMPLATE = Path(__file__).with_name("_alembic") / "template"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A revision that is to be written.

    Attributes:
        message: the first line of its docstring.
        head: what it follows; several for a merge.
        splice: whether that may be a revision which others follow already.
        branch_label: its branch label.
        depends_on: revisions that it depends on without following them.
        rev_id: its id; by default a random one.
        version_path: the folder it goes to; by default that of the revision it follows.
        autogenerate: whether its operations are found by comparing the database with the models.
        merge: whether it only joins what it follows.
    """

    message: str
    head: str | tuple[str, ...] = "head"
    splice: bool = False
    branch_label: str | None = None
    depends_on: tuple[str, ...] = ()
    rev_id: str | None = None
    version_path: str | None = None
    autogenerate: bool = False
    merge: bool = False


async def init_directory(folder: str | Path = "migrations") -> tuple[Path, ...]:
    """Write a migrations directory into *folder*: env.py, script.py.mako and ``versions``.

    Args:
        folder: is made, with its parents; an empty one may be there.

    Returns:
        What was written.

    Raises:
        ConfigurationError: there is something in *folder*; it is left as it is.
    """
    return await asyncio.to_thread(_write_directory, Path(folder))


async def new_revision(  # noqa: PLR0913 - Alembic's options
    message: str,
    target: Target | None = None,
    *,
    autogenerate: bool = False,
    metadata: MetaData | None = None,
    head: str = "head",
    splice: bool = False,
    branch_label: str | None = None,
    depends_on: str | Sequence[str] = (),
    rev_id: str | None = None,
    version_path: str | Path | None = None,
    migrations: Source = None,
) -> tuple[Revision, ...]:
    """Write a new revision, by the ``script.py.mako`` and the ini of the migrations directory.

    Args:
        message: what it does, in a line.
        target: the database to compare with, as for `upgrade`. It is only read. Needed by
            *autogenerate*; otherwise used where the ini says ``revision_environment``.
        autogenerate: fill it with what the models have and the database has not. The hooks and
            filters of env.py apply, as under ``alembic revision --autogenerate``.
        metadata: the models; by default env.py's ``target_metadata``.
        head: the revision that it follows: ``head``, an id, ``base``, ``branch@head``.
        splice: whether *head* may be a revision which others follow already.
        branch_label: a name for the branch that begins with it.
        depends_on: revisions that must have run before it, and that it does not follow.
        rev_id: its id; by default a random one.
        version_path: which of the version locations it goes to.
        migrations: as for `upgrade`.

    Returns:
        What was written: one, more if a hook of env.py splits it, none if *autogenerate* finds
        no difference or a hook takes it back.

    Raises:
        NotAtHead: revisions are pending in the database.
        DatabaseAhead: the database is newer than this code.
        MultipleHeads: *head* is ambiguous.
        UnknownRevision: there is no such revision.
        ConfigurationError: there are no models, or the options contradict the directory.
    """
    draft = Draft(
        message=message,
        head=head,
        splice=splice,
        branch_label=branch_label,
        depends_on=(depends_on,) if isinstance(depends_on, str) else tuple(depends_on),
        rev_id=rev_id,
        version_path=None if version_path is None else str(version_path),
        autogenerate=autogenerate,
    )
    if autogenerate and target is None:
        raise ConfigurationError(
            "autogenerate compares the models with a database, and none was named.",
            remedy="name one that is at head, or leave autogenerate out.",
        )
    return await _written(draft, target, metadata, migrations)


async def merge_heads(
    message: str,
    revisions: str | Sequence[str] = "heads",
    *,
    branch_label: str | None = None,
    rev_id: str | None = None,
    migrations: Source = None,
) -> tuple[Revision, ...]:
    """Write a revision that joins *revisions* and does nothing else; needs no database.

    Args:
        message: why.
        revisions: the heads to join; by default all.
        branch_label: as for `new_revision`.
        rev_id: as for `new_revision`.
        migrations: as for `upgrade`.

    Returns:
        What was written; nothing, if all the heads are one.
    """
    wanted = (revisions,) if isinstance(revisions, str) else tuple(revisions)
    draft = Draft(
        message=message, head=wanted, branch_label=branch_label, rev_id=rev_id, merge=True
    )
    return await _written(draft, None, None, migrations)


async def _written(
    draft: Draft, target: Target | None, metadata: MetaData | None, migrations: Source
) -> tuple[Revision, ...]:
    directory = await Directory.find(migrations, Settings.from_environment())
    url = None if target is None else _url(target)
    author = await _author(directory, draft, metadata, url)
    if author.asks:
        if target is None:
            await _asked(author, asyncio.to_thread, external=False)
        else:
            await _online(author, target)
    return await asyncio.to_thread(author.write)


def _url(target: Target) -> URL | None:
    engine = getattr(target, "engine", target)
    return getattr(engine, "url", None)


async def _author(
    directory: Directory, draft: Draft, metadata: MetaData | None, url: URL | None
) -> Author:
    from ._alembic.authoring import Author  # noqa: PLC0415 - Alembic is imported where it is used

    scripts = await directory.load(url)
    try:
        return await asyncio.to_thread(Author, directory.located, scripts, draft, metadata)
    except MultipleHeads as error:
        remedy = "say which one it follows, or join them: `schemakit merge`."
        raise MultipleHeads(error.detail, remedy=remedy) from error


async def _online(author: Author, target: Target) -> None:
    async with opened(target) as session:
        await session.migrating()
        await _asked(author, session.connection.run_sync, external=session.external)
        await session.resting()


async def _asked(author: Author, call: Callable[..., Any], *, external: bool) -> None:
    """Run env.py for *author*: by *call*, on a connection or in a thread without one."""
    watch = Observation(lambda _: [])

    def work(connection: Connection | None = None) -> None:
        author.ask(connection, watch, external=external)

    try:
        await call(work)
    except Exception as error:  # noqa: BLE001 - env.py is anybody's code
        hidden = failure.unmasked(error)
        if hidden is not error:
            raise hidden from None
        failure.reraise(error, watch, external=external)


def refuse_unless_at_head(
    versions: Collection[str], effective: Collection[str], unknown: Sequence[str]
) -> None:
    """Raise unless a database at *versions* stands where the directory ends.

    Args:
        versions: what the version table holds.
        effective: what it holds when everything is applied.
        unknown: those of *versions* that the directory does not have.
    """
    heads = heads_text(tuple(sorted(effective)))
    if unknown:
        detail = f"It holds {heads_text(tuple(unknown))}; the heads here are {heads}."
        raise DatabaseAhead(detail, remedy="get the revisions that it has, and ask again.")
    if set(versions) != set(effective):
        raise NotAtHead(f"It is at {heads_text(tuple(sorted(versions)))}; head is {heads}.")


def _write_directory(folder: Path) -> tuple[Path, ...]:
    files = {"env.py": "env.py.txt", "script.py.mako": "script.py.mako"}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = next(folder.iterdir(), None)
        if taken is not None:
            raise ConfigurationError(
                f"{folder} is not empty: it holds {taken.name}.",
                remedy="name another folder; an Alembic directory runs as it is, without init.",
            )
        written = [_copied(folder / name, TEMPLATE / source) for name, source in files.items()]
        (folder / "versions").mkdir()
    except OSError as error:
        detail = f"{folder} cannot be written: {error.strerror or error}."
        raise ConfigurationError(detail, remedy="name a folder that can be made.") from error
    return (*written, folder / "versions")


def _copied(path: Path, source: Path) -> Path:
    path.write_text(source.read_text("utf-8"), "utf-8")
    return path
