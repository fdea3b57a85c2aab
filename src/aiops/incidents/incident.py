"""An incident's life: states and pure transitions, each leaving a line in the timeline that says who, when and why.

    candidate --confirm--> open --resolve--> resolved
        |  ^                                    (resolve and dismiss are final, and allowed from any state above)
        |  +--relapse-- recovered               dismissed: not an incident, with the reason
        +--all quiet----^

What people decided is never undone by the program: an open incident whose metrics recovered stays open and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from aiops.errors import ConflictError, InputError
from aiops.incidents.alert import Alert
from aiops.incidents.severity import Severity
from aiops.metrics.series import Labels

PROGRAM = "aiops"


class State(StrEnum):
    """Where an incident stands; the words are part of the API."""

    CANDIDATE = "candidate"
    OPEN = "open"
    RECOVERED = "recovered"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"


FINAL = (State.RESOLVED, State.DISMISSED)


class What(StrEnum):
    """What happened, as the timeline says it."""

    DETECTED = "detected"
    ALERT = "alert"
    SEVERITY = "severity"
    SEVERITY_RAISED = "severity_raised"
    ALERT_ENDED = "alert_ended"
    RECOVERED = "recovered"
    RELAPSED = "relapsed"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline."""

    time_ms: int
    who: str
    what: What
    why: str


@dataclass(frozen=True, slots=True)
class Incident:
    """What is known of one incident; `version` grows with every stored change."""

    incident_id: int
    state: State
    severity: Severity
    title: str
    labels: Labels  # shared by all alerts
    entities: tuple[str, ...]  # "service=checkout", in order of appearance
    started_ms: int  # first onset
    detected_ms: int  # when the evidence was enough
    updated_ms: int
    ended_ms: int | None  # when the last alert ended
    alerts: tuple[Alert, ...]
    alert_count: int  # including those beyond the limit
    timeline: tuple[Event, ...]
    resolution: str = ""
    cause: str = ""
    version: int = 0
    lead: str = ""  # fingerprint of the alert that stands in the title

    @property
    def name(self) -> str:
        """`INC-12`, as people say it."""
        return f"INC-{self.incident_id}"

    @property
    def severity_reason(self) -> str:
        """Why it is as severe as it is; empty where the timeline is not at hand."""
        told = [event.why for event in self.timeline if event.what in (What.SEVERITY, What.SEVERITY_RAISED)]
        return told[-1].partition(": ")[2] if told else ""

    def noted(self, event: Event) -> "Incident":
        """With one more line in the timeline."""
        return replace(self, timeline=(*self.timeline, event), updated_ms=max(self.updated_ms, event.time_ms))


@dataclass(frozen=True, slots=True)
class PastEvent:
    """An alert of an earlier incident, and what became of that incident."""

    incident: str  # `INC-12`
    alert: Alert
    state: State
    resolution: str  # what mended it, or why it was dismissed; empty where nobody said


def incident_number(name: str) -> int | None:
    """`INC-12` or `12` -> 12; None where it is neither."""
    digits = name.upper().removeprefix("INC-")
    return int(digits) if digits.isdecimal() and len(digits) < 19 else None


def _moved(incident: Incident, state: State, event: Event, allowed: Sequence[State]) -> Incident:
    if incident.state not in allowed:
        raise ConflictError(f"{incident.name} is {incident.state}; only {', '.join(allowed)} can become {state}")
    return replace(incident.noted(event), state=state)


def confirm(incident: Incident, who: str, why: str, now_ms: int) -> Incident:
    """A person says: this is real. Raises ConflictError where it is past that."""
    event = Event(now_ms, who, What.CONFIRMED, why)
    return _moved(incident, State.OPEN, event, (State.CANDIDATE, State.RECOVERED))


def dismiss(incident: Incident, who: str, why: str, now_ms: int) -> Incident:
    """A person says: this is none, and why. Raises InputError without a reason, ConflictError once final."""
    if not why.strip():
        raise InputError("reason: say why it is dismissed; the detectors and the next person learn from it")
    event = Event(now_ms, who, What.DISMISSED, why)
    return _moved(incident, State.DISMISSED, event, (State.CANDIDATE, State.OPEN, State.RECOVERED))


def resolve(incident: Incident, who: str, why: str, cause: str, now_ms: int) -> Incident:
    """A person says: mended, and how. Raises InputError without a resolution, ConflictError once final."""
    if not why.strip():
        raise InputError("resolution: say what mended it; similar incidents will show it")
    event = Event(now_ms, who, What.RESOLVED, why)
    allowed = (State.CANDIDATE, State.OPEN, State.RECOVERED)
    return replace(_moved(incident, State.RESOLVED, event, allowed), resolution=why, cause=cause)


def recover(incident: Incident, why: str, now_ms: int) -> Incident:
    """All alerts ended and stayed quiet. A confirmed incident stays open for its person."""
    noted = incident.noted(Event(now_ms, PROGRAM, What.RECOVERED, why))
    return replace(noted, state=State.RECOVERED) if incident.state == State.CANDIDATE else noted


def relapse(incident: Incident, why: str, now_ms: int) -> Incident:
    """A recovered incident's series alert again."""
    event = Event(now_ms, PROGRAM, What.RELAPSED, why)
    return replace(_moved(incident, State.CANDIDATE, event, (State.RECOVERED,)), ended_ms=None)
