"""Rules by matcher: what may alert, and that nothing else changes."""

import numpy as np
import pytest
from numpy.typing import NDArray

from aiops.config import Rule
from aiops.detection.engine import Engine
from aiops.detection.policy import Policy
from aiops.detection.scores import Kind, Scores
from aiops.errors import SettingsError
from aiops.metrics.series import SampleBatch, SeriesTable, canonical

START_MS = 1_767_571_200_000
N = 3000
AT = 2600


def course(jump: float, length: int = 1) -> NDArray[np.float64]:
    values = np.random.default_rng(3).normal(100, 1, N)
    values[AT : AT + length] += jump
    return values


def scored(values: NDArray[np.float64], *rules: Rule, name: str = "errors") -> Scores:
    table = SeriesTable(1)
    table.row(canonical({"__name__": name, "team": "shop"}))
    batch = SampleBatch(np.zeros(N, np.int32), START_MS + 60_000 * np.arange(N), values, np.zeros(N, np.bool_))
    return Engine(table, policy=Policy(table, rules)).ingest(batch)


@pytest.mark.parametrize(
    ("rule", "jump", "alerts"),
    [
        ({}, 60, True),
        ({}, -60, True),
        ({"direction": "both"}, -60, True),
        ({"direction": "up"}, 60, True),
        ({"direction": "up"}, -60, False),
        ({"direction": "down"}, 60, False),
        ({"direction": "down"}, -60, True),
        ({"change_min": 50}, 60, True),
        ({"change_min": 70}, 60, False),
        ({"change_relative_min": 0.5}, 60, True),
        ({"change_relative_min": 0.7}, 60, False),
        ({"direction": "up", "change_min": 50, "change_relative_min": 0.7}, 60, False),
    ],
)
def test_only_what_counts_alerts(rule: dict[str, object], jump: float, alerts: bool) -> None:
    scores = scored(course(jump), Rule.model_validate({"match": '{team="shop"}'} | rule))
    assert (AT in scores.onsets) == alerts
    assert bool(scores.anomalous[AT]) == alerts == (scores.score[AT] >= 0.5) == (scores.alert[AT] > 0)
    assert (scores.kind[AT] != Kind.NONE) == alerts


@pytest.mark.parametrize("length", [1, 20, 200])
def test_a_rule_changes_nothing_else(length: int) -> None:
    free, ruled = scored(course(-60, length)), scored(course(-60, length), Rule(match="errors", direction="up"))
    for column in ("expected", "lower", "upper", "status"):
        np.testing.assert_array_equal(getattr(free, column), getattr(ruled, column))
    first = int(free.onsets[0])  # from the first alert on, the free one has a higher bar of novelty
    usual = (free.strength[:first] < 0.9) & (ruled.strength[:first] > 0)
    np.testing.assert_array_equal(free.score[:first][usual], ruled.score[:first][usual])
    other = scored(course(-60, length), Rule(match="latency", direction="up"))
    np.testing.assert_array_equal(free.score, other.score)
    np.testing.assert_array_equal(free.onsets, other.onsets)


@pytest.mark.parametrize("length", [5, 20])
def test_the_way_back_from_what_does_not_count_is_no_alert(length: int) -> None:
    scores = scored(course(-60, length), Rule(match="errors", direction="up"))
    assert not [k for k in scores.onsets.tolist() if k >= AT]


def test_what_a_rule_keeps_from_alerting_does_not_hide_what_comes_next() -> None:
    values = course(-60, 20)
    values[AT + 25 : AT + 28] += 20
    assert AT + 25 in scored(values, Rule(match="errors", direction="up")).onsets


def test_a_later_rule_wins_setting_by_setting() -> None:
    rules = Rule(match="errors", direction="up", change_min=1e6), Rule(match='{team="shop"}', change_min=5)
    assert AT in scored(course(60), *rules).onsets
    assert AT not in scored(course(-60), *rules).onsets
    assert AT not in scored(course(60), *reversed(rules)).onsets


def test_a_stuck_value_has_no_direction_and_no_size() -> None:
    values = course(0)
    values[AT:] = values[AT]
    scores = scored(values, Rule(match="errors", direction="up", change_min=1e6))
    assert Kind.STUCK in scores.kind[AT:]


def test_a_trend_is_measured_against_the_days_before() -> None:
    n = 6 * 1440
    leak = np.random.default_rng(4).normal(100, 1, n) + np.maximum(np.arange(n) - 4 * 1440, 0) * 0.03
    told = {}
    for direction in ("up", "down"):
        table = SeriesTable(1)
        table.row(canonical({"__name__": "memory"}))
        batch = SampleBatch(np.zeros(n, np.int32), START_MS + 60_000 * np.arange(n), leak, np.zeros(n, np.bool_))
        rules = [Rule(match="memory", direction=direction, change_min=4)]
        told[direction] = Engine(table, policy=Policy(table, rules)).ingest(batch).kind
    assert Kind.TREND in told["up"]
    assert Kind.TREND not in told["down"]


def test_series_that_come_later_have_their_rules() -> None:
    table = SeriesTable(10)
    policy = Policy(table, [Rule(match='{team="shop"}', direction="up")])
    for k in range(3):
        table.row(canonical({"__name__": f"m{k}", "team": "shop" if k else "bank"}))
        policy.learn_series()
    assert policy.rows[:4, 0].tolist() == [0, 1, 1, 0]


def test_a_selector_that_cannot_be_read_is_named() -> None:
    with pytest.raises(SettingsError, match=r"detection\.rules\.1\.match: .*does not end"):
        Policy(SeriesTable(1), [Rule(match="a"), Rule(match="{team=")])
