"""How bad: from how strange, how many series and entities, and how long. Never lowered while an incident lives."""

from collections.abc import Sequence
from enum import IntEnum

from aiops.incidents.alert import MISSING, Alert

LONG_MS = 30 * 60_000


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
    since = min(alert.time_ms for alert in alerts)
    is_long = any(alert.ended_ms is None for alert in alerts) and now_ms - since >= LONG_MS
    is_outage = any(alert.kind == MISSING and alert.series_count > 1 for alert in alerts)
    points = (peak >= 0.75) + (series >= 3) + (series >= 8) + (entity_count >= 2) + (entity_count >= 4)
    points += is_long + 2 * is_outage
    level = Severity(min(1 + points // 2, 4)) if points else Severity.LOW
    reason = f"{series} series on {entity_count} entities, peak score {peak:.2f}"
    reason += ", an entity is silent" if is_outage else ""
    return level, reason + (", for 30 minutes or more" if is_long else "")
