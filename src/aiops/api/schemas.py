"""The shapes of requests and replies, for validation and for the documentation."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from aiops import finding
from aiops.detection.scores import Kind
from aiops.incidents import incident as life
from aiops.incidents.alert import Alert
from aiops.incidents.incident import Incident
from aiops.metrics.series import display
from aiops.metrics.timestamp import iso
from aiops.service import SeriesInfo
from aiops.store.ticket_links import TicketOf

StateName = Literal["candidate", "open", "recovered", "resolved", "dismissed"]
SeverityName = Literal["low", "medium", "high", "critical"]
KindName = Annotated[str, Field(json_schema_extra={"enum": [kind.name.lower() for kind in Kind if kind]})]
Text = Annotated[str, Field(max_length=10_000)]
Who = Annotated[str, Field(max_length=200, description="who decides; shown in the timeline")]


class Problem(BaseModel):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Request(BaseModel):
    """A body with no unknown fields."""

    model_config = ConfigDict(extra="forbid")


class Confirm(Request):
    who: Who = "anonymous"
    note: Text = ""


class Dismiss(Request):
    who: Who = "anonymous"
    reason: Text = Field(min_length=1, examples=["planned load test"])


class Resolve(Request):
    who: Who = "anonymous"
    resolution: Text = Field(min_length=1, examples=["rolled back release 1.4.2"])
    cause: Text = Field("", examples=["bad release"])


class Sample(BaseModel):
    """One sample with its score."""

    timestamp: str
    value: float | None
    score: float | None = Field(description="0..1, higher is stranger, 0.5 raises an alert; null: not known yet")
    expected: float | None
    lower: float | None
    upper: float | None
    anomalous: bool
    kind: KindName | None


class SamplesReply(BaseModel):
    """What POST /v1/samples answers."""

    accepted: int
    refused: dict[str, int] = Field(description="samples by reason")
    samples: list[dict[str, Any]] = Field([], description="one per sample sent, in the order sent")


class Event(BaseModel):
    """One line of a timeline."""

    time: str
    who: str
    what: str
    why: str


class Contribution(BaseModel):
    """What one detector says."""

    detector: str
    strength: float = Field(description="1: the alert bar")
    share: float = Field(description="of all strengths together, 0..1")


class PastEvent(BaseModel):
    """An earlier alert of the same series, of the same kind, direction and similar size."""

    incident: str
    when: str
    state: StateName
    resolution: str = Field(description="what mended it, or why it was dismissed")


class AlertView(BaseModel):
    """One series that became strange or silent."""

    fingerprint: str
    series: str
    labels: dict[str, str]
    kind: KindName
    score: float
    peak_score: float
    started: str
    ended: str | None
    count: int = Field(description="onsets within this incident")
    series_count: int
    persistent: bool
    reason: str = Field(description="one sentence, as of now; hours are UTC")
    value: float | None = Field(description="as scored: of a counter its rate per second; so are the next three")
    expected: float | None
    lower: float | None
    upper: float | None
    eta_s: float | None = Field(None, description="of a trend: seconds to its limit, as last told; 0: there")
    limit: float | None = Field(None, description="of a trend: where the series ends, in its unit")
    pace: float | None = Field(None, description="of a trend: of the value, an hour")
    contributions: list[Contribution] = Field([], description="strongest first")
    past: list[PastEvent] = Field([], description="comparable past events, newest first")
    evidence: list[Sample] = []

    @staticmethod
    def of(alert: Alert, evidence: list[Any], past: Sequence[life.PastEvent], now_ms: int) -> "AlertView":
        total = sum(alert.contributions.values())
        return AlertView(
            fingerprint=alert.fingerprint,
            series=display(alert.labels),
            labels=dict(alert.labels),
            kind=alert.kind,
            score=alert.score,
            peak_score=max(alert.score, alert.peak_score),
            started=iso(alert.time_ms),
            ended=_moment(alert.ended_ms),
            count=alert.count,
            series_count=alert.series_count,
            persistent=alert.is_persistent,
            reason=finding.reason(alert, past[0].alert.time_ms if past else alert.past_ms, now_ms),
            value=alert.value,
            expected=alert.expected,
            lower=alert.lower,
            upper=alert.upper,
            eta_s=alert.eta_s,
            limit=alert.limit,
            pace=alert.pace,
            contributions=[
                Contribution(detector=name, strength=strength, share=round(strength / total, 3))
                for name, strength in sorted(alert.contributions.items(), key=lambda pair: -pair[1])
            ],
            past=[
                PastEvent(
                    incident=one.incident,
                    when=iso(one.alert.time_ms),
                    state=one.state.value,
                    resolution=one.resolution,
                )
                for one in past
            ],
            evidence=evidence,
        )


class IncidentSummary(BaseModel):
    """An incident in a list."""

    id: str = Field(examples=["INC-12"])
    state: StateName
    severity: SeverityName
    title: str
    reason: str = Field(description="the title's alert in one sentence, as of now: what, for how long, last time")
    entities: list[str]
    labels: dict[str, str] = Field(description="shared by all its alerts")
    started: str
    detected: str
    updated: str
    ended: str | None
    alert_count: int
    resolution: str
    cause: str


class TicketOfView(BaseModel):
    """A ticket that likely belongs to an incident."""

    id: str
    tenant: str
    title: str
    created: str
    reason: str = Field(description="why it is linked")


class IncidentDetail(IncidentSummary):
    """An incident with everything known of it."""

    ticket_count: int = Field(description="tickets that likely belong to it")
    tickets: list[TicketOfView] = Field(description="the newest of them, at most 100")
    severity_reason: str = Field(description="how far off, how many series and entities, for how long")
    alerts: list[AlertView]
    timeline: list[Event]


class IncidentPage(BaseModel):
    """Newest first; `next_cursor` asks for the rest."""

    items: list[IncidentSummary]
    next_cursor: str | None


class SeriesView(BaseModel):
    """One series."""

    id: int
    series: str
    labels: dict[str, str]
    type: Literal["gauge", "counter"]
    samples_seen: int
    interval_s: float | None
    last: str | None

    @staticmethod
    def of(info: SeriesInfo) -> "SeriesView":
        return SeriesView(
            id=info.series_id,
            series=display(info.labels),
            labels=dict(info.labels),
            type="counter" if info.is_counter else "gauge",
            samples_seen=info.samples_seen,
            interval_s=info.interval_s,
            last=_moment(info.last_time_ms),
        )


class SeriesPage(BaseModel):
    """Series in order of first appearance."""

    items: list[SeriesView]
    next_cursor: str | None


class SeriesSamples(SeriesView):
    """The recent samples of one series, oldest first."""

    samples: list[Sample]


def summary(incident: Incident, now_ms: int) -> dict[str, Any]:
    """The fields of IncidentSummary."""
    lead = next((alert for alert in incident.alerts if alert.fingerprint == incident.lead), None)
    return {
        "id": incident.name,
        "state": incident.state.value,
        "severity": incident.severity.name.lower(),
        "title": incident.title,
        "reason": finding.reason(lead, lead.past_ms, now_ms) if lead else incident.title,
        "entities": list(incident.entities),
        "labels": dict(incident.labels),
        "started": iso(incident.started_ms),
        "detected": iso(incident.detected_ms),
        "updated": iso(incident.updated_ms),
        "ended": _moment(incident.ended_ms),
        "alert_count": incident.alert_count,
        "resolution": incident.resolution,
        "cause": incident.cause,
    }


def detail(
    incident: Incident,
    evidence: Any,
    past: Mapping[str, Sequence[life.PastEvent]],
    now_ms: int,
    tickets: tuple[int, Sequence[TicketOf]],
) -> IncidentDetail:
    """The whole incident; `evidence`: samples, `past`: what came before, both by fingerprint; `tickets`: how many, and
    the newest."""
    alerts = [
        AlertView.of(alert, list(evidence.get(alert.fingerprint, ())), past.get(alert.fingerprint, ()), now_ms)
        for alert in incident.alerts
    ]
    timeline = [Event(time=iso(e.time_ms), who=e.who, what=e.what.value, why=e.why) for e in incident.timeline]
    return IncidentDetail(
        **summary(incident, now_ms),
        ticket_count=tickets[0],
        tickets=[
            TicketOfView(id=t.ticket_id, tenant=t.tenant, title=t.title, created=iso(t.created_ms), reason=t.reason)
            for t in tickets[1]
        ],
        severity_reason=incident.severity_reason,
        alerts=alerts,
        timeline=timeline,
    )


def _moment(time_ms: int | None) -> str | None:
    return None if time_ms is None else iso(time_ms)
