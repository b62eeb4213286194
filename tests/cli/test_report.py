import json

import pytest

from schemakit.catalog.model import IndexName, LockHolder
from schemakit.errors import LockTimeout, MigrationsNotFound, RevisionFailed
from schemakit.report import json as as_json
from schemakit.report import text
from schemakit.runner.findings import Drift, Status
from schemakit.runner.results import Event, Result
from schemakit.runner.revisions import Applied, Revision

OLD = Revision("a1", doc="first", path="/m/a1.py")
NEW = Revision("b2", ("a1",), "second", "/m/b2.py", ("shop",), (), is_head=True)
OLD_JSON = {
    "id": "a1",
    "down": [],
    "doc": "first",
    "path": "/m/a1.py",
    "labels": [],
    "depends_on": [],
    "is_head": False,
}
NEW_JSON = {
    "id": "b2",
    "down": ["a1"],
    "doc": "second",
    "path": "/m/b2.py",
    "labels": ["shop"],
    "depends_on": [],
    "is_head": True,
}
HOLDER = LockHolder(7, "app", "local", "active", 2.5, "SELECT ?")
HOLDER_JSON = {
    "pid": 7,
    "application_name": "app",
    "client": "local",
    "state": "active",
    "seconds": 2.5,
    "query": "SELECT ?",
}
APPLIED = Applied("a1", "upgrade", 0.5, "first")
APPLIED_JSON = {"revision": "a1", "direction": "upgrade", "duration": 0.5, "doc": "first"}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            as_json.result(Result("upgrade", (APPLIED,), (), ("a1",), 0.25, 1.5)),
            {
                "command": "upgrade",
                "changed": True,
                "applied": [APPLIED_JSON],
                "heads_before": [],
                "heads_after": ["a1"],
                "waited": 0.25,
                "duration": 1.5,
                "ahead": [],
                "committed": True,
            },
        ),
        (
            as_json.status(
                Status("d", "18.6", ("a1",), ("b2",), (NEW,), (), (IndexName("public", "ix", "t"),))
            ),
            {
                "database": "d",
                "server": "18.6",
                "at_head": False,
                "current": ["a1"],
                "heads": ["b2"],
                "pending": [NEW_JSON],
                "unknown": [],
                "invalid_indexes": [{"schema": "public", "name": "ix", "table": "t"}],
                "changed": [],
                "key_triggers": [],
            },
        ),
        (
            as_json.event(Event("waiting_for_lock", "upgrade", NEW, 1, 2, 5.0, (HOLDER,), "x")),
            {
                "kind": "waiting_for_lock",
                "command": "upgrade",
                "revision": NEW_JSON,
                "position": 1,
                "total": 2,
                "seconds": 5.0,
                "holders": [HOLDER_JSON],
                "message": "x",
                "rows": 0,
                "bytes": 0,
                "of_bytes": 0,
            },
        ),
        (as_json.event(Event("started", "upgrade"))["revision"], None),
        (as_json.current(()), {"current": []}),
        (as_json.heads((NEW,), None), {"heads": [NEW_JSON], "current": None}),
        (
            as_json.history((NEW, OLD), ("a1",)),
            {"revisions": [NEW_JSON, OLD_JSON], "current": ["a1"]},
        ),
        (as_json.pending((OLD,)), {"pending": [OLD_JSON]}),
        (as_json.written((OLD,)), {"written": [OLD_JSON]}),
        (
            as_json.drift(Drift(("op.drop_table('t')",), (NEW,))),
            {"differs": True, "differences": ["op.drop_table('t')"], "pending": [NEW_JSON]},
        ),
        (as_json.drift(Drift()), {"differs": False, "differences": [], "pending": []}),
        (
            as_json.error(MigrationsNotFound("Looked here.")),
            {
                "error": {
                    "type": "MigrationsNotFound",
                    "message": "No migrations directory was found.\nLooked here.",
                    "remedy": 'name it: migrations="path/to/folder" or '
                    'migrations="package:folder".',
                }
            },
        ),
        (
            as_json.error(RevisionFailed("No.", revision="b2", applied=(APPLIED,), heads=("a1",))),
            {
                "error": {
                    "type": "RevisionFailed",
                    "message": "A revision failed.\nNo.",
                    "remedy": "mend the revision and run again; "
                    "it goes on from the heads named above.",
                    "revision": "b2",
                    "path": None,
                    "direction": "upgrade",
                    "statement": None,
                    "applied": [APPLIED_JSON],
                    "heads": ["a1"],
                    "partial": False,
                    "blockers": [],
                }
            },
        ),
        (as_json.error(LockTimeout(holders=[HOLDER]))["error"]["holders"], [HOLDER_JSON]),
    ],
)
def test_shapes(found, expected):
    assert found == expected
    assert json.loads(json.dumps(found)) == expected


def test_history_marks_the_head_and_the_current_revision():
    assert text.history((NEW, OLD), ("a1",)) == (
        "a1 -> b2 (shop) (head), second\n<base> -> a1, first  <- current"
    )


def test_history_of_an_empty_database():
    assert text.history((OLD,), ()) == "<base> -> a1, first\n<base>  <- current"


def test_history_of_a_database_that_is_ahead():
    assert text.history((OLD,), ("c3",)) == "c3, unknown here  <- current\n<base> -> a1, first"


def test_history_without_a_database():
    assert text.history((OLD,), None) == "<base> -> a1, first"


def test_history_without_revisions():
    assert text.history((), None) == "no revisions"


def test_pending():
    assert text.pending((OLD, NEW)) == "<base> -> a1, first\na1 -> b2 (shop) (head), second"
    assert text.pending(()) == "nothing is pending"


def test_current():
    assert text.current(("a1", "b2")) == "a1\nb2"
    assert text.current(()) == "base"
