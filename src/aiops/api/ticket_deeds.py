"""What people decide of a kept ticket: one route per deed, each answered with the whole ticket."""

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from pydantic import BaseModel, Field

from aiops.api import schemas
from aiops.api import ticket_shapes as shapes
from aiops.intake import Intake
from aiops.metrics.timestamp import timestamp_ms
from aiops.ticket_decisions import revealed
from aiops.tickets.record import CORRECTABLE, TicketRecord

Tenant = Annotated[str, Query(description="whose ticket it is", max_length=200)]
Label = Annotated[str, Field(max_length=200)]
Text = Annotated[str, Field(max_length=10_000)]


class Deed(schemas.Request):
    """Who does it, perhaps why, and when."""

    who: shapes.Who = "anonymous"
    why: Text = ""
    at: str | float | None = Field(None, description="when it was done: ISO 8601 or epoch; now, if left out")

    def time_ms(self, intake: Intake, created_ms: int) -> int:
        """Raises InputError for a time that is none, or one before the ticket or after now."""
        return intake.deed_time_ms(timestamp_ms(self.at) if self.at is not None else None, created_ms)


class Correct(Deed):
    category: Label | None = None
    type: Label | None = None
    urgency: Label | None = Field(None, examples=["high"])
    impact: Label | None = None
    sentiment: Label | None = None
    team: Label | None = None
    new_label: bool = Field(False, description="true: a label that the model does not know is meant so")


class Assign(Deed):
    team: Label = Field(examples=["network"])
    new_label: bool = Field(False, description="true: a team that is not known is meant so")


class Resolve(Deed):
    resolution: Text = Field(min_length=1, examples=["restarted the print spooler"])


class Reveal(schemas.Request):
    who: shapes.Who
    why: Text = Field(min_length=1, examples=["to call the requester back"])


class Revealed(BaseModel):
    """The ticket's texts as they were sent, as far as they were kept."""

    id: str
    tenant: str
    requester: str
    title: str
    body: str
    channel: str
    resolution: str
    attributes: dict[str, Any]


def add_ticket_deeds(app: FastAPI, intake: Intake, problems: dict[int | str, dict[str, Any]]) -> None:
    """The routes."""
    deeds = intake.decisions

    def whole(record: TicketRecord) -> shapes.TicketDetail:
        (similar,) = intake.similar([record])
        return shapes.detail(record, intake.incidents([record]).get(record.number, ()), similar)

    @app.post("/v1/tickets/{ticket_id}/correct", tags=["tickets"], responses=problems)
    def correct(ticket_id: str, body: Correct, tenant: Tenant = "") -> shapes.TicketDetail:
        """What triage should have said, and who says so. Sending what stands confirms it.

        Another team of an open ticket is an assignment too; priority follows urgency and impact.
        """
        record = intake.ticket(tenant, ticket_id)
        given = {name: label for name in CORRECTABLE if (label := getattr(body, name)) is not None}
        now_ms = body.time_ms(intake, record.created_ms)
        return whole(deeds.correct(record, given, body.who, body.why, now_ms, body.new_label))

    @app.post("/v1/tickets/{ticket_id}/assign", tags=["tickets"], responses=problems)
    def assign(ticket_id: str, body: Assign, tenant: Tenant = "") -> shapes.TicketDetail:
        """A team takes it; from the second team on it counts as a reassignment."""
        record = intake.ticket(tenant, ticket_id)
        now_ms = body.time_ms(intake, record.created_ms)
        return whole(deeds.assign(record, body.team, body.who, body.why, now_ms, body.new_label))

    @app.post("/v1/tickets/{ticket_id}/respond", tags=["tickets"], responses=problems)
    def respond(ticket_id: str, body: Deed, tenant: Tenant = "") -> shapes.TicketDetail:
        """Somebody answered the requester; the first time is kept."""
        record = intake.ticket(tenant, ticket_id)
        return whole(deeds.respond(record, body.who, body.why, body.time_ms(intake, record.created_ms)))

    @app.post("/v1/tickets/{ticket_id}/resolve", tags=["tickets"], responses=problems)
    def resolve(ticket_id: str, body: Resolve, tenant: Tenant = "") -> shapes.TicketDetail:
        """It is mended, and how: similar tickets will show it."""
        record = intake.ticket(tenant, ticket_id)
        now_ms = body.time_ms(intake, record.created_ms)
        return whole(deeds.resolve(record, body.who, body.resolution, now_ms))

    @app.post("/v1/tickets/{ticket_id}/close", tags=["tickets"], responses=problems)
    def close(ticket_id: str, body: Deed, tenant: Tenant = "") -> shapes.TicketDetail:
        """Nothing is left to do with a resolved one."""
        record = intake.ticket(tenant, ticket_id)
        return whole(deeds.close(record, body.who, body.why, body.time_ms(intake, record.created_ms)))

    @app.post("/v1/tickets/{ticket_id}/reopen", tags=["tickets"], responses=problems)
    def reopen(ticket_id: str, body: Deed, tenant: Tenant = "") -> shapes.TicketDetail:
        """It was not mended after all."""
        record = intake.ticket(tenant, ticket_id)
        return whole(deeds.reopen(record, body.who, body.why, body.time_ms(intake, record.created_ms)))

    @app.post("/v1/tickets/{ticket_id}/reveal", tags=["tickets"], responses=problems)
    def reveal(request: Request, ticket_id: str, body: Reveal, tenant: Tenant = "") -> Revealed:
        """The personal data that was taken out, where `tickets.redaction_key` sealed it; an API key is needed.

        Who looked, and why, is in the ticket's timeline and in the log.
        """
        record = intake.ticket(tenant, ticket_id)
        values = deeds.reveal(record, body.who, body.why, request.state.api_key, intake.now_ms)
        return Revealed(id=record.ticket_id, tenant=record.tenant, **revealed(record, values))
