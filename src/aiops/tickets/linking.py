"""Which live incidents a ticket likely belongs to: names it says, what leans on what, and when it was written.

    score = name x trouble x time

`name`: 1 for a name in an attribute or one that no sentence has by chance (`orders-db`, `the orders service`), 0.75 for
an ordinary word (`search`), times 0.7 for each step of topology between what the ticket names and what the incident is
about (people see the web shop fail, not its database). `trouble`: how probably the ticket reports that something is
broken. `time`: from half an hour before the incident was seen until it ended, then fading. Time alone links nothing.
The weights are judgements, round and fixed; the reason says in words what spoke for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiops.tickets.names import Names, steps_down

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
BEFORE_MS = 30 * MINUTE_MS  # people may notice first
AFTER_MS = 2 * HOUR_MS  # and write later
FADES_MS = 30 * MINUTE_MS  # half as probable each
LASTS_MS = 24 * HOUR_MS  # an incident that nobody ends is half as probable each day
STEP = 0.7
SCORE_MIN = 0.35
NEAR_BEST = 0.8  # further incidents are linked where they fit nearly as well
LINKS_MAX = 3


@dataclass(frozen=True, slots=True)
class LiveIncident:
    """An incident that tickets may belong to. `entities`: "service=checkout"."""

    incident_id: int
    title: str
    entities: tuple[str, ...]
    started_ms: int
    ended_ms: int | None

    @property
    def names(self) -> tuple[str, ...]:
        """What its entities are called."""
        return tuple(dict.fromkeys(entity.partition("=")[2] for entity in self.entities))


@dataclass(frozen=True, slots=True)
class Link:
    """A ticket likely belongs to this incident, and why."""

    incident_id: int
    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class Said:
    """A ticket as far as it matters here: the names in it, when it was written, how probably it reports trouble."""

    names: Names
    created_ms: int
    trouble: float = 1.0

    @staticmethod
    def of(title: str, body: str, attributes: Mapping[str, Any], created_ms: int, trouble: float = 1.0) -> "Said":
        """From a ticket that is kept."""
        return Said(Names.of(f"{title}\n{body}", attributes), created_ms, trouble)


class Linker:
    """Knows the topology: entity -> entities it needs."""

    def __init__(self, depends_on: Mapping[str, Sequence[str]]) -> None:
        self._needs = {above: tuple(below) for above, below in depends_on.items()}
        self._names = tuple(dict.fromkeys([*self._needs, *(name for below in self._needs.values() for name in below)]))

    def links(self, said: Said, incidents: Sequence[LiveIncident]) -> list[Link]:
        """The incidents it likely belongs to, best first; few or none."""
        candidates = {name for incident in incidents for name in incident.names}
        strengths = {name: said.names.says(name) for name in (*self._names, *candidates)}
        strengths = {name: strength for name, strength in strengths.items() if strength > 0}
        found = []
        for incident in incidents:
            nearness = _nearness(said.created_ms, incident)
            if nearness and (best := self._best(strengths, incident.names)):
                strength, why = best
                score = strength * (0.4 + 0.6 * said.trouble) * nearness
                found.append(Link(incident.incident_id, round(score, 3), f"{why}; {_when(said.created_ms, incident)}"))
        found.sort(key=lambda link: (-link.score, -link.incident_id))
        least = max(SCORE_MIN, NEAR_BEST * found[0].score) if found else 0.0
        return [link for link in found if link.score >= least][:LINKS_MAX]

    def _best(self, strengths: Mapping[str, float], about: Sequence[str]) -> tuple[float, str] | None:
        """The strongest way from a name that is said to one the incident is about."""
        best: tuple[float, str] | None = None
        for name, strength in strengths.items():
            steps = steps_down(self._needs, name, about)
            if steps is None:
                continue
            count, end = steps
            told = f"names {name}, which needs {end} of the incident" if count else f"names {name} of the incident"
            if best is None or strength * STEP**count > best[0]:
                best = (strength * STEP**count, told)
        return best


def _nearness(created_ms: int, incident: LiveIncident) -> float:
    if created_ms < incident.started_ms - BEFORE_MS:
        return 0.0
    if incident.ended_ms is None:
        return float(0.5 ** (max(created_ms - incident.started_ms, 0) / LASTS_MS))
    late_ms = created_ms - incident.ended_ms
    return 0.0 if late_ms > AFTER_MS else float(0.5 ** (max(late_ms, 0) / FADES_MS))


def _when(created_ms: int, incident: LiveIncident) -> str:
    if incident.ended_ms is not None and created_ms > incident.ended_ms:
        return f"written {_span(created_ms - incident.ended_ms)} after it ended"
    since_ms = created_ms - incident.started_ms
    return f"written {_span(abs(since_ms))} {'after it began' if since_ms >= 0 else 'before it was seen'}"


def _span(span_ms: int) -> str:
    minutes = round(span_ms / MINUTE_MS)
    if minutes < 120:
        return f"{minutes} minute{'' if minutes == 1 else 's'}"
    return f"{round(minutes / 60)} hours"
