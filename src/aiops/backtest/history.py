"""A history of samples in order of time, from files or from a Prometheus; it can be gone through again for some series.

It comes piece by piece, so a long history needs no more memory than one piece (files: than the files).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from aiops.metrics.series import Labels, canonical
from aiops.metrics.table_file import SampleTable, order_of_time

PIECE = 1_000_000  # samples of files at a time


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples of some time, sorted by time; `series` indexes `labels`. Shapes (n,). `done`: share of the whole history
    up to here."""

    labels: Sequence[Labels]
    series: np.ndarray[Any, np.dtype[np.int64]]
    time_ms: np.ndarray[Any, np.dtype[np.int64]]
    values: np.ndarray[Any, np.dtype[np.float64]]
    done: float = 1.0


class History(Protocol):
    """Where the samples come from."""

    name: str

    def pieces(self) -> Iterator[Piece]:
        """All samples; each piece is later than the one before."""

    def pieces_of(self, wanted: Sequence[Labels]) -> Iterator[Piece]:
        """The samples of these series alone."""


class FileHistory:
    """The samples of files, merged. Series of the same name in several files are told apart by a label `file`."""

    def __init__(self, tables: Sequence[tuple[Path, SampleTable]], name: str) -> None:
        self.name = name
        owners: dict[Labels, int] = {}
        for _, table in tables:
            for labels in table.series:
                owners[labels] = owners.get(labels, 0) + 1
        self._labels: list[Labels] = []
        parts = []
        for path, table in tables:
            good = table.good
            parts.append((table.group[good] + len(self._labels), table.time_ms[good], table.values[good]))
            self._labels += [
                labels if owners[labels] == 1 else canonical({**dict(labels), "file": str(path)})
                for labels in table.series
            ]
        series, time_ms, values = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        order = order_of_time(time_ms)
        self._series, self._time_ms, self._values = series[order], time_ms[order], values[order]

    def pieces(self) -> Iterator[Piece]:
        """A million samples at a time."""
        yield from self._cut(np.arange(len(self._time_ms)))

    def pieces_of(self, wanted: Sequence[Labels]) -> Iterator[Piece]:
        """The same of some series."""
        keys = [key for key, labels in enumerate(self._labels) if labels in set(wanted)]
        yield from self._cut(np.flatnonzero(np.isin(self._series, keys)))

    def _cut(self, chosen: np.ndarray[Any, np.dtype[np.int64]]) -> Iterator[Piece]:
        for first in range(0, len(chosen), PIECE):
            some, done = chosen[first : first + PIECE], min((first + PIECE) / len(chosen), 1.0)
            yield Piece(self._labels, self._series[some], self._time_ms[some], self._values[some], done)


def read_files(files: Iterable[tuple[Path, Path]], read: Callable[[Path], SampleTable], name: str) -> FileHistory:
    """Files and the names they are told by. Raises TableError."""
    return FileHistory([(shown, read(file)) for file, shown in files], name)
