"""CSV and Parquet files of samples in, the same with scores out.

Needed are the columns `timestamp` and `value`, or others named as such. Other columns may say which series a row
belongs to (`table_series`); without them the file is one series named after the file. Every other column passes
through, every row comes out where it went in, and the timestamps come out as they were. CSV may be packed by gzip, and
its columns may be separated by semicolons or tabs instead of commas.
"""

import csv
import gzip
import io
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from aiops.errors import InputError, TableError
from aiops.metrics.series import Labels
from aiops.metrics.table_series import series_of
from aiops.metrics.timestamp import epoch_ms, timestamp_ms

SCORE_COLUMNS = ("score", "expected", "lower", "upper", "anomalous", "alert", "kind")
SUFFIXES = (".csv", ".csv.gz", ".parquet")
DELIMITERS = (",", ";", "\t")
SKIP_HINT = "; --skip-bad-rows scores the rest"
_MISSING = ("", "nan", "null", "none", "na")


@dataclass(frozen=True, slots=True)
class SampleTable:
    """A file of samples: original columns and what they mean. Shapes (rows,)."""

    name: str
    columns: pa.Table
    time_column: str
    value_column: str
    time_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    group: NDArray[np.int64]  # index into `series`
    series: Sequence[Labels]
    good: NDArray[np.bool_]  # False: a bad row, skipped on request
    complaints: Sequence[str] = field(default=())  # one sentence per bad cell or row, in the order of rows
    told_by: Sequence[str] = field(default=())  # columns that tell series apart
    free_text: Sequence[str] = field(default=())  # columns of text that do not
    delimiter: str = ","


