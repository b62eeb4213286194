"""The proportions the code keeps, so that it can be read (docs/design.md)."""

import ast
from pathlib import Path

import pytest

import schemakit

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "schemakit").rglob("*.py"))

LONGEST_FILE = 400
LONGEST_FUNCTION = 50
NO_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "base"}


def name_of(path):
    return str(path.relative_to(ROOT))


def functions(path):
    tree = ast.parse(path.read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def lines(function):
    """How many lines it has, without its docstring: a public one documents its arguments."""
    body = function.body
    documented = ast.get_docstring(function) is not None
    docstring = body[0].end_lineno - body[0].lineno + 1 if documented else 0
    return function.end_lineno - function.lineno + 1 - docstring


def decorators(function):
    return " ".join(ast.unparse(each) for each in function.decorator_list)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_file_scrolls_for_ever(path):
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_function_scrolls(path):
    assert [each.name for each in functions(path) if lines(each) > LONGEST_FUNCTION] == []


def test_nineteen_functions_in_twenty_are_short():
    lengths = [lines(each) for path in SOURCES for each in functions(path)]
    short = [length for length in lengths if length <= 30]
    assert len(short) / len(lengths) >= 0.95


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_file_says_what_it_is_about(path):
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_file_is_named_after_nothing(path):
    assert path.stem not in NO_NAMES


def test_a_conftest_is_a_table_of_contents():
    path = ROOT / "tests" / "conftest.py"
    fixtures = [each.name for each in functions(path) if "fixture" in decorators(each)]
    assert fixtures == []


def test_no_module_is_named_like_a_public_name():
    # Importing it would put the module where the function was.
    top = {path.stem for path in SOURCES if path.parent.name == "schemakit"}
    packages = {path.name for path in (ROOT / "src" / "schemakit").iterdir() if path.is_dir()}
    public = set(schemakit.__all__) - {"errors"}
    assert (top | packages) & public == set()


def test_no_source_imports_psycopg():
    importing = [
        name_of(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and any(
            name.startswith("psycopg")
            for name in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
        )
    ]
    assert importing == []
