"""Is the alert budget kept? The simulated fleet's normal weeks, and weeks with known faults, through the service.

Both run in this process, at the speed the machine has. A budget of B is kept where between B/2 and 2 B are told. The
means leave out the first week, in which every series of the fleet is new; by week it is shown with the others.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aiops.config import Budget, Settings, per_day
from aiops.demo import FAULTS_PER_DAY, warm_up_days
from aiops.incidents.incident import Incident
from aiops.metrics.series import SampleBatch
from aiops.service import Service
from aiops.simulator.fault import Fault, schedule
from aiops.simulator.fleet import DAY_MS, Fleet
from aiops.simulator.judge import FoundAlert, FoundIncident, judge
from aiops.simulator.simulation import Simulation
from aiops.store.database import open_database
from aiops.store.incident_store import IncidentFilter, IncidentStore

CHUNK_MINUTES = 10
WARM_UP_WEEKS = 1


def bench_budget(rate: str, seed: int, weeks: int, matcher: str = "") -> dict[str, Any]:
    """Alerts told and incidents opened in normal weeks, for a budget such as `3 per day` of the whole fleet, or of the
    series that `matcher` selects, the rest being told as ever; and in as many weeks with faults, which were found.
    `rate` empty: no budget."""
    days = 7 * weeks
    fleet = Fleet(seed)
    first = fleet.start_ms + warm_up_days(days) * DAY_MS
    count = int(FAULTS_PER_DAY * (days - warm_up_days(days)))
    faults = schedule(fleet, first, fleet.start_ms + days * DAY_MS, count, seed)
    told, opened = run(fleet, (), days, rate, matcher)[:2]
    faulty_told, faulty_opened, incidents = run(fleet, faults, days, rate, matcher)
    verdict = judge(fleet, faults, [as_found(one) for one in incidents])
    false = {one.name for one in incidents if one.detected_ms >= first} & set(verdict.false_incidents)
    late = 7 * WARM_UP_WEEKS
    wanted = 7 * per_day(rate) if rate else None
    by_week = told.reshape(weeks, 7).sum(axis=1)
    return {
        "budget": rate or None,
        "matcher": matcher or None,
        "seed": seed,
        "told_per_day": round(float(np.mean(told[late:])), 3),
        "told_per_week": round(float(np.mean(by_week[WARM_UP_WEEKS:])), 3),
        "wanted_per_week": [wanted / 2, 2 * wanted] if wanted else None,
        "is_kept": bool(wanted / 2 <= np.mean(by_week[WARM_UP_WEEKS:]) <= 2 * wanted) if wanted else None,
        "told_by_week": by_week.tolist(),
        "incidents_per_day": round(float(np.mean(opened[late:])), 3),
        "with_faults": {
            "told_by_week": faulty_told.reshape(weeks, 7).sum(axis=1).tolist(),
            "incidents_per_day": round(float(np.mean(faulty_opened[late:])), 3),
            "faults_found": verdict.found_count,
            "faults_injected": len(faults),
            "false_incidents": len(false),
        },
    }


def run(
    fleet: Fleet, faults: Sequence[Fault], days: int, rate: str = "", matcher: str = "", joint: bool = False
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]], list[Incident]]:
    """Alerts that the budget told (without one: all) and incidents opened, each int (days,), and the incidents;
    `joint`: entities are scored together."""
    told, opened = np.zeros(days, np.int64), np.zeros(days, np.int64)
    with tempfile.TemporaryDirectory(prefix="aiops-bench-") as folder:
        settings = Settings().with_data_in(Path(folder))
        budget = {"budgets": (Budget(match=matcher, alerts=rate),)} if matcher and rate else {"alert_budget": rate}
        detection = settings.detection.model_copy(update={"snapshot_interval_s": 3600.0, "joint": joint, **budget})
        topology = settings.topology.model_copy(update={"depends_on": dict(fleet.topology)})
        settings = settings.model_copy(update={"detection": detection, "topology": topology})
        now_ms = fleet.start_ms
        service = Service(settings, IncidentStore(open_database(settings.store_url)), lambda: now_ms / 1000)
        service.start()
        count = 0
        rows = np.array([service.table.row(labels) for labels in fleet.series], np.int32)
        for chunk in Simulation(fleet, faults, days).chunks(CHUNK_MINUTES):
            now_ms = int(chunk.time_ms[-1])
            stale = np.zeros(len(chunk.values), np.bool_)
            scores = service.ingest_batch(SampleBatch(rows[chunk.series], chunk.time_ms, chunk.values, stale))
            scopes = service.telling.budget.scopes
            count = sum(scope.told_count for scope in scopes) if scopes else count + int((scores.alert > 0).sum())
            told[(now_ms - fleet.start_ms) // DAY_MS] = count
        service.stop()
        page = service.incidents(IncidentFilter(), 100_000, None)
        incidents = [service.store.get(one.incident_id) for one in page.items]
    for one in incidents:
        opened[min((one.detected_ms - fleet.start_ms) // DAY_MS, days - 1)] += 1
    return np.diff(told, prepend=0), opened, incidents


def as_found(incident: Incident) -> FoundIncident:
    """The incident as the judge sees it."""
    alerts = [FoundAlert(alert.labels, alert.time_ms) for alert in incident.alerts]
    return FoundIncident(incident.name, incident.detected_ms, alerts)
