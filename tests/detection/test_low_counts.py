"""Series of few events are judged as others: at one sample a minute chance is no alert, a run is."""

import numpy as np
import pytest
from numpy.typing import NDArray

from aiops.detection.engine import Engine
from aiops.detection.scores import Scores
from aiops.metrics.series import SampleBatch, SeriesTable

START_MS = 1_767_571_200_000
SERIES = 10
STEP_S, DAY = 60, 1440
Floats = NDArray[np.float64]


def score(values: Floats, is_counter: bool = False) -> Scores:
    """values (n, series): one sample of each series at a time."""
    n, series = values.shape
    table = SeriesTable(series)
    for k in range(series):
        table.row((("__name__", f"errors_{k}" + "_total" * is_counter),))
    times = START_MS + np.repeat((STEP_S * 1000 * np.arange(n)).astype(np.int64), series)
    sent = np.cumsum(values, axis=0) if is_counter else values
    rows = np.tile(np.arange(series, dtype=np.int32), n)
    return Engine(table).ingest(SampleBatch(rows, times, sent.ravel(), np.zeros(n * series, np.bool_)))


def events(seed: int, rate: float, days: int) -> Floats:
    return np.random.default_rng(seed).poisson(rate, (days * DAY, SERIES)).astype(np.float64)


def alerted(scores: Scores, start: int) -> set[int]:
    return {k % SERIES for k in scores.onsets.tolist() if k // SERIES >= start}


@pytest.mark.parametrize("rate", [0.02, 0.2, 1.0, 3.0])
def test_chance_is_no_alert(rate: float) -> None:
    days = 4
    onsets = [k for k in score(events(1, rate, days)).onsets.tolist() if k // SERIES >= DAY]
    assert len(onsets) <= 0.1 * (days - 1) * SERIES


def test_a_three_among_few_events_is_no_alert() -> None:
    values = events(2, 0.2, 3)
    at = [DAY + 700, 2 * DAY + 300]
    values[at] = 3
    onsets = score(values).onsets // SERIES
    assert not np.isin(onsets, at).any()


@pytest.mark.parametrize("is_counter", [False, True])
def test_a_run_of_tens_is_an_alert(is_counter: bool) -> None:
    values = events(3, 0.2, 3)
    values[-10:] = 10
    assert len(alerted(score(values, is_counter), len(values) - 10)) == SERIES


def test_events_that_cease_are_an_alert_within_the_hour() -> None:
    values = events(4, 3.0, 3)
    values[-60:] = 0
    assert len(alerted(score(values), len(values) - 60)) == SERIES
