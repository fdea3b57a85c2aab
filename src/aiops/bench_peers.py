"""The same samples through river's detectors, one at a time as they are made to be used, beside our engine's figure.

The samples are those that the first series of our engine's run had, in their own unit, over and over. HalfSpaceTrees
wants features between 0 and 1: as its documentation shows, a MinMaxScaler stands before it in a pipeline. Beside it the
trees alone, on the same samples scaled beforehand at no cost to them: nobody can do that with a live stream, but it is
the part of the work that is theirs.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from aiops.bench import INTERVAL_MS
from aiops.errors import InputError

WARM_UP = 500
HOUR_STEPS = 3_600_000 // INTERVAL_MS


def bench_peers(values: Sequence[float], seconds: float) -> dict[str, float]:
    """Samples per CPU second of each peer on one series. Raises InputError where river is not installed."""
    try:
        from river import anomaly as river_anomaly
        from river import compose, linear_model, preprocessing
    except ImportError:
        raise InputError("river is not installed: pip install 'aiops[river]'") from None
    anomaly: Any = river_anomaly  # half of it has types
    pipeline = compose.Pipeline(preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=1))
    trees = anomaly.HalfSpaceTrees(seed=1)
    scorer = anomaly.GaussianScorer()
    predictor = anomaly.PredictiveAnomalyDetection(linear_model.LinearRegression())

    def documented(k: int, value: float) -> None:
        x = {"m": value}
        pipeline.score_one(x)
        pipeline.learn_one(x)

    def trees_alone(k: int, value: float) -> None:
        x = {"m": value}
        trees.score_one(x)
        trees.learn_one(x)

    def gaussian_scorer(k: int, value: float) -> None:
        scorer.score_one(None, value)
        scorer.learn_one(None, value)

    def predictive(k: int, value: float) -> None:
        x = {"hour": k / HOUR_STEPS % 24}
        predictor.score_one(x, value)
        predictor.learn_one(x, value)

    return {
        "MinMaxScaler | HalfSpaceTrees": _rate(documented, values, seconds),
        "HalfSpaceTrees, samples scaled beforehand": _rate(trees_alone, scaled(values), seconds),
        "GaussianScorer": _rate(gaussian_scorer, values, seconds),
        "PredictiveAnomalyDetection": _rate(predictive, values, seconds),
    }


def scaled(values: Sequence[float]) -> list[float]:
    """The same, not all equal, between 0 and 1."""
    low, high = min(values), max(values)
    return [(value - low) / (high - low) for value in values]


def _rate(one: Callable[[int, float], None], values: Sequence[float], seconds: float) -> float:
    for k in range(WARM_UP):
        one(k, values[k % len(values)])
    started, k = time.process_time(), 0
    while time.process_time() - started < seconds:
        for _ in range(100):
            one(k, values[k % len(values)])
            k += 1
    return k / (time.process_time() - started)
