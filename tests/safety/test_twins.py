"""Types and functions that went along with a table: what becomes of them, and of their twins."""

import pytest
from sqlalchemy import make_url
from tests.safety.dump import changed, dumped

from schemakit.runner.settings import Settings
from schemakit.safety import (
    backup_table,
    cleanup_backups,
    drop_table,
    restore_backup,
    verify_backup,
)

ALLOWED = Settings(allow_destructive="a test", lock_timeout=1, retry_for=0)
MADE = """
    CREATE TYPE order_state AS ENUM ('new', 'paid');
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
      $f$ BEGIN NEW.note := 'old'; RETURN NEW; END $f$;
    CREATE TABLE orders (id int PRIMARY KEY, note text, state order_state DEFAULT 'new');
    CREATE TRIGGER touch BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION touch();
    INSERT INTO orders (id) VALUES (1)
"""


@pytest.fixture
def dsn(database_url):
    url = make_url(database_url).set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


ARCHIVE = """;
    CREATE TABLE archive_orders (state order_state); INSERT INTO archive_orders VALUES ('paid')
"""


async def places(oracle):
    """Where types of that name are, each with the tables that have a column of it."""
    rows = await oracle.fetch("""
        SELECT n.nspname, (SELECT array_agg(attrelid::regclass::text ORDER BY 1)
                             FROM pg_attribute WHERE atttypid = t.oid)
          FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace
         WHERE typname = 'order_state' ORDER BY 1""")
    return {row[0]: row[1] for row in rows}


async def same(oracle, dsn, before):
    await oracle.execute("DROP SCHEMA schemakit_backups CASCADE")
    return changed(before, await dumped(dsn)) == []


async def drop(engine, name):
    return await drop_table(engine, name, cascade=True, settings=ALLOWED)


async def restore(engine, backup, **more):
    return await restore_backup(engine, backup, settings=ALLOWED, **more)


async def removed(engine, backup):
    return (await cleanup_backups(engine, [backup], settings=ALLOWED)).failed == ()


@pytest.mark.parametrize("shared", [False, True])
async def test_a_table_that_comes_back_lies_on_living_types(engine, oracle, dsn, shared):
    await oracle.execute(MADE)
    before = await dumped(dsn)
    if shared:  # then the type stays, and goes with the table that makes way
        await oracle.execute("CREATE TABLE other (state order_state)")
    first = await drop(engine, "orders")
    if shared:
        await oracle.execute("DROP TABLE other")
    await oracle.execute("CREATE TABLE orders (id int PRIMARY KEY, state order_state)")
    done = await restore(engine, first, overwrite=True)
    assert "orders" in (await places(oracle))["public"]
    assert done.left == ()
    assert await removed(engine, done.overwritten)
    assert await same(oracle, dsn, before)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_tables_that_share_a_type_come_back_in_any_order(engine, oracle, dsn, order):
    await oracle.execute(MADE + ARCHIVE)
    before = await dumped(dsn)
    both = [await drop(engine, "orders"), await drop(engine, "archive_orders")]
    for backup in both:
        await verify_backup(engine, backup)
    assert (await restore(engine, both[order[0]])).left == ()
    (place,) = await places(oracle)
    assert place == "public"
    await verify_backup(engine, both[order[1]])
    assert (await restore(engine, both[order[1]])).left == ()
    assert await same(oracle, dsn, before)


@pytest.mark.parametrize("first", ["orders", "archive_orders"])
@pytest.mark.parametrize("back", ["orders", "archive_orders"])
async def test_of_two_one_comes_back_and_the_other_is_removed(engine, oracle, dsn, first, back):
    await oracle.execute(MADE + ARCHIVE)
    second = "orders" if first == "archive_orders" else "archive_orders"
    backups = {name: await drop(engine, name) for name in (first, second)}
    gone = "orders" if back == "archive_orders" else "archive_orders"
    assert (await restore(engine, backups[back])).left == ()
    assert await removed(engine, backups[gone])
    assert await places(oracle) == {"public": [back]}
    assert await oracle.fetchval(f"SELECT count(state) FROM {back}") == 1


async def test_of_two_the_one_that_has_the_type_goes_last(engine, oracle):
    await oracle.execute(MADE + ARCHIVE)
    first, second = await drop(engine, "orders"), await drop(engine, "archive_orders")
    assert not await removed(engine, second)
    assert await removed(engine, first)
    assert await removed(engine, second)


async def test_a_domain_over_an_archived_type_is_not_removed_along_with_it(engine, oracle):
    await oracle.execute(MADE)
    backup = await drop(engine, "orders")
    place = backup.relation.schema
    await oracle.execute(f'CREATE DOMAIN d AS "{place}".order_state; CREATE TABLE k (x d)')
    done = await cleanup_backups(engine, [backup], settings=ALLOWED)
    assert "type d" in done.failed[0][1]
    assert await oracle.fetchval("SELECT count(x) FROM k") == 0


ORDINARY = {
    "another table": "CREATE TABLE other (state order_state)",
    "a label": "ALTER TYPE order_state ADD VALUE 'sent' BEFORE 'paid'",
    "a function": "CREATE FUNCTION f(order_state) RETURNS int LANGUAGE sql AS 'SELECT 1'",
}


@pytest.mark.parametrize("done", ORDINARY)
async def test_what_others_make_of_a_type_is_no_damage(engine, oracle, done):
    await oracle.execute(MADE)
    backup = await drop(engine, "orders")
    await verify_backup(engine, backup)
    await oracle.execute(ORDINARY[done])
    await verify_backup(engine, backup)
    await restore(engine, backup)
    assert set(await places(oracle)) == {"public"}
    await oracle.execute("INSERT INTO orders VALUES (2, '', 'paid'::order_state)")
    assert await oracle.fetchval("SELECT array_agg(state::text) FROM orders") == ["new", "paid"]


