"""Faults: what breaks, when, and what it does to which series; known exactly, so that findings can be judged.

A fault is a list of effects. An effect changes one series between two moments: it scales it, adds to it, holds its
value or takes its samples away; a ramp lets it grow from nothing. Series without an effect stay as they were, bit for
bit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from aiops.simulator.fleet import DAY_MS, DEPENDS_ON, DISK_BYTES, MINUTE_MS, NODE_OF, NODES, SERVICES, Fleet, Floats

HOUR_MS = 3_600_000
DAY_HOURS = (8, 17)  # of a fault that takes traffic: when it may begin
GAP_MS = 3 * HOUR_MS  # between the end of a fault and the start of the next


class FaultKind(StrEnum):
    """What breaks."""

    LATENCY_STEP = "latency_step"
    ERROR_BURST = "error_burst"
    MEMORY_LEAK = "memory_leak"
    DISK_FILL = "disk_fill"
    TRAFFIC_LOSS = "traffic_loss"
    STUCK_VALUE = "stuck_value"
    MISSING_DATA = "missing_data"
    NOISY_NEIGHBOUR = "noisy_neighbour"
    CASCADING_FAILURE = "cascading_failure"
    UNSERVED_LOAD = "unserved_load"  # every series by itself stays within what it usually does


JOINT_KINDS = (FaultKind.UNSERVED_LOAD,)
"""Kinds that only the metrics of an entity together show."""
SINGLE_KINDS = tuple(kind for kind in FaultKind if kind not in JOINT_KINDS)


class Op(StrEnum):
    """What an effect does to a sample."""

    SCALE = "scale"
    ADD = "add"
    HOLD = "hold"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Effect:
    """One series changed from start_ms (inclusive) to end_ms (exclusive)."""

    series: int
    op: Op
    amount: float  # factor or summand at full strength; unused by HOLD and DROP
    start_ms: int
    end_ms: int
    is_ramp: bool = False  # grows linearly over its whole time

    def applied(self, values: Floats, time_ms: Floats, held: float) -> Floats:
        """values, time_ms float64 (n,) of this series; `held`: the value to hold. Returns new values."""
        inside = (time_ms >= self.start_ms) & (time_ms < self.end_ms)
        share = (time_ms - self.start_ms) / (self.end_ms - self.start_ms) if self.is_ramp else 1.0
        if self.op == Op.SCALE:
            changed = values * (1 + (self.amount - 1) * share)
        elif self.op == Op.ADD:
            changed = values + self.amount * share
        else:
            changed = np.full(len(values), held if self.op == Op.HOLD else np.nan)
        return np.where(inside, changed, values)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that broke, and everything it did."""

    kind: FaultKind
    where: str  # service or node
    start_ms: int
    end_ms: int
    effects: Sequence[Effect]

    @property
    def series(self) -> frozenset[int]:
        """All series that show it."""
        return frozenset(effect.series for effect in self.effects)


def callers(service: str) -> list[str]:
    """Services that need this one."""
    return [above for above, below in DEPENDS_ON.items() if service in below]


def make_fault(fleet: Fleet, kind: FaultKind, start_ms: int, rng: np.random.Generator) -> Fault:
    """A fault of this kind somewhere in the fleet; place, length and size by `rng`."""
    return _MAKERS[kind](fleet, start_ms, rng)


