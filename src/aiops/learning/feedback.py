"""What people decided, as examples to learn from: corrected tickets, teams that solved them, judged incidents.

Examples are read from the store each time and kept nowhere else, so that what is deleted there (a requester's tickets)
is gone here. An export is a copy: it names each ticket, and `pruned` takes out what the store no longer has. A decision
that is too fresh may be taken back, and one that contradicts another teaches nothing: both are held out, with the
reason. Texts are those that the store keeps: without personal data.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow
import pyarrow.parquet

from aiops.errors import TableError
from aiops.incidents.incident import Incident, State, What
from aiops.store.incident_store import IncidentFilter, IncidentStore
from aiops.store.ticket_store import Key, TicketFilter, TicketStore
from aiops.tickets.record import CORRECTABLE, Deed, TicketEvent, TicketRecord, TicketState

PAGE = 500
SETTLE_MS = 86_400_000  # a decision younger than a day may still be changed
WEIGHTS = {"corrected": 1.0, "confirmed": 1.0, "solved by": 0.8, "accepted": 0.3}
WEIGHT_MIN = 0.5  # below: exported, not learned from. What nobody looked at may be the model's own error
TOO_RECENT, CONFLICTING, CHANGED = "too recent", "conflicting", "changed back and forth"
OUTCOMES = {State.OPEN: "confirmed", State.RESOLVED: "confirmed", State.DISMISSED: "noise"}


@dataclass(frozen=True, slots=True)
class Example:
    """One decision about one output of one ticket or incident. `held_out`: why it is not to be learned from; "" if it
    is."""

    kind: Literal["ticket", "incident"]
    tenant: str
    id: str
    output: str
    label: str
    title: str
    body: str
    created_ms: int
    decided_ms: int
    who: str
    provenance: str  # a key of WEIGHTS, or what became of the incident
    weight: float
    held_out: str = ""


def ticket_examples(store: TicketStore, now_ms: int, settle_ms: int = SETTLE_MS) -> list[Example]:
    """Of all tickets, oldest first."""
    found: list[Example] = []
    cursor = None
    while True:
        page = store.list(TicketFilter(), PAGE, cursor)
        timelines = store.timelines([record.number for record in page.items])
        for record in page.items:
            found += of_ticket(replace(record, timeline=timelines.get(record.number, ())))
        cursor = page.cursor
        if cursor is None:
            break
    found.sort(key=lambda one: (one.created_ms, one.tenant, one.id, one.output))
    return held_out(found, now_ms, settle_ms)


def incident_examples(store: IncidentStore, now_ms: int, settle_ms: int = SETTLE_MS) -> list[Example]:
    """Whether it was one (`outcome`), and its cause where somebody named it; oldest first."""
    found: list[Example] = []
    cursor = None
    while True:
        page = store.list(IncidentFilter(states=tuple(OUTCOMES)), PAGE, cursor)
        for one in page.items:
            found += of_incident(store.get(one.incident_id))
        cursor = page.cursor
        if cursor is None:
            break
    found.sort(key=lambda one: (one.created_ms, one.id, one.output))
    return held_out(found, now_ms, settle_ms)


def of_ticket(record: TicketRecord) -> Iterator[Example]:
    """Its examples by output: what a person said, else the team that solved it, else what nobody objected to."""
    is_solved = record.state in (TicketState.RESOLVED, TicketState.CLOSED)
    for output in CORRECTABLE:
        label = record.labels.get(output, "")
        said = [event for event in record.timeline if event.what == Deed.CORRECTED and event.field == output]
        if said and label:
            provenance = "confirmed" if said[-1].before == said[-1].after else "corrected"
            yield _of(record, output, label, said[-1], provenance, CHANGED if _is_disputed(said) else "")
            continue
        if not is_solved or not label:
            continue
        solved = next(event for event in reversed(record.timeline) if event.what == Deed.RESOLVED)
        taken = any(event.what in (Deed.ASSIGNED, Deed.REASSIGNED) for event in record.timeline)
        yield _of(record, output, label, solved, "solved by" if output == "team" and taken else "accepted", "")


def _is_disputed(said: Sequence[TicketEvent]) -> bool:
    """Two people, two opinions, and one of them said it twice."""
    labels = [event.after for event in said]
    return len({event.who for event in said}) > 1 and len(set(labels)) < len(labels) and len(set(labels)) > 1


def _of(record: TicketRecord, output: str, label: str, event: TicketEvent, provenance: str, held: str) -> Example:
    return Example(
        "ticket", record.tenant, record.ticket_id, output, label, record.title, record.body, record.created_ms,
        event.time_ms, event.who, provenance, WEIGHTS[provenance], held,
    )  # fmt: skip


def of_incident(incident: Incident) -> Iterator[Example]:
    """With alerts and timeline."""
    deciding = (What.CONFIRMED, What.RESOLVED, What.DISMISSED)
    decided = next((event for event in reversed(incident.timeline) if event.what in deciding), None)
    if incident.state not in OUTCOMES or decided is None:
        return
    body = "\n".join([" ".join(incident.entities), incident.resolution]).strip()
    labels = {"outcome": OUTCOMES[incident.state], "cause": incident.cause.strip()}
    for output, label in labels.items():
        if label:
            yield Example(
                "incident", "", incident.name, output, label, incident.title, body, incident.started_ms,
                decided.time_ms, decided.who, incident.state.value, 1.0,
            )  # fmt: skip


def held_out(examples: Sequence[Example], now_ms: int, settle_ms: int = SETTLE_MS) -> list[Example]:
    """The same, those too recent and those that contradict one another marked. Two people's labels for the same words
    contradict; what nobody looked at contradicts nothing."""
    labels: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
    for one in examples:
        if one.weight >= WEIGHT_MIN and not one.held_out:
            labels[_text_key(one)].add(one.label)
    marked = []
    for one in examples:
        why = one.held_out
        if not why and one.kind == "ticket" and len(labels[_text_key(one)]) > 1:
            why = CONFLICTING
        if not why and one.decided_ms > now_ms - settle_ms:
            why = TOO_RECENT
        marked.append(replace(one, held_out=why))
    return marked


def _text_key(one: Example) -> tuple[str, str, str, str]:
    return one.kind, one.tenant, one.output, " ".join(f"{one.title} {one.body}".casefold().split())


def learnable(examples: Sequence[Example], tenant: str | None = None) -> list[Example]:
    """Tickets' examples that are settled, undisputed and looked at by a person."""
    return [
        one
        for one in examples
        if one.kind == "ticket"
        and not one.held_out
        and one.weight >= WEIGHT_MIN
        and (tenant is None or one.tenant == tenant)
    ]


