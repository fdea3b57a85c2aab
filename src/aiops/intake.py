"""The walk of a ticket that is kept: read without personal data -> triage -> store -> link -> what people decide.

A ticket is stored once by (tenant, id): the same again gets the same answer, other content under the same id is told.
A request is stored whole or not at all. What a person sends later (a resolution, a reason) passes the same door.
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import structlog

from aiops.config import Settings
from aiops.desk import Desk
from aiops.errors import ConflictError, InputError, RaceError, TooLargeError
from aiops.installation_key import InstallationKey
from aiops.store.ticket_links import IncidentOf, TicketOf
from aiops.store.ticket_store import Key, TicketFilter, TicketPage, TicketStore
from aiops.ticket_decisions import REQUESTER, Past, TicketDecisions, stored
from aiops.ticket_linking import TicketLinking
from aiops.tickets import attributes
from aiops.tickets import record as life
from aiops.tickets.priority import CAP_MS, capped, is_by_model
from aiops.tickets.reading import Reading, read
from aiops.tickets.record import Deed, TicketEvent, TicketRecord
from aiops.tickets.redaction import redact
from aiops.tickets.similar import Hit
from aiops.tickets.ticket import Ticket, Triage

ID_MAX = 200
RACES_MAX = 5  # with other requests that store the same tickets, before it is told
FUTURE_MAX_MS = 86_400_000  # clocks of intake systems may be in another zone by mistake, not in another year
YEAR_2000_MS = 946_684_800_000
log = structlog.get_logger(__name__)


class Intake:
    """Keeps tickets; thread-safe. `now_s`: the wall clock."""

    def __init__(
        self,
        settings: Settings,
        store: TicketStore,
        desk: Desk,
        now_s: Callable[[], float],
        linking: TicketLinking,
        past: Past | None = None,
    ) -> None:
        self._settings, self._store, self._desk, self._now_s = settings.tickets, store, desk, now_s
        self._linking, self._past = linking, past
        self.decisions = TicketDecisions(settings, store, desk, past)
        self._hash = InstallationKey(settings.server.data_dir / "tickets.key")
        self._key = settings.tickets.redaction_key.get_secret_value()

    @property
    def now_ms(self) -> int:
        """The wall clock."""
        return int(1000 * self._now_s())

    def receive(self, tickets: Sequence[Ticket]) -> list[tuple[TicketRecord, bool]]:
        """The tickets as they are kept now, in order, and whether each is new. Raises TooLargeError, InputError,
        ConflictError (nothing of the request is kept then), OverloadError."""
        self._desk.check_count(tickets)
        for _ in range(RACES_MAX):  # another request may store the same ticket meanwhile: then its answer is ours
            with suppress(RaceError):
                return self._received(tickets)
        return self._received(tickets)

    def _received(self, tickets: Sequence[Ticket]) -> list[tuple[TicketRecord, bool]]:
        now_ms = self.now_ms
        checked = [self._checked(ticket, k, len(tickets), now_ms) for k, ticket in enumerate(tickets)]
        keys = [(ticket.tenant, ticket.ticket_id) for ticket in checked]
        digests = [self._digest(ticket) for ticket in tickets]
        known: dict[Key, str] = {}
        found = stored(lambda: self._store.find(keys))
        for k, (key, digest) in enumerate(zip(keys, digests, strict=True)):
            before = found[key].digest if key in found else known.setdefault(key, digest)
            if before != digest:
                raise ConflictError(
                    f"{_place(k, len(keys))}id {key[1]!r} is taken by a ticket of other content: correct that one with "
                    "POST /v1/tickets/{id}/correct, or send this one under another id; nothing of this request was kept"
                )
        fresh = {key: k for k, key in reversed(list(enumerate(keys))) if key not in found}
        order = sorted(fresh.values())
        records = self._triaged([checked[k] for k in order], [digests[k] for k in order], now_ms)
        if records:
            added = stored(lambda: self._store.add(records))
            stored(lambda: self._linking.link(added))
            if self._past is not None:
                for one in added:
                    self._past.learn(one)
            found |= {(one.tenant, one.ticket_id): one for one in added}
        return [(found[key], fresh.get(key) == k) for k, key in enumerate(keys)]

    def ticket(self, tenant: str, ticket_id: str) -> TicketRecord:
        """Raises NotFoundError."""
        return stored(lambda: self._store.get(tenant, self._shown_id(tenant, ticket_id)))

    def tickets(self, wanted: TicketFilter, limit: int, cursor: str | None) -> TicketPage:
        """Newest first. Raises InputError for a foreign cursor."""
        if wanted.incident_id is not None:
            stored(self._linking.look_again)
        return stored(lambda: self._store.list(wanted, limit, cursor))

    def similar(self, records: Sequence[TicketRecord]) -> list[list[Hit]]:
        """Per ticket the past items most like it, older than it."""
        tickets = [
            Ticket(one.title, one.body, one.ticket_id, tenant=one.tenant, created_ms=one.created_ms) for one in records
        ]
        return self._desk.similar(tickets, [Reading(one.title, one.body) for one in records])

    def incidents(self, records: Sequence[TicketRecord]) -> Mapping[int, tuple[IncidentOf, ...]]:
        """The incidents that tickets likely belong to, by ticket number."""
        stored(self._linking.look_again)
        return stored(lambda: self._linking.incidents(records))

    def tickets_of(self, incident_id: int) -> tuple[int, list[TicketOf]]:
        """How many tickets likely belong to an incident, and the newest of them."""
        stored(self._linking.look_again)
        return stored(lambda: self._linking.tickets(incident_id))

    def deed_time_ms(self, given_ms: int | None, created_ms: int) -> int:
        """When a person did something; now, where they do not say. Raises InputError for a time before the ticket's
        or after now."""
        now_ms = self.now_ms
        if given_ms is None:
            return now_ms
        if not created_ms <= given_ms <= now_ms + FUTURE_MAX_MS:
            raise InputError("at: neither before the ticket was created nor later than within a day of now")
        return given_ms

    def forget(self, requester: str, tenant: str | None, who: str) -> int:
        """Deletes all tickets of a requester, of one tenant or of all; how many there were. Raises OverloadError."""
        if self._past is not None:
            self._past.check()
        gone = stored(lambda: self._store.forget(self._requester_key(requester), tenant))
        if self._past is not None:
            self._past.forget(gone)
        log.warning("requester_forgotten", tickets=len(gone), who=who)
        return len(gone)

    # one ticket in

    def _checked(self, ticket: Ticket, k: int, count: int, now_ms: int) -> Ticket:
        where = _place(k, count)
        tenants = self._settings.tenants
        if tenants and ticket.tenant not in tenants:
            raise InputError(
                f"{where}tenant {ticket.tenant!r} is unknown: send one of tickets.tenants, or add it there"
            )
        if len(ticket.tenant) > ID_MAX or redact(ticket.tenant).found or not ticket.tenant.isprintable():
            raise InputError(f"{where}tenant: a short name that says nothing of a person, at most {ID_MAX} characters")
        if len(ticket.ticket_id) > ID_MAX:
            raise InputError(f"{where}id: {len(ticket.ticket_id)} characters; at most {ID_MAX}")
        if not (ticket.title.strip() or ticket.body.strip()):
            raise InputError(f"{where}neither title nor body: send at least one of them")
        size = len(json.dumps(ticket.attributes, ensure_ascii=False, default=str))
        if size > self._settings.attributes_chars_max:
            limit = self._settings.attributes_chars_max
            raise TooLargeError(f"{where}attributes: {size} characters; tickets.attributes_chars_max = {limit}")
        created_ms = now_ms if ticket.created_ms is None else ticket.created_ms
        if not YEAR_2000_MS <= created_ms <= now_ms + FUTURE_MAX_MS:
            raise InputError(f"{where}created_at: neither since 2000 nor within a day of now; ISO 8601 or epoch")
        ticket_id = self._shown_id(ticket.tenant, ticket.ticket_id) or f"aiops-{uuid.uuid4().hex[:12]}"
        return replace(ticket, ticket_id=ticket_id, created_ms=created_ms)

    def _shown_id(self, tenant: str, ticket_id: str) -> str:
        """The id as sent; one that holds personal data is told by its hash."""
        if (
            redact(ticket_id, ips=self._settings.redact_ips).found
            or not ticket_id.isprintable()
            or "/" in ticket_id
            or ticket_id in (".", "..")
        ):
            return f"id-{self._hash.digest('id', json.dumps([tenant, ticket_id]))[:24]}"
        return ticket_id

    def _digest(self, ticket: Ticket) -> str:
        content = [ticket.title, ticket.body, ticket.requester, ticket.channel, ticket.created_ms, ticket.attributes]
        return self._hash.digest("content", json.dumps(content, sort_keys=True, default=str))

    def _requester_key(self, requester: str) -> str:
        plain = requester.strip().casefold()
        return self._hash.digest("requester", plain) if plain else ""

    def _triaged(self, tickets: Sequence[Ticket], digests: Sequence[str], now_ms: int) -> list[TicketRecord]:
        if not tickets:
            return []
        lines = [attributes.lines(ticket.attributes) for ticket in tickets]
        readings = [self._read(ticket, besides) for ticket, besides in zip(tickets, lines, strict=True)]
        found = self._capped(tickets, self._desk.triage(tickets, readings))
        return [
            self._record(ticket, reading, triage, digest, now_ms)
            for ticket, reading, triage, digest in zip(tickets, readings, found, digests, strict=True)
        ]

    def _capped(self, tickets: Sequence[Ticket], found: Sequence[Triage]) -> list[Triage]:
        """With no more tickets P1 by the model alone than the cap lets through, tenant by tenant."""
        seen: dict[str, tuple[int, int]] = {}
        out = []
        for ticket, triage in zip(tickets, found, strict=True):
            if ticket.tenant not in seen:
                newest_ms = max(one.created_ms or 0 for one in tickets if one.tenant == ticket.tenant)
                window = (newest_ms - CAP_MS, newest_ms)
                seen[ticket.tenant] = stored(partial(self._store.recent_highest, ticket.tenant, *window))
            recent, by_model = seen[ticket.tenant]
            limits = self._settings
            one = capped(triage.priority, recent + 1, by_model, limits.p1_share_max, limits.p1_free)
            seen[ticket.tenant] = (recent + 1, by_model + is_by_model(one))
            out.append(replace(triage, priority=one))
        return out

    def _read(self, ticket: Ticket, besides: Sequence[str]) -> Reading:
        limits = self._settings
        return read(
            ticket.title,
            ticket.body,
            ips=limits.redact_ips,
            chars_max=limits.text_chars_max,
            raw_chars_max=limits.raw_chars_max,
            besides=[storable(one) for one in (ticket.channel, *besides)],
            key=self._key,
            known={REQUESTER: ticket.requester} if ticket.requester else {},
        )

    def _record(self, ticket: Ticket, reading: Reading, triage: Triage, digest: str, now_ms: int) -> TicketRecord:
        channel, *others = reading.besides
        received = TicketEvent(now_ms, life.PROGRAM, Deed.RECEIVED, f"triaged by {triage.model_version}")
        assert ticket.created_ms is not None
        return TicketRecord(
            ticket_id=ticket.ticket_id,
            tenant=ticket.tenant,
            title=reading.title,
            body=reading.body,
            channel=channel,
            attributes=attributes.rebuilt(ticket.attributes, others),
            created_ms=ticket.created_ms,
            received_ms=now_ms,
            requester_key=self._requester_key(ticket.requester),
            digest=digest,
            sealed=reading.sealed,
            triage=triage,
            labels=life.labels_of(triage),
            timeline=(received,),
        )


def storable(text: str) -> str:
    """Without what a database cannot hold."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _place(k: int, count: int) -> str:
    return f"tickets[{k}]: " if count > 1 else ""
