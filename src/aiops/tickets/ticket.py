"""A ticket and what triage says of it: small frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Ticket:
    """As an intake system sends it. `attributes` is whatever else it knows: service, affected users, VIP, deadline."""

    title: str
    body: str
    ticket_id: str = ""
    requester: str = ""
    channel: str = ""
    tenant: str = ""
    created_ms: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that spoke for or against a label, in its own words; `weight` adds to the label's margin."""

    what: str  # word, meaning, rule, neighbour, scope, language
    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Choice:
    """A label and how probable it is."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Answer:
    """One output. Abstained: `label` is the best guess all the same, for the person who decides."""

    label: str
    probability: float
    alternatives: tuple[Choice, ...]
    abstained: bool
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Priority:
    """Impact x urgency by the matrix in force."""

    label: str  # P1 .. P5
    urgency: str
    impact: str
    reasons: tuple[Reason, ...]
    is_ruled: bool = False  # a rule asks for the highest level: never capped


@dataclass(frozen=True, slots=True)
class Team:
    """A place in the ranking of who should take the ticket."""

    name: str
    probability: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Triage:
    """Everything said of one ticket. `answers` by output: category, type, urgency, impact, sentiment."""

    answers: Mapping[str, Answer]
    priority: Priority
    routing: tuple[Team, ...]
    routing_abstained: bool
    is_ticket: bool
    scope_score: float
    language: str  # ISO 639-1, "" where it cannot be told
    redactions: tuple[tuple[str, int], ...]  # kinds of personal data left out, and how often
    model_version: str
    reassignment: tuple[float, tuple[Reason, ...]] | None = None  # how probably the first team passes it on, and why
