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

    score: Floats  # (n,) about 1 is usual, 0 while warming up
    anomalous: NDArray[np.bool_]  # (n,) an incident of this entity is open
    blame: Floats  # (n, d) how much each metric contributes, by itself and against the others

    def contributors(self, row: int) -> list[int]:
        """Metrics by their part in the strangeness at this row, strongest first."""
        return [int(metric) for metric in np.argsort(-self.blame[row], kind="stable")]


class EntityScorer:
    """Streaming joint score of `metric_count` metrics; memory is fixed at the start."""

    def __init__(self, metric_count: int) -> None:
        d = metric_count
        self._scalars = np.zeros(kernel.SCALARS)
        self._columns = np.zeros((kernel.COLUMNS, d))
        self._season, self._season_count = np.zeros((kernel.SLOTS, d)), np.zeros((kernel.SLOTS, d))
        self._covariance, self._precision = np.eye(2 * d), np.eye(2 * d)

    @property
    def bytes(self) -> int:
        """Memory of this entity."""
        arrays = (self._scalars, self._columns, self._season, self._season_count, self._covariance, self._precision)
        return sum(array.nbytes for array in arrays)

    def score(self, time_ms: NDArray[np.int64], values: Floats) -> EntityScores:
        """Scores rows in order of time, then learns. time_ms (n,), values (n, metric_count), NaN = no sample."""
        n, d = values.shape
        out, blame = np.empty((2, n)), np.empty((n, d))
        kernel.score_rows(
            np.ascontiguousarray(values, np.float64),
            np.ascontiguousarray(time_ms, np.int64),
            self._scalars,
            self._columns,
            self._season,
            self._season_count,
            self._covariance,
            self._precision,
            out,
            blame,
        )
        return EntityScores(out[0], out[1] > 0, blame)
