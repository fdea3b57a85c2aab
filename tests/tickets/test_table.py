"""Tables of tickets: cells stay what their owner wrote, odd encodings are read and told."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from aiops.errors import TableError
from aiops.tickets.table import read_table


def csv(tmp_path: Path, raw: bytes) -> Path:
    path = tmp_path / "tickets.csv"
    path.write_bytes(raw)
    return path


def test_a_cell_of_a_csv_stays_text(tmp_path: Path) -> None:
    read = read_table(csv(tmp_path, b'team,body\n007,"two\nlines"\n010,\n'))
    assert read.texts("team") == ["007", "010"]
    assert read.texts("body") == ["two\nlines", ""]
    assert read.notes == ()


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_are_told_by_the_head(tmp_path: Path, delimiter: str) -> None:
    read = read_table(csv(tmp_path, f"team{delimiter}body\nnet{delimiter}a, b, c\n".encode()))
    assert read.texts("body") == ["a, b, c"]


def test_lines_of_another_encoding_are_read_and_told(tmp_path: Path) -> None:
    read = read_table(csv(tmp_path, "team,body\nnet,für\n".encode() + "net,für\n".encode("cp1252")))
    assert read.texts("body") == ["für", "für"]
    assert "1 of 4 lines are not UTF-8 (first: line 3)" in read.notes[0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_of_byte_order_are_understood(tmp_path: Path, encoding: str) -> None:
    assert read_table(csv(tmp_path, "team,body\nnet,für\n".encode(encoding))).texts("team") == ["net"]


@pytest.mark.parametrize(
    ("raw", "told"),
    [(b"", "cannot be read"), (b"a,b\n1\n", "cannot be read"), (b"a,a\n1,2\n", "column 'a' is there twice")],
)
def test_what_is_no_table_is_refused(tmp_path: Path, raw: bytes, told: str) -> None:
    with pytest.raises(TableError, match=told):
        read_table(csv(tmp_path, raw))


def test_labels_in_numbers_are_whole_where_they_can_be(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    columns = {"urgency": [0.0, None, 3.0], "share": [0.5, 1.0, None], "code": [0, 7, 9]}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    read = read_table(path)
    assert read.texts("urgency") == ["0", "", "3"]
    assert read.texts("share") == ["0.5", "1.0", ""]
    assert read.texts("code") == ["0", "7", "9"]


def test_of_many_text_columns_the_first_is_the_title(tmp_path: Path) -> None:
    read = read_table(csv(tmp_path, b"a,b,c\nx,y,z\nx,,z\n"))
    assert read.titles_and_bodies(["a", "b", "c"]) == (["x", "x"], ["y\nz", "z"])
    assert read.titles_and_bodies(["b"]) == (["", ""], ["y", ""])


def test_times_in_any_form_are_the_same_moment(tmp_path: Path) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    path = tmp_path / "t.parquet"
    columns = {
        "zoned": pyarrow.array([moment], pyarrow.timestamp("us", "UTC")),
        "nanos": pyarrow.array([moment.replace(tzinfo=None)], pyarrow.timestamp("ns")),
        "text": [moment.isoformat()],
        "epoch": [int(moment.timestamp())],
        "none": pyarrow.array([None], pyarrow.timestamp("ms")),
        "bad": ["yesterday"],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    read = read_table(path)
    for name in ("zoned", "nanos", "text", "epoch"):
        np.testing.assert_array_equal(read.times_ms(name), [round(moment.timestamp() * 1000)])
    for name, told in (("none", "row 1: column 'none' has no time"), ("bad", "row 1"), ("x", "no column 'x'")):
        with pytest.raises(TableError, match=told):
            read.times_ms(name)
