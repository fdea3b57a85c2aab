"""The same samples through river's detectors, one at a time as they are made to be used, beside our engine's figure."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from aiops.errors import InputError

WARM_UP = 500


def bench_peers(seconds: float) -> dict[str, float]:
    """Samples per CPU second of each peer on one series. Raises InputError where river is not installed."""
    try:
        from river import anomaly as river_anomaly
        from river import linear_model
    except ImportError:
        raise InputError("river is not installed: pip install 'aiops[river]'") from None
    anomaly: Any = river_anomaly  # half of it has types
    trees = anomaly.HalfSpaceTrees(seed=1)
    scorer = anomaly.GaussianScorer()
    predictor = anomaly.PredictiveAnomalyDetection(linear_model.LinearRegression())

    def half_space_trees(k: int, value: float) -> None:
        trees.score_one({"m": value})
        trees.learn_one({"m": value})

    def gaussian_scorer(k: int, value: float) -> None:
        scorer.score_one(None, value)
        scorer.learn_one(None, value)

    def predictive(k: int, value: float) -> None:
        x = {"hour": k / 240 % 24}
        predictor.score_one(x, value)
        predictor.learn_one(x, value)

    return {
        "HalfSpaceTrees": _rate(half_space_trees, seconds),
        "GaussianScorer": _rate(gaussian_scorer, seconds),
        "PredictiveAnomalyDetection": _rate(predictive, seconds),
    }


def _values() -> Iterator[float]:
    rng: Any = np.random.default_rng(1)
    while True:
        yield from rng.uniform(0, 1, 10_000).tolist()


def _rate(one: Callable[[int, float], None], seconds: float) -> float:
    values = _values()
    for k in range(WARM_UP):
        one(k, next(values))
    started, k = time.process_time(), 0
    while time.process_time() - started < seconds:
        for _ in range(100):
            one(k, next(values))
            k += 1
    return k / (time.process_time() - started)
