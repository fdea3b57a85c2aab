"""Our engine as one of river's anomaly detectors: each feature is a series, each call one sample of each.

For people who live in river (pipelines, `evaluate`, comparisons). Needs the `river` extra; the service does not.
river asks for a score before it teaches, so `score_one` puts the memory back as it was.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from river import base

from aiops.detection.engine import Engine
from aiops.metrics.series import SampleBatch, SeriesTable

START_MS = 1_767_571_200_000


class SeriesDetector(base.AnomalyDetector):
    """Scores from 0 to 1; 0.5 is the alert threshold, 0 stands for "not known yet" as elsewhere in river.

    interval_s: time between two calls, for seasons and silences; features_max: more features are refused with
    OverloadError.
    """

    def __init__(self, interval_s: float = 60.0, warm_up_samples: int = 20, features_max: int = 100) -> None:
        self.interval_s = interval_s
        self.warm_up_samples = warm_up_samples
        self.features_max = features_max
        self._engine = Engine(SeriesTable(features_max), warm_up_samples)
        self._calls = 0

    def learn_one(self, x: Mapping[Any, float]) -> None:
        """Learns from one sample of each feature."""
        self._engine.ingest(self._batch(x))
        self._calls += 1

    def score_one(self, x: Mapping[Any, float]) -> float:
        """The strangest feature's score; teaches nothing."""
        batch, engine = self._batch(x), self._engine
        head, body = engine.state.head[batch.rows].copy(), engine.state.body[batch.rows].copy()
        newest_ms = engine.newest_ms
        score = engine.ingest(batch).score
        engine.state.head[batch.rows], engine.state.body[batch.rows], engine.newest_ms = head, body, newest_ms
        return float(np.nanmax(score)) if np.isfinite(score).any() else 0.0

    def _batch(self, x: Mapping[Any, float]) -> SampleBatch:
        n, table = len(x), self._engine.table
        rows = np.array([table.row((("__name__", str(name)),), is_counter=False) for name in x], np.int32)
        times = np.full(n, START_MS + round(1000 * self.interval_s * self._calls), np.int64)
        return SampleBatch(rows, times, np.array([float(v) for v in x.values()]), np.zeros(n, np.bool_))
