"""CSV and Parquet files of samples in, the same with scores out.

Needed are the columns `timestamp` and `value`. A `series` column, or text columns (or the columns named as labels),
say which series a row belongs to; without them the file is one series named after the file. Every other column passes
through, and the timestamps come out as they went in.
"""

import csv
import io
import sys
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
from aiops.metrics.json_lines import labels_of
from aiops.metrics.series import Labels, canonical
from aiops.metrics.timestamp import epoch_ms, timestamp_ms

SCORE_COLUMNS = ("score", "expected", "lower", "upper", "anomalous", "alert", "kind")
_MISSING = ("", "nan", "null", "none", "na")


@dataclass(frozen=True, slots=True)
class SampleTable:
    """A file of samples: original columns and what they mean. Shapes (rows,)."""

    name: str
    columns: pa.Table
    time_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    group: NDArray[np.int64]  # index into `series`
    series: Sequence[Labels]
    good: NDArray[np.bool_]  # False: a bad row, skipped on request
    complaints: Sequence[str] = field(default=())  # one sentence per skipped row


def read_table(source: Path | None, labels: Sequence[str] = (), skip_bad_rows: bool = False) -> SampleTable:
    """Reads `*.csv` or `*.parquet`; None reads CSV from standard input. `labels`: columns that tell series apart, in
    place of guessing. Raises TableError naming file, row and column; bad rows are skipped only if asked for."""
    name = str(source) if source else "standard input"
    complaints: list[str] = []
    try:
        if source and source.suffix == ".parquet":
            table, lines = pa.parquet.read_table(source), None
        else:
            data = source.read_bytes() if source else sys.stdin.buffer.read()
            table, lines = _read_csv(name, data, complaints, skip_bad_rows)
    except FileNotFoundError:
        raise TableError(f"{name}: no such file") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{name} cannot be read: {error}") from None
    reader = _Rows(name, lines, skip_bad_rows, complaints)
    time_column, value_column = _find(name, table, "timestamp"), _find(name, table, "value")
    time_ms, time_good = reader.times(table[time_column], time_column)
    values, value_good = reader.values(table[value_column], value_column)
    stem = source.name.removesuffix(source.suffix) if source else "stdin"
    group, series = _series(name, table, labels, (time_column, value_column), stem)
    return SampleTable(name, table, time_ms, values, group, series, time_good & value_good, complaints)


def write_table(table: SampleTable, scored: Mapping[str, NDArray[Any]], out: Path | None) -> None:
    """Writes original and scored columns; `scored` holds SCORE_COLUMNS, floats NaN where not known. The format is
    told by the name of `out`; None writes CSV to standard output."""
    names = table.columns.column_names
    time_column, value_column = _find(table.name, table.columns, "timestamp"), _find(table.name, table.columns, "value")
    columns: dict[str, Any] = {"timestamp": table.columns[time_column], "value": table.columns[value_column]}
    for key in SCORE_COLUMNS:
        values = scored[key]
        is_known = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(len(values), np.bool_)
        columns[key] = pa.array(values, mask=~(is_known & (table.good | (values.dtype.kind != "f"))))
    columns |= {key: table.columns[key] for key in names if key not in (*columns, time_column, value_column)}
    result = pa.table(columns)
    if out and out.suffix == ".parquet":
        pa.parquet.write_table(result, out)
        return
    target = out or sys.stdout.buffer
    try:
        pa.csv.write_csv(result, target, pa.csv.WriteOptions(quoting_style="none", quoting_header="none"))
    except pa.ArrowInvalid:  # some text holds a comma, a quote or a line break
        pa.csv.write_csv(result, target, pa.csv.WriteOptions(quoting_style="needed", quoting_header="needed"))


