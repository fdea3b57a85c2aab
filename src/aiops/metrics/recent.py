"""The newest samples of all series with their scores, in one ring of known size: for evidence and for graphs.

One ring for all series, not one per series: memory is fixed, no series is favoured, and appending a batch is two
slice copies. Reading one series is a scan of one int32 column (2 million entries: about a millisecond).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

RECENT_TYPE = np.dtype(
    [
        ("row", np.int32),
        ("time_ms", np.int64),
        ("value", np.float64),
        ("expected", np.float64),
        ("lower", np.float64),
        ("upper", np.float64),
        ("score", np.float32),
        ("anomalous", np.bool_),
        ("kind", np.uint8),
    ]
)
COLUMNS = tuple(name for name in RECENT_TYPE.names or ())


class RecentSamples:
    """The last `capacity` samples; one caller at a time."""

    bytes_per_sample = RECENT_TYPE.itemsize

    def __init__(self, capacity: int) -> None:
        self._columns: dict[str, NDArray[Any]] = {n: np.zeros(capacity, RECENT_TYPE[n]) for n in COLUMNS}
        self._capacity, self._written = capacity, 0

    def __len__(self) -> int:
        return min(self._written, self._capacity)

    def append(self, **columns: NDArray[Any]) -> None:
        """Adds samples; all of `COLUMNS`, shape (n,) each. The oldest make room."""
        n = len(columns["row"])
        skip = max(0, n - self._capacity)
        start = (self._written + skip) % self._capacity
        head = min(n - skip, self._capacity - start)
        for name in COLUMNS:
            column, kept = self._columns[name], columns[name][skip:]
            column[start : start + head] = kept[:head]
            column[: len(kept) - head] = kept[head:]
        self._written += n

    def of(self, row: int, start_ms: int, end_ms: int, limit: int) -> NDArray[np.void]:
        """The newest `limit` samples of one series with start_ms <= time <= end_ms, as records of RECENT_TYPE, oldest
        first."""
        return self.of_rows([row], start_ms, end_ms, limit)[0]

    def of_rows(self, rows: list[int], start_ms: int, end_ms: int, limit: int) -> list[NDArray[np.void]]:
        """`of` for several series with one scan."""
        size = len(self)
        wanted = np.isin(self._columns["row"][:size], rows)
        wanted &= (self._columns["time_ms"][:size] >= start_ms) & (self._columns["time_ms"][:size] <= end_ms)
        found = np.flatnonzero(wanted)
        split = self._written % self._capacity if self._written > self._capacity else 0
        found = np.concatenate([found[found >= split], found[found < split]])  # oldest arrival first
        owner = self._columns["row"][found]
        answers = []
        for row in rows:
            mine = found[owner == row]
            mine = mine[np.argsort(self._columns["time_ms"][mine], kind="stable")][-limit:] if limit else mine[:0]
            records = np.zeros(len(mine), RECENT_TYPE)
            for name in COLUMNS:
                records[name] = self._columns[name][mine]
            answers.append(records)
        return answers
