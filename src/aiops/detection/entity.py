"""One entity (a host, a service) judged by all its metrics together: what no single series shows.

The score is about 1 on a usual day of any entity; 3 opens an incident of the entity, and each opening raises the bar
of the next a little. Contributors say which metrics to look at first.
"""

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
    """Streaming joint score of `metric_count` metrics; memory changes only by `widen`."""

    def __init__(self, metric_count: int) -> None:
        d = metric_count
        self.scalars = np.zeros(kernel.SCALARS)
        self.columns = np.zeros((kernel.COLUMNS, d))
        self._season, self._season_count = np.zeros((kernel.SLOTS, d)), np.zeros((kernel.SLOTS, d))
        self._covariance, self._precision = np.eye(2 * d), np.eye(2 * d)
        self._range_covariance, self._range_precision = np.zeros((d, d)), np.eye(d)

    @property
    def metric_count(self) -> int:
        return self.columns.shape[1]

    @property
    def arrays(self) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats, Floats, Floats]:
        """Everything learned, in a fixed order; shapes depend on metric_count alone."""
        return (
            self.scalars, self.columns, self._season, self._season_count,
            self._covariance, self._precision, self._range_covariance, self._range_precision,
        )  # fmt: skip

    @property
    def bytes(self) -> int:
        """Memory of this entity."""
        return sum(array.nbytes for array in self.arrays)

    def widen(self, metric_count: int) -> None:
        """Room for more metrics; those known keep their columns and what was learned of them."""
        wider, old = EntityScorer(metric_count), self.metric_count
        place = np.concatenate([np.arange(old), metric_count + np.arange(old)])  # of (z, h) among the wider
        wider.scalars[:] = self.scalars
        for new, known in zip(wider.arrays[1:4], self.arrays[1:4], strict=True):
            new[:, :old] = known
        for new, known in zip(wider.arrays[4:6], self.arrays[4:6], strict=True):
            new[np.ix_(place, place)] = known
        for new, known in zip(wider.arrays[6:], self.arrays[6:], strict=True):
            new[:old, :old] = known
        self.scalars, self.columns, self._season, self._season_count = wider.arrays[:4]
        self._covariance, self._precision, self._range_covariance, self._range_precision = wider.arrays[4:]

    def forget(self, metric: int) -> None:
        """This column is free for another metric, which begins anew."""
        kernel.forget(
            metric, self.columns, self._season, self._season_count, self._covariance, self._range_covariance
        )  # fmt: skip
        kernel.refresh(
            self.scalars, self.columns,
            self._covariance, self._precision, self._range_covariance, self._range_precision,
        )  # fmt: skip

    def score(self, time_ms: NDArray[np.int64], values: Floats) -> EntityScores:
        """Scores rows in order of time, then learns. time_ms (n,), values (n, metric_count), NaN = no sample."""
        n, d = values.shape
        rows, times = np.ascontiguousarray(values, np.float64), np.ascontiguousarray(time_ms, np.int64)
        out, blame = np.empty((2, n)), np.empty((n, d))
        kernel.score_rows(rows, times, *self.arrays, out, blame)
        return EntityScores(out[0], out[1] > 0, blame)
