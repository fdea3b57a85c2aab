"""Our engine behaves as a river detector should, and stands beside river's own."""

import copy
from typing import Any

import numpy as np
import pytest

river = pytest.importorskip("river", reason="the river extra is not installed")
from river import anomaly as river_anomaly  # noqa: E402
from river import compose, preprocessing  # noqa: E402

from aiops.detection.engine import Engine  # noqa: E402
from aiops.detection.river_detector import START_MS, SeriesDetector  # noqa: E402
from aiops.metrics.series import SampleBatch, SeriesTable  # noqa: E402

anomaly: Any = river_anomaly  # half of it has types


def course(n: int = 600) -> np.ndarray:
    values = np.random.default_rng(1).normal(50, 1, n)
    values[n - 20] += 100
    return values


def test_scores_equal_the_engine_s_own() -> None:
    values = course()
    table = SeriesTable(1)
    table.row((("__name__", "m"),))
    n = len(values)
    batch = SampleBatch(np.zeros(n, np.int32), START_MS + 60_000 * np.arange(n), values, np.zeros(n, np.bool_))
    expected = np.nan_to_num(Engine(table).ingest(batch).score)
    detector, found = SeriesDetector(), []
    for value in values:
        found.append(detector.score_one({"m": value}))
        detector.learn_one({"m": value})
    np.testing.assert_array_equal(np.array(found, np.float32), expected)


def test_scoring_teaches_nothing() -> None:
    detector = SeriesDetector()
    for value in course(100):
        detector.learn_one({"m": value})
    once = detector.score_one({"m": 500.0})
    assert [detector.score_one({"m": 500.0}) for _ in range(5)] == [once] * 5


def test_it_can_be_cloned_copied_and_put_in_a_pipeline() -> None:
    detector = SeriesDetector(interval_s=300)
    for value in course(50):
        detector.learn_one({"m": value})
    assert detector.clone().interval_s == 300
    assert detector.clone().score_one({"m": 50.0}) == 0.0
    assert copy.deepcopy(detector).score_one({"m": 51.0}) == detector.score_one({"m": 51.0})
    pipeline = compose.Pipeline(preprocessing.StandardScaler(), SeriesDetector())
    for value in course(60):
        pipeline.learn_one({"m": value, "n": -value})
    assert 0 <= pipeline.score_one({"m": 50.0, "n": -50.0}) <= 1


@pytest.mark.parametrize("peer", [anomaly.HalfSpaceTrees(seed=1), anomaly.GaussianScorer(), SeriesDetector()])
def test_a_spike_is_stranger_than_any_usual_sample(peer: Any) -> None:
    values, scores = course(600), []
    for value in (values - 40) / 120 if isinstance(peer, anomaly.HalfSpaceTrees) else values:
        x = {"m": value}
        is_supervised = isinstance(peer, anomaly.GaussianScorer)
        scores.append(peer.score_one(None, value) if is_supervised else peer.score_one(x))
        peer.learn_one(None, value) if is_supervised else peer.learn_one(x)
    assert scores[580] >= max(scores[300:580])
