"""A change of variance is told once and accepted; noise that has its hours, spikes and counts are none."""

import numpy as np
import pytest

from aiops.detection.scores import Kind, Scores
from tests.detection.test_complaints import DAY, Floats, daily, onsets_after, score


def told(scores: Scores, start: int = 0) -> list[int]:
    """Samples from `start` on that are called a change of variance."""
    return [start + int(k) for k in np.flatnonzero(scores.kind[start:] == Kind.VARIANCE)]


def noisy(seed: int, factor: float, days: int = 16, change: int = 10) -> Floats:
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, days * DAY)
    noise[change * DAY :] *= factor
    return daily(rng, days, noise=0) + noise


@pytest.mark.parametrize("factor", [0.3, 3.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_change_of_noise_is_told_within_hours_and_then_accepted(factor: float, seed: int) -> None:
    scores = score(noisy(seed, factor))
    assert told(scores)[0] in range(10 * DAY, 10 * DAY + DAY // 2)
    assert any(10 * DAY <= k < 11 * DAY for k in scores.persisted.tolist())
    variance = [k for k in onsets_after(scores, 10 * DAY) if scores.kind[k] == Kind.VARIANCE]
    assert len(variance) <= 1
    assert told(scores, 12 * DAY) == []


@pytest.mark.parametrize("seed", range(3))
def test_the_same_noise_is_no_change(seed: int) -> None:
    assert told(score(noisy(seed, 1.0))) == []


def test_noise_that_has_its_hours_is_no_change() -> None:
    rng = np.random.default_rng(4)
    at = np.arange(21 * DAY) % DAY
    values = 50 + rng.normal(0, 1, len(at)) * np.where((at > 108) & (at < 216), 5, 1)
    assert told(score(values), 7 * DAY) == []


def test_spikes_and_a_level_shift_are_no_change_of_variance() -> None:
    values = noisy(5, 1.0)
    values[10 * DAY : 10 * DAY + 60 : 20] += 500
    values[12 * DAY :] += 60
    assert told(score(values)) == []


@pytest.mark.parametrize("rate", [0.01, 0.3, 3.0])
def test_counts_do_not_change_their_variance(rate: float) -> None:
    assert told(score(np.random.default_rng(6).poisson(rate, 14 * DAY).astype(float))) == []


def test_a_stuck_value_stays_the_business_of_the_stuck_rule() -> None:
    values = noisy(7, 1.0)
    values[12 * DAY : 12 * DAY + 80] = values[12 * DAY]
    scores = score(values)
    onset = onsets_after(scores, 12 * DAY)[0]
    assert scores.kind[onset] == Kind.STUCK