async def test_what_others_make_of_a_type_that_stayed_is_no_damage(engine, oracle):
    await oracle.execute(MADE + ARCHIVE)
    backup = await drop(engine, "orders")
    await verify_backup(engine, backup)
    await oracle.execute("ALTER TYPE order_state ADD VALUE 'sent'; DROP TABLE archive_orders")
    await verify_backup(engine, backup)
    assert (await restore(engine, backup)).left == ()


async def test_what_is_made_of_a_backup_lies_on_living_types(engine, oracle, dsn):
    await oracle.execute(MADE)
    before = await dumped(dsn)
    backup = await drop(engine, "orders")
    await verify_backup(engine, backup)
    await restore(engine, backup, to="o2")
    assert (await places(oracle))["public"] == [str(backup.relation).replace('"', ""), "o2"]
    await verify_backup(engine, backup)
    assert (await restore(engine, backup)).left == ()
    await oracle.execute("DROP TABLE o2")
    assert await same(oracle, dsn, before)


async def test_or_on_the_twin_where_others_need_that(engine, oracle):
    await oracle.execute(MADE)
    backup = await drop(engine, "orders")
    await oracle.execute("CREATE TABLE other (state order_state)")
    await restore(engine, backup, to="o2")
    assert (await places(oracle))["public"] == ["o2", "other"]
    assert await removed(engine, backup)
    assert await oracle.fetchval("SELECT state::text FROM o2") == "new"


async def test_a_copy_that_is_made_anew_shares_the_type_with_an_archived_table(engine, oracle, dsn):
    await oracle.execute(MADE + ARCHIVE)
    before = await dumped(dsn)
    copy = await backup_table(engine, "orders")
    await oracle.execute("DROP TABLE orders")
    moved = await drop(engine, "archive_orders")
    await restore(engine, copy, drop_backup=True)
    assert list(await places(oracle)) == ["public"]
    await restore(engine, moved)
    assert await same(oracle, dsn, before)


async def test_a_type_that_a_view_needs_as_well_comes_home_under_another_name(engine, oracle):
    await oracle.execute(MADE + "; CREATE VIEW v AS SELECT state FROM orders")
    oid = await oracle.fetchval("SELECT 'order_state'::regtype::oid::bigint")
    backup = await drop(engine, "orders")
    await oracle.execute("CREATE TABLE other (state order_state)")
    (left,) = (await restore(engine, backup)).left
    assert left == (
        "type public.order_state: column state of table public.other needs the one that took its"
        f" place; the table's is called order_state_{oid} now"
    )
    assert await oracle.fetchval("SELECT state::text FROM v") == "new"
    assert await oracle.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname ~ 'backup_'") == 0


REPLACED = """
    CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
      $f$ BEGIN NEW.note := 'new'; RETURN NEW; END $f$
"""


async def test_a_function_that_was_replaced_meanwhile_is_named(engine, oracle):
    await oracle.execute(MADE)
    backup = await drop(engine, "orders")
    await verify_backup(engine, backup)
    await oracle.execute(REPLACED)
    done = await restore(engine, backup)
    assert done.left == (
        "function public.touch(): it was replaced meanwhile, and keeps the newer code",
    )
    await oracle.execute("INSERT INTO orders VALUES (2)")
    assert await oracle.fetchval("SELECT note FROM orders WHERE id = 2") == "new"


async def test_a_function_that_others_need_by_now_is_kept_beside_the_original(engine, oracle):
    await oracle.execute(MADE)
    backup = await drop(engine, "orders")
    await oracle.execute(REPLACED)
    await oracle.execute(
        "CREATE TABLE other (note text); CREATE TRIGGER touch BEFORE INSERT ON other"
        " FOR EACH ROW EXECUTE FUNCTION touch()"
    )
    (left,) = (await restore(engine, backup)).left
    assert "function public.touch(): trigger touch on table public.other needs" in left
    await oracle.execute("INSERT INTO orders VALUES (2); INSERT INTO other VALUES ('')")
    assert await oracle.fetchval("SELECT note FROM orders WHERE id = 2") == "old"
    assert await oracle.fetchval("SELECT note FROM other") == "new"


async def test_labels_that_came_meanwhile_are_kept_in_their_order(engine, oracle):
    await oracle.execute(MADE)
    backup = await drop(engine, "orders")
    for each in ("'first' BEFORE 'new'", "'sent' AFTER 'new'", "'last'"):
        await oracle.execute(f"ALTER TYPE order_state ADD VALUE {each}")
    done = await restore(engine, backup)
    assert done.left == (
        "type public.order_state: it keeps what was added to it meanwhile: 'first', 'sent', 'last'",
    )
    labels = await oracle.fetchval("SELECT enum_range(NULL::order_state)::text")
    assert labels == "{first,new,sent,paid,last}"


async def test_a_function_of_the_type_moves_with_it(engine, oracle, dsn):
    await oracle.execute(MADE)
    await oracle.execute("""
        CREATE FUNCTION is_open(state order_state) RETURNS bool LANGUAGE sql IMMUTABLE
          AS $$ SELECT state = 'new' $$;
        ALTER TABLE orders ADD CHECK (is_open(state))""")
    before = await dumped(dsn)
    backup = await drop(engine, "orders")
    await verify_backup(engine, backup)
    await oracle.execute("DROP FUNCTION is_open(order_state); DROP TYPE order_state")
    assert (await restore(engine, backup)).left == ()
    backup = await drop(engine, "orders")
    assert (await restore(engine, backup)).left == ()
    assert await same(oracle, dsn, before)
