"""Where the migrations directory is looked for, and whose ini and pyproject it goes by."""

import importlib
import sys
from pathlib import Path

import pytest
from alembic.config import Config
from tests.fix_directory import Directory

import schemakit
from schemakit import Migrations
from schemakit.errors import ConfigurationError, MigrationsNotFound
from schemakit.runner.locate import locate


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The working directory, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def folder(path):
    """A migrations directory as Alembic lays it out."""
    (path / "versions").mkdir(parents=True)
    (path / "env.py").write_text("")
    return path


def write(path, text):
    path.write_text(text)
    return path


# -- what names it --------------------------------------------------------------------------------


def test_a_path_names_a_folder(project):
    made = folder(project / "db")
    assert locate(made).folder == made


def test_a_string_names_a_folder_from_the_working_directory(project):
    made = folder(project / "db" / "migrations")
    assert locate("db/migrations").folder == made


def test_an_object_with_a_path_names_a_folder(directory):
    directory.tables(1)
    assert locate(directory).folder == directory.path


def test_a_package_names_a_folder_in_it(project, monkeypatch):
    made = folder(project / "pkg_located" / "migrations")
    write(project / "pkg_located" / "__init__.py", "")
    monkeypatch.syspath_prepend(project)
    importlib.invalidate_caches()
    monkeypatch.chdir("/")
    assert locate("pkg_located:migrations").folder == made
    sys.modules.pop("pkg_located", None)


def test_a_package_without_an_init_names_a_folder_in_it(project, monkeypatch):
    made = folder(project / "namespace_located" / "db" / "migrations")
    monkeypatch.syspath_prepend(project)
    importlib.invalidate_caches()
    monkeypatch.chdir("/")
    assert locate("namespace_located:db/migrations").folder == made


def test_a_config_names_a_folder(project):
    made = folder(project / "db")
    config = Config()
    config.set_main_option("script_location", str(made))
    assert locate(config).folder == made


def test_a_migrations_value_names_a_folder(project):
    made = folder(project / "db")
    located = locate(Migrations(made, x=("a=b",)))
    assert located.folder == made
    assert located.options.x == ("a=b",)


def test_a_folder_without_env_py_will_do(project):
    (project / "db" / "versions").mkdir(parents=True)
    assert locate("db").folder == project / "db"


def test_revisions_lying_flat_in_a_folder_will_do(project):
    (project / "db").mkdir()
    assert locate(Migrations("db", version_locations=["db"])).folder == project / "db"


# -- the search -----------------------------------------------------------------------------------


def test_tool_schemakit_comes_first(project):
    for name in ("a", "b", "c", "migrations", "alembic"):
        folder(project / name)
    write(
        project / "pyproject.toml",
        '[tool.schemakit]\nmigrations = "a"\n[tool.alembic]\nscript_location = "b"\n',
    )
    write(project / "alembic.ini", "[alembic]\nscript_location = c\n")
    assert locate(None).folder == project / "a"


def test_tool_alembic_comes_second(project):
    for name in ("b", "c", "migrations", "alembic"):
        folder(project / name)
    write(project / "pyproject.toml", '[tool.alembic]\nscript_location = "%(here)s/b"\n')
    write(project / "alembic.ini", "[alembic]\nscript_location = c\n")
    assert locate(None).folder == project / "b"


def test_alembic_ini_comes_third(project):
    for name in ("c", "migrations", "alembic"):
        folder(project / name)
    write(project / "pyproject.toml", "[tool.other]\n")
    write(project / "alembic.ini", "[alembic]\nscript_location = %(here)s/c\n")
    assert locate(None).folder == project / "c"


def test_migrations_comes_fourth(project):
    for name in ("migrations", "alembic"):
        folder(project / name)
    assert locate(None).folder == project / "migrations"


def test_alembic_comes_last(project):
    folder(project / "alembic")
    assert locate(None).folder == project / "alembic"


def test_a_folder_of_that_name_that_is_none_is_passed_over(project):
    (project / "migrations").mkdir()
    folder(project / "alembic")
    assert locate(None).folder == project / "alembic"


def test_a_section_is_searched_for(project):
    folder(project / "one")
    folder(project / "two")
    write(
        project / "alembic.ini",
        "[alembic]\nscript_location = one\n[second]\nscript_location = two\n",
    )
    located = locate(Migrations(ini_section="second"))
    assert (located.folder, located.section) == (project / "two", "second")


def test_where_it_looked_is_said(project):
    with pytest.raises(MigrationsNotFound) as caught:
        locate(None)
    for place in ("[tool.schemakit]", "[tool.alembic]", "pyproject.toml", "alembic.ini"):
        assert place in str(caught.value)
    assert f"{project}/migrations/" in str(caught.value)
    assert f"{project}/alembic/" in str(caught.value)


