"""What backups are called, and how long they are kept: from plain values."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemakit.catalog.backup import status_at
from schemakit.errors import ConfigurationError
from schemakit.safety.naming import backup_name, is_backup_name
from schemakit.safety.retention import days_to_keep

NOW = datetime(2026, 11, 24, 15, 30, 9, tzinfo=UTC)
VARIABLE = "MIGRATION_BACKUP_RETENTION_DAYS"


def test_it_is_the_references_name():
    assert backup_name("chunks", NOW) == "chunks_backup_20261124_153009"


def test_the_time_is_utc():
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    assert backup_name("chunks", tokyo) == "chunks_backup_20261124_153009"


@given(st.text(min_size=1))
def test_d04_a_name_keeps_to_63_bytes_and_to_its_time(table):
    name = backup_name(table, NOW)
    assert len(name.encode()) <= 63
    assert name.endswith("_backup_20261124_153009")


def test_d05_a_thousand_in_a_second_are_told_apart():
    taken = set()
    for _ in range(1000):
        taken.add(backup_name("ü" * 60, NOW, taken))
    assert len(taken) == 1000
    assert max(len(name.encode()) for name in taken) <= 63


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chunks_backup_20261124_153009", True),
        ("chunks_backup_20261124_153009_n17", True),
        ("chunks_backup_20261124_153009\n", False),
        ("chunks", False),
    ],
)
def test_d07_a_backup_is_told_by_the_whole_name(name, expected):
    assert is_backup_name(name) is expected


@pytest.mark.parametrize(("environ", "expected"), [({}, 7), ({VARIABLE: " 30 "}, 30)])
def test_d14_the_retention(environ, expected):
    assert days_to_keep(None, environ) == expected


@pytest.mark.parametrize("raw", ["", "abc", "0", "-3", "1.5", "٣", "99999999999"])
def test_d14_a_bad_retention_is_refused_when_it_is_used(raw):
    with pytest.raises(ConfigurationError, match="no number of days"):
        days_to_keep(None, {VARIABLE: raw})


@pytest.mark.parametrize("days", [0, -1, True, 1.5])
def test_d14_a_bad_argument_too(days):
    with pytest.raises(ConfigurationError, match="no number of days"):
        days_to_keep(days)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (timedelta(seconds=0), "EXPIRED"),
        (timedelta(seconds=-1), "EXPIRED"),
        (timedelta(seconds=1), "EXPIRING SOON"),
        (timedelta(hours=24) - timedelta(seconds=1), "EXPIRING SOON"),
        (timedelta(hours=24), "ACTIVE"),
    ],
)
def test_the_status_at_its_bounds(left, expected):
    assert status_at(NOW, NOW + left) == expected


def test_what_never_expires_is_active():
    assert status_at(NOW, None) == "ACTIVE"
