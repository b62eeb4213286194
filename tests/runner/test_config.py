"""The configuration that env.py and the revisions see."""

import importlib
import py_compile
import sys
from argparse import Namespace

import pytest
from alembic.config import Config

import schemakit
from schemakit import Migrations
from schemakit.errors import ConfigurationError

ENV = """
from alembic import context
from sqlalchemy import text

config = context.config
connection = config.attributes["connection"]
{}
context.configure(connection=connection)
with context.begin_transaction():
    context.run_migrations()
"""


@pytest.fixture
def elsewhere(monkeypatch, tmp_path_factory):
    """Stand in a directory that has nothing to do with the project."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture
def clean_path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


def ini(directory, text, name="alembic.ini"):
    (directory.project / name).write_text(text)
    return directory


async def versions(oracle):
    rows = await oracle.fetch("select version_num from alembic_version order by 1")
    return [row["version_num"] for row in rows]


# -- paths in the ini -----------------------------------------------------------------------------


async def test_relative_version_locations_start_at_the_ini(directory, engine, oracle, elsewhere):
    directory.env(ENV.format(""))
    directory.revision("a1", down=None, folder="../a").revision("b1", down=None, folder="../b")
    ini(
        directory,
        "[alembic]\nscript_location = migrations\n"
        "version_locations = a b\npath_separator = space\n",
    )
    await schemakit.upgrade(engine, "heads", migrations=directory)
    assert await versions(oracle) == ["a1", "b1"]


async def test_version_locations_below_here_are_found(directory, engine, oracle, elsewhere):
    directory.env(ENV.format(""))
    directory.revision("a1", down=None, folder="../a").revision("b1", down=None, folder="../b")
    ini(
        directory,
        "[alembic]\nscript_location = %(here)s/migrations\n"
        "version_locations = %(here)s/a:%(here)s/b\npath_separator = os\n",
    )
    await schemakit.upgrade(engine, "heads", migrations=directory)
    assert await versions(oracle) == ["a1", "b1"]


@pytest.mark.filterwarnings("ignore:No path_separator found:DeprecationWarning")
async def test_version_locations_of_an_old_ini_are_split_as_they_used_to_be(
    directory, engine, oracle, elsewhere
):
    directory.env(ENV.format(""))
    directory.revision("a1", down=None, folder="../a").revision("b1", down=None, folder="../b")
    ini(directory, "[alembic]\nscript_location = migrations\nversion_locations = a, b\n")
    await schemakit.upgrade(engine, "heads", migrations=directory)
    assert await versions(oracle) == ["a1", "b1"]


@pytest.mark.filterwarnings("ignore:The version_path_separator:DeprecationWarning")
async def test_a_version_path_separator_is_understood(directory, engine, oracle, elsewhere):
    directory.env(ENV.format(""))
    directory.revision("a1", down=None, folder="../a").revision("b1", down=None, folder="../b")
    ini(
        directory,
        "[alembic]\nscript_location = migrations\nversion_locations = a;b\n"
        "version_path_separator = ;\n",
    )
    await schemakit.upgrade(engine, "heads", migrations=directory)
    assert await versions(oracle) == ["a1", "b1"]


async def test_version_locations_of_a_pyproject_are_found(directory, engine, oracle, elsewhere):
    directory.env(ENV.format(""))
    directory.revision("a1", down=None, folder="../a").revision("b1", down=None, folder="../b")
    ini(
        directory,
        '[tool.alembic]\nscript_location = "%(here)s/migrations"\n'
        'version_locations = ["%(here)s/a", "b"]\n',
        "pyproject.toml",
    )
    await schemakit.upgrade(engine, "heads", migrations=directory)
    assert await versions(oracle) == ["a1", "b1"]


async def test_version_locations_of_the_call_start_at_the_working_directory(
    directory, engine, oracle, monkeypatch
):
    directory.revision("a1", down=None, folder="../a").revision("b1", down=None, folder="../b")
    monkeypatch.chdir(directory.project)
    migrations = Migrations("migrations", version_locations=["a", "b"])
    await schemakit.upgrade(engine, "heads", migrations=migrations)
    assert await versions(oracle) == ["a1", "b1"]


async def test_folders_in_the_folder_are_searched_where_the_ini_says_so(directory, engine, oracle):
    directory.env(ENV.format(""))
    directory.revision("r1", folder="versions/2024").revision("r2", folder="versions/2025/01")
    ini(
        directory,
        "[alembic]\nscript_location = migrations\nrecursive_version_locations = true\n",
    )
    await schemakit.upgrade(engine, migrations=directory)
    assert await versions(oracle) == ["r2"]


async def test_folders_in_the_folder_are_left_alone_otherwise(directory, engine, oracle):
    directory.env(ENV.format("")).revision("r1").revision("r2", folder="versions/2025")
    await schemakit.upgrade(engine, migrations=directory)
    assert await versions(oracle) == ["r1"]


async def test_revisions_without_their_source_run_where_the_ini_says_so(directory, engine, oracle):
    directory.env(ENV.format("")).revision("r1")
    source = directory.path / "versions" / "r1.py"
    py_compile.compile(str(source), cfile=str(source.with_suffix(".pyc")))
    source.unlink()
    ini(directory, "[alembic]\nscript_location = migrations\nsourceless = true\n")
    await schemakit.upgrade(engine, migrations=directory)
    assert await versions(oracle) == ["r1"]


async def test_prepend_sys_path_starts_at_the_ini(directory, engine, oracle, elsewhere, clean_path):
    (directory.project / "src").mkdir()
    (directory.project / "src" / "models_prepended.py").write_text("name = 't1'\n")
    directory.env(ENV.format("import models_prepended"))
    directory.revision(
        "r1", 'import models_prepended\nop.execute(f"create table {models_prepended.name} ()")'
    )
    ini(
        directory,
        "[alembic]\nscript_location = migrations\nprepend_sys_path = src\npath_separator = os\n",
    )
    importlib.invalidate_caches()
    await schemakit.upgrade(engine, migrations=directory)
    assert await oracle.fetchval("select to_regclass('t1')::text") == "t1"
    sys.modules.pop("models_prepended", None)


# -- values ---------------------------------------------------------------------------------------


async def test_a_section_of_the_ini_is_read(directory, engine, oracle):
    directory.env(
        ENV.format(
            'assert config.config_ini_section == "second"\n'
            'assert config.get_main_option("tenant") == "acme"'
        )
    ).tables(1)
    ini(
        directory,
        "[alembic]\nscript_location = elsewhere\n"
        "[second]\nscript_location = migrations\ntenant = acme\n",
    )
    migrations = Migrations(directory.path, ini_section="second")
    await schemakit.upgrade(engine, migrations=migrations)
    assert await versions(oracle) == ["r1"]


async def test_the_url_of_the_ini_is_shown_and_not_connected_to(directory, engine, oracle):
    url = "postgresql+asyncpg://someone:secret@nowhere.invalid/app"
    directory.env(ENV.format(f'assert config.get_main_option("sqlalchemy.url") == "{url}"'))
    directory.tables(1)
    ini(directory, f"[alembic]\nscript_location = migrations\nsqlalchemy.url = {url}\n")
    await schemakit.upgrade(engine, migrations=directory)
    assert await versions(oracle) == ["r1"]


async def test_a_percent_sign_in_a_url_that_nobody_reads_is_no_matter(directory, engine, oracle):
    directory.env(ENV.format("")).tables(1)
    ini(
        directory,
        "[alembic]\nscript_location = migrations\nsqlalchemy.url = postgresql://a:p%40s@h/d\n",
    )
    await schemakit.upgrade(engine, migrations=directory)
    assert await versions(oracle) == ["r1"]


async def test_a_variable_that_is_missing_in_a_url_that_nobody_reads_is_no_matter(
    directory, engine, oracle
):
    directory.env(ENV.format("")).tables(1)
    ini(
        directory,
        "[alembic]\nscript_location = migrations\nsqlalchemy.url = postgresql://%(DB_HOST)s/d\n",
    )
    await schemakit.upgrade(engine, migrations=directory)
    assert await versions(oracle) == ["r1"]


async def test_an_env_py_may_set_a_url_in_a_directory_without_an_ini(directory, engine, oracle):
    directory.env(
        ENV.format(
            'assert config.config_file_name.endswith(".ini")\n'
            'config.set_main_option("sqlalchemy.url", "postgresql://a:%%40@h/d?ssl=require")\n'
            'assert config.get_section("alembic")["sqlalchemy.url"].endswith("ssl=require")'
        )
    ).tables(1)
    await schemakit.upgrade(engine, migrations=directory)
    assert await versions(oracle) == ["r1"]


# -- the caller's own Config ----------------------------------------------------------------------


async def test_a_config_of_a_file_is_migrated_from(directory, engine, oracle, monkeypatch):
    directory.env(ENV.format('assert config.get_main_option("tenant") == "acme"')).tables(1)
    ini(directory, "[alembic]\nscript_location = migrations\n")
    monkeypatch.chdir(directory.project)
    config = Config("alembic.ini")
    config.set_main_option("tenant", "acme")
    await schemakit.upgrade(engine, migrations=config)
    assert await versions(oracle) == ["r1"]


async def test_a_config_of_a_file_is_migrated_from_elsewhere(directory, engine, oracle, elsewhere):
    directory.env(ENV.format("")).tables(1)
    ini(directory, "[alembic]\nscript_location = migrations\n")
    config = Config(directory.project / "alembic.ini")
    await schemakit.upgrade(engine, migrations=config)
    assert await versions(oracle) == ["r1"]


async def test_a_config_without_a_file_is_migrated_from(directory, engine, oracle):
    directory.env(ENV.format('assert config.attributes["tenant"] == "acme"')).tables(1)
    config = Config(attributes={"tenant": "acme"})
    config.set_main_option("script_location", str(directory.path))
    config.set_main_option("sqlalchemy.url", "postgresql://nowhere.invalid/app")
    await schemakit.upgrade(engine, migrations=config)
    assert await versions(oracle) == ["r1"]


async def test_values_that_a_config_fills_in_are_filled_in(directory, engine, oracle):
    directory.env(
        ENV.format('assert config.get_main_option("sqlalchemy.url") == "postgresql://db/app"')
    ).tables(1)
    ini(
        directory,
        "[alembic]\nscript_location = %(here)s/migrations\n"
        "sqlalchemy.url = postgresql://%(host)s/app\n",
    )
    config = Config(directory.project / "alembic.ini", config_args={"host": "db"})
    await schemakit.upgrade(engine, migrations=config)
    assert await versions(oracle) == ["r1"]


async def test_other_sections_of_a_config_are_kept(directory, engine, oracle):
    directory.env(
        ENV.format('assert config.get_section_option("tenants", "first") == "acme"')
    ).tables(1)
    config = Config()
    config.set_main_option("script_location", str(directory.path))
    config.set_section_option("tenants", "first", "acme")
    await schemakit.upgrade(engine, migrations=config)
    assert await versions(oracle) == ["r1"]


async def test_the_callers_config_is_left_as_it_was(directory, engine):
    directory.env(ENV.format("")).tables(1)
    config = Config()
    config.set_main_option("script_location", str(directory.path))
    await schemakit.upgrade(engine, migrations=config)
    assert config.attributes == {}
    assert dict(config.file_config.items("alembic", raw=True)) == {
        "here": config.config_args["here"],
        "script_location": str(directory.path),
    }


async def test_x_of_the_callers_config_arrives(directory, engine, oracle):
    directory.env(
        ENV.format('assert context.get_x_argument(as_dictionary=True) == {"tenant": "acme"}')
    ).tables(1)
    config = Config(cmd_opts=Namespace(x=["tenant=acme"]))
    config.set_main_option("script_location", str(directory.path))
    await schemakit.upgrade(engine, migrations=config)
    assert await versions(oracle) == ["r1"]


async def test_a_path_separator_of_another_kind_is_named(directory, engine):
    directory.env(ENV.format("")).tables(1)
    ini(
        directory,
        "[alembic]\nscript_location = migrations\nprepend_sys_path = .\npath_separator = pipe\n",
    )
    with pytest.raises(ConfigurationError, match="'pipe' is not a valid value"):
        await schemakit.upgrade(engine, migrations=directory)
