"""The bytes of a backup's file, from plain values: no disk, no database."""

import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemakit.errors import BackupFileDamaged, BackupFileUnknown
from schemakit.safety.container import Frame, Writer, compressed, frames, said
from schemakit.safety.exported import Exported

ABOUT = {
    "name": "t_backup_20260101_000000",
    "kind": "copy",
    "original": {"schema": "public", "name": "t"},
    "columns": [{"name": "n", "type": "integer"}],
    "rows": 1,
    "bytes": 8192,
    "created": "2026-01-01T00:00:00+00:00",
    "revision": None,
    "reason": None,
    "digest": None,
    "manifest": None,
    "schemakit": "0.1.0",
    "server_version": "18.1",
}


def written(*content):
    writer = Writer()
    return b"".join([writer.opening(), *map(writer.frame, content)]) + writer.closing()


def read(file):
    return list(frames(io.BytesIO(file).read))


def whole(*rows, by="zlib"):
    parts = [said(b"P", {"name": "t"}), *(compressed(each, by) for each in rows)]
    return [said(b"H", ABOUT), *parts, said(b"E", {"rows": [1], "bytes": 0})]


@given(st.lists(st.binary(max_size=2000), max_size=5), st.sampled_from(["zlib", "zstd"]))
def test_what_was_written_is_read(rows, by):
    found = read(written(*whole(*rows, by=by)))
    assert [each.rows for each in found if each.has_rows] == rows
    assert found[0].values == ABOUT


@given(st.data())
def test_one_bit_is_seen(data):
    file = bytearray(written(*whole(b"some rows" * 20)))
    place = data.draw(st.integers(0, len(file) - 1))
    file[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises((BackupFileDamaged, BackupFileUnknown)):
        read(bytes(file))


@given(st.data())
def test_a_cut_is_seen(data):
    file = written(*whole(b"some rows" * 20))
    with pytest.raises((BackupFileDamaged, BackupFileUnknown)):
        read(file[: data.draw(st.integers(0, len(file) - 1))])


def test_frames_cannot_change_places():
    one, two = compressed(b"one"), compressed(b"two")
    head, part, *_, end = whole()
    file = written(head, part, one, two, end)
    writer = Writer()
    pieces = [writer.opening(), *map(writer.frame, (head, part, one, two, end))]
    swapped = b"".join([*pieces[:3], pieces[4], pieces[3], *pieces[5:]]) + file[-32:]
    with pytest.raises(BackupFileDamaged, match="checksum of frame 2"):
        read(swapped)


def test_a_length_that_nobody_writes_is_not_read_into_memory():
    huge = Frame(b"D", b"", 1 << 31)
    with pytest.raises(BackupFileDamaged, match="Frame 2 is none"):
        read(written(*whole()[:2], huge))


def test_a_block_that_grows_beyond_what_it_says_is_refused():
    bomb = Frame(b"D", zlib.compress(bytes(1 << 20)), 10)
    with pytest.raises(BackupFileDamaged, match="not as long as it says"):
        bomb.rows  # noqa: B018 - it raises
    with pytest.raises(BackupFileDamaged, match="cannot be decompressed"):
        Frame(b"D", b"nothing", 10).rows  # noqa: B018 - the same


@pytest.mark.parametrize("frame", [said(b"P", {}), compressed(b"x")])
def test_it_begins_with_what_it_is(frame):
    with pytest.raises(BackupFileDamaged):
        read(written(frame))


def test_what_it_says_goes_there_and_back():
    about = Exported.from_json(ABOUT)
    assert about.to_json() == ABOUT


@pytest.mark.parametrize(
    "change",
    [{"name": ""}, {"rows": "many"}, {"created": "yesterday"}, {"original": None}, {"revision": {}},
     {"columns": [{"name": "a\0", "type": "int"}]}, {"manifest": []}, {"kind": 7}],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(change):
    with pytest.raises(BackupFileDamaged):
        Exported.from_json(ABOUT | change)


TYPES = ["integer", '"char"', "numeric(12,-3)", "character varying(7)[]", "bit varying(5)",
         "timestamp(3) without time zone", "interval day to second(2)", "interval(2)",
         "double precision", "int4multirange", "time(0) with time zone[]"]  # fmt: skip


@pytest.mark.parametrize("type_", TYPES)
def test_types_as_the_server_writes_them(type_):
    columns = [{"name": "n", "type": type_}]
    assert Exported.from_json(ABOUT | {"columns": columns}).columns[0].definition == f'"n" {type_}'


@pytest.mark.parametrize("type_", ["int, x int", "int DEFAULT 1", "int)", "my.type", "int --", ""])
def test_nothing_else_is_a_type(type_):
    with pytest.raises(BackupFileDamaged, match="is none"):
        Exported.from_json(ABOUT | {"columns": [{"name": "n", "type": type_}]})
