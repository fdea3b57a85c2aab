"""Kept tickets as the API shows them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from aiops.api import schemas as shapes
from aiops.api.triage import TicketIn, TriageView, view
from aiops.metrics.timestamp import iso
from aiops.store.ticket_links import IncidentOf
from aiops.tickets.record import TicketEvent, TicketRecord
from aiops.tickets.similar import Hit
from aiops.tickets.ticket import Ticket

StateName = Literal["open", "resolved", "closed"]
Who = Annotated[str, Field(max_length=200, description="who decides; kept as sent and shown in the timeline")]


class TicketsIn(TicketIn):
    """One ticket as it is, or several under `tickets`."""

    tickets: list[TicketIn] | None = None


class Forget(shapes.Request):
    requester: Annotated[str, Field(min_length=1, max_length=1000)] = Field(examples=["ann@example.com"])
    tenant: str | None = Field(None, description="of this tenant only")
    who: Who = "anonymous"


class Forgotten(BaseModel):
    """What was deleted."""

    tickets_deleted: int


class TicketEventView(BaseModel):
    """One line of a ticket's timeline."""

    time: str
    who: str
    what: str
    why: str
    field: str | None = Field(description="the output that changed, or team")
    before: str | None
    after: str | None

    @staticmethod
    def of(event: TicketEvent) -> "TicketEventView":
        changed = (event.field, event.before, event.after) if event.field else (None, None, None)
        field, before, after = changed
        return TicketEventView(
            time=iso(event.time_ms), who=event.who, what=event.what.value, why=event.why,
            field=field, before=before, after=after,
        )  # fmt: skip


class IncidentOfView(BaseModel):
    """An incident that a ticket likely belongs to."""

    id: str = Field(examples=["INC-12"])
    title: str
    state: shapes.StateName
    score: float = Field(description="0..1; a judgement, no probability")
    reason: str = Field(description="what it names, and when it was written")


class TicketSummary(BaseModel):
    """A ticket in a list."""

    id: str
    tenant: str
    state: StateName
    title: str
    labels: dict[str, str] = Field(description="in force: what a person decided, else triage; empty: not known")
    decided: list[str] = Field(description="outputs that a person decided")
    created: str
    resolution: str
    incidents: list[str] = Field(description="that it likely belongs to, best first")


class TicketDetail(TriageView):
    """A ticket with everything that is kept of it; the answers are triage's, `labels` what is in force."""

    tenant: str
    state: StateName
    title: str = Field(description="as read: without personal data")
    body: str = Field(description="the newest message, without personal data")
    channel: str
    attributes: dict[str, Any]
    labels: dict[str, str] = Field(description="in force: what a person decided, else triage; empty: not known")
    decided: list[str] = Field(description="outputs that a person decided")
    created: str
    received: str
    first_response: str | None
    assigned: str | None
    resolved: str | None
    closed: str | None
    reassigned: int = Field(description="how often another team took it over")
    reopened: int
    first_contact: bool | None = Field(description="solved by the first answer, for good; null while open")
    resolution: str
    incidents: list[IncidentOfView] = Field(description="that it likely belongs to, best first")
    timeline: list[TicketEventView]
    is_new: bool | None = Field(None, description="of POST /v1/tickets: false where it was there already")


class TicketsReply(BaseModel):
    """In the order sent."""

    items: list[TicketDetail]
    took_ms: float


class TicketPage(BaseModel):
    """Newest first; `next_cursor` asks for the rest."""

    items: list[TicketSummary]
    next_cursor: str | None


def summary(record: TicketRecord, incidents: Sequence[IncidentOf]) -> TicketSummary:
    """A row of the list."""
    return TicketSummary(
        id=record.ticket_id,
        tenant=record.tenant,
        state=record.state.value,
        title=record.title,
        labels=dict(record.labels),
        decided=list(record.decided),
        created=iso(record.created_ms),
        resolution=record.resolution,
        incidents=[f"INC-{one.link.incident_id}" for one in incidents],
    )


def detail(
    record: TicketRecord, incidents: Sequence[IncidentOf], similar: Sequence[Hit], is_new: bool | None = None
) -> TicketDetail:
    """The whole ticket."""
    triage = view(Ticket(record.title, record.body, record.ticket_id), record.triage, similar)
    return TicketDetail(
        **dict(triage),
        tenant=record.tenant,
        state=record.state.value,
        title=record.title,
        body=record.body,
        channel=record.channel,
        attributes=dict(record.attributes),
        labels=dict(record.labels),
        decided=list(record.decided),
        created=iso(record.created_ms),
        received=iso(record.received_ms),
        first_response=_moment(record.first_response_ms),
        assigned=_moment(record.assigned_ms),
        resolved=_moment(record.resolved_ms),
        closed=_moment(record.closed_ms),
        reassigned=record.reassigned,
        reopened=record.reopened,
        first_contact=record.is_first_contact,
        resolution=record.resolution,
        incidents=[
            IncidentOfView(
                id=f"INC-{one.link.incident_id}",
                title=one.title,
                state=one.state.value,
                score=one.link.score,
                reason=one.link.reason,
            )
            for one in incidents
        ],
        timeline=_timeline(record.timeline),
        is_new=is_new,
    )


def _timeline(events: Sequence[TicketEvent]) -> list[TicketEventView]:
    return [TicketEventView.of(event) for event in events]


def _moment(time_ms: int | None) -> str | None:
    return None if time_ms is None else iso(time_ms)
