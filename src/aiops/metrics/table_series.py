"""Which series each row of a table belongs to.

Named label columns decide; else a `series` column; else all columns of text. But text is not always a label: a note, a
message or an id differs from row to row and would make every row a series of its own. So a text column passes through
where more than half of its filled cells are different, and so does the column with most texts while all of them
together tell more series than half of the rows. An exception is what rows of the same time need to be told apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from aiops.errors import InputError, TableError
from aiops.metrics.json_lines import labels_of
from aiops.metrics.series import Labels, canonical

FREE_TEXT_SHARE = 0.5  # different texts of all, or series of all rows: labels repeat, free text does not
SAME_TIME_SHARE = 0.1  # so many rows more at the time of another of their series: the column was needed
JUDGED_ROWS = 20  # fewer say nothing about a column


@dataclass(frozen=True, slots=True)
class TableSeries:
    """Series of a table and how they were told. `group`: (rows,) index into `labels`."""

    group: NDArray[np.int64]
    labels: Sequence[Labels]
    told_by: Sequence[str]  # columns that tell series apart
    free_text: Sequence[str]  # columns of text that do not


def series_of(
    name: str, table: pa.Table, named: Sequence[str], rest: Sequence[str], time_ms: NDArray[np.int64], stem: str
) -> TableSeries:
    """`named`: columns that are labels by the user's word; `rest`: those that may be. `stem` names a series that has no
    other name. Raises TableError."""
    for label in named:
        if label not in table.column_names:
            raise TableError(f"{name}: no column {label!r}; found {', '.join(table.column_names)}")
    free: list[str] = []
    chosen = list(named) or [column for column in rest if column.strip().lower() == "series"]
    if not chosen:
        chosen = [column for column in rest if _is_text(table[column])]
        free = _free_text(table, chosen, time_ms)
        chosen = [column for column in chosen if column not in free]
    if not chosen:
        return TableSeries(np.zeros(table.num_rows, np.int64), [canonical({"__name__": stem})], (), free)
    group = _together([_codes(table[column]) for column in chosen])
    # the columns' texts at the first row of each group name it
    _, first_row = np.unique(group, return_index=True)
    labels = [
        _name_series({column: str(table[column][row].as_py() or "") for column in chosen}, stem)
        for row in first_row.tolist()
    ]
    return TableSeries(group, labels, chosen, free)


def _is_text(column: pa.ChunkedArray) -> bool:
    """Text that is not numbers."""
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


def _free_text(table: pa.Table, columns: Sequence[str], time_ms: NDArray[np.int64]) -> list[str]:
    """Those of the columns that tell no series apart."""
    codes = {column: _codes(table[column]) for column in columns}
    counts = {column: len(np.unique(code)) for column, code in codes.items()}
    free: list[str] = []

    def is_needed(column: str) -> bool:
        others = [code for other, code in codes.items() if other != column and other not in free]
        times = np.unique(time_ms, return_inverse=True)[1]
        without = len(np.unique(_together([*others, times])))
        told = len(np.unique(_together([*others, codes[column], times])))
        return told - without > SAME_TIME_SHARE * len(times)

    for column in sorted(columns, key=lambda column: -counts[column]):
        texts = pc.utf8_trim_whitespace(table[column].cast(pa.string()))
        filled = pc.count_distinct(texts.filter(pc.not_equal(texts, ""))).as_py()
        cells = pc.sum(pc.not_equal(texts, "")).as_py() or 0
        left = [code for other, code in codes.items() if other not in free]
        is_mostly_new = cells >= JUDGED_ROWS and filled > FREE_TEXT_SHARE * cells
        is_too_many = len(time_ms) >= JUDGED_ROWS and len(np.unique(_together(left))) > FREE_TEXT_SHARE * len(time_ms)
        if (is_mostly_new or is_too_many) and not is_needed(column):
            free.append(column)
    return [column for column in columns if column in free]


def _codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """A small number for each text; an empty cell is a text too."""
    encoded = column.combine_chunks()
    encoded = encoded if pa.types.is_dictionary(encoded.type) else pc.dictionary_encode(encoded)
    return np.asarray(pc.fill_null(encoded.indices.cast(pa.int64()), len(encoded.dictionary)).to_numpy(), np.int64)


def _together(codes: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """A dense number for each combination; dense after every column: a product of many sizes would overflow."""
    together = np.unique(codes[0], return_inverse=True)[1]
    for code in codes[1:]:
        together = np.unique(together * (int(code.max(initial=0)) + 1) + code, return_inverse=True)[1]
    return together.astype(np.int64)


def _name_series(pairs: dict[str, str], stem: str) -> Labels:
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
