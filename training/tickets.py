"""The tickets we wrote: read, checked, counted.

    python -m training.tickets          what is in training/data/tickets, and what is wrong with it

One JSON object a line: id, title, body, category, type, urgency, impact, sentiment, intensity, team, register. Rows
of the category `noise` are no tickets and carry no other label. The data card beside the files says how they were
written.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FOLDER = Path(__file__).parent / "data" / "tickets"
NOISE = "noise"
NEAR_COPY = 0.5  # Jaccard similarity of word triples from which two tickets are one
OUTPUTS = ("category", "type", "urgency", "impact", "sentiment", "team")
Level = Literal["low", "medium", "high", ""]


class AuthoredTicket(BaseModel):
    """One line of the files."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str = Field(min_length=1)
    title: str
    body: str
    category: Literal[
        "access", "hardware", "software", "network", "email_collaboration", "data_storage", "performance_outage",
        "security", "billing_purchase", "hr_facilities", "how_to", "other", "noise",
    ]  # fmt: skip
    type: Literal["incident", "request", "question", "problem", ""]
    urgency: Level
    impact: Level
    sentiment: Literal["negative", "neutral", "positive", ""]
    intensity: float = Field(ge=0, le=1)
    team: Literal[
        "service_desk", "identity", "workplace", "network", "collaboration", "applications", "data_platform", "sre",
        "security", "finance", "procurement", "people_ops", "facilities", "customer_support", "",
    ]  # fmt: skip
    written_as: Literal[
        "terse", "mail", "thread", "alert", "angry", "non_native", "chat", "form", "formal", "log", ""
    ] = Field(alias="register")


def read(folder: Path = FOLDER) -> list[AuthoredTicket]:
    """Every ticket of the folder's *.jsonl, in order of file and line. Raises ValueError naming file and line."""
    tickets = []
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            try:
                tickets.append(AuthoredTicket.model_validate_json(line))
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                raise ValueError(f"{path.name}:{number}: {first['loc']}: {first['msg']}") from None
    return tickets


def faults(tickets: Sequence[AuthoredTicket]) -> Iterator[str]:
    """What is wrong with the set as a whole: an id twice, near copies, labels missing or on noise, no text."""
    seen: set[str] = set()
    owners: dict[tuple[str, ...], list[int]] = {}
    triples: list[set[tuple[str, ...]]] = []
    for k, ticket in enumerate(tickets):
        labels = [getattr(ticket, name) for name in OUTPUTS[1:]]
        if ticket.id in seen:
            yield f"{ticket.id}: this id is there twice"
        seen.add(ticket.id)
        if not (ticket.title + ticket.body).strip():
            yield f"{ticket.id}: no text"
        if ticket.category == NOISE and any(labels):
            yield f"{ticket.id}: noise carries no other label"
        if ticket.category != NOISE and not all(labels):
            yield f"{ticket.id}: a label is missing"
        words = f"{ticket.title} {ticket.body}".lower().split()
        mine: set[tuple[str, ...]] = set(zip(words, words[1:], words[2:], strict=False))
        shared = Counter(other for triple in mine for other in owners.get(triple, ()))
        for other, count in shared.items():
            if count / len(mine | triples[other]) > NEAR_COPY:
                yield f"{ticket.id}: nearly a copy of {tickets[other].id}"
        for triple in mine:
            owners.setdefault(triple, []).append(k)
        triples.append(mine)


def counts(tickets: Sequence[AuthoredTicket]) -> dict[str, dict[str, int]]:
    """How many tickets carry each label."""
    names = (*OUTPUTS, "written_as")
    return {name: dict(Counter(getattr(t, name) or "-" for t in tickets).most_common()) for name in names}


def main() -> int:
    """Prints counts and faults; 1 where there are faults."""
    tickets = read()
    found = list(faults(tickets))
    report: dict[str, Any] = {"tickets": len(tickets), **counts(tickets), "faults": found}
    print(json.dumps(report, indent=2))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
