"""The sentence says who, what, how much, and against what."""

import pytest

from aiops.detection import explain
from aiops.detection.explain import Deviation
from aiops.detection.scores import DETECTORS, Kind
from aiops.metrics.series import Labels, canonical
from aiops.metrics.timestamp import timestamp_ms

LABELS = canonical({"__name__": "latency", "service": "checkout"})
MONDAY = timestamp_ms("2026-10-19T10:37:00Z")


def named(name: str) -> Labels:
    return canonical({"__name__": name, "service": "checkout"})


@pytest.mark.parametrize(
    ("kind", "value", "expected", "said"),
    [
        (Kind.SPIKE, 300.0, 100.0, "checkout latency is 3x its usual level: 300, expected 100 (90 to 110)"),
        (Kind.SPIKE, 4230.0, 100.0, "is 42x its usual level"),
        (Kind.DIP, 25.0, 100.0, "checkout latency is 75 % below its usual level"),
        (Kind.SPIKE, 115.0, 100.0, "is 15 above its usual level: 115, expected 100 (90 to 110)"),
        (Kind.DIP, -300.0, -100.0, "is 200 below its usual level: -300, expected -100"),
        (Kind.SPIKE, 500.0, 0.0, "is 500 above its usual level"),
        (Kind.LEVEL_SHIFT, 108.0, 100.0, "stays 8 above its usual level: 108, expected 100"),
        (Kind.PATTERN, 115.0, 100.0, "moves as it never did before: 115; 100 is usual"),
        (Kind.STUCK, 7.0, 7.0, "repeats 7 although it usually changes"),
        (Kind.PATTERN, 95.0, 100.0, "moves as it never did before"),
    ],
)
def test_sentence(kind: Kind, value: float, expected: float, said: str) -> None:
    assert said in explain.sentence(LABELS, kind, Deviation(value, expected, 90.0, 110.0))


@pytest.mark.parametrize("kind", [Kind.SPIKE, Kind.DIP, Kind.LEVEL_SHIFT, Kind.PATTERN])
def test_no_sentence_blames_a_value_for_a_band_it_lies_within(kind: Kind) -> None:
    assert "90" not in explain.sentence(LABELS, kind, Deviation(95.0, 100.0, 90.0, 110.0))


@pytest.mark.parametrize(
    ("name", "is_rate", "said"),
    [
        ("latency_ms", False, "4.2x its usual Monday 10:00 level: 420 ms, expected 100 ms (90 ms to 110 ms)"),
        ("disk_read_bytes_total", True, "4.2x its usual Monday 10:00 rate: 420B/s, expected 100B/s"),
        ("errors_total", True, "4.2x its usual Monday 10:00 rate: 420/s, expected 100/s"),
        ("seconds", False, "420, expected 100"),
    ],
)
def test_the_sentence_speaks_in_the_unit_of_the_metric(name: str, is_rate: bool, said: str) -> None:
    hour = explain.usual_hour(MONDAY, 8 * explain.DAY_S)
    assert said in explain.sentence(named(name), Kind.SPIKE, Deviation(420.0, 100.0, 90.0, 110.0), hour, is_rate)


def test_a_change_of_a_percentage_is_told_in_points() -> None:
    said = explain.sentence(named("cpu_percent"), Kind.SPIKE, Deviation(93.0, 80.0, 75.0, 90.0))
    assert "is 13 points above its usual level: 93 %, expected 80 %" in said


def test_the_hour_is_named_as_far_as_the_history_reaches() -> None:
    reach = [explain.usual_hour(MONDAY, days * explain.DAY_S) for days in (0.5, 1, 6.9, 7)]
    assert reach == ["", "10:00", "10:00", "Monday 10:00"]
    low = Deviation(95.0, 100.0, 90.0, 110.0)
    said = [explain.sentence(LABELS, Kind.PATTERN, low, hour) for hour in ("", "10:00", "Monday 10:00")]
    assert [text.partition("100 is usual")[2] for text in said] == ["", " at 10:00", " on Monday 10:00"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "1 second"),
        (59.9, "59 seconds"),
        (60, "1 minute"),
        (185, "3 minutes"),
        (3600, "1 hour"),
        (26 * 3600, "26 hours"),
        (50 * 3600, "2 days"),
    ],
)
def test_durations_are_words(seconds: float, said: str) -> None:
    assert explain.duration(seconds) == said


def test_what_is_added_when_it_is_shown() -> None:
    past = timestamp_ms("2026-10-12T09:00:00Z")
    assert explain.told("it is odd", 185, past, MONDAY) == "it is odd, for 3 minutes; last time: 12 Oct"
    assert explain.told("it is odd", 0.4, None, MONDAY) == "it is odd"
    assert explain.told("it is odd", 7200, None, MONDAY, times=4) == "it is odd, 4 times in 2 hours"
    assert explain.told("it stopped", 60, None, MONDAY, "silent") == "it stopped, silent for 1 minute"
    assert explain.told("it is not there", 60, None, MONDAY, "overdue") == "it is not there, overdue for 1 minute"
    assert explain.day(MONDAY - 60_000, MONDAY) == "19 Oct 10:36"
    assert explain.day(timestamp_ms("2025-12-31T00:00:00Z"), MONDAY) == "31 Dec 2025"


def test_numbers_are_short() -> None:
    assert [explain.number(x) for x in (0.12345, 1234.5, 12345.6, 7.5e9)] == ["0.1235", "1234", "12.35k", "7.5G"]


def test_silence_names_the_entity() -> None:
    assert explain.silence_sentence(canonical({"service": "db"}), 12, True) == "12 series of db stopped reporting"


def test_the_numbers_of_a_sentence_differ() -> None:
    found = Deviation(36_240_100.0, 36_243_900.0, 36_242_800.0, 36_244_200.0)
    assert "36.24M, expected 36.244M (36.243M to 36.244M)" in explain.sentence(LABELS, Kind.DIP, found)


def test_contributions_are_the_strongest_first_and_leave_out_who_is_silent() -> None:
    strengths = [0.2, 2.0, 0.01] + [0.0] * (len(DETECTORS) - 4) + [0.5]
    found = explain.contributions(strengths, "my_kernel.py")
    assert list(found.items()) == [("season", 2.0), ("my_kernel.py", 0.5), ("level", 0.2)]


@pytest.mark.parametrize(
    ("minutes", "peak"),
    [(60, "hourly peak"), (1437, "daily peak"), (10_080, "weekly peak"), (240, "peak of every 4 hours")],
)
def test_what_is_overdue_is_named_by_its_period(minutes: int, peak: str) -> None:
    labels = (("__name__", "backup_bytes"), ("service", "db"))
    said = explain.overdue_sentence(labels, 60 * minutes, timestamp_ms("2026-10-12T02:10:00Z"), 12, 13)
    assert said == f"the {peak} of db backup_bytes (due at 02:10, 12 of the last 13 on time) has not come"
