"""Related alerts: what grouping holds back, or has told as an incident."""

from dataclasses import dataclass, field

from aiops.incidents.alert import JOINT, Alert
from aiops.incidents.incident import Event, Incident
from aiops.incidents.relation import Entity
from aiops.incidents.surprise import Scope


@dataclass(slots=True, eq=False)
class Group:
    """Related alerts; `incident` is what was last told of them, None while held back."""

    alerts: dict[str, Alert] = field(default_factory=dict)
    entities: dict[Entity, None] = field(default_factory=dict)  # ordered set
    last_ms: int = 0
    dropped: int = 0  # alerts beyond the limit
    incident: Incident | None = None
    notes: list[Event] = field(default_factory=list)  # not yet told
    scope: Scope | None = None  # the alert budget it was offered to, with what strength, and what came of it
    offered: float = 0.0
    offered_ms: int = 0
    told: str = ""  # why a budget tells it
    aged: int = 0  # how many of the ages that count for its severity it has reached

    @property
    def own(self) -> list[Alert]:
        """The alerts it lives by. Those of whole entities last long after a fault: beside others they only support."""
        alerts = list(self.alerts.values())
        return [alert for alert in alerts if alert.kind != JOINT] or alerts

    def lives_by(self, kind: str) -> bool:
        """Whether an alert of this kind keeps it alive."""
        return kind != JOINT or all(alert.kind == JOINT for alert in self.alerts.values())

    @property
    def is_active(self) -> bool:
        return any(alert.ended_ms is None for alert in self.own)

    @property
    def ended_ms(self) -> int | None:
        """When the last of them ended; None while one runs."""
        ends = [alert.ended_ms for alert in self.own]
        return None if None in ends else max(end for end in ends if end is not None)
