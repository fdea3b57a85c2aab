"""One entity (a host, a service) judged by all its metrics together: what no single series shows.

The score is about 1 on a usual day of any entity; 3 opens an incident of the entity, and each opening raises the bar
of the next a little. Contributors say which metrics to look at first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiops.detection import entity_kernel as kernel

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EntityScores:
    """One entry per row."""

    score: Floats  # (n,) about 1 is usual, 0 while warming up, NaN where no metric spoke
    anomalous: NDArray[np.bool_]  # (n,) an incident of this entity is open
    blame: Floats  # (n, d) how much each metric contributes, by itself and against the others

    def contributors(self, row: int) -> list[int]:
        """Metrics by their part in the strangeness at this row, strongest first."""
        return [int(metric) for metric in np.argsort(-self.blame[row], kind="stable")]


class EntityScorer:
    """Streaming joint score of `metric_count` metrics; memory changes only by `widen`. `memory`: float64
    (size_of(metric_count),) to live in, zeros or what an entity of that width left; else one of its own."""

    def __init__(self, metric_count: int, memory: Floats | None = None) -> None:
        self._live_in(np.zeros(kernel.size_of(metric_count)) if memory is None else memory, metric_count)

    def _live_in(self, memory: Floats, d: int) -> None:
        self.memory, self.metric_count = memory, d
        self._parts: tuple[Floats, ...] = kernel.parts_of(memory, d)
        self.scalars, self.columns = self._parts[:2]
        if self.scalars[kernel.ROWS] == 0:
            for precision in (*self._parts[4:6], self._parts[7]):
                np.fill_diagonal(precision, 1)

    @property
    def bytes(self) -> int:
        """Memory of this entity."""
        return self.memory.nbytes

    def widen(self, metric_count: int, memory: Floats | None = None) -> None:
        """Room for more metrics; those known keep their columns and what was learned of them. `memory`: zeros, as at
        the start."""
        wider, old = EntityScorer(metric_count, memory), self.metric_count
        place = np.concatenate([np.arange(old), metric_count + np.arange(old)])  # of (z, h) among the wider
        wider.scalars[:] = self.scalars
        for new, known in zip(wider._parts[1:4], self._parts[1:4], strict=True):
            new[:, :old] = known
        for new, known in zip(wider._parts[4:6], self._parts[4:6], strict=True):
            new[np.ix_(place, place)] = known
        for new, known in zip(wider._parts[6:], self._parts[6:], strict=True):
            new[:old, :old] = known
        self._live_in(wider.memory, metric_count)

    def forget(self, metrics: Sequence[int]) -> None:
        """These columns are free for other metrics, which begin anew."""
        scalars, columns, season, season_count, covariance, precision, range_covariance, range_precision = self._parts
        for metric in metrics:
            kernel.forget(metric, columns, season, season_count, covariance, range_covariance)
        kernel.refresh(scalars, columns, covariance, precision, range_covariance, range_precision)

    def score(self, time_ms: NDArray[np.int64], values: Floats) -> EntityScores:
        """Scores rows in order of time, then learns. time_ms (n,), values (n, metric_count), NaN = no sample."""
        n, d = values.shape
        rows, times = np.ascontiguousarray(values, np.float64), np.ascontiguousarray(time_ms, np.int64)
        out, blame = np.empty((2, n)), np.empty((n, d))
        kernel.score_rows(rows, times, *self._parts, out, blame)  # type: ignore[call-arg]
        return EntityScores(out[0], out[1] > 0, blame)
