"""An alert budget keeps to its number, survives bad days, and forgets another regime."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aiops.config import Budget, Detection
from aiops.detection.budget import DAY_MS, AlertBudget, Scope, Tail, drift_cut
from aiops.detection.snapshot import load_arrays, save_arrays
from aiops.errors import SettingsError, SnapshotError
from aiops.metrics.series import canonical

START_MS = 1_767_571_200_000
MINUTE_MS = 60_000


def scope(rate: str) -> Scope:
    return Scope("all", rate, ())


def live(one: Scope, things_a_day: float, days: int, rng: np.random.Generator, start_day: int = 0) -> NDArray[np.int64]:
    """Things of Pareto strength from 0.5 on at random times; told per day."""
    told = np.zeros(days, np.int64)
    for day in range(days):
        times = np.sort(rng.integers(0, DAY_MS, rng.poisson(things_a_day)))
        for time_ms, strength in zip(times.tolist(), (0.5 * (1 + rng.pareto(2, len(times)))).tolist(), strict=True):
            at = START_MS + (start_day + day) * DAY_MS + time_ms
            one.advance(at)
            told[day] += bool(one.offer(at, strength))
        one.advance(START_MS + (start_day + day + 1) * DAY_MS)
    return told


@pytest.mark.parametrize("things_a_day", [20, 2000])
@pytest.mark.parametrize(
    ("rate", "a_day"), [("2 per week", 2 / 7), ("1 per day", 1), ("3 per day", 3), ("10 per day", 10)]
)
def test_the_budget_is_kept_within_a_factor_of_two(things_a_day: float, rate: str, a_day: float) -> None:
    for seed in range(3):
        told = live(scope(rate), things_a_day, 35, np.random.default_rng(seed))
        assert a_day / 2 <= told[7:].mean() <= 2 * a_day


def test_more_than_there_is_cannot_be_told() -> None:
    told = live(scope("50 per day"), 5, 20, np.random.default_rng(1))
    assert 4 <= told[7:].mean() <= 6


@pytest.mark.parametrize(("rate", "days", "most"), [("2 per week", 7, 4), ("3 per day", 1, 6), ("1 per hour", 1, 48)])
def test_beyond_twice_the_budget_only_records_are_told_in_any_period(rate: str, days: int, most: int) -> None:
    one, rng = scope(rate), np.random.default_rng(2)
    times: list[int] = []
    told: list[float] = []
    counts = []
    for minute in range(21 * 1440):
        one.advance(START_MS + minute * MINUTE_MS)
        strength = 0.5 + rng.exponential(2)
        if rng.random() < 0.2 and one.offer(START_MS + minute * MINUTE_MS, strength):
            in_period = told[np.searchsorted(times, minute - days * 1440, side="right") :]
            assert len(in_period) < most or strength > max(in_period)
            times.append(minute)
            told.append(strength)
            counts.append(len(in_period) + 1)
    assert 21 / days * most / 4 <= len(times) <= 21 / days * most
    assert one.standing.most == max(counts) <= 1.25 * most + 1
    assert one.standing.ceiling == most


def test_what_is_left_beyond_the_budget_goes_to_the_outstanding() -> None:
    one = scope("2 per week")
    one.advance(START_MS)
    assert one.offer(START_MS, 1.1) and one.offer(START_MS, 1.1)
    assert not one.offer(START_MS, 0.99)
    assert one.offer(START_MS, 1.1)
    assert not one.offer(START_MS, 3.9)
    assert one.offer(START_MS, 4.1)
    assert not one.offer(START_MS, 4.1)
    one.advance(START_MS + 7 * DAY_MS)
    assert one.offer(START_MS + 7 * DAY_MS, 4.1)


def test_a_record_is_stronger_than_what_was_told_has_become() -> None:
    one = scope("1 per day")
    one.advance(START_MS)
    assert one.offer(START_MS, 5.0)
    assert one.offer(START_MS, 6.0)
    one.offer(START_MS, 9.0, before=5.0, is_told=True)
    assert not one.offer(START_MS, 8.0)
    assert one.offer(START_MS, 9.1)
    one.offer(START_MS, 20.0, before=8.0)  # held back at 8, and stronger now
    assert not one.offer(START_MS, 15.0)


def test_a_flood_is_told_in_part_and_the_outstanding_all_the_same() -> None:
    one, rng = scope("3 per day"), np.random.default_rng(2)
    live(one, 20, 14, rng)
    told = live(one, 1000, 1, rng, 14)
    assert told[0] <= 12
    at = START_MS + 15 * DAY_MS - MINUTE_MS
    assert one.offer(at, 100.0)


def test_the_bar_is_the_usual_one_where_half_the_budget_reaches_it() -> None:
    plenty, few, rng = scope("3 per day"), scope("3 per day"), np.random.default_rng(7)
    for day, hour in np.ndindex(14, 24):
        at = START_MS + day * DAY_MS + hour * 3_600_000
        for one, strong in ((plenty, (2, 10, 18)), (few, (2,))):
            one.advance(at)
            one.offer(at, 1.2 if hour in strong else rng.uniform(0.5, 1))
    assert plenty.standing.bar >= 1
    assert few.standing.bar < 1
    assert few.told_count >= 14 * 1.5


def test_why_it_is_told_agrees_with_what_was_decided() -> None:
    one = Scope('{team="shop"}', "2 per week", ())
    one.advance(START_MS)
    assert one.offer(START_MS, 1.004) == (
        'among the strangest within the budget of 2 per week for {team="shop"} (strength 1.004, told from 1 on)'
    )
    few = scope("9 per day")
    for minute in range(14 * 1440):
        few.advance(START_MS + minute * MINUTE_MS)
        why = few.offer(START_MS + minute * MINUTE_MS, 0.8) if minute % 200 == 0 else ""
    few.advance(START_MS + 14 * DAY_MS)
    why = few.offer(START_MS + 14 * DAY_MS, 0.8)
    assert re.search(r"strength 0.8, told from 0\.\d+ on, below the usual 1, which too few reach", why)


@given(cuts=st.sets(st.integers(1, 21 * 24 * 6 - 1), max_size=400))
@settings(max_examples=20, deadline=None)
def test_the_bar_does_not_depend_on_when_time_is_told(cuts: set[int]) -> None:
    rng = np.random.default_rng(8)
    steps = 21 * 24 * 6
    found = dict(zip(range(0, steps, 7), (0.5 * (1 + rng.pareto(2, steps // 7))).tolist(), strict=True))
    told = []
    for moments in (range(steps), sorted({0, *found, *cuts, steps - 1})):
        one, mine = scope("3 per day"), []
        for step in moments:
            one.advance(START_MS + step * 600_000)
            mine.append(one.offer(START_MS + step * 600_000, found[step]) if step in found else "")
        told.append([why for why in mine if why] + [one.bar])
    assert told[0] == told[1]


def test_one_bad_day_does_not_deafen_the_days_after() -> None:
    one, rng = scope("3 per day"), np.random.default_rng(3)
    live(one, 20, 14, rng)
    usual = one.tail.bar(3)
    live(one, 1000, 1, rng, 14)
    assert one.tail.bar(3) <= 1.5 * usual
    assert live(one, 20, 7, rng, 15)[1:].mean() >= 1.5


def test_a_population_that_has_changed_is_learned_anew() -> None:
    one, rng = scope("3 per day"), np.random.default_rng(4)
    live(one, 20, 14, rng)
    assert one.tail.forgotten_day == 0
    told = live(one, 400, 14, rng, 14)
    assert one.tail.forgotten_day >= START_MS // DAY_MS + 10
    assert told[7:].mean() <= 6


def test_a_thing_that_grows_is_counted_and_told_once() -> None:
    one = scope("3 per day")
    one.advance(START_MS)
    assert not one.offer(START_MS, 0.6)
    assert one.offer(START_MS, 1.7, before=0.6)
    assert not one.offer(START_MS, 9.0, before=1.7, is_told=True)
    assert one.tail.counts.sum() == 1
    assert one.told_count == 1
    one.offer(START_MS, 0.0, before=9.0, is_told=True)
    assert one.tail.counts.sum() == 0


def test_hints_of_one_entity_in_a_row_count_once() -> None:
    one = scope("3 per day")
    one.advance(START_MS)
    assert not any(one.is_worth("web", START_MS + k * MINUTE_MS, 0.5 + k / 100) for k in range(5))
    assert not one.is_worth("db", START_MS, 0.6)
    assert one.tail.counts.sum() == 2
    assert not one.is_worth("web", START_MS + 30 * MINUTE_MS, 0.6)
    assert one.tail.counts.sum() == 3
    assert one.is_worth("web", START_MS + 31 * MINUTE_MS, 1.2)


def test_time_without_samples_is_not_time_without_alerts() -> None:
    tail = Tail()
    tail.advance(START_MS)
    tail.advance(START_MS + DAY_MS // 2)
    tail.advance(START_MS + 10 * DAY_MS, is_covered=False)
    assert tail.covered.sum() == pytest.approx(0.5)
    tail.advance(START_MS + 12 * DAY_MS + DAY_MS // 4)
    assert tail.covered.sum() == pytest.approx(0.5 + 2.25)
    tail.advance(START_MS + 12 * DAY_MS)
    assert tail.covered.sum() == pytest.approx(0.5 + 2.25)


def test_days_of_long_ago_are_forgotten() -> None:
    tail = Tail()
    tail.advance(START_MS)
    tail.count(START_MS, 3.0)
    tail.advance(START_MS + 40 * DAY_MS)
    assert tail.counts.sum() == 0
    assert tail.covered.sum() == pytest.approx(27)
    tail.count(START_MS, 3.0)
    assert tail.counts.sum() == 0


def test_a_change_of_mean_is_found_where_river_s_adwin_finds_one() -> None:
    drift = pytest.importorskip("river.drift")
    rng = np.random.default_rng(5)
    for before, after in ((0.3, 0.3), (2.0, 2.0), (0.3, 2.5), (4.0, 1.0)):
        values = np.minimum(np.concatenate([rng.poisson(before, (14, 24)), rng.poisson(after, (7, 24))]), 10.0)
        adwin, found = drift.ADWIN(delta=0.002), False
        for value in (values.ravel() / 10).tolist():
            adwin.update(value)
            found |= adwin.drift_detected
        cut = drift_cut(values, 0.002, 3, 10.0)
        assert bool(cut) == found == (before != after)
        assert not cut or 12 <= cut <= 16


def test_the_first_budget_that_matches_holds_else_that_of_all() -> None:
    budgets = (Budget(match='{team="shop"}', alerts="1 per day"), Budget(match='{env="prod"}', alerts="2 per day"))
    both, none = canonical({"team": "shop", "env": "prod"}), canonical({"team": "bank"})
    named = AlertBudget(Detection(budgets=budgets))
    assert named.scope_of(both) is named.scopes[0]
    assert named.scope_of(canonical({"env": "prod"})) is named.scopes[1]
    assert named.scope_of(none) is None
    fleet = AlertBudget(Detection(alert_budget="3 per day", budgets=budgets))
    assert fleet.scope_of(none) is fleet.scopes[2]
    assert not AlertBudget(Detection())
    assert AlertBudget(Detection()).scope_of(none) is None


def test_a_selector_that_cannot_be_read_is_named() -> None:
    with pytest.raises(SettingsError, match=r"detection\.budgets\.0\.match"):
        AlertBudget(Detection(budgets=(Budget(match="{a", alerts="1 per day"),)))


def test_what_is_learned_survives_as_plain_arrays(tmp_path: Path) -> None:
    settings = Detection(alert_budget="3 per day", budgets=(Budget(match="m", alerts="1 per day"),))
    first = AlertBudget(settings)
    for one in first.scopes:
        live(one, 30, 10, np.random.default_rng(6))
    save_arrays(tmp_path / "budget.npz", first.arrays())
    second = AlertBudget(Detection(alert_budget="3 per day"))  # the other budget was taken out
    second.restore(load_arrays(tmp_path / "budget.npz"))
    assert second.scopes[0].tail.bar(3) == first.scopes[1].tail.bar(3) != 1
    first.scopes[1].advance(second.scopes[0].tail.last_ms)
    assert second.scopes[0].bar == first.scopes[1].bar
    (tmp_path / "budget.npz").write_bytes(b"damaged")
    with pytest.raises(SnapshotError):
        load_arrays(tmp_path / "budget.npz")
    assert load_arrays(tmp_path / "none.npz") == {}