def order_of_time(time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices that sort samples by time; those of one time stay in their order."""
    return np.argsort(time_ms, kind="stable")


def read_table(
    source: Path | None,
    labels: Sequence[str] = (),
    skip_bad_rows: bool = False,
    time_column: str = "",
    value_column: str = "",
) -> SampleTable:
    """Reads CSV (perhaps gzip) or Parquet; None reads standard input. `labels`: columns that tell series apart, in
    place of guessing; `time_column`, `value_column`: in place of `timestamp` and `value`. Raises TableError naming
    file, row and column; bad rows are skipped only if asked for."""
    name = str(source) if source else "standard input"
    bad = _BadRows(name, skip_bad_rows)
    delimiter = ","
    try:
        if source and source.suffix == ".parquet":
            table = pa.parquet.read_table(source)
        else:
            data = _unpacked(source.read_bytes() if source else sys.stdin.buffer.read())
            if data.startswith(b"PAR1"):
                table = pa.parquet.read_table(pa.BufferReader(data))
            else:
                table, delimiter = _read_csv(name, data, bad)
    except FileNotFoundError:
        raise TableError(f"{name}: no such file") from None
    except csv.Error:
        raise TableError(f"{name} cannot be read: neither CSV nor Parquet") from None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, EOFError, zlib.error) as error:
        raise TableError(f"{name} cannot be read: {error}") from None
    repeated = {column for column in table.column_names if table.column_names.count(column) > 1}
    if repeated:
        raise TableError(f"{name}: more than one column {min(repeated)!r}")
    time_column = _find(name, table, time_column, "timestamp", "--time-column")
    value_column = _find(name, table, value_column, "value", "--value-column")
    reader = _Rows(name, bad, table.num_rows)
    time_ms = reader.times(table[time_column], time_column)
    values = reader.values(table[value_column], value_column)
    rest = [column for column in table.column_names if column not in (time_column, value_column, *SCORE_COLUMNS)]
    series = series_of(name, table, labels, rest, time_ms, _stem(source))
    return SampleTable(
        name,
        table,
        time_column,
        value_column,
        time_ms,
        values,
        series.group,
        series.labels,
        reader.good,
        bad.complaints,
        series.told_by,
        series.free_text,
        delimiter,
    )


def write_table(table: SampleTable, scored: Mapping[str, NDArray[Any]], out: Path | None) -> None:
    """Writes original and scored columns; `scored` holds SCORE_COLUMNS, floats NaN where not known. The format is
    told by the name of `out`; None writes CSV to standard output. Raises TableError where the file has a column of the
    name of one that is added."""
    passed = [key for key in table.columns.column_names if key not in (table.time_column, table.value_column)]
    columns: dict[str, Any] = {
        "timestamp": table.columns[table.time_column],
        "value": table.columns[table.value_column],
    }
    for key in SCORE_COLUMNS:
        values = scored[key]
        is_known = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(len(values), np.bool_)
        columns[key] = pa.array(values, mask=~(is_known & (table.good | (values.dtype.kind != "f"))))
    if taken := [key for key in passed if key in columns]:
        raise TableError(
            f"{table.name}: its own column{'s' * (len(taken) > 1)} {', '.join(taken)} would be overwritten by scores; "
            "rename first, or score the file as it was before it was scored"
        )
    result = pa.table(columns | {key: table.columns[key] for key in passed})
    if out and out.suffix == ".parquet":
        pa.parquet.write_table(result, out)
        return
    try:
        _write_csv(result, out, table.delimiter, "none")
    except pa.ArrowInvalid:  # some text holds a delimiter, a quote or a line break
        _write_csv(result, out, table.delimiter, "needed")


def _write_csv(table: pa.Table, out: Path | None, delimiter: str, quoting: str) -> None:
    options = pa.csv.WriteOptions(delimiter=delimiter, quoting_style=quoting, quoting_header=quoting)
    if out and out.suffix == ".gz":
        with pa.CompressedOutputStream(str(out), "gzip") as target:
            pa.csv.write_csv(table, target, options)
    elif out:
        pa.csv.write_csv(table, out, options)
    else:  # whole or not at all: what a pipe has been given cannot be taken back
        whole = pa.BufferOutputStream()
        pa.csv.write_csv(table, whole, options)
        sys.stdout.buffer.write(whole.getvalue())


def _stem(source: Path | None) -> str:
    if source is None:
        return "stdin"
    return source.name.removesuffix(".gz").removesuffix(source.suffix).removesuffix(".csv")


def _unpacked(data: bytes) -> bytes:
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


class _BadRows:
    """Rows that cannot be read: an error at the first, or kept with what is wrong where skipping was asked for."""

    def __init__(self, name: str, skip: bool) -> None:
        self._name, self._skip = name, skip
        self._found: list[tuple[int, str]] = []
        self.broken: set[int] = set()  # index of rows with too few or too many columns

    @property
    def complaints(self) -> list[str]:
        return [sentence for _, sentence in sorted(self._found)]

    def add(self, index: int, complaint: str) -> None:
        """`index`: of the row, 0 below the header. Raises TableError unless such rows are skipped."""
        sentence = f"{self._name}, row {index + 2}{complaint}"
        self._found.append((index, sentence))
        if not self._skip:
            raise TableError(sentence + SKIP_HINT)


def _int64(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(column.cast(pa.int64()).to_numpy(), np.int64)


def _read_csv(name: str, data: bytes, bad: _BadRows) -> tuple[pa.Table, str]:
    """All columns as text, and what separates them. A row of too few or too many columns is filled up or cut."""
    first = data.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode("utf-8", "replace").strip("\r")
    delimiter = max(DELIMITERS, key=lambda mark: (first.count(mark), mark == ","))
    header = next(csv.reader([first], delimiter=delimiter), [])
    texts: list[str] = []
    told: list[TableError] = []

    def skip(row: Any) -> str:
        try:
            bad.add(row.number - 2, f": {row.actual_columns} columns, {row.expected_columns} expected")
        except TableError as error:
            told.append(error)
            return "error"
        bad.broken.add(row.number - 2)
        texts.append(row.text)
        return "skip"

    try:
        table = pa.csv.read_csv(
            io.BytesIO(data),
            pa.csv.ReadOptions(use_threads=False),  # row numbers are only known to one thread
            pa.csv.ParseOptions(delimiter=delimiter, invalid_row_handler=skip),
            pa.csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        raise (told[0] if told else TableError(f"{name} cannot be read: {error}")) from None
    if not texts:
        return table, delimiter
    width = table.num_columns
    cells = [([*next(csv.reader([text], delimiter=delimiter), []), *[""] * width])[:width] for text in texts]
    columns = [pa.array(column, pa.string()) for column in zip(*cells, strict=True)]
    broken = pa.table(columns, names=table.column_names).cast(table.schema)
    places = sorted(bad.broken)
    good_places = np.setdiff1d(np.arange(table.num_rows + len(places)), places)
    return pa.concat_tables([table, broken]).take(np.argsort(np.concatenate([good_places, places]))), delimiter


def _find(name: str, table: pa.Table, given: str, wanted: str, option: str) -> str:
    if given in table.column_names:
        return given
    for column in table.column_names:
        if not given and column.strip().lower() == wanted:
            return str(column)
    hint = "" if given else f"; another one is named by {option}"
    raise TableError(f"{name}: no column {given or wanted!r}; found {', '.join(table.column_names) or 'none'}{hint}")


class _Rows:
    """Turns columns into numbers, naming the rows that cannot be."""

    def __init__(self, name: str, bad: _BadRows, rows: int) -> None:
        self._name, self._bad_rows = name, bad
        self.good = np.ones(rows, np.bool_)
        self.good[list(bad.broken)] = False

    def _bad(self, index: int, column: str, text: object) -> None:
        if index not in self._bad_rows.broken:  # else it was told already
            self._bad_rows.add(index, f", column {column!r}: {text!r} cannot be read")
        self.good[index] = False

    def values(self, column: pa.ChunkedArray, name: str) -> NDArray[np.float64]:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            text = pc.utf8_trim_whitespace(column)
            missing = pc.is_in(pc.utf8_lower(text), pa.array(_MISSING))
            try:
                numbers = pc.if_else(missing, None, text).cast(pa.float64())
            except pa.ArrowInvalid:
                out = np.full(len(column), np.nan)
                for k, cell in enumerate(text.to_pylist()):
                    try:
                        out[k] = np.nan if cell is None or cell.lower() in _MISSING else float(cell)
                    except ValueError:
                        self._bad(k, name, cell)
                return out
            column = numbers
        try:
            values = pc.fill_null(column.cast(pa.float64(), safe=False), float("nan"))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise TableError(f"{self._name}: column {name!r} is {column.type}, not numbers") from None
        return np.ascontiguousarray(values.to_numpy(), np.float64)

    def times(self, column: pa.ChunkedArray, name: str) -> NDArray[np.int64]:
        if pa.types.is_timestamp(column.type) and column.null_count == 0:
            return _int64(column.cast(pa.timestamp("ms", column.type.tz), safe=False))
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            for form in (pa.int64(), pa.float64(), pa.timestamp("ms"), pa.timestamp("ms", "UTC")):
                try:
                    cast = column.cast(form)
                except pa.ArrowInvalid:
                    continue
                if cast.null_count == 0 and pa.types.is_timestamp(form):
                    return _int64(cast)
                column = cast
                break
        if column.null_count == 0 and (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            try:
                return epoch_ms(column.to_numpy())
            except ValueError:
                pass  # the slow way names the row
        out = np.zeros(len(column), np.int64)
        for k, cell in enumerate(column.to_pylist()):
            try:
                out[k] = timestamp_ms(cell if isinstance(cell, str | int | float) else str(cell))
            except (InputError, OverflowError):
                self._bad(k, name, cell)
        return out
