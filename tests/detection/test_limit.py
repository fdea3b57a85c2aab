"""When a limit is reached at this pace: disks that fill are told hours ahead, what rises every morning is not."""

import re

import numpy as np
import pytest

from aiops.config import Rule, Settings
from aiops.detection.engine import Engine
from aiops.detection.limit import Approach, LimitWatch
from aiops.errors import SettingsError
from aiops.metrics.series import SampleBatch, SeriesTable, canonical
from aiops.store.incident_store import IncidentFilter
from tests.conftest import NOW_S, MakeService
from tests.detection.test_complaints import Floats

MINUTE_MS = 60_000
DAY = 1440
START_MS = 1_767_571_200_000
HORIZON_S = 21_600.0


def watched(values: Floats, name: str, rules: tuple[Rule, ...] = ()) -> tuple[list[tuple[int, Approach]], list[int]]:
    """(minute, approach) told of one series, and the minutes at which it was over."""
    table = SeriesTable(1)
    table.row(canonical({"__name__": name}))
    engine = Engine(table)
    watch = LimitWatch(table, engine.state, rules, HORIZON_S)
    told, over = [], []
    for first in range(0, len(values), 5):
        part = values[first : first + 5]
        n = len(part)
        times = START_MS + MINUTE_MS * np.arange(first, first + n)
        engine.ingest(SampleBatch(np.zeros(n, np.int32), times, part, np.zeros(n, np.bool_)))
        found, turned = watch.look(int(times[-1]))
        told += [(first, one) for one in found if one.is_new]
        over += [first for _ in turned]
    return told, over


def flat_then_filling(per_hour: float, level: float = 40.0, noise: float = 0.2) -> Floats:
    values = level + np.random.default_rng(1).normal(0, noise, 4 * DAY)
    values[3 * DAY :] += per_hour * np.arange(DAY) / 60
    return np.asarray(np.minimum(values, 100))


DISK = (Rule(match="disk_used_bytes", limit=2e11),)


def disk(per_hour: float, flat_days: float = 0.0, start: float = 1.5e11, full: float = 2.05e11) -> Floats:
    """Bytes of a disk that is flat for some days, fills at this pace until it is full, and stays full."""
    n = int((full - start) / per_hour * 60)
    values = np.r_[np.full(int(flat_days * DAY), start), start + per_hour * np.arange(n) / 60, np.full(300, full)]
    return np.asarray(values + np.random.default_rng(1).normal(0, 4e7, len(values)))


def test_a_disk_full_in_hours_is_told_once_with_the_time_left() -> None:
    told, over = watched(flat_then_filling(6.0), "disk_used_percent")
    (minute, approach), (reached, _) = told
    assert over == []
    full = 3 * DAY + 600
    assert abs(reached - full) <= 30
    assert 3 * DAY + 180 < minute < 3 * DAY + 360
    assert approach.limit == 100
    assert abs(minute + approach.eta_s / 60 - full) < 60


@pytest.mark.parametrize(
    ("name", "scale", "rules", "limit"),
    [
        ("disk_used_bytes", 2e9, (Rule(match="disk_used_bytes", limit=2e11),), 2e11),
        ("memory_utilisation", 0.01, (), 1.0),
        ("queue_length", 10.0, (Rule(match='queue_length{team!="x"}', limit=1000.0),), 1000.0),
    ],
)
def test_limits_come_from_rules_and_names(name: str, scale: float, rules: tuple[Rule, ...], limit: float) -> None:
    told = watched(scale * flat_then_filling(8.0), name, rules)[0]
    assert [(one.limit, one.is_reached) for _, one in told] == [(limit, False), (limit, True)]


def test_what_is_free_ends_at_nothing() -> None:
    (_, approach), _ = watched(1e9 * (100.0 - flat_then_filling(8.0)), "filesystem_avail_bytes")[0]
    assert approach.limit == 0
    assert approach.value > 0


