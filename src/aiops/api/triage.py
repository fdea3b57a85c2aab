"""POST /v1/triage: tickets in, answers out. Nothing is kept."""

import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import FastAPI
from pydantic import BaseModel, Field
from starlette.responses import Response

from aiops.api import schemas as shapes
from aiops.desk import Desk
from aiops.metrics.timestamp import iso, timestamp_ms
from aiops.tickets.similar import Hit
from aiops.tickets.ticket import Answer, Reason, Ticket, Triage

Line = Annotated[str, Field(max_length=1000)]


class TicketIn(shapes.Request):
    """A ticket as an intake system has it; `title` or `body` is needed."""

    title: Annotated[str, Field(max_length=10_000)] = Field("", examples=["Cannot reach the finance share"])
    body: str = Field("", examples=["Since the VPN update this morning \\\\files\\finance asks for a password."])
    id: Line = ""
    requester: Line = ""
    channel: Line = Field("", examples=["mail"])
    tenant: Line = ""
    created_at: str | float | None = Field(None, description="ISO 8601 or epoch")
    attributes: dict[str, Any] = Field(
        {}, description="vip, affected_users, service_criticality, and what else is known"
    )

    def ticket(self) -> Ticket:
        """The value inside. Raises InputError for a time that is none."""
        created = None if self.created_at is None else timestamp_ms(self.created_at)
        return Ticket(
            self.title, self.body, self.id, self.requester, self.channel, self.tenant, created, self.attributes
        )


class TriageIn(TicketIn):
    """One ticket as it is, or several under `tickets`."""

    tickets: list[TicketIn] | None = None


class ReasonView(BaseModel):
    """What spoke for the label; of words, meaning and tone the weights add up to the label's margin."""

    what: str
    text: str
    weight: float


class ChoiceView(BaseModel):
    """A label that was not chosen."""

    label: str
    probability: float


class AnswerView(BaseModel):
    """One output; abstained: `label` is only the best guess."""

    label: str
    probability: float
    alternatives: list[ChoiceView]
    abstained: bool
    reasons: list[ReasonView]


class PriorityView(BaseModel):
    """Impact x urgency."""

    label: str
    urgency: str
    impact: str
    reasons: list[ReasonView]


class TeamView(BaseModel):
    """Who could take it."""

    team: str
    probability: float
    reasons: list[ReasonView]


class RiskView(BaseModel):
    """A probability and why."""

    probability: float
    reasons: list[ReasonView]


class SimilarView(BaseModel):
    """A past ticket or incident like this one."""

    resolution: str = Field(description="what mended it, or one that says the same; empty: nothing did yet")
    id: str
    kind: str = Field(description="ticket or incident")
    title: str
    score: float = Field(description="1: the same text")
    passage: str = Field(description="its sentence that matches best")
    created: str | None
    duplicates: int = Field(description="how many more say the same")
    live: list[str] = Field(description="ids of those of them that nobody resolved yet")


class TriageView(BaseModel):
    """The answers to one ticket; an output that the model in use does not know is null."""

    id: str
    is_ticket: bool = Field(description="false: spam, an auto-reply, a test; every answer is then abstained from")
    category: AnswerView | None
    type: AnswerView | None
    urgency: AnswerView | None
    impact: AnswerView | None
    sentiment: AnswerView | None
    priority: PriorityView
    routing: list[TeamView]
    routing_abstained: bool
    reassignment: RiskView | None = Field(description="how probably the first team passes it on")
    language: str | None = Field(description="null: it cannot be told")
    redactions: dict[str, int] = Field(description="personal data left out, by kind")
    outputs: dict[str, AnswerView] = Field(description="what a model of your own answers besides")
    similar: list[SimilarView] = Field(description="past tickets and incidents of the same tenant, most alike first")
    model_version: str


class TriageReply(BaseModel):
    """In the order sent."""

    items: list[TriageView]
    took_ms: float


_NAMED = ("category", "type", "urgency", "impact", "sentiment")


def add_triage(app: FastAPI, desk: Desk, problems: dict[int | str, dict[str, Any]]) -> None:
    """The route."""

    @app.post("/v1/triage", tags=["tickets"], response_model=TriageReply, responses=problems)
    def triage(body: TriageIn) -> Response:
        """Category, type, urgency, impact, sentiment, priority, teams and similar past items of one ticket, or of up to
        `batch_max`.

        Each answer has a calibrated probability, the alternatives, and why. `abstained` says that it is not sure enough
        (`tickets.precision`).
        """
        started = time.perf_counter()
        tickets = [one.ticket() for one in (body.tickets if body.tickets is not None else [body])]
        readings = desk.read(tickets)
        found, similar = desk.triage(tickets, readings), desk.similar(tickets, readings)
        items = [view(ticket, one, hits) for ticket, one, hits in zip(tickets, found, similar, strict=True)]
        reply = TriageReply(items=items, took_ms=round(1000 * (time.perf_counter() - started), 2))
        return Response(reply.model_dump_json(), media_type="application/json")  # as it is: not validated once more


def view(ticket: Ticket, triage: Triage, similar: Sequence[Hit] = ()) -> TriageView:
    """As the API shows it."""
    answers = {name: _answer(answer) for name, answer in triage.answers.items()}
    named = {name: answers.get(name) for name in _NAMED}
    others = {name: answer for name, answer in answers.items() if name not in (*_NAMED, "scope")}
    priority, risk = triage.priority, triage.reassignment
    return TriageView(
        id=ticket.ticket_id,
        is_ticket=triage.is_ticket,
        **named,
        priority=PriorityView(
            label=priority.label, urgency=priority.urgency, impact=priority.impact, reasons=_reasons(priority.reasons)
        ),
        routing=[
            TeamView(team=team.name, probability=round(team.probability, 4), reasons=_reasons(team.reasons))
            for team in triage.routing
        ],
        routing_abstained=triage.routing_abstained,
        reassignment=RiskView(probability=round(risk[0], 4), reasons=_reasons(risk[1])) if risk else None,
        language=triage.language or None,
        redactions=dict(triage.redactions),
        outputs=others,
        similar=[_similar(hit) for hit in similar],
        model_version=triage.model_version,
    )


def _similar(hit: Hit) -> SimilarView:
    return SimilarView(
        resolution=hit.resolution, id=hit.item_id, kind=hit.kind, title=hit.title, score=round(hit.score, 4),
        passage=hit.passage, created=None if hit.created_ms is None else iso(hit.created_ms),
        duplicates=hit.duplicates, live=list(hit.live),
    )  # fmt: skip


def _answer(answer: Answer) -> AnswerView:
    return AnswerView(
        label=answer.label,
        probability=round(answer.probability, 4),
        alternatives=[ChoiceView(label=c.label, probability=round(c.probability, 4)) for c in answer.alternatives],
        abstained=answer.abstained,
        reasons=_reasons(answer.reasons),
    )


def _reasons(reasons: tuple[Reason, ...]) -> list[ReasonView]:
    return [ReasonView(what=one.what, text=one.text, weight=round(one.weight, 4)) for one in reasons]
