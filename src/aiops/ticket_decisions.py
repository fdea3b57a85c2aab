"""What people decide of kept tickets: corrections, assignments, resolutions; and the reveal of what was redacted.

Each is one change under the ticket's version with a line in its timeline. Texts that come with a decision pass the same
door as the ticket's own: personal data out, sealed with the rest where there is a key.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from aiops.config import Settings
from aiops.desk import Desk
from aiops.errors import ConflictError, InputError, OverloadError, SealError
from aiops.store.ticket_store import Key, TicketStore
from aiops.tickets import record as life
from aiops.tickets import redaction
from aiops.tickets.priority import matrix, priority
from aiops.tickets.record import CORRECTABLE, Deed, TicketEvent, TicketRecord
from aiops.tickets.text import clean
from aiops.tickets.urgency_rules import LEVELS

LABEL_MAX = 200
REQUESTER = "[requester]"
log = structlog.get_logger(__name__)
_Found = TypeVar("_Found")


class Past(Protocol):
    """What remembers tickets, so that similar new ones show how they were mended."""

    def check(self) -> None:
        """Raises OverloadError where nothing can be learned or forgotten now."""

    def learn(self, record: TicketRecord) -> None:
        """A ticket came, or changed its state."""

    def forget(self, keys: Sequence[Key]) -> None:
        """These tickets are gone."""


def stored(work: Callable[[], _Found]) -> _Found:
    """`work` with the store. Raises OverloadError where the database cannot be used."""
    try:
        return work()
    except SQLAlchemyError as error:
        log.error("ticket_store_failed", reason=f"{type(error).__name__}: {getattr(error, 'orig', '')}")
        raise OverloadError("tickets cannot be kept or read now; send this again in a moment") from None


class TicketDecisions:
    """Thread-safe. `past` remembers what became of them, if anything does."""

    def __init__(self, settings: Settings, store: TicketStore, desk: Desk, past: Past | None = None) -> None:
        self._settings, self._store, self._desk, self._past = settings.tickets, store, desk, past
        self._matrix = matrix(settings.tickets.priority)
        self._key = settings.tickets.redaction_key.get_secret_value()
        self._is_guarded = bool(settings.server.api_keys)

    def correct(
        self, record: TicketRecord, given: Mapping[str, str], who: str, why: str, now_ms: int, is_new_label: bool
    ) -> TicketRecord:
        """A person says what is right. Raises InputError for a label that the model does not know, unless
        `is_new_label`; ConflictError."""
        if not given:
            raise InputError(f"nothing to correct: send at least one of {', '.join(CORRECTABLE)}")
        for name, label in given.items():
            self._check_label(name, label, is_new_label)
        record, (why,) = self._without_personal_data(record, [why])
        known = {**record.labels, **given}
        now = record.triage.priority
        urgency, impact = known.get("urgency") or now.urgency, known.get("impact") or now.impact
        is_moved = "urgency" in given or "impact" in given
        label = priority(self._matrix, urgency, impact).label if is_moved else record.labels.get("priority", "")
        return self._saved(life.correct(record, given, label, who, why, now_ms))

    def assign(self, record: TicketRecord, team: str, who: str, why: str, now_ms: int, is_new: bool) -> TicketRecord:
        """A team takes it. Raises InputError for an unknown team, ConflictError."""
        self._check_label("team", team, is_new)
        record, (why,) = self._without_personal_data(record, [why])
        return self._saved(life.assign(record, team, who, why, now_ms))

    def respond(self, record: TicketRecord, who: str, why: str, now_ms: int) -> TicketRecord:
        """Somebody answered the requester. Raises ConflictError."""
        record, (why,) = self._without_personal_data(record, [why])
        return self._saved(life.respond(record, who, why, now_ms))

    def resolve(self, record: TicketRecord, who: str, resolution: str, now_ms: int) -> TicketRecord:
        """It is mended, and how; similar tickets will show it. Raises InputError, ConflictError."""
        record, (resolution,) = self._without_personal_data(record, [resolution])
        saved = self._saved(life.resolve(record, who, resolution, now_ms))
        if self._past is not None:
            self._past.learn(saved)
        return saved

    def close(self, record: TicketRecord, who: str, why: str, now_ms: int) -> TicketRecord:
        """Nothing is left to do. Raises ConflictError."""
        record, (why,) = self._without_personal_data(record, [why])
        return self._saved(life.close(record, who, why, now_ms))

    def reopen(self, record: TicketRecord, who: str, why: str, now_ms: int) -> TicketRecord:
        """It was not mended. Raises ConflictError."""
        record, (why,) = self._without_personal_data(record, [why])
        saved = self._saved(life.reopen(record, who, why, now_ms))
        if self._past is not None:
            self._past.learn(saved)
        return saved

    def reveal(self, record: TicketRecord, who: str, why: str, api_key: str, now_ms: int) -> Mapping[str, str]:
        """What was redacted, by label; who looked, why and with which key is in the timeline and in the log. Raises
        ConflictError without `tickets.redaction_key` and `server.api_keys`, InputError without a reason, SealError."""
        if not self._is_guarded:
            raise ConflictError("nothing is revealed to everybody: set server.api_keys first")
        if not self._key:
            raise ConflictError("nothing is sealed here: set tickets.redaction_key before tickets arrive")
        record, (why,) = self._without_personal_data(record, [why])
        if not why:
            raise InputError("why: say what it is needed for; it is kept in the ticket's timeline")
        values = redaction.unseal(redaction.Sealed(record.sealed), self._key) if record.sealed else {}
        noted = record.noted(TicketEvent(now_ms, who, Deed.REVEALED, f"{why} (API key {api_key})"))
        self._saved(noted)
        log.warning("ticket_revealed", ticket=record.ticket_id, tenant=record.tenant, who=who, api_key=api_key)
        return values

    def _check_label(self, name: str, label: str, is_new: bool) -> None:
        if not label.strip() or len(label) > LABEL_MAX or not label.isprintable():
            raise InputError(f"{name}: a label of 1 to {LABEL_MAX} characters")
        if redaction.redact(label).found:
            raise InputError(f"{name}: a label names no person")
        if name in ("urgency", "impact"):
            if label not in LEVELS:
                raise InputError(f"{name} {label!r}: one of {', '.join(LEVELS)}")
            return
        known = self._desk.labels(name)
        if known and label not in known and not is_new:
            some = ", ".join(sorted(known)[:20])
            raise InputError(f"{name} {label!r} is none that is known ({some}); send new_label: true if it is meant so")

    def _without_personal_data(self, record: TicketRecord, texts: Sequence[str]) -> tuple[TicketRecord, list[str]]:
        """The texts as they may be kept, numbered on from what the ticket holds, and the record with its seal."""
        ips = self._settings.redact_ips
        said = [clean(one.replace("\0", "\ufffd"), chars_max=self._settings.text_chars_max).text for one in texts]
        before = [record.title, record.body, record.channel, json.dumps(record.attributes, ensure_ascii=False)]
        before += [record.resolution, *(event.why for event in record.timeline)]
        redacted = redaction.redact_all([*before, *said], ips=ips)[len(before) :]
        if self._key and any(one.found for one in redacted):
            record = self._sealed(record, said, redacted)
        return record, [one.text for one in redacted]

    def _sealed(
        self, record: TicketRecord, texts: Sequence[str], redacted: Sequence[redaction.Redacted]
    ) -> TicketRecord:
        try:
            known = redaction.unseal(redaction.Sealed(record.sealed), self._key) if record.sealed else {}
        except SealError as error:
            log.warning("not_sealed", ticket=record.ticket_id, reason=str(error))
            return record
        sealed = redaction.seal(texts, redacted, self._key, known)
        return replace(record, sealed=sealed.token) if sealed else record

    def _saved(self, record: TicketRecord) -> TicketRecord:
        return stored(lambda: self._store.save(record))


def revealed(record: TicketRecord, values: Mapping[str, str]) -> dict[str, Any]:
    """The ticket's texts with the values back in their places."""
    return {
        "title": redaction.restore(record.title, values),
        "body": redaction.restore(record.body, values),
        "channel": redaction.restore(record.channel, values),
        "resolution": redaction.restore(record.resolution, values),
        "attributes": _restored(record.attributes, values),
        "requester": values.get(REQUESTER, ""),
    }


def _restored(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return redaction.restore(value, values)
    if isinstance(value, Mapping):
        return {redaction.restore(name, values): _restored(one, values) for name, one in value.items()}
    if isinstance(value, list):
        return [_restored(one, values) for one in value]
    return value
