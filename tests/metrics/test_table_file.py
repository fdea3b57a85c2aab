"""CSV and Parquet in every layout people have; bad rows are named."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aiops.errors import TableError
from aiops.metrics.series import display
from aiops.metrics.table_file import read_table


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
    ],
)
def test_a_bad_row_is_named_and_skipped_on_request(tmp_path: Path, row: str, said: str) -> None:
    path = csv(tmp_path, f"timestamp,value\n1,1\n{row}\n3,3\n")
    with pytest.raises(TableError) as error:
        read_table(path)
    assert str(path) in str(error.value)
    assert said in str(error.value)
    table = read_table(path, skip_bad_rows=True)
    assert table.values[table.good].tolist() == [1, 3]
    assert said in table.complaints[0]


def test_rows_are_numbered_as_in_the_file_after_broken_ones(tmp_path: Path) -> None:
    table = read_table(csv(tmp_path, "timestamp,value\n1,1,1,1\n2,2\nzzz,4\n"), skip_bad_rows=True)
    assert "row 4, column 'timestamp': 'zzz'" in table.complaints[1]


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
