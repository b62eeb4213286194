"""From a statement's text to its `Effects`: decided on the parse tree, measured against the server.

`tests/sql/test_effects_on_server.py` runs each statement and compares with ``pg_locks``. From
PostgreSQL 14 to 18 the answers are the same.
"""

from __future__ import annotations

from schemakit.sql.text import is_empty

from . import statements as on
from .model import Effects, together, unknown
from .nodes import Node, inner, kind_of, type_of
from .rows import copy, explain, rows, table_as, view
from .tables import alter_table, create_table

_READERS: dict[str, on.Reader | Effects] = {
    "alter_database_refresh_coll_stmt": Effects(),
    "alter_database_set_stmt": Effects(),
    "alter_database_stmt": on.APART,
    "alter_domain_stmt": on.domain,
    "alter_enum_stmt": on.enumeration,
    "alter_extension_stmt": on.OPAQUE,
    "alter_object_depends_stmt": on.depends,
    "alter_object_schema_stmt": on.set_schema,
    "alter_policy_stmt": on.policy,
    "alter_publication_stmt": on.publication,
    "alter_seq_stmt": on.sequence,
    "alter_subscription_stmt": on.SUBSCRIPTION,
    "alter_system_stmt": on.APART,
    "alter_table_move_all_stmt": on.EVERYTHING,
    "alter_table_stmt": alter_table,
    "call_stmt": on.OPAQUE,
    "check_point_stmt": Effects(),
    "cluster_stmt": on.cluster,
    "comment_stmt": on.comment,
    "constraints_set_stmt": Effects(),
    "copy_stmt": copy,
    "create_extension_stmt": on.OPAQUE,
    "create_foreign_table_stmt": lambda node: create_table(node.base_stmt),
    "create_policy_stmt": on.policy,
    "create_publication_stmt": on.publication,
    "create_seq_stmt": on.new_sequence,
    "create_stats_stmt": on.statistics,
    "create_stmt": create_table,
    "create_subscription_stmt": on.SUBSCRIPTION,
    "create_table_as_stmt": table_as,
    "create_table_space_stmt": on.APART,
    "create_trig_stmt": on.trigger,
    "createdb_stmt": on.APART,
    "delete_stmt": rows,
    "discard_stmt": on.discard,
    "do_stmt": on.OPAQUE,
    "drop_owned_stmt": on.EVERYTHING,
    "drop_stmt": on.drop,
    "drop_subscription_stmt": on.SUBSCRIPTION,
    "drop_table_space_stmt": on.APART,
    "dropdb_stmt": on.APART,
    "execute_stmt": on.OPAQUE,
    "explain_stmt": explain,
    "import_foreign_schema_stmt": on.OPAQUE,
    "index_stmt": on.create_index,
    "insert_stmt": rows,
    "load_stmt": on.OPAQUE,
    "lock_stmt": on.lock,
    "merge_stmt": rows,
    "reassign_owned_stmt": on.EVERYTHING,
    "refresh_mat_view_stmt": on.refresh,
    "reindex_stmt": on.reindex,
    "rename_stmt": on.rename,
    "rule_stmt": on.rule,
    "sec_label_stmt": on.comment,
    "select_stmt": rows,
    "transaction_stmt": on.transaction,
    "truncate_stmt": on.truncate,
    "update_stmt": rows,
    "vacuum_stmt": on.vacuum,
    "view_stmt": view,
}


def effects_of(sql: str) -> Effects:
    """Return what *sql* does, as far as its text tells; never fails.

    Args:
        sql: a statement; of several, what all of them do.
    """
    import postgast  # noqa: PLC0415 - loaded when something must be parsed, not before

    if is_empty(sql):
        return Effects()
    try:
        tree = postgast.parse(sql)
        return together(_effects(raw.stmt) for raw in tree.stmts)
    except postgast.PgQueryError:
        return unknown("the parser cannot read it: unknown until it runs")
    except Exception as error:  # noqa: BLE001 - a tree of a shape nobody thought of is no failure
        return unknown(f"its text tells nothing ({type(error).__name__}): unknown until it runs")


def _effects(statement: Node) -> Effects:
    node, kind = inner(statement), kind_of(statement)
    if kind == "create_schema_stmt":
        return together(_effects(each) for each in node.schema_elts)
    if kind == "prepare_stmt":
        return Effects(_effects(node.query).locks)
    reader = _READERS.get(kind)
    if reader is None:
        harmless = kind.startswith(_ABOUT_NO_TABLE) or kind in _HARMLESS
        return Effects() if harmless else unknown(f"{type_of(node)} is not known here")
    return reader if isinstance(reader, Effects) else reader(node)


#: Functions, types, roles, rights, foreign servers, …
_ABOUT_NO_TABLE = ("alter_", "create_", "drop_", "grant_", "variable_")
_HARMLESS = frozenset((
    "close_portal_stmt", "composite_type_stmt", "deallocate_stmt", "declare_cursor_stmt",
    "define_stmt", "fetch_stmt", "listen_stmt", "notify_stmt", "unlisten_stmt",
))  # fmt: skip
