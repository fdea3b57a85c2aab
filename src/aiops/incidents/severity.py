"""How bad: from how far off what is usual, how many series and entities, and how long. Never lowered while an incident
lives.

Points add up, two a level: a deviation counts by how many times the usual value it is (or a part of it) and by how many
times the usual band it is away, so that neither a percent more of a steady series nor the third request of a quiet one
is large. A limit counts by the time that is left.
"""

import math
from collections.abc import Sequence
from enum import IntEnum

from aiops.incidents.alert import MISSING, VALUE_KINDS, Alert

LONG_MS, HOURS_MS = 30 * 60_000, 2 * 3_600_000
AGES_MS = (LONG_MS, HOURS_MS)
TIMES, TIMES_FAR = 2.0, 5.0  # the usual value, or a part of it so small
BANDS, BANDS_FAR = 2.0, 10.0  # half widths of the band away from what is expected
SOON_S = 7200.0
SCORE = 0.75


class Severity(IntEnum):
    """Names in lower case are part of the API."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


def severity(alerts: Sequence[Alert], entity_count: int, now_ms: int) -> tuple[Severity, str]:
    """The severity these alerts deserve at `now_ms`, and why in words."""
    series = sum(alert.series_count for alert in alerts)
    peak = max(max(alert.score, alert.peak_score) for alert in alerts)
    lasted_ms = now_ms - min(alert.time_ms for alert in alerts)
    is_active = any(alert.ended_ms is None for alert in alerts)
    is_outage = any(alert.kind == MISSING and alert.series_count > 1 for alert in alerts)
    size, said = max((_size(alert) for alert in alerts), key=lambda pair: pair[0])
    points = size + (peak >= SCORE) + (series >= 3) + (series >= 8) + (entity_count >= 2) + (entity_count >= 4)
    points += is_active * sum(lasted_ms >= age_ms for age_ms in AGES_MS) + 2 * is_outage
    words = [said] if said else []
    words += [f"{series} series on {entity_count} {'entity' if entity_count == 1 else 'entities'}"]
    words += ["an entity is silent"] if is_outage else []
    words += [f"score {peak:.2f}"] if peak >= SCORE else []
    if is_active and lasted_ms >= LONG_MS:
        words.append("for 2 hours or more" if lasted_ms >= HOURS_MS else "for 30 minutes or more")
    return Severity(min(1 + points // 2, 4)), ", ".join(words)


def _size(alert: Alert) -> tuple[int, str]:
    """(points, why) for how far one series is from what is usual, or from its limit."""
    if alert.is_of_limit and alert.eta_s is not None:
        if alert.eta_s == 0:
            return 3, "at its limit"
        return (2, "at its limit within two hours") if alert.eta_s <= SOON_S else (1, "at its limit within hours")
    value, expected = alert.value, alert.expected
    if alert.kind not in VALUE_KINDS or value is None or expected is None or alert.upper is None or alert.lower is None:
        return 0, ""
    band = alert.upper - expected if value > expected else expected - alert.lower
    bands = abs(value - expected) / band if band > 0 else math.inf * (value != expected)
    ratio = value / expected if min(value, expected) > 0 else math.inf if min(value, expected) == 0 else 1.0
    times = max(ratio, 1 / ratio) if ratio > 0 else math.inf
    if bands < BANDS or (times < TIMES and bands < BANDS_FAR):
        return 0, ""
    if 1 <= ratio <= 1000:
        told = f"{ratio:.2g} times its usual" if ratio < 10 else f"{ratio:.0f} times its usual"
    else:
        told = (
            f"{100 * (1 - ratio):.0f} % below its usual" if ratio < 1 else f"{min(bands, 1e6):.0f} times its band off"
        )
    return (2 if times >= TIMES_FAR else 1), told
