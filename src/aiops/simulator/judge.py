"""Ground truth against findings: which faults were found, how fast, and what was cried over nothing.

A fault is found when an incident detected between its start and ten minutes after its end holds an alert on a series
the fault touched, raised in that time. A further incident of the same fault is a duplicate. An incident that belongs
to no fault, until half an hour after its end, is false; deploys and nightly jobs are no excuse.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from aiops.metrics.series import Labels
from aiops.simulator.fault import Fault
from aiops.simulator.fleet import Fleet

GRACE_MS = 10 * 60_000  # a fault may be told so long after its end
AFTERMATH_MS = 30 * 60_000  # the way back to normal is strange too


@dataclass(frozen=True, slots=True)
class FoundAlert:
    """One alert of an incident; an entity that fell silent has the labels its series share."""

    labels: Labels
    time_ms: int


@dataclass(frozen=True, slots=True)
class FoundIncident:
    """What the service reported."""

    name: str
    detected_ms: int
    alerts: Sequence[FoundAlert]


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one fault."""

    fault: Fault
    incident: str | None
    delay_s: float | None
    joined: str | None = None  # missed, but its alerts joined this incident of something else


@dataclass(frozen=True, slots=True)
class Verdict:
    """The whole comparison."""

    findings: Sequence[Finding]
    false_incidents: Sequence[str]
    duplicates: Sequence[str]  # every incident is a fault's first, false, or one of these

    @property
    def found_count(self) -> int:
        return sum(finding.incident is not None for finding in self.findings)

    @property
    def median_delay_s(self) -> float | None:
        """From the start of a fault to its incident, over the faults found."""
        delays = [finding.delay_s for finding in self.findings if finding.delay_s is not None]
        return statistics.median(delays) if delays else None


def judge(fleet: Fleet, faults: Sequence[Fault], incidents: Sequence[FoundIncident]) -> Verdict:
    """Compares; the order of the arguments' elements does not matter."""
    touched = [[set(fleet.series[row]) for row in fault.series] for fault in faults]
    first: dict[int, FoundIncident] = {}
    false: list[str] = []
    for incident in sorted(incidents, key=lambda found: found.detected_ms):
        hits = [k for k, fault in enumerate(faults) if _belongs(incident, fault, touched[k])]
        if not hits:
            false.append(incident.name)
        for k in hits:
            if k not in first and incident.detected_ms <= faults[k].end_ms + GRACE_MS:
                first[k] = incident
    findings = [
        Finding(
            fault,
            first[k].name if k in first else None,
            (first[k].detected_ms - fault.start_ms) / 1000 if k in first else None,
            None if k in first else next((i.name for i in incidents if _holds_alert(i, fault, touched[k])), None),
        )
        for k, fault in enumerate(faults)
    ]
    told = {*false, *(found.name for found in first.values())}
    duplicates = [found.name for found in incidents if found.name not in told]
    return Verdict(findings, false, duplicates)


def _belongs(incident: FoundIncident, fault: Fault, touched: Sequence[set[tuple[str, str]]]) -> bool:
    if not fault.start_ms <= incident.detected_ms <= fault.end_ms + AFTERMATH_MS:
        return False
    return _holds_alert(incident, fault, touched)


def _holds_alert(incident: FoundIncident, fault: Fault, touched: Sequence[set[tuple[str, str]]]) -> bool:
    """Whether one of its alerts was raised by what the fault touched, in its time."""
    return any(
        fault.start_ms <= alert.time_ms <= fault.end_ms + AFTERMATH_MS
        and any(set(alert.labels) <= series for series in touched)
        for alert in incident.alerts
    )
