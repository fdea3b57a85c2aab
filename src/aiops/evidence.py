"""What there is to show for an alert: the samples around it, and its like in the past."""

from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError

from aiops.detection import state as S
from aiops.detection.state import State
from aiops.incidents.alert import Alert
from aiops.incidents.incident import Incident, PastEvent
from aiops.metrics.recent import RecentSamples
from aiops.metrics.series import SeriesTable
from aiops.reply import sample_record
from aiops.store.incident_store import Evidence, IncidentStore

LOOKED_AT = 50  # earlier incidents of a series among which the like is looked for
log = structlog.get_logger(__name__)


def samples_around(
    alerts: Sequence[Alert], table: SeriesTable, state: State, recent: RecentSamples, count: int
) -> Evidence:
    """By fingerprint: `count` samples before and after each onset, as far as they are still remembered."""
    wanted: list[tuple[str, int, int, int]] = []
    for alert in alerts:
        row = table.find(alert.labels)
        if row is not None:
            interval_s = max(float(state.head[row, S.INTERVAL_S]), 1e-3)
            reach_ms = int(1000 * interval_s * count)
            wanted.append((alert.fingerprint, row, alert.time_ms - reach_ms, alert.time_ms + reach_ms))
    if not wanted:
        return {}
    first, last = min(start for *_, start, _ in wanted), max(end for *_, end in wanted)
    found = recent.of_rows([row for _, row, _, _ in wanted], first, last)
    evidence = {}
    for (fingerprint, _, start, end), records in zip(wanted, found, strict=True):
        inside = records[(records["time_ms"] >= start) & (records["time_ms"] <= end)][: 2 * count + 1]
        evidence[fingerprint] = [sample_record(record) for record in inside]
    return evidence


def past_events(store: IncidentStore, incident: Incident, most: int) -> Mapping[str, Sequence[PastEvent]]:
    """By fingerprint: at most so many alerts of earlier incidents that are like those of this one, newest first."""
    alerts = {alert.fingerprint: alert for alert in incident.alerts}
    found = store.past(list(alerts), incident.incident_id, LOOKED_AT)
    return {f: [one for one in past if one.alert.is_like(alerts[f])][:most] for f, past in found.items()}


def recall(store: IncidentStore, alert: Alert, incident_id: int) -> int | None:
    """When the like of this alert was last seen before an incident; None too where the store cannot say now."""
    try:
        found = store.past([alert.fingerprint], incident_id, LOOKED_AT)
    except SQLAlchemyError as error:
        log.warning("past_not_read", reason=str(error), action="the incident is told without its past")
        return None
    return next((one.alert.time_ms for past in found.values() for one in past if one.alert.is_like(alert)), None)