def write_parquet(examples: Sequence[Example], path: Path) -> None:
    """One row an example, held-out ones too."""
    rows = [asdict(one) for one in examples]
    columns = {field.name: [row[field.name] for row in rows] for field in fields(Example)}
    pyarrow.parquet.write_table(pyarrow.table(columns, schema=_SCHEMA), path, compression="zstd")


def read_parquet(path: Path) -> list[Example]:
    """What `write_parquet` wrote. Raises TableError."""
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise TableError(f"{path}: cannot be read: {error}") from None
    names = [field.name for field in fields(Example)]
    if set(table.column_names) != set(names):
        raise TableError(f"{path}: no export of examples; its columns are {', '.join(table.column_names)}")
    return [Example(**row) for row in table.to_pylist()]


def pruned(path: Path, store: TicketStore) -> int:
    """Takes the tickets that the store no longer has out of an export; how many rows went. Raises TableError."""
    examples = read_parquet(path)
    keys: list[Key] = sorted({(one.tenant, one.id) for one in examples if one.kind == "ticket"})
    there = store.find(keys)
    kept = [one for one in examples if one.kind != "ticket" or (one.tenant, one.id) in there]
    if len(kept) < len(examples):
        draft = path.with_name(f".{path.name}")
        write_parquet(kept, draft)
        draft.replace(path)
    return len(examples) - len(kept)


_SCHEMA: Any = pyarrow.schema(
    [
        (
            field.name,
            pyarrow.int64()
            if field.name.endswith("_ms")
            else pyarrow.float64()
            if field.name == "weight"
            else pyarrow.string(),
        )
        for field in fields(Example)
    ]
)
