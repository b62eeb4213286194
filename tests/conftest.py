"""The table of contents of the fixtures; each lives beside its subject."""

pytest_plugins = (
    "tests.fix_signals",
    "tests.fix_postgres",
    "tests.fix_pooler",
    "tests.fix_directory",
)