# -- what does not ------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_is_named(project):
    with pytest.raises(MigrationsNotFound, match=f"'nowhere'.*{project}/nowhere"):
        locate("nowhere")


def test_a_package_that_is_not_there_is_named(project):
    with pytest.raises(MigrationsNotFound, match="'no_such_package:migrations'"):
        locate("no_such_package:migrations")


def test_a_file_is_no_folder(project):
    write(project / "db", "")
    with pytest.raises(MigrationsNotFound, match="'db' is no folder"):
        locate("db")


def test_the_folder_above_is_told_from_it(project):
    folder(project / "db" / "alembic")
    with pytest.raises(MigrationsNotFound, match=f"Did you mean '{project}/db/alembic'"):
        locate("db")


def test_a_number_is_no_directory(project):
    with pytest.raises(ConfigurationError, match="migrations=3 is a int"):
        locate(3)


def test_a_config_without_a_location_is_told_so(project):
    with pytest.raises(MigrationsNotFound, match="no script_location"):
        locate(Config())


@pytest.mark.parametrize(
    ("name", "text"),
    [("alembic.ini", "no section\n"), ("pyproject.toml", "[tool.alembic\n")],
)
def test_a_file_that_cannot_be_read_is_named(project, name, text):
    write(project / name, text)
    with pytest.raises(ConfigurationError, match=f"{project}/{name} cannot be read"):
        locate(None)


@pytest.mark.parametrize("text", ["tool = 3", "[tool]\nschemakit = 3\nalembic = []"])
def test_a_pyproject_of_another_shape_is_passed_over(project, text):
    write(project / "pyproject.toml", text)
    folder(project / "migrations")
    assert locate(None).folder == project / "migrations"


# -- whose ini ------------------------------------------------------------------------------------


def test_a_folder_adopts_the_ini_that_names_it(project):
    made = folder(project / "db")
    ini = write(project / "alembic.ini", "[alembic]\nscript_location = db\n")
    assert locate(made).ini == ini


def test_a_folder_adopts_the_ini_that_names_it_from_elsewhere(project, monkeypatch):
    made = folder(project / "app" / "db" / "migrations")
    ini = write(project / "alembic.ini", "[alembic]\nscript_location = app/db/migrations\n")
    monkeypatch.chdir("/")
    assert locate(made).ini == ini


def test_a_folder_adopts_the_pyproject_that_names_it(project):
    made = folder(project / "db")
    toml = write(project / "pyproject.toml", '[tool.alembic]\nscript_location = "%(here)s/db"\n')
    assert locate(made).toml == toml


def test_a_folder_adopts_the_ini_in_itself(project):
    made = folder(project / "db")
    ini = write(made / "alembic.ini", "[alembic]\nscript_location = .\n")
    assert locate(made).ini == ini


def test_a_folder_leaves_an_ini_that_names_another(project):
    made = folder(project / "db")
    folder(project / "other")
    write(project / "alembic.ini", "[alembic]\nscript_location = other\n")
    assert locate(made).ini is None


def test_a_folder_takes_the_section_that_names_it(project):
    folder(project / "one")
    two = folder(project / "two")
    write(
        project / "alembic.ini",
        "[alembic]\nscript_location = one\n[second]\nscript_location = two\n",
    )
    assert locate(two).section == "second"


def test_an_ini_above_that_cannot_be_read_is_named(project):
    made = folder(project / "a" / "db")
    write(project / "alembic.ini", "no section\n")
    with pytest.raises(ConfigurationError, match=f"{project}/alembic.ini cannot be read"):
        locate(made)


def test_an_ini_with_umlauts_is_read(project):
    made = folder(project / "bücher")
    (project / "alembic.ini").write_text("[alembic]\nscript_location = bücher\n", "utf-8")
    assert locate(None).folder == made


# -- hostile names --------------------------------------------------------------------------------

HOSTILE = [
    "with space",
    "ünïcödé",
    "100%",
    "%(here)s",
    "quo'te\"s",
    "co:lon",
    "semi;colon",
    "com,ma",
    "new\nline",
    "[brackets]",
    "-dash",
    "{curly}",
    "#hash",
]


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_folder_of_any_name_is_migrated_from(name, tmp_path, engine):
    project = tmp_path / name
    project.mkdir()
    made = Directory(project, name)
    made.template("async") if name == "with space" else made.tables(1)
    made.env(
        "from alembic import context\n"
        "context.configure(connection=context.config.attributes['connection'])\n"
        "with context.begin_transaction():\n"
        "    context.run_migrations()\n"
    )
    if name == "with space":
        made.tables(1)
    result = await schemakit.upgrade(engine, migrations=made.path)
    assert result.heads_after == ("r1",)
    assert Path(made.path).name == name
