"""What would have alerted: a history replayed through the same walk a live stream takes, faster.

A history comes from files or from a Prometheus. It goes through a real service in a folder of its own, in order of
time, so what is reported is what a user would have seen; nothing is fitted, nothing looks ahead. Where incidents are
known, each is found or missed, and what belongs to none of them is counted.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from aiops.config import Settings
from aiops.errors import InputError, TableError
from aiops.incidents.incident import Incident
from aiops.metrics.series import Labels, SampleBatch, canonical, display
from aiops.metrics.table_file import SampleTable, order_of_time
from aiops.metrics.timestamp import iso, timestamp_ms
from aiops.service import Service
from aiops.store.database import open_database
from aiops.store.incident_store import IncidentFilter, IncidentStore

STEP_MS = 60_000  # samples of so long are sent at a time
GRACE_MS = 10 * 60_000  # a known incident may be told so long before its start or after its end
PAGE = 500


@dataclass(frozen=True, slots=True)
class History:
    """Samples of some time, sorted by time; `series` indexes `labels`. Shapes (n,)."""

    labels: Sequence[Labels]
    series: np.ndarray[Any, np.dtype[np.int64]]
    time_ms: np.ndarray[Any, np.dtype[np.int64]]
    values: np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class KnownIncident:
    """An incident that really was."""

    name: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Backtest:
    """What came of a replay."""

    samples: int
    series: int
    first_ms: int
    last_ms: int
    incidents: Sequence[Incident]
    alerts_by_kind: Mapping[str, int]
    alerts_by_series: Mapping[str, int]
    known: Sequence[tuple[KnownIncident, str | None]]  # with the incident that told it

    @property
    def days(self) -> float:
        return max(self.last_ms - self.first_ms, 1) / 86_400_000

    @property
    def unknown(self) -> Sequence[Incident]:
        """Incidents that belong to no known one; all of them where none is known."""
        return [one for one in self.incidents if not any(_belongs(one, known) for known, _ in self.known)]

    def summary(self) -> dict[str, Any]:
        """Everything, as `--json` writes it."""
        return {
            "samples": self.samples,
            "series": self.series,
            "first": iso(self.first_ms),
            "last": iso(self.last_ms),
            "days": round(self.days, 3),
            "incidents": [
                {
                    "id": one.name,
                    "severity": one.severity.name.lower(),
                    "detected": iso(one.detected_ms),
                    "ended": None if one.ended_ms is None else iso(one.ended_ms),
                    "title": one.title,
                    "reason": one.timeline[0].why,
                    "alerts": one.alert_count,
                }
                for one in self.incidents
            ],
            "incidents_per_day": round(len(self.incidents) / self.days, 3),
            "alerts_by_kind": dict(self.alerts_by_kind),
            "alerts_by_series": dict(self.alerts_by_series),
            "known": [{"name": known.name, "found_as": found} for known, found in self.known],
            "known_found": sum(found is not None for _, found in self.known),
            "unknown_incidents": len(self.unknown),
        }


def of_tables(tables: Sequence[SampleTable]) -> Iterator[History]:
    """The samples of files, merged."""
    labels: list[Labels] = []
    parts = []
    for table in tables:
        good = table.good
        parts.append((table.group[good] + len(labels), table.time_ms[good], table.values[good]))
        labels += table.series
    series, time_ms, values = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = order_of_time(time_ms)
    yield History(labels, series[order], time_ms[order], values[order])


def of_prometheus(url: str, selector: str, start_s: float, end_s: float, chunk_s: float = 3600) -> Iterator[History]:
    """The samples a Prometheus has stored, as they were scraped, an hour at a time. Raises InputError where it cannot
    be asked."""
    with httpx2.Client(base_url=url.rstrip("/"), timeout=120) as client:
        at = start_s
        while at < end_s:
            span = min(chunk_s, end_s - at)
            query = {"query": f"{selector}[{max(round(span * 1000), 1)}ms]", "time": f"{at + span:.3f}"}
            try:
                reply = client.get("/api/v1/query", params=query)
                found = reply.json()
            except (httpx2.TransportError, httpx2.InvalidURL, ValueError) as error:
                raise InputError(f"{url} does not answer as a Prometheus: {error}") from None
            if reply.status_code != 200 or found.get("status") != "success":
                raise InputError(f"{url} refuses {query['query']}: {found.get('error', reply.status_code)}")
            yield _history(found["data"]["result"])
            at += span


def _history(result: Sequence[Mapping[str, Any]]) -> History:
    labels = [canonical(one["metric"]) for one in result]
    sizes = [len(one["values"]) for one in result]
    pairs = [pair for one in result for pair in one["values"]]
    series = np.repeat(np.arange(len(labels)), sizes)
    time_ms = np.array([round(float(time_s) * 1000) for time_s, _ in pairs], np.int64)
    values = np.array([float(value) for _, value in pairs], np.float64)
    order = order_of_time(time_ms)
    return History(labels, series[order], time_ms[order], values[order])


def read_known(path: Path) -> list[KnownIncident]:
    """A CSV with columns start, end and perhaps name. Raises TableError naming the row."""
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"{path} cannot be read: {error}") from None
    known = []
    for number, row in enumerate(rows, 2):
        try:
            start, end = timestamp_ms(row["start"]), timestamp_ms(row["end"])
        except (KeyError, TypeError, InputError) as error:
            raise TableError(f"{path}, row {number}: needs columns start and end with timestamps: {error}") from None
        known.append(KnownIncident(row.get("name") or f"row {number}", start, end))
    return known


def replay(
    histories: Iterator[History],
    settings: Settings,
    known: Sequence[KnownIncident],
    progressed: Callable[[int, int], None],
) -> Backtest:
    """Sends histories, each later than the one before, through a service whose data lie in `settings.server.data_dir`.
    `progressed` hears of samples sent and the time of the latest. Raises InputError where there are no samples."""
    now_ms = 0
    service = Service(settings, IncidentStore(open_database(settings.store_url)), lambda: now_ms / 1000)
    service.start()
    sent, first_ms = 0, 0
    try:
        for history in histories:
            if not len(history.time_ms):
                continue
            first_ms = first_ms or int(history.time_ms[0])
            rows = np.array([service.table.row(labels) for labels in history.labels], np.int32)[history.series]
            steps = np.flatnonzero(np.diff(history.time_ms // STEP_MS)) + 1
            for some in np.split(np.arange(len(rows)), steps):
                now_ms = int(history.time_ms[some[-1]])
                stale = np.zeros(len(some), np.bool_)
                service.ingest_batch(SampleBatch(rows[some], history.time_ms[some], history.values[some], stale))
                sent += len(some)
                progressed(sent, now_ms)
        incidents = sorted(_all_incidents(service), key=lambda one: one.detected_ms)
    finally:
        service.stop()
    if not sent:
        raise InputError("no samples in this history")
    by_kind = Counter(alert.kind for one in incidents for alert in one.alerts)
    by_series = Counter(display(alert.labels) for one in incidents for alert in one.alerts)
    return Backtest(
        samples=sent,
        series=len(service.table),
        first_ms=first_ms,
        last_ms=now_ms,
        incidents=incidents,
        alerts_by_kind=dict(by_kind.most_common()),
        alerts_by_series=dict(by_series.most_common(20)),
        known=[(one, next((i.name for i in incidents if _belongs(i, one)), None)) for one in known],
    )


def _all_incidents(service: Service) -> Iterator[Incident]:
    cursor = None
    while True:
        page = service.incidents(IncidentFilter(), PAGE, cursor)
        yield from (service.store.get(one.incident_id) for one in page.items)
        cursor = page.cursor
        if cursor is None:
            return


def _belongs(incident: Incident, known: KnownIncident) -> bool:
    """Whether it was told while the known one lasted, or shortly before or after."""
    return known.start_ms - GRACE_MS <= incident.detected_ms <= known.end_ms + GRACE_MS
