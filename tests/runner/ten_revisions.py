"""Ten revisions of every kind, and what a database shows of them: the reference of the faults."""

from __future__ import annotations

_CATALOG = """
SELECT array_agg(line ORDER BY line) FROM (
    SELECT format('column %s.%s %s %s %s', c.relname, a.attname,
                  format_type(a.atttypid, a.atttypmod), a.attnotnull,
                  pg_get_expr(d.adbin, d.adrelid)) AS line
      FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'S', 'p')
    UNION ALL
    SELECT format('index %s valid=%s', pg_get_indexdef(indexrelid), indisvalid)
      FROM pg_index JOIN pg_class c ON c.oid = indrelid
     WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT format('enum %s %s', enumtypid::regtype,
                  string_agg(enumlabel, ',' ORDER BY enumsortorder))
      FROM pg_enum GROUP BY enumtypid
    UNION ALL
    SELECT format('function %s %s', oid::regprocedure, md5(prosrc))
      FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT format('trigger %s', pg_get_triggerdef(oid)) FROM pg_trigger WHERE NOT tgisinternal
) AS lines WHERE line NOT LIKE '%alembic_version%'
"""

ENV = """
from alembic import context

context.configure(
    connection=context.config.attributes["connection"], transaction_per_migration={each}
)
with context.begin_transaction():
    context.run_migrations()
"""

SCRIPT = """
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    NEW.name := upper(NEW.name); -- a semicolon; inside
    RETURN NEW;
END
$body$;
CREATE TRIGGER stamped BEFORE INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION stamp();
INSERT INTO accounts (id, name) VALUES (10, 'ten'), (11, 'eleven');
"""

DO = """
DO $$
DECLARE account record;
BEGIN
    FOR account IN SELECT id FROM accounts LOOP
        INSERT INTO orders (id, account_id) VALUES (100 + account.id, account.id);
    END LOOP;
END
$$
"""

REVISIONS = {
    "r01": """
        op.create_table(
            "accounts",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("name", sa.Text, nullable=False),
        )
    """,
    "r02": """
        op.bulk_insert(
            sa.table("accounts", sa.column("id", sa.Integer), sa.column("name", sa.Text)),
            [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}],
        )
    """,
    "r03": f"op.execute({SCRIPT!r})",
    "r04": """
        op.create_table(
            "orders",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("account_id", sa.Integer, sa.ForeignKey("accounts.id"), nullable=False),
        )
    """,
    "r05": """
        with op.get_context().autocommit_block():
            op.create_index(
                "orders_by_account", "orders", ["account_id"], postgresql_concurrently=True
            )
    """,
    "r06": """
        op.execute("CREATE TYPE mood AS ENUM ('sad', 'happy')")
        op.execute("ALTER TABLE accounts ADD COLUMN mood mood DEFAULT 'sad'")
    """,
    "r07": """
        with op.get_context().autocommit_block():
            op.execute("ALTER TYPE mood ADD VALUE 'fine' AFTER 'sad'")
    """,
    "r08": f"op.execute({DO!r})",
    "r09": """
        op.get_bind().execute(
            sa.text("INSERT INTO accounts (id, name, mood) VALUES (:id, :name, 'fine')"),
            {"id": 20, "name": "twenty"},
        )
    """,
    "r10": """
        op.alter_column("accounts", "mood", nullable=False)
        op.drop_constraint("orders_account_id_fkey", "orders")
        op.create_foreign_key(
            "orders_account", "orders", "accounts", ["account_id"], ["id"], ondelete="CASCADE"
        )
    """,
}
#: Those that commit a part of themselves, and which part the next run knows how to deal with.
OUTSIDE = ("r05", "r07")


def written(directory, *, each=True):
    """Write the ten revisions into *directory*, with a transaction for *each* or one for all."""
    directory.env(ENV.format(each=each))
    for name, body in REVISIONS.items():
        directory.revision(name, body)
    return directory.settle()


async def shown(oracle):
    """All that the ten revisions touch, as the server shows it; without the version table."""
    lines = await oracle.fetchval(_CATALOG) or []
    for table in ("accounts", "orders"):
        if await oracle.fetchval("SELECT to_regclass($1)", table):
            rows = await oracle.fetchval(f"SELECT array_agg(t::text ORDER BY id) FROM {table} t")
            lines.append(f"rows of {table} {rows}")
    return lines
