"""The public API is a list, and this test owns it."""

import inspect
import pickle

import pytest

import schemakit
from schemakit import errors
from schemakit.catalog.model import LockHolder
from schemakit.runner.revisions import Applied

PUBLIC = [
    "Applied",
    "Drift",
    "Event",
    "Migrations",
    "Plan",
    "Result",
    "Revision",
    "SchemakitError",
    "Settings",
    "Status",
    "__version__",
    "check",
    "current",
    "downgrade",
    "errors",
    "heads",
    "history",
    "pending",
    "plan",
    "recorded",
    "render_sql",
    "stamp",
    "status",
    "upgrade",
    "wait_until_current",
]
COROUTINES = [
    "check",
    "current",
    "downgrade",
    "heads",
    "history",
    "pending",
    "plan",
    "recorded",
    "render_sql",
    "stamp",
    "status",
    "upgrade",
    "wait_until_current",
]
ERRORS = [
    "AccessDenied",
    "BackupAltered",
    "BackupDamaged",
    "BackupEdited",
    "BackupFileDamaged",
    "BackupFileFailed",
    "BackupFileUnknown",
    "BackupMissing",
    "BackupTooLarge",
    "BackupTruncated",
    "BackupUnknown",
    "BinariesNotFound",
    "ConfigurationError",
    "ConnectionFailed",
    "ConnectionLost",
    "DatabaseAhead",
    "DestructiveMigrationBlocked",
    "EmbeddedError",
    "EnvironmentFailed",
    "EnvironmentRefused",
    "HasDependants",
    "HashMismatch",
    "HashUnknown",
    "KeyRefused",
    "LayoutRefused",
    "LeafUnknown",
    "LockLost",
    "LockRefused",
    "LockTimeout",
    "MigrationsNotFound",
    "MultipleHeads",
    "NotAtHead",
    "NotCommitted",
    "NotCurrent",
    "OperationFailed",
    "PlanFailed",
    "PoolerRefused",
    "ReadOnlyDatabase",
    "RestoreRefused",
    "RevisionFailed",
    "RevisionInterrupted",
    "RoutingFailed",
    "SchemakitError",
    "StatementRefused",
    "TableUnknown",
    "TransactionRefused",
    "TreeRefused",
    "UnknownRevision",
    "UnreachableRevision",
    "UnsupportedServer",
    "UnsupportedTarget",
]
#: Raised only as one of those below it, or with a remedy of its own.
GENERAL = ["ConfigurationError", "EmbeddedError", "SchemakitError"]


def test_the_public_names_are_these():
    assert schemakit.__all__ == PUBLIC


def test_they_are_few_enough_to_be_remembered():
    assert len(schemakit.__all__) <= 25


def test_dir_shows_them():
    assert dir(schemakit) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_package_has(name):
    assert getattr(schemakit, name) is not None


def test_it_has_no_other_name():
    with pytest.raises(AttributeError, match="module 'schemakit' has no attribute 'upgrades'"):
        schemakit.upgrades  # noqa: B018 - asking is the test


@pytest.mark.parametrize("name", COROUTINES)
def test_what_acts_is_a_coroutine(name):
    assert inspect.iscoroutinefunction(getattr(schemakit, name))


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in ("__version__", "errors")])
def test_every_public_name_says_what_it_is(name):
    assert len(inspect.getdoc(getattr(schemakit, name)).splitlines()[0]) > 10


@pytest.mark.parametrize("name", COROUTINES)
def test_every_coroutine_says_what_it_takes_and_gives(name):
    documented = inspect.getdoc(getattr(schemakit, name))
    assert any(word in documented for word in ("Return ", "Returns:", "Arguments, result"))


@pytest.mark.parametrize("name", COROUTINES)
def test_every_argument_has_a_type(name):
    parameters = inspect.signature(getattr(schemakit, name)).parameters.values()
    assert [each.name for each in parameters if each.annotation is each.empty] == []


def test_the_errors_are_these():
    found = [name for name, value in vars(errors).items() if inspect.isclass(value)
             and issubclass(value, Exception)]  # fmt: skip
    assert sorted(found) == ERRORS


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_one_that_can_be_caught_as_ours(name):
    assert issubclass(getattr(errors, name), schemakit.SchemakitError)


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_has_a_sentence(name):
    sentence = getattr(errors, name).__doc__.strip().split("\n\n")[0]
    assert sentence.endswith(".")


@pytest.mark.parametrize("name", [name for name in ERRORS if name not in GENERAL])
def test_every_error_has_a_way_out(name):
    assert getattr(errors, name).remedy.endswith(".")


@pytest.mark.parametrize("name", ERRORS)
def test_the_tree_at_the_top_of_the_module_shows(name):
    assert name in errors.__doc__.split()


def test_an_error_says_its_sentence_the_detail_and_the_way_out():
    error = errors.MultipleHeads("They are a, b.")
    assert str(error) == (
        "The migrations directory has more than one head, so `head` is ambiguous.\n"
        "They are a, b.\n"
        'Remedy: ask for "heads" to take all of them, for one by its id, or merge them: '
        "schemakit merge."
    )


def test_a_remedy_may_be_given_for_the_case():
    assert str(errors.ConfigurationError("x.", remedy="do y.")).endswith("x.\nRemedy: do y.")


APPLIED = Applied("a1", "upgrade", 0.5, "first")
HOLDER = LockHolder(*range(len(LockHolder.__dataclass_fields__)))
MADE = {
    **{
        name: getattr(errors, name)("detail", remedy="way out.")
        for name in ERRORS
        if name not in ("RevisionFailed", "RevisionInterrupted", "LockTimeout")
    },
    "LockTimeout": errors.LockTimeout("detail", holders=[HOLDER]),
    **{
        name: getattr(errors, name)(
            "detail",
            revision="a1",
            path="a1.py",
            statement="select ?",
            applied=[APPLIED],
            heads=["a1"],
            remedy="way out.",
        )
        for name in ("RevisionFailed", "RevisionInterrupted")
    },
}


@pytest.mark.parametrize("error", MADE.values(), ids=MADE.keys())
def test_an_error_goes_from_process_to_process_whole(error):
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
