"""Tickets on disk, beside incidents: added once by (tenant, id), changed under a version, deleted for good.

What comes in here has no personal data left but what is sealed; the store looks into no text. Deleting a requester's
tickets overwrites them on disk (SQLite: `secure_delete`, and the log is emptied).
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Select, and_, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError

from aiops.errors import ConflictError, InputError, NotFoundError, RaceError
from aiops.store import schema
from aiops.store.database import empty_log
from aiops.tickets.priority import HIGHEST
from aiops.tickets.record import Deed, TicketEvent, TicketRecord, TicketState
from aiops.tickets.ticket import Triage

_AT_ONCE = 400  # ids in one query: databases limit its parameters
_PLAIN = (
    "ticket_id", "tenant", "title", "body", "channel", "attributes", "created_ms", "received_ms", "requester_key",
    "digest", "sealed", "labels", "first_response_ms", "assigned_ms", "resolved_ms", "closed_ms", "reassigned",
    "reopened", "resolution", "number", "version",
)  # fmt: skip
_SEARCHED = ("category", "urgency", "priority", "team")

Key = tuple[str, str]
"""(tenant, ticket_id)"""


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """What to list; empty fields do not filter."""

    tenant: str | None = None
    states: Sequence[TicketState] = ()
    categories: Sequence[str] = ()
    urgencies: Sequence[str] = ()
    priorities: Sequence[str] = ()
    teams: Sequence[str] = ()
    incident_id: int | None = None  # linked to it
    is_decided: bool | None = None  # some output was decided by a person
    since_ms: int | None = None  # created at or after
    until_ms: int | None = None  # created before


@dataclass(frozen=True, slots=True)
class TicketPage:
    """Newest first, without timelines. `cursor` asks for the rest; None = none left."""

    items: Sequence[TicketRecord]
    cursor: str | None


class TicketStore:
    """Thread-safe: every call is a transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, keys: Sequence[Key]) -> dict[Key, TicketRecord]:
        """Those of the keys that are there, with timelines."""
        with self._engine.connect() as connection:
            return _find(connection, keys)

    def get(self, tenant: str, ticket_id: str) -> TicketRecord:
        """With its timeline. Raises NotFoundError."""
        found = self.find([(tenant, ticket_id)])
        if not found:
            of = f" of tenant {tenant!r}" if tenant else ""
            raise NotFoundError(f"no ticket {ticket_id!r}{of}; ?tenant= says whose, GET /v1/tickets lists them")
        return found[tenant, ticket_id]

    def add(self, records: Sequence[TicketRecord]) -> list[TicketRecord]:
        """All or nothing; returns them with their numbers. Raises RaceError where an id is there already."""
        added = []
        try:
            with self._engine.begin() as connection:
                for record in records:
                    values = _columns(replace(record, version=1))
                    key = connection.execute(insert(schema.ticket).values(values)).inserted_primary_key
                    assert key is not None
                    added.append(replace(record, number=int(key[0]), version=1))
                _add_events(connection, added)
        except IntegrityError:
            raise RaceError("one of the tickets was stored by another request meanwhile; send it again") from None
        return added

    def save(self, record: TicketRecord) -> TicketRecord:
        """Writes a changed ticket. Raises ConflictError where it has another version by now, or is gone."""
        table, saved = schema.ticket, replace(record, version=record.version + 1)
        with self._engine.begin() as connection:
            mine = and_(table.c.number == record.number, table.c.version == record.version)
            if connection.execute(update(table).where(mine).values(_columns(saved))).rowcount != 1:
                raise ConflictError(f"ticket {record.ticket_id} was changed by someone else meanwhile; read it again")
            position = schema.ticket_event.c.position
            query = select(func.count(position)).where(schema.ticket_event.c.ticket_number == record.number)
            _add_events(connection, [saved], int(connection.execute(query).scalar_one()))
        return saved

    def list(self, wanted: TicketFilter, limit: int, cursor: str | None = None) -> TicketPage:
        """Newest first. Raises InputError for a cursor that is none of ours."""
        c = schema.ticket.c
        query = _filtered(select(schema.ticket), wanted).order_by(c.created_ms.desc(), c.number.desc()).limit(limit + 1)
        if cursor:
            created_ms, number = _opened(cursor)
            query = query.where(or_(c.created_ms < created_ms, and_(c.created_ms == created_ms, c.number < number)))
        with self._engine.connect() as connection:
            items = [_record(row) for row in connection.execute(query)]
        page = items[:limit]
        return TicketPage(page, _sealed(page[-1]) if len(items) > limit else None)

    def timelines(self, numbers: Sequence[int]) -> dict[int, tuple[TicketEvent, ...]]:
        """The timelines of these tickets."""
        with self._engine.connect() as connection:
            return _timelines(connection, numbers)

    def forget(self, requester_key: str, tenant: str | None = None) -> Sequence[Key]:
        """Deletes all tickets of a requester with everything that hangs on them; returns what was deleted."""
        c = schema.ticket.c
        theirs = c.requester_key == requester_key
        if tenant is not None:
            theirs = and_(theirs, c.tenant == tenant)
        with self._engine.begin() as connection:
            rows = connection.execute(select(c.number, c.tenant, c.ticket_id).where(theirs)).all()
            for part in _parts([row.number for row in rows]):
                for table in (schema.ticket_event, schema.ticket_incident):
                    connection.execute(delete(table).where(table.c.ticket_number.in_(part)))
                connection.execute(delete(schema.ticket).where(c.number.in_(part)))
        if rows:
            empty_log(self._engine)
        return [(row.tenant, row.ticket_id) for row in rows]

    def recent_highest(self, tenant: str, after_ms: int, until_ms: int) -> tuple[int, int]:
        """Tickets of a tenant created after one moment until another, and those that are P1 by the model alone."""
        c = schema.ticket.c
        theirs = and_(c.tenant == tenant, c.created_ms > after_ms, c.created_ms <= until_ms)
        said = c.triage["priority"]
        by_model = and_(said["label"].as_string() == HIGHEST, said["is_ruled"].as_boolean().is_(False))
        query = select(func.count()).where(theirs)
        with self._engine.connect() as connection:
            recent = connection.execute(query).scalar_one()
            highest = connection.execute(query.where(c.priority == HIGHEST, by_model)).scalar_one()
        return int(recent), int(highest)

    def counts(self) -> Mapping[str, int]:
        """Tickets by state."""
        c = schema.ticket.c
        with self._engine.connect() as connection:
            rows = connection.execute(select(c.state, func.count()).group_by(c.state)).all()
        return {row[0]: row[1] for row in rows}


