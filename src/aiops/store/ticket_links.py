"""Which tickets belong to which incidents, on disk; deleted with the ticket."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, and_, func, insert, or_, select

from aiops.incidents.incident import State
from aiops.store import schema
from aiops.store.incident_store import LIVING
from aiops.tickets.linking import AFTER_MS, BEFORE_MS, Link, LiveIncident

LIVE_MAX = 500  # incidents looked at for a ticket; the newest
TICKETS_MAX = 2000  # tickets looked at for an incident; the newest


@dataclass(frozen=True, slots=True)
class IncidentOf:
    """An incident that a ticket is linked to."""

    link: Link
    title: str
    state: State


@dataclass(frozen=True, slots=True)
class TicketOf:
    """A ticket that is linked to an incident."""

    ticket_id: str
    tenant: str
    title: str
    created_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Linkable:
    """A kept ticket as far as linking looks at it."""

    number: int
    title: str
    body: str
    attributes: Mapping[str, Any]
    created_ms: int
    triage: Mapping[str, Any]


class TicketLinks:
    """Thread-safe: every call is a transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def living(self) -> list[LiveIncident]:
        """The newest incidents that are not over, or that recovered by themselves."""
        c = schema.incident.c
        return self._incidents(c.state.in_(LIVING))

    def around(self, first_ms: int, last_ms: int) -> list[LiveIncident]:
        """Incidents that tickets written between these moments can belong to; none that was dismissed."""
        c = schema.incident.c
        is_there = and_(c.started_ms <= last_ms + BEFORE_MS, c.state != State.DISMISSED)
        is_fresh = or_(c.ended_ms >= first_ms - AFTER_MS, and_(c.ended_ms.is_(None), c.state != State.RESOLVED))
        return self._incidents(and_(is_there, is_fresh))

    def tickets(self, first_ms: int, last_ms: int | None) -> list[Linkable]:
        """The newest tickets created since the one moment and until the other."""
        c = schema.ticket.c
        query = select(c.number, c.title, c.body, c.attributes, c.created_ms, c.triage).where(c.created_ms >= first_ms)
        if last_ms is not None:
            query = query.where(c.created_ms <= last_ms)
        query = query.order_by(c.created_ms.desc()).limit(TICKETS_MAX)
        with self._engine.connect() as connection:
            return [Linkable(*row) for row in connection.execute(query)]

    def add(self, links: Sequence[tuple[int, Link]]) -> None:
        """Links of tickets by number; those that are there already stay as they are."""
        if not links:
            return
        table = schema.ticket_incident
        incidents = {link.incident_id for _, link in links}
        query = select(table.c.ticket_number, table.c.incident_id).where(table.c.incident_id.in_(incidents))
        with self._engine.begin() as connection:
            there = {(row[0], row[1]) for row in connection.execute(query)}
            rows = [
                {"ticket_number": number, "incident_id": link.incident_id, "score": link.score, "reason": link.reason}
                for number, link in links
                if (number, link.incident_id) not in there
            ]
            if rows:
                connection.execute(insert(table), rows)

    def of_tickets(self, numbers: Sequence[int]) -> dict[int, tuple[IncidentOf, ...]]:
        """The incidents of each of these tickets, best first."""
        c, i = schema.ticket_incident.c, schema.incident.c
        query = (
            select(c.ticket_number, c.incident_id, c.score, c.reason, i.title, i.state)
            .join(schema.incident, i.id == c.incident_id)
            .where(c.ticket_number.in_(numbers))
            .order_by(c.score.desc(), c.incident_id.desc())
        )
        found: dict[int, tuple[IncidentOf, ...]] = {}
        with self._engine.connect() as connection:
            for number, incident_id, score, reason, title, state in connection.execute(query):
                one = IncidentOf(Link(incident_id, score, reason), title, State(state))
                found[number] = (*found.get(number, ()), one)
        return found

    def of_incident(self, incident_id: int, limit: int) -> tuple[int, list[TicketOf]]:
        """How many tickets belong to it, and the newest of them."""
        c, t = schema.ticket_incident.c, schema.ticket.c
        query = (
            select(t.ticket_id, t.tenant, t.title, t.created_ms, c.reason)
            .join(schema.ticket, t.number == c.ticket_number)
            .where(c.incident_id == incident_id)
            .order_by(t.created_ms.desc(), t.number.desc())
            .limit(limit)
        )
        counted = select(func.count()).where(c.incident_id == incident_id)
        with self._engine.connect() as connection:
            return int(connection.execute(counted).scalar_one()), [TicketOf(*row) for row in connection.execute(query)]

    def _incidents(self, which: Any) -> list[LiveIncident]:
        c = schema.incident.c
        query = select(c.id, c.title, c.entities, c.started_ms, c.ended_ms).where(which)
        query = query.order_by(c.started_ms.desc(), c.id.desc()).limit(LIVE_MAX)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return [LiveIncident(row[0], row[1], tuple(row[2]), row[3], row[4]) for row in rows]
