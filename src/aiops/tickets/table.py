"""A table of tickets as its owner wrote it: CSV or Parquet, columns by name.

Cells of a CSV stay text: "007" is a team, not a number. UTF-8 is expected; lines that are not (an export pasted
together from two systems) are read as Windows-1252, and that is told.
"""

import codecs
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from aiops.errors import InputError, TableError
from aiops.metrics.timestamp import epoch_ms, timestamp_ms

PARQUET = (".parquet", ".pq")
TITLES, BODIES = ("title", "subject", "summary"), ("body", "text", "description", "message")  # as usually called
DELIMITERS = (",", ";", "\t")
CSV_BYTES_MAX = 2**31 - 1  # beyond: refused; Parquet has no such limit
_NOTHING: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TicketTable:
    """What a file held. `notes`: what its owner should know of how it was read, one sentence each."""

    path: Path
    columns: Any  # pyarrow.Table
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    def require(self, names: Sequence[str]) -> None:
        """Raises TableError naming the first that is not there, and what is."""
        for name in names:
            if name not in self.columns.column_names:
                raise TableError(f"{self.path}: no column {name!r}; there are {', '.join(self.columns.column_names)}")

    def texts(self, name: str) -> list[str]:
        """A column as text; "" where a cell is empty, and 3 for 3.0 where all numbers are whole."""
        self.require([name])
        values = self.columns[name].to_pylist()
        if pyarrow.types.is_floating(self.columns[name].type):
            values = [None if value is None or value != value else value for value in values]
            if all(value is None or float(value).is_integer() for value in values):
                values = [None if value is None else int(value) for value in values]
        return ["" if value is None else str(value) for value in values]

    def titles_and_bodies(self, names: Sequence[str]) -> tuple[list[str], list[str]]:
        """One column is the body; of more the first is the title, and the others follow one another in the body."""
        columns = [self.texts(name) for name in names]
        if len(columns) == 1:
            return [""] * len(self), columns[0]
        return columns[0], ["\n".join(filter(None, cells)) for cells in zip(*columns[1:], strict=True)]

    def times_ms(self, name: str) -> NDArray[np.int64]:
        """A column of ISO 8601 or epoch numbers (s, ms, us or ns). Raises TableError naming the row."""
        self.require([name])
        column = self.columns[name]
        if column.null_count:
            row = next(k for k, value in enumerate(column.to_pylist()) if value is None)
            raise TableError(f"{self.path}: row {row + 1}: column {name!r} has no time")
        kind = column.type
        if pyarrow.types.is_timestamp(kind) or pyarrow.types.is_date(kind):
            moments: NDArray[np.int64] = column.cast(pyarrow.timestamp("ms"), safe=False).to_numpy().astype(np.int64)
            return moments
        if pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind):
            try:
                return epoch_ms(column.to_numpy())
            except ValueError as error:
                raise TableError(f"{self.path}: column {name!r}: {error}") from None
        found = np.empty(len(self), np.int64)
        for row, value in enumerate(column.to_pylist()):
            try:
                found[row] = timestamp_ms(str(value))
            except InputError as error:
                raise TableError(f"{self.path}: row {row + 1}: column {name!r}: {error}") from None
        return found


def read_table(path: Path) -> TicketTable:
    """Raises TableError, and says why."""
    try:
        if path.suffix.lower() in PARQUET:
            columns, notes = pyarrow.parquet.read_table(path), _NOTHING
        else:
            columns, notes = _csv(path)
    except OSError as error:
        raise TableError(f"{path}: {error.strerror or error}") from None
    except pyarrow.ArrowException as error:
        raise TableError(f"{path}: cannot be read: {error}") from None
    names = columns.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TableError(f"{path}: column {twice[0]!r} is there twice")
    return TicketTable(path, columns, notes)


def write_table(columns: Any, to: Path) -> None:
    """Parquet where the name says so, else CSV."""
    if to.suffix.lower() in PARQUET:
        pyarrow.parquet.write_table(columns, to)
    else:
        pyarrow.csv.write_csv(columns, to)


def _csv(path: Path) -> tuple[Any, tuple[str, ...]]:
    if path.stat().st_size > CSV_BYTES_MAX:
        raise TableError(f"{path} is larger than {CSV_BYTES_MAX:,} bytes: save it as Parquet")
    raw, notes = _utf8(path.read_bytes(), path.name)
    head = raw[: raw.find(b"\n") if b"\n" in raw else len(raw)].decode()
    delimiter = max(DELIMITERS, key=head.count)
    names = next(csv.reader(io.StringIO(head), delimiter=delimiter), [])
    columns = pyarrow.csv.read_csv(
        io.BytesIO(raw),
        read_options=pyarrow.csv.ReadOptions(block_size=max(len(raw), 1)),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.string())),
    )
    return columns, notes


def _utf8(raw: bytes, name: str) -> tuple[bytes, tuple[str, ...]]:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return raw.decode("utf-16").encode(), (f"{name}: read as UTF-16",)
        except UnicodeError as error:
            raise TableError(f"{name}: says it is UTF-16 and is not: {error}") from None
    raw = raw.removeprefix(codecs.BOM_UTF8)
    lines, odd = raw.split(b"\n"), []
    for number, line in enumerate(lines):
        try:
            line.decode()
        except UnicodeDecodeError:
            odd.append(number + 1)
            lines[number] = line.decode("cp1252", errors="replace").encode()
    if not odd:
        return raw, ()
    which = f"{len(odd)} of {len(lines)} lines are not UTF-8 (first: line {odd[0]})"
    return b"\n".join(lines), (f"{name}: {which}; they were read as Windows-1252: save the file as UTF-8 to be sure",)
