"""Which relations a query reads, as its plan says."""

from sqlalchemy import text


async def relations_read(connection, query):
    """The names of the relations that the plan of *query*, a text without parameters, reads."""
    (plan,) = (await connection.execute(text(f"EXPLAIN (FORMAT JSON) {query}"))).scalar_one()
    return _relations(plan["Plan"])


def _relations(node):
    own = {node["Relation Name"]} if "Relation Name" in node else set()
    return own.union(*map(_relations, node.get("Plans", [])))