@pytest.mark.parametrize("per_hour", [1.1e9, 2.5e9])
@pytest.mark.parametrize("flat_days", [0.0, 3.0])
def test_a_disk_that_has_always_filled_is_told_at_the_horizon_and_when_it_is_full(
    per_hour: float, flat_days: float
) -> None:
    values = disk(per_hour, flat_days)
    (coming, approach), (full, reached) = watched(values, "disk_used_bytes", DISK)[0]
    first = int(flat_days * DAY + 5e10 / per_hour * 60)  # when it is full
    horizon_min = 360 if first > DAY + 360 else 120  # of a series in its first day only what is near is told
    assert first - horizon_min - 10 <= coming <= first - horizon_min + 45
    assert approach.pace == pytest.approx(per_hour, rel=0.15)
    assert abs(coming + approach.eta_s / 60 - first) < 45
    assert first - 5 <= full <= first + 10 and reached.is_reached and reached.value >= 2e11


def test_what_grows_between_rotations_is_told_once_it_is_beyond_them() -> None:
    at = np.arange(9 * DAY)
    rotated = 4e9 * (at % DAY) / DAY
    values = (
        1.5e11 + 0.4e9 * np.maximum(at - 3 * DAY, 0) / 60 + rotated + np.random.default_rng(2).normal(0, 4e7, len(at))
    )
    (coming, _), (full, _), *_ = watched(values, "disk_used_bytes", DISK)[0]
    assert full - 600 <= coming <= full - 120


@pytest.mark.parametrize("period_min", [180, 360, 1440, 2880])
def test_what_always_returns_is_no_news_once_it_has_twice(period_min: int) -> None:
    at = np.arange(14 * DAY)
    values = 1.5e11 + 4e10 * (at % period_min) / period_min + np.random.default_rng(3).normal(0, 4e7, len(at))
    told, _ = watched(values, "disk_used_bytes", DISK)
    assert [minute for minute, _ in told if minute > 3 * period_min] == []


def test_at_a_limit_it_is_told_once_until_it_is_back() -> None:
    values = np.full(2 * DAY, 1.5e11) + np.random.default_rng(4).normal(0, 4e7, 2 * DAY)
    for start in (600, 1600):
        values[start : start + 300] = 2.01e11
    told, over = watched(values, "disk_used_bytes", DISK)
    assert [(minute, one.is_reached) for minute, one in told] == [(600, True), (1600, True)]
    assert len(over) == 2 and 900 <= over[0] < 1000


def test_a_limit_from_above_is_said_by_the_direction_or_the_name() -> None:
    low = 20 - flat_then_filling(4.0, level=0) / 10  # from 20 to 10.4
    rule = Rule(match="battery_volts", limit=11.0, direction="down")
    told = watched(low, "battery_volts", (rule,))[0]
    assert [one.is_reached for _, one in told] == [False, True]
    assert told[0][1].pace < 0
    assert watched(low, "battery_volts", (Rule(match="battery_volts", limit=25.0),))[0] == []


@pytest.mark.parametrize("name", ["success_percent", "cpu_usage_percent"])
def test_what_lives_at_the_limit_that_its_name_suggests_is_not_told(name: str) -> None:
    values = np.full(6 * DAY, 100.0)
    if name == "cpu_usage_percent":
        values -= np.where(np.arange(6 * DAY) % DAY < 1200, 60.0, 0.0)  # full each night
    told = watched(values + np.random.default_rng(5).normal(0, 0.01, len(values)).clip(max=0), name)[0]
    assert [one for minute, one in told if minute > 3 * DAY] == []


def test_without_a_limit_nothing_is_told() -> None:
    assert watched(flat_then_filling(8.0), "temperature")[0] == []


def test_a_slow_filling_is_not_yet_told() -> None:
    assert watched(flat_then_filling(1.0), "disk_used_percent")[0] == []