def schedule(
    fleet: Fleet, first_ms: int, last_ms: int, count: int, seed: int, kinds: Sequence[FaultKind] = SINGLE_KINDS
) -> list[Fault]:
    """`count` faults between the two moments, kinds in turn, at least GAP_MS apart. Raises ValueError where they do
    not fit."""
    rng = np.random.default_rng((seed, 31))
    order = [kinds[k] for round_ in range(count // len(kinds) + 1) for k in rng.permutation(len(kinds))][:count]
    faults: list[Fault] = []
    slot_ms = (last_ms - first_ms) // max(count, 1)
    for k, kind in enumerate(order):
        earliest = max(first_ms + k * slot_ms, faults[-1].end_ms + GAP_MS if faults else 0)
        start = earliest + int(rng.integers(0, max(slot_ms // 4, 1)))
        fault = make_fault(fleet, kind, start // MINUTE_MS * MINUTE_MS, rng)
        if fault.end_ms > last_ms:
            raise ValueError(f"{count} faults do not fit between the two moments; ask for fewer or more time")
        faults.append(fault)
    return faults


def _minutes(rng: np.random.Generator, low: int, high: int) -> int:
    return int(rng.integers(low, high)) * MINUTE_MS


def _some_service(rng: np.random.Generator) -> str:
    return SERVICES[int(rng.integers(len(SERVICES)))]


def _latency_step(fleet: Fleet, start: int, rng: np.random.Generator) -> Fault:
    service, end = _some_service(rng), start + _minutes(rng, 30, 120)
    size = rng.uniform(2, 4)
    effects = _slowed(fleet, service, size, start, end)
    for caller in callers(service):
        effects += _slowed(fleet, caller, 1 + 0.3 * (size - 1), start, end)
    return Fault(FaultKind.LATENCY_STEP, service, start, end, effects)


def _slowed(fleet: Fleet, service: str, size: float, start: int, end: int) -> list[Effect]:
    at = fleet.index
    return [
        Effect(at["latency_p50_ms", service], Op.SCALE, size, start, end),
        Effect(at["latency_p99_ms", service], Op.SCALE, 1.2 * size, start, end),
        Effect(at["queue_depth", service], Op.ADD, round(3 * size), start, end),
    ]


def _error_burst(fleet: Fleet, start: int, rng: np.random.Generator) -> Fault:
    service, end = _some_service(rng), start + _minutes(rng, 20, 90)
    at = fleet.index
    effects = [
        Effect(at["http_errors_total", service], Op.ADD, round(rng.uniform(100, 400)), start, end),
        Effect(at["latency_p50_ms", service], Op.SCALE, 0.8, start, end),
    ]
    effects += [Effect(at["http_errors_total", caller], Op.ADD, 40, start, end) for caller in callers(service)]
    return Fault(FaultKind.ERROR_BURST, service, start, end, effects)


def _memory_leak(fleet: Fleet, start: int, rng: np.random.Generator) -> Fault:
    service, end = _some_service(rng), start + _minutes(rng, 120, 360)
    at = fleet.index
    late = start + (end - start) // 2
    effects = [
        Effect(at["memory_used_bytes", service], Op.SCALE, rng.uniform(1.8, 2.5), start, end, is_ramp=True),
        Effect(at["cpu_utilisation", service], Op.SCALE, 1.3, late, end, is_ramp=True),
        Effect(at["latency_p99_ms", service], Op.SCALE, 1.6, late, end, is_ramp=True),
    ]
    return Fault(FaultKind.MEMORY_LEAK, service, start, end, effects)


def _disk_fill(fleet: Fleet, start: int, rng: np.random.Generator) -> Fault:
    node, end = NODES[int(rng.integers(len(NODES)))], start + _minutes(rng, 60, 180)
    amount = DISK_BYTES * rng.uniform(0.25, 0.4)
    effects = [Effect(fleet.index["node_disk_used_bytes", node], Op.ADD, amount, start, end, is_ramp=True)]
    return Fault(FaultKind.DISK_FILL, node, start, end, effects)


def _traffic_loss(fleet: Fleet, start: int, rng: np.random.Generator) -> Fault:
    service, end = _some_service(rng), start + _minutes(rng, 20, 90)
    at, left = fleet.index, rng.uniform(0.05, 0.4)
    metrics = ("request_rate", "http_requests_total", "http_errors_total", "connections_active")
    effects = [Effect(at[metric, service], Op.SCALE, left, start, end) for metric in metrics]
    effects.append(Effect(at["cpu_utilisation", service], Op.SCALE, 0.5, start, end))
    for below in DEPENDS_ON.get(service, ()):
        for metric in ("request_rate", "http_requests_total"):
            effects.append(Effect(at[metric, below], Op.SCALE, 0.5 + 0.5 * left, start, end))
    return Fault(FaultKind.TRAFFIC_LOSS, service, start, end, effects)


def _stuck_value(fleet: Fleet, start: int, rng: np.random.Generator) -> Fault:
    service, end = _some_service(rng), start + _minutes(rng, 60, 180)
    metric = ("cpu_utilisation", "request_rate", "latency_p50_ms", "memory_used_bytes")[int(rng.integers(4))]
    effects = [Effect(fleet.index[metric, service], Op.HOLD, 0.0, start, end)]
    return Fault(FaultKind.STUCK_VALUE, service, start, end, effects)


def _missing_data(fleet: Fleet, start: int, rng: np.random.Generator) -> Fault:
    service, end = _some_service(rng), start + _minutes(rng, 20, 60)
    rows = [row for (_, owner), row in fleet.index.items() if owner == service]
    return Fault(FaultKind.MISSING_DATA, service, start, end, [Effect(r, Op.DROP, 0.0, start, end) for r in rows])


def _noisy_neighbour(fleet: Fleet, start: int, rng: np.random.Generator) -> Fault:
    node, end = NODES[int(rng.integers(len(NODES)))], start + _minutes(rng, 20, 90)
    effects = [Effect(fleet.index["node_cpu_utilisation", node], Op.ADD, rng.uniform(0.25, 0.4), start, end)]
    for service in SERVICES:
        if NODE_OF[service] == node:
            effects += _slowed(fleet, service, rng.uniform(1.5, 2.2), start, end)
    return Fault(FaultKind.NOISY_NEIGHBOUR, node, start, end, effects)


def _cascading_failure(fleet: Fleet, start: int, rng: np.random.Generator) -> Fault:
    root = ("orders-db", "users-db", "inventory", "ledger")[int(rng.integers(4))]
    end = start + _minutes(rng, 30, 90)
    effects, wave, size, at = [], [root], rng.uniform(4, 6), start
    reached = {root}
    while wave and size > 1.3:
        for service in wave:
            effects += _slowed(fleet, service, size, at, end)
            effects.append(Effect(fleet.index["http_errors_total", service], Op.ADD, round(20 * size), at, end))
        wave = sorted({caller for service in wave for caller in callers(service)} - reached)
        reached |= set(wave)
        size, at = 1 + 0.6 * (size - 1), at + _minutes(rng, 1, 4)
    return Fault(FaultKind.CASCADING_FAILURE, root, start, end, effects)


def _unserved_load(fleet: Fleet, start: int, rng: np.random.Generator) -> Fault:
    """More and more knocks at the door, and less is worked on: requests wait in a place that no metric shows. It
    takes the traffic of a day, so what would begin at night begins in the morning."""
    hour = start % DAY_MS // HOUR_MS
    if not DAY_HOURS[0] <= hour < DAY_HOURS[1]:
        start = start // DAY_MS * DAY_MS + DAY_HOURS[0] * HOUR_MS + (hour >= DAY_HOURS[1]) * DAY_MS
    service, full = _some_service(rng), start + _minutes(rng, 60, 90)
    end, size = full + _minutes(rng, 120, 180), rng.uniform(0.27, 0.33)
    effects = []
    for metrics, amount in ((_AT_THE_DOOR, 1 + size), (_WORKED_ON, 1 - size)):
        for row in (fleet.index[metric, service] for metric in metrics):
            effects.append(Effect(row, Op.SCALE, amount, start, full, is_ramp=True))
            effects.append(Effect(row, Op.SCALE, amount, full, end))
    return Fault(FaultKind.UNSERVED_LOAD, service, start, end, effects)


_AT_THE_DOOR, _WORKED_ON = ("request_rate", "connections_active"), ("http_requests_total", "cpu_utilisation")
_MAKERS: dict[FaultKind, Callable[[Fleet, int, np.random.Generator], Fault]] = {
    FaultKind.LATENCY_STEP: _latency_step,
    FaultKind.ERROR_BURST: _error_burst,
    FaultKind.MEMORY_LEAK: _memory_leak,
    FaultKind.DISK_FILL: _disk_fill,
    FaultKind.TRAFFIC_LOSS: _traffic_loss,
    FaultKind.STUCK_VALUE: _stuck_value,
    FaultKind.MISSING_DATA: _missing_data,
    FaultKind.NOISY_NEIGHBOUR: _noisy_neighbour,
    FaultKind.CASCADING_FAILURE: _cascading_failure,
    FaultKind.UNSERVED_LOAD: _unserved_load,
}
