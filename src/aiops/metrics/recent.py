"""The newest samples of all series with their scores, in one ring of known size: for evidence and for graphs.

One ring for all series, not one per series: memory is fixed, no series is favoured, and appending a batch is two
slice copies. Samples arrive nearly in order of time, so reading the latest of a series scans only that far back.
"""

from collections.abc import Sequence
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
NOBODY = -1  # in the column `row`: the series is forgotten
BLOCK = 65_536  # samples looked at in one go
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

    def forget(self, rows: NDArray[np.int64]) -> None:
        """The samples of these rows belong to no series any more; they keep their places until newer ones come."""
        owner = self._columns["row"]
        is_gone = np.zeros(1 + max(int(owner.max(initial=0)), int(rows.max(initial=0))), np.bool_)
        is_gone[rows] = True
        owner[(owner >= 0) & is_gone[owner]] = NOBODY

    def of_rows(self, rows: Sequence[int], start_ms: int, end_ms: int) -> list[NDArray[np.void]]:
        """Per series its samples with start_ms <= time <= end_ms, as records of RECENT_TYPE, oldest first.

        Scans from the newest sample backwards, and stops at the first block that is older as a whole.
        """
        places = [np.empty(0, np.int64)]
        written, left = self._written, len(self)
        while left > 0:
            size = min(BLOCK, left)
            place = np.arange(written - size, written) % self._capacity
            time_ms = self._columns["time_ms"][place]
            inside = (time_ms >= start_ms) & (time_ms <= end_ms) & np.isin(self._columns["row"][place], rows)
            places.append(place[inside])
            if time_ms.max() < start_ms:
                break
            written, left = written - size, left - size
        found = np.concatenate(places[::-1])  # oldest arrival first
        owner = self._columns["row"][found]
        return [self._records(found[owner == row]) for row in rows]

    def _records(self, places: NDArray[np.int64]) -> NDArray[np.void]:
        places = places[np.argsort(self._columns["time_ms"][places], kind="stable")]
        records = np.zeros(len(places), RECENT_TYPE)
        for name in COLUMNS:
            records[name] = self._columns[name][places]
        return records
