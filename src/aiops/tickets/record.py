"""A ticket that is kept: what was sent without personal data, what triage said, what people decided since, and when.

    open --resolve--> resolved --close--> closed
      ^                  |                  |
      +------reopen------+------------------+

Transitions are pure and each leaves a line in the timeline that says who, when and why. What a person decided is never
undone by the program. The times are those that service figures are made of: created, first response, assigned,
resolved.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from aiops.errors import ConflictError, InputError
from aiops.tickets.ticket import Triage

PROGRAM = "aiops"
CORRECTABLE = ("category", "type", "urgency", "impact", "sentiment", "team")


class TicketState(StrEnum):
    """Where a ticket stands; the words are part of the API."""

    OPEN = "open"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Deed(StrEnum):
    """What happened, as the timeline says it."""

    RECEIVED = "received"
    CORRECTED = "corrected"
    ASSIGNED = "assigned"
    REASSIGNED = "reassigned"
    RESPONDED = "responded"
    RESOLVED = "resolved"
    CLOSED = "closed"
    REOPENED = "reopened"
    REVEALED = "revealed"


@dataclass(frozen=True, slots=True)
class TicketEvent:
    """One line of the timeline; `before` and `after` where `field` changed."""

    time_ms: int
    who: str
    what: Deed
    why: str = ""
    field: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class TicketRecord:
    """One kept ticket. `version` grows with every stored change; `number` is given by the store."""

    ticket_id: str
    tenant: str
    title: str
    body: str
    channel: str
    attributes: Mapping[str, Any]
    created_ms: int
    received_ms: int
    requester_key: str  # keyed hash; "" where nobody was named
    digest: str  # keyed hash of what was sent: tells a repetition from another ticket under the same id
    sealed: str  # what was redacted, encrypted; "" without a key
    triage: Triage
    labels: Mapping[str, str]  # in force by output, with priority and team: decided, else triage's; "" = not known
    decided: tuple[str, ...] = ()  # outputs that a person decided
    state: TicketState = TicketState.OPEN
    first_response_ms: int | None = None
    assigned_ms: int | None = None
    resolved_ms: int | None = None
    closed_ms: int | None = None
    reassigned: int = 0  # how often another team took it over
    reopened: int = 0
    resolution: str = ""
    timeline: tuple[TicketEvent, ...] = field(default=())
    number: int = 0
    version: int = 0

    @property
    def is_first_contact(self) -> bool | None:
        """Solved by whoever first answered, for good; None while it is open."""
        if self.resolved_ms is None:
            return None
        answered_before = self.first_response_ms is not None and self.first_response_ms < self.resolved_ms
        return not (answered_before or self.reassigned or self.reopened)

    def noted(self, event: TicketEvent) -> "TicketRecord":
        """With one more line in the timeline."""
        return replace(self, timeline=(*self.timeline, event))


def labels_of(triage: Triage) -> dict[str, str]:
    """What triage is sure of, by output; "" where it abstained."""
    labels = {name: "" if one.abstained else one.label for name, one in triage.answers.items() if name in CORRECTABLE}
    labels["priority"] = triage.priority.label if triage.is_ticket else ""
    labels["team"] = triage.routing[0].name if triage.routing and not triage.routing_abstained else ""
    return labels


def correct(
    record: TicketRecord, given: Mapping[str, str], priority: str, who: str, why: str, now_ms: int
) -> TicketRecord:
    """A person says what is right; saying again what stands confirms it. `priority` follows from the new urgency and
    impact. Another team is an assignment too while it is open. Raises InputError for any other output."""
    for name, label in given.items():
        if name not in CORRECTABLE:
            raise InputError(f"{name}: only {', '.join(CORRECTABLE)} can be corrected")
        before = record.labels.get(name, "")
        record = record.noted(TicketEvent(now_ms, who, Deed.CORRECTED, why, name, before, label))
        if name == "team" and record.state == TicketState.OPEN:
            record = assign(record, label, who, why, now_ms)
        decided = (*record.decided, *([] if name in record.decided else [name]))
        record = replace(record, labels={**record.labels, name: label}, decided=decided)
    return replace(record, labels={**record.labels, "priority": priority})


def assign(record: TicketRecord, team: str, who: str, why: str, now_ms: int) -> TicketRecord:
    """A team takes it. Where another one had it, that counts as a reassignment. Raises ConflictError once closed."""
    if record.state == TicketState.CLOSED:
        raise ConflictError(f"ticket {record.ticket_id} is closed; reopen it first")
    before = record.labels.get("team", "")
    if record.assigned_ms is not None and before == team:
        return record
    is_other = record.assigned_ms is not None
    what = Deed.REASSIGNED if is_other else Deed.ASSIGNED
    noted = record.noted(TicketEvent(now_ms, who, what, why, "team", before, team))
    first_ms = now_ms if record.assigned_ms is None else record.assigned_ms
    labels = {**record.labels, "team": team}
    return replace(noted, assigned_ms=first_ms, reassigned=record.reassigned + is_other, labels=labels)


def respond(record: TicketRecord, who: str, why: str, now_ms: int) -> TicketRecord:
    """Somebody answered the requester; the first time counts. Raises ConflictError once closed."""
    if record.state == TicketState.CLOSED:
        raise ConflictError(f"ticket {record.ticket_id} is closed; reopen it first")
    noted = record.noted(TicketEvent(now_ms, who, Deed.RESPONDED, why))
    return noted if record.first_response_ms is not None else replace(noted, first_response_ms=now_ms)


def resolve(record: TicketRecord, who: str, resolution: str, now_ms: int) -> TicketRecord:
    """It is mended, and how. Raises InputError without a resolution, ConflictError where it is not open."""
    if not resolution.strip():
        raise InputError("resolution: say what mended it; similar tickets will show it")
    _check(record, TicketState.OPEN, "resolved")
    noted = record.noted(TicketEvent(now_ms, who, Deed.RESOLVED, resolution))
    first_ms = now_ms if record.first_response_ms is None else record.first_response_ms
    return replace(
        noted, state=TicketState.RESOLVED, resolution=resolution, resolved_ms=now_ms, first_response_ms=first_ms
    )


def close(record: TicketRecord, who: str, why: str, now_ms: int) -> TicketRecord:
    """Nothing is left to do. Raises ConflictError where it is not resolved."""
    _check(record, TicketState.RESOLVED, "closed")
    return replace(record.noted(TicketEvent(now_ms, who, Deed.CLOSED, why)), state=TicketState.CLOSED, closed_ms=now_ms)


def reopen(record: TicketRecord, who: str, why: str, now_ms: int) -> TicketRecord:
    """It was not mended. Raises ConflictError where it is open."""
    if record.state == TicketState.OPEN:
        raise ConflictError(f"ticket {record.ticket_id} is open already")
    noted = record.noted(TicketEvent(now_ms, who, Deed.REOPENED, why))
    return replace(
        noted, state=TicketState.OPEN, resolved_ms=None, closed_ms=None, reopened=record.reopened + 1, resolution=""
    )


def _check(record: TicketRecord, needed: TicketState, wanted: str) -> None:
    if record.state != needed:
        raise ConflictError(f"ticket {record.ticket_id} is {record.state}; only {needed} ones can become {wanted}")
