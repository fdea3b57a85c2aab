"""Severity follows how far off, how many and how long; and says why."""

from dataclasses import replace

import pytest

from aiops.incidents.alert import Alert
from aiops.incidents.severity import Severity, severity
from tests.incidents.test_grouping import MINUTE, Desk
from tests.incidents.test_incident import alert


def off(value: float, expected: float, band: float, kind: str = "spike") -> Alert:
    return replace(
        alert("errors"), kind=kind, value=value, expected=expected, lower=expected - band, upper=expected + band
    )


@pytest.mark.parametrize(
    ("value", "expected", "band", "level", "why"),
    [
        (7.4, 1.0, 0.5, Severity.MEDIUM, "7.4 times its usual"),
        (20.0, 100.0, 30.0, Severity.MEDIUM, "80 % below its usual"),
        (102.0, 100.0, 1.5, Severity.LOW, ""),  # strange, and small
        (3.0, 0.4, 4.0, Severity.LOW, ""),  # many times nothing much
        (5.9, 0.0, 0.03, Severity.MEDIUM, "197 times its band off"),
    ],
)
def test_how_far_off_counts(value: float, expected: float, band: float, level: Severity, why: str) -> None:
    got, reason = severity([off(value, expected, band)], 1, 0)
    assert (got, reason) == (level, f"{why}{', ' * bool(why)}1 series on 1 entity")


def test_more_series_more_entities_and_more_time_raise_it() -> None:
    one = off(7.4, 1.0, 0.5)
    several = [one, *(replace(one, labels=(("__name__", f"m{k}"),)) for k in range(3))]
    levels = [
        severity([one], 1, 0)[0],
        severity([one], 1, 121 * MINUTE)[0],
        severity(several, 2, 0)[0],
        severity(several, 2, 121 * MINUTE)[0],
    ]
    assert levels == [Severity.MEDIUM, Severity.HIGH, Severity.HIGH, Severity.CRITICAL]
    assert severity([one], 1, 31 * MINUTE)[1].endswith("for 30 minutes or more")
    assert severity([replace(one, ended_ms=MINUTE)], 1, 121 * MINUTE)[0] == Severity.MEDIUM


@pytest.mark.parametrize(
    ("eta_s", "level"), [(18_000.0, Severity.LOW), (3600.0, Severity.MEDIUM), (0.0, Severity.MEDIUM)]
)
def test_a_limit_counts_by_the_time_left(eta_s: float, level: Severity) -> None:
    limit = replace(alert("disk", score=0.7), kind="trend", eta_s=eta_s, limit=1.0, contributions={"limit": 9.0})
    got, why = severity([limit], 1, 0)
    assert got == level
    assert "at its limit" in why


def test_it_says_why_from_the_start_and_is_raised_by_time_alone() -> None:
    desk = Desk()
    desk.see(replace(off(7.4, 1.0, 0.5), score=0.9))
    first = desk.told[1]
    assert first.severity == Severity.MEDIUM
    assert first.severity_reason == "7.4 times its usual, 1 series on 1 entity, score 0.90"
    desk.pass_time(125 * MINUTE)
    assert desk.told[1].severity == Severity.HIGH
    assert desk.told[1].severity_reason.endswith("for 2 hours or more")
