"""Tickets that are kept: POST /v1/tickets, and what is read and decided of them."""

import time
from typing import Annotated, Any

from fastapi import FastAPI, Query, Response

from aiops.api import ticket_shapes as shapes
from aiops.api.ticket_deeds import add_ticket_deeds
from aiops.errors import InputError
from aiops.incidents.incident import incident_number
from aiops.intake import Intake
from aiops.metrics.timestamp import timestamp_ms
from aiops.store.ticket_store import TicketFilter
from aiops.tickets.record import TicketState

PAGE_MAX = 500
Problems = dict[int | str, dict[str, Any]]
TenantQuery = Annotated[str, Query(description="whose ticket it is", max_length=200)]


def add_tickets(app: FastAPI, intake: Intake, problems: Problems) -> None:
    """The routes of kept tickets."""
    _add_receiving(app, intake, problems)
    _add_reading(app, intake, problems)
    add_ticket_deeds(app, intake, problems)


def _add_receiving(app: FastAPI, intake: Intake, problems: Problems) -> None:
    @app.post("/v1/tickets", tags=["tickets"], status_code=201, responses=problems)
    def post_tickets(body: shapes.TicketsIn, response: Response) -> shapes.TicketsReply:
        """Triages and keeps one ticket, or up to `batch_max`; 201 where one is new, 200 where all were there already.

        Kept is the newest message without personal data. The same ticket under the same `id` (and `tenant`) gets the
        same answer and is kept once; another content under it is a 409, and nothing of the request is kept. An `id`
        that holds personal data or a slash is replaced: go on with the one of the reply.
        """
        started = time.perf_counter()
        kept = intake.receive([one.ticket() for one in (body.tickets if body.tickets is not None else [body])])
        if not any(is_new for _, is_new in kept):
            response.status_code = 200
        incidents = intake.incidents([record for record, _ in kept])
        similar = intake.similar([record for record, _ in kept])
        items = [
            shapes.detail(record, incidents.get(record.number, ()), hits, is_new)
            for (record, is_new), hits in zip(kept, similar, strict=True)
        ]
        return shapes.TicketsReply(items=items, took_ms=round(1000 * (time.perf_counter() - started), 2))

    @app.post("/v1/requesters/forget", tags=["tickets"], responses=problems)
    def forget(body: shapes.Forget) -> shapes.Forgotten:
        """Deletes all tickets of a requester for good, with their texts, timelines and links.

        The requester stands in the body, since addresses end up in the logs of proxies.
        """
        return shapes.Forgotten(tickets_deleted=intake.forget(body.requester, body.tenant, body.who))


def _add_reading(app: FastAPI, intake: Intake, problems: Problems) -> None:
    @app.get("/v1/tickets", tags=["tickets"], responses=problems)
    def list_tickets(
        tenant: Annotated[str | None, Query(max_length=200)] = None,
        state: Annotated[list[shapes.StateName], Query(description="any of these")] = [],  # noqa: B006
        category: Annotated[list[str], Query(description="in force; any of these")] = [],  # noqa: B006
        urgency: Annotated[list[str], Query(description="any of these")] = [],  # noqa: B006
        priority: Annotated[list[str], Query(description="P1 .. P5; any of these")] = [],  # noqa: B006
        team: Annotated[list[str], Query(description="any of these")] = [],  # noqa: B006
        incident: Annotated[str | None, Query(description="linked to it: INC-12")] = None,
        decided: Annotated[bool | None, Query(description="some output was corrected or confirmed")] = None,
        since: Annotated[str | None, Query(description="created at or after: ISO 8601 or epoch")] = None,
        until: Annotated[str | None, Query(description="created before")] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
        cursor: Annotated[str | None, Query(description="next_cursor of the page before")] = None,
    ) -> shapes.TicketPage:
        """Kept tickets, newest first."""
        number = incident_number(incident) if incident else None
        if incident and number is None:
            raise InputError(f"incident {incident!r}: ids look like INC-12")
        wanted = TicketFilter(
            tenant,
            [TicketState(name) for name in state],
            category,
            urgency,
            priority,
            team,
            number,
            decided,
            timestamp_ms(since) if since else None,
            timestamp_ms(until) if until else None,
        )
        page = intake.tickets(wanted, limit, cursor)
        incidents = intake.incidents(page.items)
        items = [shapes.summary(one, incidents.get(one.number, ())) for one in page.items]
        return shapes.TicketPage(items=items, next_cursor=page.cursor)

    @app.get("/v1/tickets/{ticket_id}", tags=["tickets"], responses=problems)
    def get_ticket(ticket_id: str, tenant: TenantQuery = "") -> shapes.TicketDetail:
        """One ticket: what was said of it, what people decided, and when."""
        record = intake.ticket(tenant, ticket_id)
        (similar,) = intake.similar([record])
        return shapes.detail(record, intake.incidents([record]).get(record.number, ()), similar)
