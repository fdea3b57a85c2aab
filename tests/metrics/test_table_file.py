"""CSV and Parquet in every layout people have; bad rows are named."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aiops.errors import TableError
from aiops.metrics.series import display
from aiops.metrics.table_file import SampleTable, read_table


def csv(tmp_path: Path, text: str, name: str = "metric.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def test_one_series_is_named_after_the_file(tmp_path: Path) -> None:
    table = read_table(csv(tmp_path, "timestamp,value\n2026-01-01 00:00:00,1\n2026-01-01 00:05:00,2.5\n"))
    assert [display(labels) for labels in table.series] == ["metric"]
    assert table.time_ms.tolist() == [1_767_225_600_000, 1_767_225_900_000]
    assert table.values.tolist() == [1, 2.5]


def test_byte_order_mark_crlf_case_and_spaces_are_harmless(tmp_path: Path) -> None:
    table = read_table(csv(tmp_path, "\ufeffTimestamp,VALUE\r\n1767225600, 1\r\n1767225660,\r\n"))
    assert table.time_ms.tolist() == [1_767_225_600_000, 1_767_225_660_000]
    assert table.values[0] == 1
    assert np.isnan(table.values[1])


def test_a_series_column_tells_series_apart(tmp_path: Path) -> None:
    table = read_table(csv(tmp_path, 'timestamp,series,value\n1,a,1\n1,"b{x=""y""}",2\n2,a,3\n2,two words,4\n'))
    assert [display(table.series[k]) for k in table.group] == ["a", 'b{x="y"}', "a", "two words"]


def test_text_columns_are_labels_and_numbers_pass_through(tmp_path: Path) -> None:
    table = read_table(csv(tmp_path, "timestamp,value,host,label\n1,1,a,0\n1,2,b,1\n2,3,a,0\n"))
    names = [display(table.series[k]) for k in table.group]
    assert names == ['metric{host="a"}', 'metric{host="b"}', 'metric{host="a"}']


def test_named_label_columns_are_used_even_if_numbers(tmp_path: Path) -> None:
    table = read_table(csv(tmp_path, "timestamp,value,code\n1,1,200\n1,2,500\n"), labels=["code"])
    assert [display(table.series[k]) for k in table.group] == ['metric{code="200"}', 'metric{code="500"}']


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("x,1", "row 3, column 'timestamp': 'x'"),
        ("2,many", "row 3, column 'value': 'many'"),
        ("2,1,9", "row 3: 3 columns, 2 expected"),
        ("2", "row 3: 1 columns, 2 expected"),
    ],
)
def test_a_bad_row_is_named_and_skipped_on_request(tmp_path: Path, row: str, said: str) -> None:
    path = csv(tmp_path, f"timestamp,value\n1,1\n{row}\n3,3\n")
    with pytest.raises(TableError) as error:
        read_table(path)
    assert str(path) in str(error.value)
    assert said in str(error.value)
    assert "--skip-bad-rows" in str(error.value)
    table = read_table(path, skip_bad_rows=True)
    assert table.good.tolist() == [True, False, True]
    assert table.values[table.good].tolist() == [1, 3]
    (complaint,) = table.complaints
    assert said in complaint


def test_bad_rows_are_told_in_their_order_and_keep_their_place(tmp_path: Path) -> None:
    text = "timestamp,value,host\n1,1,a,1\n2,2,a\nzzz,4,a\n5\nyyy,many,a\n7,7,a\n"
    table = read_table(csv(tmp_path, text), skip_bad_rows=True)
    assert table.good.tolist() == [False, True, False, False, False, True]
    assert [complaint.split("row ")[1][0] for complaint in table.complaints] == ["2", "4", "5", "6", "6"]
    assert table.columns.to_pylist()[0] == {"timestamp": "1", "value": "1", "host": "a"}
    assert table.columns.to_pylist()[3] == {"timestamp": "5", "value": "", "host": ""}


def test_broken_rows_are_numbered_right_in_a_long_file(tmp_path: Path) -> None:
    """Beyond the first block in which the file is read."""
    rows = [f"{k},{k % 7}" for k in range(1, 200_001)]
    rows[150_000] += ",9"
    table = read_table(csv(tmp_path, "timestamp,value\n" + "\n".join(rows) + "\n"), skip_bad_rows=True)
    assert np.flatnonzero(~table.good).tolist() == [150_000]
    assert "row 150002:" in table.complaints[0]
    assert table.time_ms[150_000:150_002].tolist() == [150_001_000, 150_002_000]


@pytest.mark.parametrize("text", ["", "time,value\n1,2\n", "timestamp,val\n1,2\n"])
def test_missing_columns_are_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(TableError):
        read_table(csv(tmp_path, text))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet_timestamps_of_every_unit(tmp_path: Path, unit: str) -> None:
    times = pa.array([1_767_225_600, 1_767_225_660]).cast(pa.timestamp("s")).cast(pa.timestamp(unit))
    pq.write_table(pa.table({"timestamp": times, "value": [1, 2]}), tmp_path / "m.parquet")
    assert read_table(tmp_path / "m.parquet").time_ms.tolist() == [1_767_225_600_000, 1_767_225_660_000]


def test_a_parquet_of_something_else_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(TableError):
        read_table(tmp_path / "m.parquet")
    pq.write_table(pa.table({"timestamp": [1], "value": [[1]]}), tmp_path / "list.parquet")
    with pytest.raises(TableError, match="not numbers"):
        read_table(tmp_path / "list.parquet")


# which columns tell series apart


def noted(tmp_path: Path, *hosts: str, rows: int = 300, note: str = "order {k} sent") -> SampleTable:
    """`rows` rows of a few hosts, each row with a note."""
    lines = [f"{60 * (k // len(hosts))},{k % 7},{note.format(k=k)},{hosts[k % len(hosts)]}" for k in range(1, rows + 1)]
    return read_table(csv(tmp_path, "timestamp,value,note,host\n" + "\n".join(lines) + "\n"))


def test_free_text_tells_no_series_apart(tmp_path: Path) -> None:
    table = noted(tmp_path, "a", "b")
    assert sorted(display(labels) for labels in table.series) == ['metric{host="a"}', 'metric{host="b"}']
    assert (table.told_by, table.free_text) == (["host"], ["note"])
    alone = noted(tmp_path, "a")
    assert len(alone.series) == 1
    assert "note" in alone.columns.column_names


def test_a_note_that_is_rare_is_free_text_too(tmp_path: Path) -> None:
    rows = "".join(f"{60 * k},{k % 7},{f'deploy {k}' if k % 10 == 0 else ''},a\n" for k in range(1, 301))
    table = read_table(csv(tmp_path, "timestamp,value,note,host\n" + rows))
    assert table.free_text == ["note"]
    assert len(table.series) == 1


def test_columns_that_are_nearly_unique_only_together_leave_one_that_is_not(tmp_path: Path) -> None:
    rows = "".join(f"{60 * k},1,first{k % 40},last{k // 40}\n" for k in range(400))
    table = read_table(csv(tmp_path, "timestamp,value,first,last\n" + rows))
    assert table.free_text == ["first"]
    assert len(table.series) == 10


def test_a_snapshot_of_many_hosts_keeps_them_apart(tmp_path: Path) -> None:
    """Every row has a host of its own, but the rows of one time could not be told apart without it."""
    rows = "".join(f"{60 * (k // 100)},1,host{k}\n" for k in range(200))
    table = read_table(csv(tmp_path, "timestamp,value,host\n" + rows))
    assert len(table.series) == 200
    assert table.free_text == []


def test_free_text_is_a_label_where_the_user_says_so(tmp_path: Path) -> None:
    noted(tmp_path, "a")
    table = read_table(tmp_path / "metric.csv", labels=["note"])
    assert len(table.series) == 300


# forms of files


@pytest.mark.parametrize("mark", [";", "\t"])
def test_semicolons_and_tabs_separate_columns(tmp_path: Path, mark: str) -> None:
    table = read_table(csv(tmp_path, mark.join(["timestamp", "value", "host"]) + "\n" + mark.join("12a") + "\n"))
    assert table.values.tolist() == [2]
    assert [display(labels) for labels in table.series] == ['metric{host="a"}']
    assert table.delimiter == mark


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    path = csv(tmp_path, "when,load,value\n1,5,x\n2,6,x\n")
    with pytest.raises(TableError, match="--time-column"):
        read_table(path)
    table = read_table(path, time_column="when", value_column="load")
    assert table.values.tolist() == [5, 6]
    with pytest.raises(TableError, match=r"no column 'then'; found when, load, value$"):
        read_table(path, time_column="then")


def test_gzip_and_parquet_are_told_by_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "m.csv.gz").write_bytes(gzip.compress(b"timestamp,value\n1,7\n"))
    packed = read_table(tmp_path / "m.csv.gz")
    assert (packed.values.tolist(), display(packed.series[0])) == ([7], "m")
    pq.write_table(pa.table({"timestamp": [1], "value": [8]}), tmp_path / "m.dat")
    assert read_table(tmp_path / "m.dat").values.tolist() == [8]


@pytest.mark.parametrize(
    "data", [b"\0\x01\x02\n", b"\x1f\x8bbroken", gzip.compress(b"timestamp,value\n1,7\n" * 99)[:40], b"PAR1broken"]
)
def test_bytes_that_are_no_table_are_an_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.csv").write_bytes(data)
    with pytest.raises(TableError, match=r"m\.csv"):
        read_table(tmp_path / "m.csv")


def test_a_column_that_comes_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="more than one column 'value'"):
        read_table(csv(tmp_path, "timestamp,value,value\n1,2,3\n"))