def test_what_rises_every_morning_is_its_usual_pace() -> None:
    at = np.arange(10 * DAY) / DAY * 2 * np.pi
    values = 45 - 35 * np.cos(at) + np.random.default_rng(2).normal(0, 1, len(at))
    assert watched(values, "cpu_usage_percent")[0] == []


def test_a_jump_is_no_pace() -> None:
    values = flat_then_filling(0.0)
    values[3 * DAY :] += 40
    assert watched(values, "disk_used_percent")[0] == []


def test_it_is_over_when_the_series_turns_away() -> None:
    values = flat_then_filling(8.0)
    values[3 * DAY + 300 :] = 40 + np.random.default_rng(3).normal(0, 0.2, DAY - 300)
    told, over = watched(values, "disk_used_percent")
    assert len(told) == len(over) == 1


def test_a_gap_makes_no_pace() -> None:
    table = SeriesTable(1)
    table.row(canonical({"__name__": "disk_used_percent"}))
    engine = Engine(table)
    watch = LimitWatch(table, engine.state, (), HORIZON_S)
    minutes = np.r_[np.arange(2 * DAY), 2 * DAY + 600 + np.arange(100)]
    values = np.where(minutes < 2 * DAY, 40.0, 90.0) + np.random.default_rng(4).normal(0, 0.2, len(minutes))
    for minute, value in zip(minutes.tolist(), values.tolist(), strict=True):
        time_ms = START_MS + MINUTE_MS * minute
        engine.ingest(SampleBatch(np.zeros(1, np.int32), np.array([time_ms]), np.array([value]), np.zeros(1, np.bool_)))
        assert watch.look(time_ms) == ([], [])


def test_a_rule_that_cannot_be_read_is_a_settings_error() -> None:
    table = SeriesTable(1)
    with pytest.raises(SettingsError, match=r"detection\.rules"):
        LimitWatch(table, Engine(table).state, (Rule(match="a{b=}", limit=1.0),), HORIZON_S)


def test_a_filling_disk_is_an_incident_with_its_time_and_survives_a_restart(
    make_service: MakeService, settings: Settings
) -> None:
    detection = settings.detection.model_copy(update={"rules": (Rule(match="disk_used_bytes", limit=2e11),)})
    settings = settings.model_copy(update={"detection": detection})
    service = make_service(settings)
    labels = canonical({"__name__": "disk_used_bytes", "host": "a"})
    values = 2e9 * flat_then_filling(6.0)[: 3 * DAY + 420]
    times = int(1000 * NOW_S) + MINUTE_MS * (np.arange(len(values)) - len(values) - 600)

    def send(first: int, last: int) -> None:
        row = service.table.row(labels)
        for start in range(first, last, 10):
            part = slice(start, min(start + 10, last))
            n = len(values[part])
            batch = SampleBatch(np.full(n, row, np.int32), times[part], values[part], np.zeros(n, np.bool_))
            service.ingest_batch(batch)

    send(0, 3 * DAY + 390)
    page = service.incidents(IncidentFilter(), 10, None).items
    told = [service.incident(one.incident_id)[0] for one in page]
    trends = [alert for incident in told for alert in incident.alerts if alert.eta_s is not None]
    assert len(trends) == 1
    said = r"a disk_used_bytes reaches its limit of 200GB in 4 hours at its pace of now \(1[12](\.\d)?GB/h\): "
    assert re.match(said, trends[0].sentence)
    assert trends[0].limit == 2e11 and trends[0].pace == pytest.approx(12e9, rel=0.05)
    assert trends[0].kind == "trend"
    assert trends[0].eta_s is not None and 3.5 * 3600 < trends[0].eta_s < 4 * 3600
    service.stop()
    service = make_service(settings)
    send(3 * DAY + 390, 3 * DAY + 420)
    again = [service.incident(one.incident_id)[0] for one in service.incidents(IncidentFilter(), 10, None).items]
    assert [alert.ended_ms for incident in again for alert in incident.alerts if alert.eta_s is not None] == [None]
