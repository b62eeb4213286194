"""What the text of an env.py says of the version table: decided from its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Collection

from schemakit.sql import Name

_TABLE_ARGUMENTS = ("version_table", "version_table_schema")


def declares_table(source: str, table: Name, default: str = "alembic_version") -> bool:
    """Whether the text of an env.py says by itself that the version table is *table*.

    It does if every call of ``configure`` for a database says so in literals, if nothing else in it
    speaks of a version table, and if no arguments are passed on unseen (``**options``): then it
    says so again next time, whatever branch it takes.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    runs = _names_of_run(tree)
    configures = [call for call in calls if _is_configure(call, runs)]
    online = [call for call in configures if not _is_offline(call)]
    own = {id(keyword) for call in configures for keyword in call.keywords}
    return (
        bool(online)
        and not any(_is_unseen(call) for call in calls)
        and not any(_speaks_of_a_table(node, own) for node in ast.walk(tree))
        and all(_declared(call, default) == (table.name, table.schema) for call in online)
    )


def _declared(call: ast.Call, default: str) -> tuple[object, object] | None:
    """Return name and schema of the version table that *call* names in literals."""
    given: dict[str | None, object] = {}
    for keyword in call.keywords:
        if keyword.arg in _TABLE_ARGUMENTS:
            if not isinstance(keyword.value, ast.Constant):
                return None
            given[keyword.arg] = keyword.value.value
    name, schema = _TABLE_ARGUMENTS
    return given.get(name, default), given.get(schema)


def _is_configure(call: ast.Call, runs: Collection[str]) -> bool:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name == "configure" or ast.unparse(function) in runs


def _names_of_run(tree: ast.Module) -> set[str]:
    """Return what `schemakit.env.run` is called in *tree*; ``asyncio.run`` is another function."""
    names = {"schemakit.env.run"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                called = alias.asname or alias.name
                if (node.module, alias.name) == ("schemakit.env", "run"):
                    names.add(called)
                elif (node.module, alias.name) == ("schemakit", "env"):
                    names.add(f"{called}.run")
        elif isinstance(node, ast.Import):
            named = {alias.name: alias.asname for alias in node.names if alias.asname}
            names |= {f"{called}.run" for name, called in named.items() if name == "schemakit.env"}
    return names


def _is_offline(call: ast.Call) -> bool:
    given = {keyword.arg for keyword in call.keywords}
    return bool(given & {"url", "dialect_name"}) and "connection" not in given and not call.args


def _is_unseen(call: ast.Call) -> bool:
    return any(keyword.arg is None for keyword in call.keywords)


def _speaks_of_a_table(node: ast.AST, own: Collection[int]) -> bool:
    """Whether *node* names an argument for the version table elsewhere than where it is read."""
    if isinstance(node, ast.keyword):
        return node.arg in _TABLE_ARGUMENTS and id(node) not in own
    return isinstance(node, ast.Constant) and node.value in _TABLE_ARGUMENTS
