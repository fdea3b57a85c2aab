"""Why this sample is strange, in one sentence a person on call can read.

A sentence is made in two steps: what was found is said once, at the onset (`sentence`); how long it has lasted, and
when the like was last seen, is added whenever it is shown (`told`). Hours are UTC, and named only as far as the
history reaches: a weekday after a week, an hour after a day.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from aiops.detection.scores import DETECTORS, Kind
from aiops.metrics.series import Labels

CONTRIBUTORS_SHOWN = 5
_SUBJECT_LABELS = ("service", "instance", "host", "pod", "node")
_UNITS = {  # by the last part of a metric's name, as Prometheus names them
    "ms": " ms", "milliseconds": " ms", "seconds": " s", "bytes": "B", "percent": " %", "celsius": " °C", "volts": " V",
    "watts": " W", "hertz": " Hz", "meters": " m",
}  # fmt: skip
DIGITS, DIGITS_MAX = 4, 9
RATIO_MIN, SHARE_MAX, RATIO_MAX = 1.2, 0.8, 1000.0  # smaller changes, and larger, are told as a difference
DAY_S, WEEK_S = 86_400, 7 * 86_400
STRENGTH_MIN = 0.05  # weaker voices are not worth a line


@dataclass(frozen=True, slots=True)
class Deviation:
    """A value against its expected band, as scored: of a counter its rate."""

    value: float
    expected: float
    lower: float
    upper: float

    @property
    def is_outside(self) -> bool:
        return not self.lower <= self.value <= self.upper


@dataclass(frozen=True, slots=True)
class Habits:
    """What else is known of a series when it becomes strange; NaN where it is not."""

    steps: tuple[float, float] = (math.nan, math.nan)  # from sample to sample: of late, and usually
    recent: tuple[float, float] = (math.nan, math.nan)  # running means over the last `recent_s`
    recent_s: tuple[float, float] = (0.0, 0.0)
    days: tuple[float, float] = (math.nan, math.nan)  # the lowest and the highest of the days before


NOTHING_ELSE = Habits()


def number(value: float, digits: int = DIGITS) -> str:
    """Four significant digits with a thousands unit: 1234567 -> '1.235M'."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if unit == 'k' else size):.{digits}g}{unit}"
    return f"{value:.{digits}g}"


def _telling_digits(value: float, *others: float) -> int:
    """As few digits as tell the value from the others: 36.24M is no news where 36.24M is expected."""
    return next(
        (n for n in range(DIGITS, DIGITS_MAX) if number(value, n) not in [number(other, n) for other in others]),
        DIGITS_MAX,
    )


