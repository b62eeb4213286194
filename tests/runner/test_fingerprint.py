"""The fingerprint changes with what decides what `upgrade` would do, and with nothing else."""

import os
import time

import pytest

from schemakit.runner.fingerprint import fingerprint

OLD = 1_600_000_000


@pytest.fixture
def project(tmp_path):
    """A project of settled files, and its fingerprint."""
    folder = tmp_path / "versions"
    (folder / "sub").mkdir(parents=True)
    for path in (tmp_path / "env.py", folder / "a.py", folder / "b.py", folder / "sub" / "c.py"):
        path.write_text("x = 1")
        os.utime(path, (OLD, OLD))

    def look(*, recursive=False, salt="s", files=("env.py", "alembic.ini")):
        files = [tmp_path / name for name in files]
        return fingerprint(files, [folder], recursive=recursive, salt=salt)

    look.path = tmp_path
    return look


def edit(path, text="x = 2", at=OLD + 1):
    path.write_text(text)
    os.utime(path, (at, at))


def test_it_is_the_same_while_nothing_changes(project):
    assert project() == project()


def test_it_is_settled_when_every_file_is_old(project):
    assert project().settled


CHANGES = {
    "an edited revision of the same size": lambda root: edit(root / "versions/a.py"),
    "a revision that got longer": lambda root: edit(root / "versions/a.py", "x = 123", OLD),
    "a new revision": lambda root: edit(root / "versions/n.py"),
    "a deleted revision": lambda root: (root / "versions/a.py").unlink(),
    "a renamed revision": lambda root: (root / "versions/a.py").rename(root / "versions/z.py"),
    "a compiled revision": lambda root: edit(root / "versions/s.pyc"),
    "a touched env.py": lambda root: os.utime(root / "env.py", (OLD, OLD + 1)),
    "no env.py": lambda root: (root / "env.py").unlink(),
    "an ini where none was": lambda root: edit(root / "alembic.ini"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_it_changes_with(project, change):
    before = project().digest
    change(project.path)
    assert project().digest != before


INDIFFERENT = {
    "a text file": lambda root: edit(root / "versions/README"),
    "bytecode": lambda root: (
        (root / "versions/__pycache__").mkdir(),
        edit(root / "versions/__pycache__/a.cpython-311.pyc"),
    ),
    "a file in a sub-folder": lambda root: edit(root / "versions/sub/c.py"),
    "a read revision": lambda root: os.utime(root / "versions/a.py", (OLD + 99, OLD)),
}


@pytest.mark.parametrize("change", INDIFFERENT.values(), ids=INDIFFERENT.keys())
def test_it_does_not_change_with(project, change):
    before = project().digest
    change(project.path)
    assert project().digest == before


def test_it_changes_with_a_sub_folder_where_revisions_may_lie_there(project):
    before = project(recursive=True).digest
    edit(project.path / "versions/sub/c.py")
    assert project(recursive=True).digest != before


def test_bytecode_is_nowhere_a_revision(project):
    before = project(recursive=True).digest
    (project.path / "versions/__pycache__").mkdir()
    edit(project.path / "versions/__pycache__/a.cpython-311.pyc")
    assert project(recursive=True).digest == before


def test_it_changes_with_the_salt(project):
    assert project(salt="a").digest != project(salt="b").digest


def test_a_name_does_not_run_into_the_next(tmp_path):
    def look(*names):
        return fingerprint([tmp_path / name for name in names], [], recursive=False, salt="")

    assert look("ab", "c").digest != look("a", "bc").digest


@pytest.mark.parametrize("seconds", [0, -1, 1])
def test_a_file_as_young_as_the_look_is_not_settled(project, seconds):
    now = time.time() + seconds
    os.utime(project.path / "versions/a.py", (now, now))
    assert not project().settled


def test_folders_that_are_not_there_are_looked_at_all_the_same(tmp_path):
    look = fingerprint([], [tmp_path / "none"], recursive=True, salt="")
    assert look.settled


def test_a_name_that_is_no_utf_8_is_looked_at(project):
    path = os.fsencode(project.path / "versions") + b"/\xff.py"
    with open(path, "wb"):  # noqa: PTH123 - a Path takes no bytes
        pass
    assert project().digest