def _read_csv(
    name: str, data: bytes, complaints: list[str], skip_bad_rows: bool
) -> tuple[pa.Table, NDArray[np.int64] | None]:
    """All columns as text, and the line number of each row where some were skipped."""
    first = data.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0]
    header = next(csv.reader([first.decode("utf-8", "replace").strip("\r")]), [])
    broken: list[int] = []

    def skip(row: Any) -> str:
        broken.append(row.number)
        complaint = f"{name}, row {row.number}: {row.actual_columns} columns, {row.expected_columns} expected"
        complaints.append(complaint)
        return "skip" if skip_bad_rows else "error"

    try:
        table = pa.csv.read_csv(
            io.BytesIO(data),
            pa.csv.ReadOptions(use_threads=False),  # row numbers are only known to one thread
            pa.csv.ParseOptions(invalid_row_handler=skip),
            pa.csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        raise TableError(complaints[-1] if complaints else f"{name} cannot be read: {error}") from None
    if not broken:
        return table, None
    lines = np.setdiff1d(np.arange(2, table.num_rows + len(broken) + 2), broken)
    return table, lines


def _find(name: str, table: pa.Table, wanted: str) -> str:
    for column in table.column_names:
        if column.strip().lower() == wanted:
            return str(column)
    raise TableError(f"{name}: no column {wanted!r}; found {', '.join(table.column_names) or 'none'}")


class _Rows:
    """Turns columns into numbers, naming the rows that cannot be."""

    def __init__(self, name: str, lines: NDArray[np.int64] | None, skip: bool, complaints: list[str]) -> None:
        self._name, self._lines, self._skip, self._complaints = name, lines, skip, complaints

    def _bad(self, index: int, column: str, text: object) -> None:
        row = index + 2 if self._lines is None else int(self._lines[index])
        complaint = f"{self._name}, row {row}, column {column!r}: {text!r} cannot be read"
        if not self._skip:
            raise TableError(f"{complaint}; --skip-bad-rows scores the rest")
        self._complaints.append(complaint)

    def values(self, column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        good = np.ones(len(column), np.bool_)
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
                        good[k] = False
                        self._bad(k, name, cell)
                return out, good
            column = numbers
        try:
            values = pc.fill_null(column.cast(pa.float64(), safe=False), float("nan"))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise TableError(f"{self._name}: column {name!r} is {column.type}, not numbers") from None
        return np.ascontiguousarray(values.to_numpy(), np.float64), good

    def times(self, column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        good = np.ones(len(column), np.bool_)
        if pa.types.is_timestamp(column.type) and column.null_count == 0:
            return column.cast(pa.timestamp("ms", column.type.tz), safe=False).cast(pa.int64()).to_numpy(), good
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            for form in (pa.int64(), pa.float64(), pa.timestamp("ms"), pa.timestamp("ms", "UTC")):
                try:
                    cast = column.cast(form)
                except pa.ArrowInvalid:
                    continue
                if cast.null_count == 0 and pa.types.is_timestamp(form):
                    return cast.cast(pa.int64()).to_numpy(), good
                column = cast
                break
        if column.null_count == 0 and (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            try:
                return epoch_ms(column.to_numpy()), good
            except ValueError:
                pass  # the slow way names the row
        out = np.zeros(len(column), np.int64)
        for k, cell in enumerate(column.to_pylist()):
            try:
                out[k] = timestamp_ms(cell if isinstance(cell, str | int | float) else str(cell))
            except (InputError, OverflowError):
                good[k] = False
                self._bad(k, name, cell)
        return out, good


def _is_text(column: pa.ChunkedArray) -> bool:
    """Text that is not numbers: such a column tells series apart."""
    if pa.types.is_dictionary(column.type):
        return True
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return False
    text = pc.utf8_trim_whitespace(column)
    filled = text.filter(pc.not_equal(text, ""))
    if len(filled) == 0:
        return False
    try:
        filled.cast(pa.float64())
    except pa.ArrowInvalid:
        return True
    return False


def _series(
    name: str, table: pa.Table, labels: Sequence[str], taken: Sequence[str], stem: str
) -> tuple[NDArray[np.int64], list[Labels]]:
    """Which series each row belongs to, and the labels of each."""
    for label in labels:
        if label not in table.column_names:
            raise TableError(f"{name}: no column {label!r}; found {', '.join(table.column_names)}")
    rest = [column for column in table.column_names if column not in taken and column not in SCORE_COLUMNS]
    chosen = (
        list(labels) or [c for c in rest if c.strip().lower() == "series"] or [c for c in rest if _is_text(table[c])]
    )
    if not chosen:
        return np.zeros(table.num_rows, np.int64), [canonical({"__name__": stem})]
    code = np.zeros(table.num_rows, np.int64)
    for column in chosen:
        encoded = table[column].combine_chunks()
        encoded = encoded if pa.types.is_dictionary(encoded.type) else pc.dictionary_encode(encoded)
        texts = ["" if text is None else str(text) for text in encoded.dictionary.to_pylist()] + [""]
        indices = pc.fill_null(encoded.indices.cast(pa.int64()), len(texts) - 1).to_numpy()
        # a dense code after every column: a product of many columns' sizes would overflow
        _, code = np.unique(code * len(texts) + indices, return_inverse=True)
    # the columns' texts at the first row of each group name it
    _, first_row = np.unique(code, return_index=True)
    series = []
    for row in first_row:
        pairs = {column: str(table[column][int(row)].as_py() or "") for column in chosen}
        series.append(_name_series(name, pairs, stem))
    return code.astype(np.int64), series


def _name_series(name: str, pairs: dict[str, str], stem: str) -> Labels:
    out: dict[str, str] = {"__name__": stem}
    for column, text in pairs.items():
        key = column.strip().lower()
        if key == "series":
            try:
                out |= dict(labels_of(text)) if text else {}
            except InputError:
                out["__name__"] = text  # any text may name a series
        elif key in ("__name__", "name", "metric"):
            out["__name__"] = text or stem
        else:
            out[column] = text
    return canonical(out)
