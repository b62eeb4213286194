"""Reading postmaster.pid, whatever state it is in."""

from pathlib import Path

import pytest

from schemakit.embedded.postmaster import Postmaster, State, command_line, state_of

WHOLE = "4711\n/data\n1700000000\n5432\n/run/s\n\n  12345  678\nready   \n"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (WHOLE, Postmaster(4711, Path("/run/s"), "ready")),
        ("4711\n/data\n1700000000\n5432\n", Postmaster(4711, None, "")),
        ("4711", Postmaster(4711, None, "")),
        ("", None),
        ("\n", None),
        ("garbage\n", None),
    ],
)
def test_parse(text, read):
    assert Postmaster.parse(text) == read


def test_a_file_that_says_ready_is_not_believed_without_a_socket(tmp_path):
    (tmp_path / "postmaster.pid").write_text(WHOLE.replace("/run/s", str(tmp_path)))
    assert state_of(tmp_path) is State.DOWN


def test_no_process_has_no_command_line():
    assert command_line(2**22 + 1) is None