def _filtered(query: Select[Any], wanted: TicketFilter) -> Select[Any]:
    c = schema.ticket.c
    if wanted.tenant is not None:
        query = query.where(c.tenant == wanted.tenant)
    for column, values in (
        (c.state, wanted.states),
        (c.category, wanted.categories),
        (c.urgency, wanted.urgencies),
        (c.priority, wanted.priorities),
        (c.team, wanted.teams),
    ):
        if values:
            query = query.where(column.in_(values))
    if wanted.incident_id is not None:
        link = schema.ticket_incident.c
        query = query.where(c.number.in_(select(link.ticket_number).where(link.incident_id == wanted.incident_id)))
    if wanted.is_decided is not None:
        event = schema.ticket_event.c
        corrected = select(event.ticket_number).where(event.what == Deed.CORRECTED)
        query = query.where(c.number.in_(corrected) if wanted.is_decided else c.number.not_in(corrected))
    if wanted.since_ms is not None:
        query = query.where(c.created_ms >= wanted.since_ms)
    if wanted.until_ms is not None:
        query = query.where(c.created_ms < wanted.until_ms)
    return query


def _find(connection: Connection, keys: Sequence[Key]) -> dict[Key, TicketRecord]:
    c, found = schema.ticket.c, {}
    for part in _parts(list(dict.fromkeys(keys))):
        for row in connection.execute(select(schema.ticket).where(tuple_(c.tenant, c.ticket_id).in_(part))):
            found[row.tenant, row.ticket_id] = _record(row)
    timelines = _timelines(connection, [record.number for record in found.values()])
    return {key: replace(record, timeline=timelines.get(record.number, ())) for key, record in found.items()}


def _timelines(connection: Connection, numbers: Sequence[int]) -> dict[int, tuple[TicketEvent, ...]]:
    c = schema.ticket_event.c
    found: dict[int, tuple[TicketEvent, ...]] = {}
    for part in _parts(numbers):
        query = select(schema.ticket_event).where(c.ticket_number.in_(part)).order_by(c.ticket_number, c.position)
        for row in connection.execute(query):
            event = TicketEvent(row.time_ms, row.who, Deed(row.what), row.why, row.field, row.before, row.after)
            found[row.ticket_number] = (*found.get(row.ticket_number, ()), event)
    return found


def _add_events(connection: Connection, records: Sequence[TicketRecord], told: int = 0) -> None:
    fresh = [
        {"ticket_number": record.number, "position": k, **asdict(event)}
        for record in records
        for k, event in enumerate(record.timeline)
        if k >= told
    ]
    if fresh:
        connection.execute(insert(schema.ticket_event), fresh)


def _columns(record: TicketRecord) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in _PLAIN if name != "number"}
    return values | {
        "attributes": dict(record.attributes),
        "labels": dict(record.labels),
        "decided": list(record.decided),
        "state": record.state.value,
        "triage": msgspec.to_builtins(record.triage),
        **{name: record.labels.get(name, "")[:200] for name in _SEARCHED},
    }


def _record(row: Row[Any]) -> TicketRecord:
    return TicketRecord(
        **{name: getattr(row, name) for name in _PLAIN},
        triage=msgspec.convert(row.triage, Triage),
        decided=tuple(row.decided),
        state=TicketState(row.state),
    )


def _parts(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE)]


def _sealed(record: TicketRecord) -> str:
    return base64.urlsafe_b64encode(f"{record.created_ms}.{record.number}".encode()).decode()


def _opened(cursor: str) -> tuple[int, int]:
    try:
        created_ms, number = base64.urlsafe_b64decode(cursor).decode().split(".")
        return int(created_ms), int(number)
    except (ValueError, binascii.Error):
        raise InputError(f"cursor {cursor!r} is none of ours: take it from next_cursor as it is") from None