def duration(seconds: float) -> str:
    """`3 minutes`, `1 hour`: one unit, rounded down, since nobody on call needs two."""
    for size, unit in ((DAY_S, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= (2 if unit == "day" else 1) * size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' * (count != 1)}"
    count = int(seconds)
    return f"{count} second{'s' * (count != 1)}"


def usual_hour(time_ms: int, history_s: float) -> str:
    """`Monday 10:00` (UTC) where the series is known for a week, `10:00` for a day, else nothing."""
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return f"{moment:%A %H}:00" if history_s >= WEEK_S else f"{moment:%H}:00" if history_s >= DAY_S else ""


def day(time_ms: int, now_ms: int) -> str:
    """`12 Oct`, with the year where it is another, with the time where it is the same day."""
    moment, now = (datetime.fromtimestamp(t / 1000, UTC) for t in (time_ms, now_ms))
    if moment.date() == now.date():
        return f"{moment.day} {moment:%b %H:%M}"
    return f"{moment.day} {moment:%b}" + (f" {moment.year}" if moment.year != now.year else "")


def subject(labels: Labels) -> str:
    """`checkout latency_p99`: who and what."""
    mapping = dict(labels)
    who = next((mapping[name] for name in _SUBJECT_LABELS if name in mapping), "")
    return f"{who} {mapping.get('__name__', 'series')}".strip()


def unit(labels: Labels) -> str:
    """What a value of this series is counted in, as far as its name says so, ready to stand behind a number."""
    words = dict(labels).get("__name__", "").removesuffix("_total").split("_")
    return _UNITS.get(words[-1].lower(), "") if len(words) > 1 else ""


def contributions(strengths: Sequence[float], own: str = "") -> dict[str, float]:
    """The strength of each detector that had something to say, strongest first; 1 = the alert bar. `own`: the name of
    the detector that the operator brought."""
    names = [own if name == "own" and own else name for name in DETECTORS]
    pairs = sorted(zip(names, strengths, strict=True), key=lambda pair: -pair[1])
    return {name: round(float(strength), 3) for name, strength in pairs if strength >= STRENGTH_MIN}


def sentence(
    labels: Labels,
    kind: Kind,
    found: Deviation,
    hour: str = "",
    is_rate: bool = False,
    own: str = "",
    habits: Habits = NOTHING_ELSE,
) -> str:
    """One sentence: what is strange, how much, against what is usual at this `hour` (`usual_hour`). The band is named
    only where the value lies outside it: within, it is the course that is strange."""
    value, expected = found.value, found.expected
    digits = _telling_digits(value, expected, found.lower, found.upper) if expected != value else DIGITS
    measure = unit(labels) + ("/s" if is_rate else "")

    def say(x: float) -> str:
        return number(x, digits) + measure

    name, level = subject(labels), f"usual {hour + ' ' * bool(hour)}{'rate' if is_rate else 'level'}"
    usual = f"{say(expected)} is usual" + (f" on {hour}" if hour[:1].isalpha() else f" at {hour}" if hour else "")
    if kind == Kind.STUCK:
        return f"{name} repeats {number(value)}{measure} although it usually changes with every sample"
    if kind == Kind.OWN:
        return f"{name} is strange to {own or 'its own detector'}: {say(value)}; {usual}"
    if kind == Kind.TREND:
        low, high = habits.days if habits.days[0] <= habits.days[1] else (expected, expected)
        way = "up" if value > (low + high) / 2 else "down"
        digits = max(_telling_digits(value, low, high), _telling_digits(low, high) if low < high else 0)
        days = f"{number(low, digits)}{measure} to {number(high, digits)}{measure}" if low < high else "everything"
        return f"{name} has crept {way} to {number(value, digits)}{measure}, beyond {days} of the days before"
    if kind == Kind.VARIANCE:
        late, before = (f"{number(step, 3)}{measure}" for step in habits.steps)
        way = "more" if habits.steps[0] > habits.steps[1] else "less"
        steps = f"by {late} from sample to sample instead of {before}"
        return f"{name} varies {way} than it used to: {steps}; {say(value)} now, {usual}"
    if kind == Kind.PATTERN:
        band = f", {say(found.lower)} to {say(found.upper)} its range" if found.is_outside else ""
        means = [
            f"{number(mean, digits)}{measure} on average of the last {duration(mean_s)}"
            for mean, mean_s in zip(habits.recent, habits.recent_s, strict=True)
            if mean_s >= 1
        ]
        after = f" after {' and '.join(means)}" if means else ""
        return f"{name} moves as it never did before: {say(value)}{after}; {usual}{band}"
    band = f" ({say(found.lower)} to {say(found.upper)})" if found.is_outside else ""
    is_ = "stays" if kind == Kind.LEVEL_SHIFT else "is"
    return f"{name} {is_} {_size(value, expected, measure)} its {level}: {say(value)}, expected {say(expected)}{band}"


def _size(value: float, expected: float, measure: str) -> str:
    """How far, in the words that tell it best: `3x`, `75 % below`, `12 ms above`."""
    ratio = value / expected if expected > 0 else 0.0
    if RATIO_MIN <= ratio <= RATIO_MAX:
        return f"{ratio:.2g}x" if ratio < 10 else f"{ratio:.0f}x"
    if 0 < ratio <= SHARE_MAX:
        return f"{100 * (1 - ratio):.0f} % below"
    points = " points" if measure == " %" else measure
    return f"{number(abs(value - expected), 3)}{points} {'above' if value > expected else 'below'}"


def silence_sentence(labels: Labels, series_count: int, is_entity: bool) -> str:
    """One sentence for samples that do not come."""
    name = subject(labels) if not is_entity else subject(labels).removesuffix(" series")
    return f"{series_count} series of {name} stopped reporting" if is_entity else f"{name} stopped reporting"


def overdue_sentence(labels: Labels, period_s: float, due_ms: int, on_time: int, of: int) -> str:
    """One sentence for a spike that has not come at its time."""
    names = {3600: "hourly peak", DAY_S: "daily peak", WEEK_S: "weekly peak"}
    said = f"peak of every {duration(period_s)}"
    peak = next((name for size, name in names.items() if abs(period_s - size) <= 0.05 * size), said)
    due = f"{datetime.fromtimestamp(due_ms / 1000, UTC):%H:%M}"
    return f"the {peak} of {subject(labels)} (due at {due}, {on_time} of the last {of} on time) has not come"


def limit_sentence(labels: Labels, value: float, limit: float, eta_s: float, pace: float) -> str:
    """One sentence for a limit that draws near, at a pace an hour, or is reached (`eta_s` 0)."""
    measure = unit(labels)
    if eta_s <= 0:
        is_there = "is at its limit" if value == limit else "is beyond its limit"
        digits = _telling_digits(value, limit) if value != limit else DIGITS
        return f"{subject(labels)} {is_there} of {number(limit)}{measure}: {number(value, digits)}{measure}"
    return f"{subject(labels)} {_ahead(limit, eta_s, pace, measure)}: {number(value)}{measure} now"


def outlook(said: str, labels: Labels, limit: float, eta_s: float, pace: float) -> str:
    """A sentence of a course, with where it leads."""
    return f"{said}; {_ahead(limit, eta_s, pace, unit(labels))}"


def _ahead(limit: float, eta_s: float, pace: float, measure: str) -> str:
    size = DAY_S if eta_s >= 2 * DAY_S else 3600 if eta_s >= 7200 else 60
    when = duration(max(round(eta_s / size), 1) * size)  # to the nearest: the pace is no better known
    return f"reaches its limit of {number(limit)}{measure} in {when} at its pace of now ({number(pace, 3)}{measure}/h)"


def told(
    said: str,
    lasted_s: float,
    last_ms: int | None,
    now_ms: int,
    how: Literal["", "silent", "overdue"] = "",
    times: int = 1,
) -> str:
    """The sentence with how long it has lasted, or how often it came, and when the like was last seen."""
    how_long = f"{times} times in" if times > 1 else f"{how} for".strip()
    lasting = f", {how_long} {duration(lasted_s)}" if lasted_s >= 1 else ""
    return said + lasting + (f"; last time: {day(last_ms, now_ms)}" if last_ms is not None else "")


def joint_sentence(entity: tuple[str, str], metrics: Sequence[str]) -> str:
    """One sentence for an entity whose metrics, strongest first, move together as never before."""
    shown = ", ".join(metrics[:CONTRIBUTORS_SHOWN])
    more = f" and {len(metrics) - CONTRIBUTORS_SHOWN} more" if len(metrics) > CONTRIBUTORS_SHOWN else ""
    if len(metrics) < 2:
        return f"{shown} of {entity[0]} {entity[1]} moves against its other metrics as never before"
    return f"{len(metrics)} metrics of {entity[0]} {entity[1]} move together as never before: {shown}{more}"
