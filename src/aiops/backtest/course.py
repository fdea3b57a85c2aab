"""What some series did and what was expected of them, small enough to draw.

The chosen series go through an engine of their own once more (a series' scores depend on its own samples alone, so
they are the same), and are kept as the range of each of a few hundred stretches of time, plus every sample around the
moment that matters most. Memory is the same for a day and for a year.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops.backtest.history import History
from aiops.detection import state as S
from aiops.detection.engine import Engine
from aiops.metrics.series import Labels, SampleBatch, SeriesTable

STRETCHES = 480  # of the whole course; a picture is hardly wider
CLOSE_SAMPLES = 60  # before and after the moment that matters most
CLOSE_MAX = 5_000  # samples kept of one close-up, whatever the interval claims
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """Points in order of time, NaN where there is nothing. Shapes (n,)."""

    time_ms: Floats
    low: Floats  # least and greatest value around this time; the same where each point is one sample
    high: Floats
    expected: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, slots=True)
class Course:
    """One series: the whole of it, and a close-up. `is_rate`: it counts, so what is shown is its rate a second."""

    labels: Labels
    whole: Line
    close: Line
    is_rate: bool


def follow(
    history: History,
    wanted: Sequence[tuple[Labels, tuple[int, int], int]],
    warm_up_samples: int,
) -> list[Course]:
    """The courses of series: labels, first and last sample, and the moment that matters most (ms)."""
    table = SeriesTable(max(len(wanted), 1))
    recorders = []
    for labels, span, moment_ms in wanted:
        table.row(labels)
        recorders.append(_Recorder(span, moment_ms))
    engine = Engine(table, warm_up_samples)
    for piece in history.pieces_of([labels for labels, _, _ in wanted]):
        found = np.array([-1 if (row := table.find(labels)) is None else row for labels in piece.labels], np.int32)
        rows = found[piece.series] if len(found) else np.empty(0, np.int32)
        mine = rows >= 0
        rows, time_ms, values = rows[mine], piece.time_ms[mine], piece.values[mine]
        scores = engine.ingest(SampleBatch(rows, time_ms, values, np.zeros(len(rows), np.bool_)))
        for row in np.unique(rows).tolist():
            k = np.flatnonzero((rows == row) & np.isfinite(values))
            columns = np.stack([values[k], scores.expected[k], scores.lower[k], scores.upper[k]])
            recorders[row].add(time_ms[k], columns, bool(table.is_counter[row]), engine.state.head[row, S.INTERVAL_S])
    return [
        Course(labels, recorder.whole(), recorder.close(), bool(table.is_counter[row]))
        for row, ((labels, _, _), recorder) in enumerate(zip(wanted, recorders, strict=True))
    ]


class _Recorder:
    """Keeps one series."""

    def __init__(self, span: tuple[int, int], moment_ms: int) -> None:
        self._first_ms, self._moment_ms = span[0], moment_ms
        self._width_ms = max((span[1] - span[0]) / STRETCHES, 1.0)
        self._low, self._high = np.full(STRETCHES, np.inf), np.full(STRETCHES, -np.inf)
        self._sums, self._counts = np.zeros((3, STRETCHES)), np.zeros((3, STRETCHES))
        self._close: list[tuple[Floats, Floats]] = []
        self._kept = 0
        self._last: tuple[float, float] | None = None  # of a counter: time and value of the sample before

    def add(self, time_ms: NDArray[np.int64], columns: Floats, is_counter: bool, interval_s: Any) -> None:
        """Samples in order of time; columns (4, n): value, expected, lower, upper."""
        times = time_ms.astype(np.float64)
        if is_counter:
            times, columns = self._rates(times, columns)
        if not len(times):
            return
        at = np.clip((times - self._first_ms) / self._width_ms, 0, STRETCHES - 1).astype(np.int64)
        np.minimum.at(self._low, at, columns[0])
        np.maximum.at(self._high, at, columns[0])
        for line in range(3):
            known = np.isfinite(columns[line + 1])
            np.add.at(self._sums[line], at[known], columns[line + 1][known])
            np.add.at(self._counts[line], at[known], 1)
        reach_ms = CLOSE_SAMPLES * 1000 * max(float(interval_s), 1e-3)
        near = np.flatnonzero(np.abs(times - self._moment_ms) <= reach_ms)[: CLOSE_MAX - self._kept]
        self._kept += len(near)
        self._close.append((times[near], columns[:, near]))

    def _rates(self, times: Floats, columns: Floats) -> tuple[Floats, Floats]:
        """Of a counter: what it grew by a second, and what was expected; the first sample and resets say nothing."""
        before = self._last or (np.nan, np.nan)
        self._last = (float(times[-1]), float(columns[0, -1])) if len(times) else self._last
        elapsed_s = np.diff(times, prepend=before[0]) / 1000
        base = np.concatenate([[before[1]], columns[0, :-1]])
        grew = (elapsed_s > 0) & (columns[0] >= base)
        return times[grew], (columns[:, grew] - base[grew]) / elapsed_s[grew]

    def whole(self) -> Line:
        """The range of each stretch."""
        filled = self._low <= self._high
        times: Floats = self._first_ms + (np.arange(STRETCHES, dtype=np.float64) + 0.5) * self._width_ms
        with np.errstate(invalid="ignore", divide="ignore"):
            expected, lower, upper = self._sums / self._counts
        low, high = np.where(filled, self._low, np.nan), np.where(filled, self._high, np.nan)
        return Line(times, low, high, expected, lower, upper)

    def close(self) -> Line:
        """Every sample around the moment."""
        if not self._close:
            nothing = np.empty(0)
            return Line(nothing, nothing, nothing, nothing, nothing, nothing)
        times = np.concatenate([times for times, _ in self._close])
        value, expected, lower, upper = np.concatenate([columns for _, columns in self._close], axis=1)
        return Line(times, value, value, expected, lower, upper)
