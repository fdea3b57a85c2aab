"""What alerts every day at the same time goes quiet; more of it, or at another time, does not."""

import numpy as np

from aiops.detection.scores import Scores
from tests.detection.test_complaints import Floats, onsets_after, score

DAY = 1440  # samples of a minute


def nightly(seed: int, days: int = 24) -> Floats:
    """A job of 25 minutes that begins within three minutes of the same time."""
    rng = np.random.default_rng(seed)
    values = np.abs(rng.normal(1, 0.05, days * DAY))
    for day in range(days):
        start = day * DAY + 150 + int(rng.integers(0, 3))
        values[start : start + 25] = rng.normal(100, 5, 25)
    return values


def of_day(scores: Scores, day: int) -> list[int]:
    return [k for k in onsets_after(scores, day * DAY) if k < (day + 1) * DAY]


def test_a_nightly_job_raises_no_alert_once_it_is_known() -> None:
    for seed in range(3):
        scores = score(nightly(seed), step_s=60)
        assert onsets_after(scores, 0)
        assert onsets_after(scores, 12 * DAY) == []


def test_a_job_much_larger_than_ever_is_an_alert() -> None:
    values = nightly(1)
    values[20 * DAY + 150 : 20 * DAY + 175] *= 20
    assert of_day(score(values, step_s=60), 20)


def test_the_same_job_at_another_hour_is_an_alert() -> None:
    values = nightly(1)
    values[20 * DAY + 800 : 20 * DAY + 825] = 100
    onset = of_day(score(values, step_s=60), 20)
    assert onset and onset[0] >= 20 * DAY + 800
