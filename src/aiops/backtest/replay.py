"""What would have alerted: a history replayed through the same walk a live stream takes, faster.

A history goes through a real service in a folder of its own, in order of time, so what is reported is what a user would
have seen; nothing is fitted, nothing looks ahead. Where incidents are known, each is found, found late, held back (an
alert that was not evidence enough for an incident) or missed, and what belongs to none of them is counted. What began
while an earlier incident of its series was still open tells nothing new, and is counted by itself.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np

from aiops import finding
from aiops.backtest.history import History
from aiops.backtest.known import KnownIncident
from aiops.config import Settings
from aiops.detection.budget import FLEET, Standing
from aiops.detection.scores import Kind
from aiops.errors import InputError
from aiops.incidents.alert import Alert
from aiops.incidents.incident import Incident
from aiops.metrics.series import Labels, SampleBatch, display
from aiops.metrics.timestamp import iso
from aiops.service import Service
from aiops.store.database import open_database
from aiops.store.incident_store import IncidentFilter, IncidentStore

STEP_MS = 60_000  # samples of so long are sent at a time
PAGE = 500
ONSETS_MAX = 200_000  # kept for the report; later ones are counted only
DAY_MS = 86_400_000
HELD_APART_MS = 3_600_000  # held-back alerts of a series this close count once


class Verdict(StrEnum):
    """What became of a known incident."""

    FOUND = "found"
    LATE = "late"  # told only after it was over
    ONGOING = "ongoing"  # no new incident: one of its series, told earlier, was still open
    HELD_BACK = "held_back"  # a series alerted, but that was not evidence enough for an incident, or for its budget
    MISSED = "missed"
    UNSEEN = "unseen"  # not in this history: none of its series is, or nothing of that time


@dataclass(frozen=True, slots=True)
class Judged:
    """A known incident, what became of it, and the incident that told it."""

    known: KnownIncident
    verdict: Verdict
    incident: Incident | None = None

    @property
    def delay_ms(self) -> int | None:
        """From its start until it was told; None where it was not, or long before."""
        is_told = self.incident is not None and self.verdict != Verdict.ONGOING
        return self.incident.detected_ms - self.known.start_ms if self.incident and is_told else None


@dataclass(frozen=True, slots=True)
class Onset:
    """A series began to be strange."""

    labels: Labels
    time_ms: int
    score: float
    kind: str


@dataclass(frozen=True, slots=True)
class Backtest:
    """What came of a replay."""

    source: str
    samples: int
    series: int
    first_ms: int
    last_ms: int
    days_seen: Sequence[int]  # days since the epoch of which there are samples
    spans: Mapping[Labels, tuple[int, int]]  # first and last sample of each series that alerted or was known strange
    incidents: Sequence[Incident]
    held_back: Sequence[Onset]  # of no incident; see `_held_back`
    onset_count: int
    known: Sequence[Judged]
    budgets: Sequence[Standing] = ()

    @property
    def days(self) -> float:
        """Days of which there are samples: gaps of whole days between them do not count."""
        return min(max(self.last_ms - self.first_ms, 1) / DAY_MS, float(len(self.days_seen)))

    @property
    def unknown(self) -> Sequence[Incident]:
        """Incidents that belong to no known one; all of them where none is known."""
        return [one for one in self.incidents if not any(_belongs(one, judged.known) for judged in self.known)]

    @property
    def alerts_by_kind(self) -> Mapping[str, int]:
        """Alerts within incidents, most frequent first."""
        return dict(Counter(alert.kind for one in self.incidents for alert in one.alerts).most_common())

    @property
    def alerts_by_series(self) -> Mapping[str, int]:
        """Incidents by series, the loudest first."""
        found = Counter(display(alert.labels) for one in self.incidents for alert in one.alerts)
        return dict(found.most_common(20))

    def reason(self, incident: Incident) -> str:
        """Why it would have been told, in one sentence, as of its end."""
        lead = lead_of(incident)
        return finding.reason(lead, lead.past_ms, self.end_ms(incident)) if lead else incident.title

    def end_ms(self, incident: Incident) -> int:
        """When it ended; one that still lasted when its series ended, then."""
        last = max((self.spans[a.labels][1] for a in incident.alerts if a.labels in self.spans), default=self.last_ms)
        return max(min(last, self.last_ms) if incident.ended_ms is None else incident.ended_ms, incident.detected_ms)

    def summary(self) -> dict[str, Any]:
        """Everything, as `--json` writes it."""
        verdicts = Counter(judged.verdict for judged in self.known)
        return {
            "source": self.source,
            "samples": self.samples,
            "series": self.series,
            "first": iso(self.first_ms),
            "last": iso(self.last_ms),
            "days": round(self.days, 3),
            "incidents": [
                {
                    "id": one.name,
                    "severity": one.severity.name.lower(),
                    "started": iso(one.started_ms),
                    "detected": iso(one.detected_ms),
                    "ended": None if one.ended_ms is None else iso(one.ended_ms),
                    "title": one.title,
                    "reason": self.reason(one),
                    "evidence": one.timeline[0].why,
                    "series": [display(alert.labels) for alert in one.alerts],
                    "alerts": one.alert_count,
                }
                for one in self.incidents
            ],
            "incidents_per_day": round(len(self.incidents) / self.days, 3),
            "budgets": [
                {
                    "match": None if one.name == FLEET else one.name,
                    "alerts": one.rate,
                    "told": one.told,
                    f"told_per_{one.period}": round(one.told / self.days * (7 if one.period == "week" else 1), 3),
                    f"most_in_a_{one.period}": one.most,
                    f"ceiling_of_a_{one.period}": one.ceiling,
                    "bar": round(one.bar, 3),
                }
                for one in self.budgets
            ],
            "alerts": self.onset_count,
            "alerts_held_back": len(self.held_back),
            "alerts_by_kind": self.alerts_by_kind,
            "alerts_by_series": self.alerts_by_series,
            "known": [
                {
                    "name": one.known.name,
                    "start": iso(one.known.start_ms),
                    "end": iso(one.known.end_ms),
                    "series": one.known.where or None,
                    "verdict": one.verdict.value,
                    "found_as": one.incident.name if one.incident else None,
                    "delay_s": None if one.delay_ms is None else one.delay_ms / 1000,
                }
                for one in self.known
            ],
            "known_found": verdicts[Verdict.FOUND] + verdicts[Verdict.LATE],
            "known_by_verdict": {verdict.value: verdicts[verdict] for verdict in Verdict},
            "unknown_incidents": len(self.unknown),
        }


def lead_of(incident: Incident) -> Alert | None:
    """The alert that stands in the title."""
    return next((alert for alert in incident.alerts if alert.fingerprint == incident.lead), None)


def replay(
    history: History,
    settings: Settings,
    known: Sequence[KnownIncident],
    progressed: Callable[[int, int, float], None],
) -> Backtest:
    """Sends a history through a service whose data lie in `settings.server.data_dir`. `progressed` hears of samples
    sent, the time of the latest, and the share of the history done. Raises InputError where there are no samples."""
    now_ms = 0
    ingest = settings.ingest.model_copy(update={"timestamp_min_ms": -(2**62)})  # a history's times are what they are
    settings = settings.model_copy(update={"ingest": ingest})
    service = Service(settings, IncidentStore(open_database(settings.store_url)), lambda: now_ms / 1000)
    service.start()
    sent, spans = 0, _Spans(settings.ingest.series_max)
    onsets: list[Onset] = []
    onset_count, done = 0, 0.0
    try:
        for piece in history.pieces():
            if not len(piece.time_ms):
                continue
            rows = np.array([service.table.row(labels) for labels in piece.labels], np.int32)[piece.series]
            spans.see(rows, piece.time_ms)
            steps = [0, *(np.flatnonzero(np.diff(piece.time_ms // STEP_MS)) + 1).tolist(), len(rows)]
            for start, end in pairwise(steps):
                some = slice(start, end)
                now_ms = int(piece.time_ms[end - 1])
                batch = SampleBatch(
                    rows[some], piece.time_ms[some], piece.values[some], np.zeros(end - start, np.bool_)
                )
                scores = service.ingest_batch(batch)
                for k in scores.onsets.tolist():
                    onset_count += 1
                    if len(onsets) < ONSETS_MAX:
                        labels = service.table.labels(int(batch.rows[k]))
                        kind = Kind(int(scores.kind[k])).name.lower()
                        onsets.append(Onset(labels, int(batch.time_ms[k]), float(scores.score[k]), kind))
                sent += end - start
                progressed(sent, now_ms, done + (piece.done - done) * end / len(rows))
            done = piece.done
        incidents = sorted(_all_incidents(service), key=lambda one: one.detected_ms)
    finally:
        service.stop()
    if not sent:
        raise InputError(f"{history.name}: no samples in this history")
    everything = list(service.table)
    first_ms = int(spans.first_ms[: len(everything)].min())
    strange = {onset.labels for onset in onsets} | {alert.labels for one in incidents for alert in one.alerts}
    strange |= {labels for labels in everything for one in known if one.where and one.concerns(labels)}
    return Backtest(
        source=history.name,
        samples=sent,
        series=len(everything),
        first_ms=first_ms,
        last_ms=now_ms,
        days_seen=sorted(spans.days),
        spans={labels: spans.of(row) for row, labels in enumerate(everything) if labels in strange},
        incidents=incidents,
        held_back=_held_back(onsets, incidents),
        onset_count=onset_count,
        known=[
            _judge(one, incidents, onsets)
            if one.start_ms <= now_ms and one.end_ms >= first_ms and any(map(one.concerns, everything))
            else Judged(one, Verdict.UNSEEN)
            for one in known
        ],
        budgets=[scope.standing for scope in service.telling.budget.scopes],
    )


class _Spans:
    """When each series began and ended, and on which days there were samples at all."""

    def __init__(self, series_max: int) -> None:
        self.first_ms = np.full(series_max, 2**62, np.int64)
        self._last_ms = np.full(series_max, -(2**62), np.int64)
        self.days: set[int] = set()

    def see(self, rows: np.ndarray[Any, np.dtype[np.int32]], time_ms: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        np.minimum.at(self.first_ms, rows, time_ms)
        np.maximum.at(self._last_ms, rows, time_ms)
        self.days.update(np.unique(time_ms // DAY_MS).tolist())

    def of(self, row: int) -> tuple[int, int]:
        return int(self.first_ms[row]), int(self._last_ms[row])


def _all_incidents(service: Service) -> Iterator[Incident]:
    cursor = None
    while True:
        page = service.incidents(IncidentFilter(), PAGE, cursor)
        yield from (service.store.get(one.incident_id) for one in page.items)
        cursor = page.cursor
        if cursor is None:
            return


def _held_back(onsets: Sequence[Onset], incidents: Sequence[Incident]) -> list[Onset]:
    """Onsets that are part of no incident; those of one series close together count once, by the strongest."""
    told: dict[Labels, list[tuple[int, int]]] = {}
    for alert in (alert for incident in incidents for alert in incident.alerts):
        told.setdefault(alert.labels, []).append((alert.time_ms, max(alert.last_ms, alert.ended_ms or 0)))
    latest: dict[Labels, int] = {}
    kept: list[Onset] = []
    for onset in onsets:
        if any(start <= onset.time_ms <= end for start, end in told.get(onset.labels, ())):
            continue
        k = latest.get(onset.labels)
        if k is None or onset.time_ms - kept[k].time_ms >= HELD_APART_MS:
            latest[onset.labels] = len(kept)
            kept.append(onset)
        elif onset.score > kept[k].score:
            kept[k] = onset
    return kept


def _judge(known: KnownIncident, incidents: Sequence[Incident], onsets: Sequence[Onset]) -> Judged:
    found = next((one for one in incidents if _belongs(one, known)), None)
    if found:
        return Judged(known, Verdict.LATE if found.detected_ms > known.end_ms else Verdict.FOUND, found)
    earlier = next((one for one in incidents if _runs_into(one, known)), None)
    if earlier:
        return Judged(known, Verdict.ONGOING, earlier)
    alerted = any(known.covers(one.time_ms) and known.concerns(one.labels) for one in onsets)
    return Judged(known, Verdict.HELD_BACK if alerted else Verdict.MISSED)


def _runs_into(incident: Incident, known: KnownIncident) -> bool:
    """Whether an incident told before still had a running alert of a series concerned when the known one began."""
    return incident.detected_ms < known.start_ms and any(
        known.concerns(alert.labels) and (alert.ended_ms is None or alert.ended_ms >= known.start_ms)
        for alert in incident.alerts
    )


def _belongs(incident: Incident, known: KnownIncident) -> bool:
    return known.covers(incident.detected_ms) and any(known.concerns(alert.labels) for alert in incident.alerts)
