"""Incidents on disk: saved whole in one transaction, found by filters, paged by a cursor that new rows do not disturb.

A save names the version it read. If another writer was faster, nothing is written and the caller hears ConflictError.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, and_, delete, func, insert, or_, select, update
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError

from aiops.errors import ConflictError, InputError, NotFoundError
from aiops.incidents.alert import Alert
from aiops.incidents.incident import Event, Incident, PastEvent, State, What
from aiops.incidents.severity import Severity
from aiops.store import schema

LIVING = (State.CANDIDATE, State.OPEN, State.RECOVERED)
LABEL_NAME_MAX = 255


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """What to list; empty fields do not filter."""

    states: Sequence[State] = ()
    severity_min: Severity | None = None
    labels: Sequence[tuple[str, str]] = ()  # all must be carried by some alert of the incident
    since_ms: int | None = None  # started at or after
    until_ms: int | None = None  # started before
    text: str = ""  # within the title


@dataclass(frozen=True, slots=True)
class Page:
    """Incidents newest first; they carry their leading alert alone, and no timeline. `cursor` asks for the rest; None =
    none left."""

    items: Sequence[Incident]
    cursor: str | None


Evidence = Mapping[str, Sequence[Mapping[str, Any]]]
"""Samples by fingerprint: records with timestamp, value, expected, lower, upper, score."""


@dataclass(frozen=True, slots=True)
class Change:
    """An incident to save, and evidence to add to its alerts."""

    incident: Incident
    evidence: Evidence = field(default_factory=dict)


class IncidentStore:
    """Thread-safe: every call is a transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def engine(self) -> Engine:
        """The database, for what is kept beside incidents."""
        return self._engine

    def last_id(self) -> int:
        """The highest incident number given so far, 0 for none."""
        with self._engine.connect() as connection:
            return int(connection.execute(select(func.max(schema.incident.c.id))).scalar() or 0)

    def save(self, changes: Sequence[Change]) -> list[Incident]:
        """Writes all or nothing; returns the incidents with their new versions. Raises ConflictError where a stored
        incident has another version than the one given."""
        with self._engine.begin() as connection:
            return [self._save(connection, change) for change in changes]

    def get(self, incident_id: int) -> Incident:
        """With alerts and timeline. Raises NotFoundError."""
        with self._engine.connect() as connection:
            row = connection.execute(select(schema.incident).where(schema.incident.c.id == incident_id)).first()
            if row is None:
                raise NotFoundError(f"no incident INC-{incident_id}")
            return _with_parts(connection, [_incident(row)])[0]

    def evidence(self, incident_id: int) -> Evidence:
        """The samples kept around each alert of an incident."""
        table = schema.alert
        query = select(table.c.fingerprint, table.c.evidence).where(table.c.incident_id == incident_id)
        with self._engine.connect() as connection:
            return {f: msgspec.json.decode(text) for f, text in connection.execute(query) if text}

    def list(self, wanted: IncidentFilter, limit: int, cursor: str | None = None) -> Page:
        """Newest first. Raises InputError for a cursor that is none of ours."""
        table = schema.incident
        query = select(table).order_by(table.c.started_ms.desc(), table.c.id.desc()).limit(limit + 1)
        if wanted.states:
            query = query.where(table.c.state.in_(wanted.states))
        if wanted.severity_min:
            query = query.where(table.c.severity >= int(wanted.severity_min))
        if wanted.since_ms is not None:
            query = query.where(table.c.started_ms >= wanted.since_ms)
        if wanted.until_ms is not None:
            query = query.where(table.c.started_ms < wanted.until_ms)
        if wanted.text:
            query = query.where(table.c.title.icontains(wanted.text, autoescape=True))
        for name, value in wanted.labels:
            label = schema.label.c
            carries = select(label.incident_id).where(label.name == name, label.value == value)
            query = query.where(table.c.id.in_(carries))
        if cursor:
            started_ms, last_id = _opened(cursor)
            earlier = and_(table.c.started_ms == started_ms, table.c.id < last_id)
            query = query.where(or_(table.c.started_ms < started_ms, earlier))
        with self._engine.connect() as connection:
            items = [_incident(row) for row in connection.execute(query)]
            page = _with_leads(connection, items[:limit])
        return Page(page, _sealed(page[-1]) if len(items) > limit else None)

    def past(self, fingerprints: Sequence[str], before_id: int, limit: int) -> Mapping[str, Sequence[PastEvent]]:
        """By fingerprint: alerts of the same series in the last `limit` incidents before this one, newest first."""
        a, i, e = schema.alert.c, schema.incident.c, schema.event.c
        rank = func.row_number().over(partition_by=a.fingerprint, order_by=a.incident_id.desc()).label("rank")
        mine = and_(a.fingerprint.in_(fingerprints), a.incident_id < before_id)
        ranked = select(a.fingerprint, a.incident_id, a.document, rank).where(mine).subquery()
        query = (
            select(ranked.c.fingerprint, ranked.c.incident_id, ranked.c.document, i.state, i.resolution)
            .join(schema.incident, i.id == ranked.c.incident_id)
            .where(ranked.c.rank <= limit)
            .order_by(ranked.c.incident_id.desc())
        )
        found: dict[str, list[PastEvent]] = {}
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
            dismissed = [row.incident_id for row in rows if row.state == State.DISMISSED]
            reasons = select(e.incident_id, e.why).where(e.incident_id.in_(dismissed), e.what == What.DISMISSED)
            why = {row.incident_id: row.why for row in connection.execute(reasons)} if dismissed else {}
        for fingerprint, number, document, state, resolution in rows:
            event = PastEvent(f"INC-{number}", _alert(document), State(state), resolution or why.get(number, ""))
            found.setdefault(fingerprint, []).append(event)
        return found

    def living(self, since_ms: int) -> Sequence[Incident]:
        """Candidates, open ones, and those recovered with a change at or after `since_ms`; oldest first, complete."""
        table = schema.incident
        is_recent = or_(table.c.state != State.RECOVERED, table.c.updated_ms >= since_ms)
        query = select(table).where(table.c.state.in_(LIVING), is_recent).order_by(table.c.id)
        with self._engine.connect() as connection:
            return _with_parts(connection, [_incident(row) for row in connection.execute(query)])

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Incidents by (state, severity)."""
        table = schema.incident
        query = select(table.c.state, table.c.severity, func.count()).group_by(table.c.state, table.c.severity)
        with self._engine.connect() as connection:
            return {(s, Severity(level).name.lower()): n for s, level, n in connection.execute(query)}

    def _save(self, connection: Connection, change: Change) -> Incident:
        incident = replace(change.incident, version=change.incident.version + 1)
        values = _columns(incident)
        if incident.version == 1:
            try:
                connection.execute(insert(schema.incident).values(values))
            except IntegrityError:
                raise ConflictError(f"{incident.name} exists already: another writer gave this number") from None
            told = 0
        else:
            table = schema.incident
            mine = and_(table.c.id == incident.incident_id, table.c.version == incident.version - 1)
            if connection.execute(update(table).where(mine).values(values)).rowcount != 1:
                raise ConflictError(f"{incident.name} was changed by someone else meanwhile; read it again")
            position = schema.event.c.position
            query = select(func.count(position)).where(schema.event.c.incident_id == incident.incident_id)
            told = int(connection.execute(query).scalar_one())
        _save_events(connection, incident, told)
        _save_alerts(connection, incident, change.evidence)
        return incident


def _save_events(connection: Connection, incident: Incident, told: int) -> None:
    fresh = [
        {"incident_id": incident.incident_id, "position": k, **asdict(event)}
        for k, event in enumerate(incident.timeline)
        if k >= told
    ]
    if fresh:
        connection.execute(insert(schema.event), fresh)


def _save_alerts(connection: Connection, incident: Incident, evidence: Evidence) -> None:
    if not incident.alerts:
        return
    table, number = schema.alert, incident.incident_id
    query = select(table.c.fingerprint, table.c.document, table.c.evidence).where(table.c.incident_id == number)
    stored = {fingerprint: (document, text) for fingerprint, document, text in connection.execute(query)}
    rows = []
    for position, alert in enumerate(incident.alerts):
        fingerprint = alert.fingerprint
        before = stored.get(fingerprint)
        document = {**asdict(alert), "labels": dict(alert.labels)}
        if before and before[0] == document and fingerprint not in evidence:
            continue
        text = msgspec.json.encode(evidence[fingerprint]).decode() if fingerprint in evidence else before and before[1]
        rows.append(
            {
                "incident_id": number,
                "fingerprint": fingerprint,
                "position": position,
                "document": document,
                "evidence": text or None,
            }
        )
    if rows:
        changed = [row["fingerprint"] for row in rows if row["fingerprint"] in stored]
        if changed:
            connection.execute(delete(table).where(table.c.incident_id == number, table.c.fingerprint.in_(changed)))
        connection.execute(insert(table), rows)
    _save_labels(connection, number, [a for a in incident.alerts if a.fingerprint not in stored])


def _save_labels(connection: Connection, number: int, alerts: Sequence[Alert]) -> None:
    table = schema.label
    pairs = {(name[:LABEL_NAME_MAX], value) for alert in alerts for name, value in alert.labels}
    if not pairs:
        return
    query = select(table.c.name, table.c.value).where(table.c.incident_id == number)
    pairs -= {(name, value) for name, value in connection.execute(query)}
    if pairs:
        rows = [{"incident_id": number, "name": name, "value": value} for name, value in sorted(pairs)]
        connection.execute(insert(table), rows)


def _columns(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.incident_id,
        "version": incident.version,
        "state": incident.state.value,
        "severity": int(incident.severity),
        "title": incident.title,
        "labels": dict(incident.labels),
        "entities": list(incident.entities),
        "started_ms": incident.started_ms,
        "detected_ms": incident.detected_ms,
        "updated_ms": incident.updated_ms,
        "ended_ms": incident.ended_ms,
        "alert_count": incident.alert_count,
        "resolution": incident.resolution,
        "cause": incident.cause,
        "lead": incident.lead,
    }


def _incident(row: Row[Any]) -> Incident:
    return Incident(
        incident_id=row.id,
        state=State(row.state),
        severity=Severity(row.severity),
        title=row.title,
        labels=tuple(sorted(row.labels.items())),
        entities=tuple(row.entities),
        started_ms=row.started_ms,
        detected_ms=row.detected_ms,
        updated_ms=row.updated_ms,
        ended_ms=row.ended_ms,
        alerts=(),
        alert_count=row.alert_count,
        timeline=(),
        resolution=row.resolution,
        cause=row.cause,
        version=row.version,
        lead=row.lead,
    )


def _alert(document: Mapping[str, Any]) -> Alert:
    return Alert(**{**document, "labels": tuple(sorted(document["labels"].items()))})


def _with_leads(connection: Connection, incidents: Sequence[Incident]) -> list[Incident]:
    """The same incidents, each with the alert that stands in its title."""
    i, a = schema.incident.c, schema.alert.c
    is_lead = and_(a.incident_id == i.id, a.fingerprint == i.lead)
    query = select(i.id, a.document).join(schema.alert, is_lead).where(i.id.in_([one.incident_id for one in incidents]))
    leads = {number: (_alert(document),) for number, document in connection.execute(query)} if incidents else {}
    return [replace(one, alerts=leads.get(one.incident_id, ())) for one in incidents]


def _with_parts(connection: Connection, incidents: Sequence[Incident]) -> list[Incident]:
    """The same incidents with their alerts and timelines."""
    complete = []
    for incident in incidents:
        number = incident.incident_id
        a, e = schema.alert, schema.event
        documents = connection.execute(select(a.c.document).where(a.c.incident_id == number).order_by(a.c.position))
        alerts = tuple(_alert(document) for (document,) in documents)
        events = connection.execute(
            select(e.c.time_ms, e.c.who, e.c.what, e.c.why).where(e.c.incident_id == number).order_by(e.c.position)
        )
        timeline = tuple(Event(time_ms, who, What(what), why) for time_ms, who, what, why in events)
        complete.append(replace(incident, alerts=alerts, timeline=timeline))
    return complete


def _sealed(incident: Incident) -> str:
    return base64.urlsafe_b64encode(f"{incident.started_ms}.{incident.incident_id}".encode()).decode()


def _opened(cursor: str) -> tuple[int, int]:
    try:
        started_ms, incident_id = base64.urlsafe_b64decode(cursor).decode().split(".")
        return int(started_ms), int(incident_id)
    except (ValueError, binascii.Error):
        raise InputError(f"cursor {cursor!r} is none of ours: take it from next_cursor as it is") from None
