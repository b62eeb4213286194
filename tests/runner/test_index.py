"""What is remembered of a directory is forgotten when it changes, and never trusted blindly.

Oracle: whether the revisions are executed (each leaves a line in a file when it is loaded).
"""

import json
import os

import pytest

import schemakit
from schemakit.runner import index

LOADED = "import pathlib\nwith open({log!r}, 'a') as log:\n    log.write('{id}\\n')\n"


@pytest.fixture
def project(engine, directory, monkeypatch, tmp_path):
    """A directory at whose head the database stands, and what a fresh process loads of it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    monkeypatch.setattr("sys.pycache_prefix", None)
    return Project(engine, directory, tmp_path)


class Project:
    def __init__(self, engine, directory, root):
        self.engine, self.directory, self.root = engine, directory, root
        self.log = root / "log"

    async def start(self, **options):
        """Bring the database to head, as the process before did."""
        ini = "[alembic]\nscript_location = %(here)s/migrations\n"
        (self.root / "alembic.ini").write_text(ini)
        self.directory.env("from schemakit.env import run\n\nrun()\n").revision("a").revision("b")
        for id_ in ("a", "b"):
            self.logging(id_)
        self.directory.settle()
        await self.upgrade(**options)
        self.log.unlink()

    def logging(self, id_, note=""):
        path = self.directory.path / "versions" / f"{id_}.py"
        text = path.read_text()
        self.directory.file(
            f"versions/{id_}.py", LOADED.format(log=str(self.log), id=id_) + text + note
        )

    async def upgrade(self, **options):
        return await schemakit.upgrade(self.engine, migrations=self.directory, **options)

    async def loaded(self, **options):
        """Upgrade as a fresh process would; return the revisions it executed."""
        index.forget()
        self.log.unlink(missing_ok=True)
        await self.upgrade(**options)
        return sorted(set(self.log.read_text().split())) if self.log.exists() else []

    @property
    def file(self):
        (found,) = (self.directory.path / "__pycache__").glob("schemakit-*.json")
        return found


async def test_at_head_a_fresh_process_loads_no_revision(project):
    await project.start()
    assert await project.loaded() == []


async def test_nor_does_the_same_process_with_the_index_off(project):
    settings = schemakit.Settings(index="off")
    await project.start(settings=settings)
    await project.upgrade(settings=settings)
    assert not project.log.exists()


async def test_with_the_index_off_nothing_is_written(project):
    await project.start(settings=schemakit.Settings(index="off"))
    assert list(project.root.rglob("schemakit-*")) == []


async def test_with_the_index_off_a_fresh_process_loads(project):
    settings = schemakit.Settings(index="off")
    await project.start(settings=settings)
    assert await project.loaded(settings=settings) == ["a", "b"]


async def test_the_index_is_switched_off_by_the_environment(project, monkeypatch):
    monkeypatch.setenv("SCHEMAKIT_INDEX", "off")
    await project.start()
    assert await project.loaded() == ["a", "b"]


async def test_the_index_may_lie_in_a_directory(project, monkeypatch):
    monkeypatch.setenv("SCHEMAKIT_INDEX", str(project.root / "kept" / "here"))
    await project.start()
    assert [path.parent.name for path in project.root.rglob("schemakit-*")] == ["here"]
    assert await project.loaded() == []


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("env.py", lambda path: os.utime(path, (1, 1_600_000_001))),
        ("versions/a.py", lambda path: os.utime(path, (1, 1_600_000_001))),
        ("../alembic.ini", lambda path: path.write_text(path.read_text() + "\n# x\n")),
    ],
)
async def test_a_changed_file_makes_it_load_again(project, name, change):
    await project.start()
    change(project.directory.path / name)
    assert await project.loaded() == ["a", "b"]


async def test_an_edited_revision_of_the_same_size_makes_it_load_again(project):
    await project.start()
    path = project.directory.path / "versions" / "b.py"
    path.write_text(path.read_text().replace('"""revision b"""', '"""revision x"""'))
    assert await project.loaded() == ["a", "b"]


async def test_a_changed_pyproject_makes_it_load_again(project):
    toml = project.root / "pyproject.toml"
    toml.write_text('[tool.alembic]\nscript_location = "%(here)s/migrations"\n')
    await project.start()
    assert await project.loaded() == []
    toml.write_text(toml.read_text() + 'file_template = "x"\n')
    assert await project.loaded() == ["a", "b"]


async def test_a_new_revision_is_applied(project):
    await project.start()
    project.directory.revision("c")
    result = await project.upgrade()
    assert [applied.revision for applied in result.applied] == ["c"]


async def test_a_deleted_revision_is_noticed(project):
    await project.start()
    (project.directory.path / "versions" / "b.py").unlink()
    result = await project.upgrade()
    assert result.ahead == ("b",)


async def test_what_was_loaded_is_remembered_again(project):
    await project.start()
    os.utime(project.directory.path / "env.py", (1, 1_600_000_001))
    await project.loaded()
    assert await project.loaded() == []


async def test_young_files_are_not_remembered(project):
    await project.start()
    os.utime(project.directory.path / "versions" / "a.py")
    await project.loaded()
    assert await project.loaded() == ["a", "b"]


SPOILT = {
    "empty": lambda text: "",
    "cut off": lambda text: text[: len(text) // 2],
    "no JSON": lambda text: "import os",
    "not UTF-8": lambda text: "\udcff",
    "another shape": lambda text: "[]",
    "a number": lambda text: "7",
    "no table": lambda text: text.replace('"table"', '"tables"'),
    "a table of another shape": lambda text: json.dumps(
        {**json.loads(text), "recorded": {**json.loads(text)["recorded"], "table": {"x": 1}}}
    ),
    "heads of another shape": lambda text: json.dumps(
        {**json.loads(text), "recorded": {**json.loads(text)["recorded"], "heads": 7}}
    ),
    "another digest": lambda text: json.dumps({**json.loads(text), "digest": "0" * 40}),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
async def test_a_spoilt_index_is_ignored(project, spoil):
    await project.start()
    project.file.write_bytes(spoil(project.file.read_text()).encode(errors="surrogateescape"))
    assert await project.loaded() == ["a", "b"]


async def test_a_spoilt_index_is_replaced(project):
    await project.start()
    project.file.write_text("spoilt")
    await project.loaded()
    assert await project.loaded() == []


async def test_an_index_that_is_a_directory_is_ignored(project):
    await project.start()
    path = project.file
    path.unlink()
    path.mkdir()
    assert await project.loaded() == ["a", "b"]


async def test_where_python_writes_no_bytecode_it_lies_in_the_cache_directory(project, monkeypatch):
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    await project.start()
    assert [path.parent for path in project.root.rglob("schemakit-*")] == [
        project.root / "cache" / "schemakit"
    ]
    assert await project.loaded() == []


async def test_where_nothing_can_be_written_it_works(project, monkeypatch):
    project.directory.env("from schemakit.env import run\n\nrun()\n")
    # Root may write anywhere: a file where a folder must be made stops root as well.
    for blocked in (project.directory.path / "__pycache__", project.root / "cache"):
        blocked.write_text("")
    project.directory.revision("a").revision("b").settle()
    await project.upgrade()
    index.forget()
    assert (await project.upgrade()).heads_after == ("b",)


async def test_no_half_written_file_is_left(project):
    await project.start()
    names = [path.name for path in project.file.parent.iterdir() if "schemakit" in path.name]
    assert names == [project.file.name]


async def test_two_directories_are_told_apart(engine, new_directory, tmp_path):
    one, two = new_directory("one"), new_directory("two")
    kept = schemakit.Settings(index=tmp_path / "kept")
    for made in (one, two):
        made.revision("a").settle()
        await schemakit.upgrade(engine, migrations=made, settings=kept)
    assert len(list((tmp_path / "kept").iterdir())) == 2


async def test_version_locations_of_the_call_are_told_apart(engine, directory):
    directory.revision("a").revision("z", down=None, folder="more").settle()
    await schemakit.upgrade(engine, migrations=directory)
    both = schemakit.Migrations(
        directory.path,
        version_locations=[directory.path / "versions", directory.path / "more"],
    )
    result = await schemakit.upgrade(engine, "heads", migrations=both)
    assert [applied.revision for applied in result.applied] == ["z"]
