"""A fleet of services as a monitoring system sees it: about 140 series that behave, most of the time.

Every service follows a daily and weekly season with a phase of its own; services lean on each other, so their loads
move together. Noise is of many kinds (Gaussian, lognormal, Student-t, autoregressive, Poisson), there are counters
that reset at deploys, memory that grows and is collected, logs that rotate, a nightly batch job, a constant, a 0/1
series and one that speaks every ten minutes. None of that is a fault. Samples are made a day at a time from
generators seeded by (seed, day, series): the same seed gives the same samples however they are asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aiops.metrics.series import Labels, canonical

MINUTE_MS, DAY_MS = 60_000, 86_400_000
STEPS_PER_DAY = 1440
START_MS = 1_767_571_200_000  # Monday 2026-01-05 00:00 UTC
Floats = NDArray[np.float64]

DEPENDS_ON: Mapping[str, tuple[str, ...]] = {
    "edge": ("web", "mobile-api"),
    "web": ("catalog", "search", "checkout", "users"),
    "mobile-api": ("catalog", "users"),
    "checkout": ("payments", "orders"),
    "orders": ("orders-db", "inventory"),
    "catalog": ("inventory", "search"),
    "users": ("users-db",),
    "payments": ("ledger",),
}
SERVICES = (
    "edge", "web", "mobile-api", "catalog", "search", "checkout", "payments", "orders", "inventory", "users",
    "orders-db", "users-db", "ledger",
)  # fmt: skip
NODES = ("node-a", "node-b", "node-c", "node-d")
NODE_OF = {service: NODES[k % len(NODES)] for k, service in enumerate(SERVICES)}
DISK_BYTES = 2.0e11
BATCH_SERVICE, BATCH_MINUTE, BATCH_LENGTH = "ledger", 150, 25  # every night at 02:30

SERVICE_METRICS = (
    "request_rate", "http_requests_total", "http_errors_total", "latency_p50_ms", "latency_p99_ms", "cpu_utilisation",
    "memory_used_bytes", "queue_depth", "connections_active", "healthy",
)  # fmt: skip
NODE_METRICS = (
    "node_cpu_utilisation",
    "node_disk_used_bytes",
    "node_memory_available_bytes",
    "node_network_bytes_total",
)
SINGLE_METRICS = (("config_version", "edge"), ("cache_entries", "catalog"), ("batch_rows", BATCH_SERVICE))
COUNTERS = ("http_requests_total", "http_errors_total", "node_network_bytes_total")
SPARSE_MINUTES = 10  # cache_entries


@dataclass(slots=True)
class _Carry:
    """What one day leaves to the next: position of each walk and counter. Shapes (series,)."""

    walk: Floats
    total: Floats


@dataclass(frozen=True, slots=True)
class Day:
    """One day of samples. values float64 (series, 1440), NaN = no sample; counters as increments, made totals later."""

    index: int
    values: Floats
    resets: NDArray[np.bool_]  # (series, 1440)


@dataclass(frozen=True)
class Fleet:
    """All series of the fleet and their undisturbed course. `seed` decides everything that is random."""

    seed: int = 1
    start_ms: int = START_MS
    series: Sequence[Labels] = field(init=False)
    index: Mapping[tuple[str, str], int] = field(init=False)  # (metric, service or node) -> series

    def __post_init__(self) -> None:
        series: list[Labels] = []
        index: dict[tuple[str, str], int] = {}
        for service in SERVICES:
            extra = [metric for metric, owner in SINGLE_METRICS if owner == service]
            for metric in (*SERVICE_METRICS, *extra):
                index[metric, service] = len(series)
                labels = {"__name__": metric, "service": service, "node": NODE_OF[service], "env": "prod"}
                series.append(canonical(labels))
        for node in NODES:
            for metric in NODE_METRICS:
                index[metric, node] = len(series)
                series.append(canonical({"__name__": metric, "node": node, "job": "node", "env": "prod"}))
        object.__setattr__(self, "series", tuple(series))
        object.__setattr__(self, "index", index)

    @property
    def topology(self) -> Mapping[str, tuple[str, ...]]:
        """Service -> the services it needs."""
        return DEPENDS_ON

    def is_counter(self) -> NDArray[np.bool_]:
        """bool (series,): counters hold increments in `Day.values`."""
        return np.array([dict(labels)["__name__"] in COUNTERS for labels in self.series])

    def deploy_minutes(self, service: str, day: int) -> list[int]:
        """Minutes of this day at which the service is deployed: working days, about every third."""
        rng = np.random.default_rng((self.seed, 7, day, SERVICES.index(service)))
        is_deployed = day % 7 < 5 and rng.random() < 0.3
        return [int(rng.integers(9 * 60, 17 * 60))] if is_deployed else []

    def days(self) -> Iterator[Day]:
        """Day after day from `start_ms`, without end."""
        carry = _Carry(np.zeros(len(self.series)), np.zeros(len(self.series)))
        day = 0
        while True:
            yield self._day(day, carry)
            day += 1

    def _day(self, day: int, carry: _Carry) -> Day:
        values = np.full((len(self.series), STEPS_PER_DAY), np.nan)
        resets = np.zeros(values.shape, np.bool_)
        common = self._noise(day, 0).normal(0, 0.02, STEPS_PER_DAY)
        node_load = {node: np.zeros(STEPS_PER_DAY) for node in NODES}
        for number, service in enumerate(SERVICES):
            load = self._service_day(day, number, service, common, values, resets, carry)
            node_load[NODE_OF[service]] += load / 4
        for number, node in enumerate(NODES):
            self._node_day(day, number, node, node_load[node], values, carry)
        return Day(day, values, resets)

    def _noise(self, day: int, stream: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, day, stream))

    def _service_day(
        self, day: int, number: int, service: str, common: Floats, values: Floats, resets: NDArray[np.bool_],
        carry: _Carry,
    ) -> Floats:  # fmt: skip
        rng = self._noise(day, 1 + number)
        row = {metric: self.index[metric, service] for metric in SERVICE_METRICS}
        character = np.random.default_rng((self.seed, 99, number))
        base_rate, base_ms = 10 ** character.uniform(1.2, 2.8), 10 ** character.uniform(0.7, 1.9)
        phase, spread = character.uniform(-1.5, 1.5), character.uniform(0.6, 1.4)
        error_share, base_cpu = 10 ** character.uniform(-4, -2.7), character.uniform(0.08, 0.2)
        memory, period = 10 ** character.uniform(8.6, 9.6), int(character.integers(90, 400))

        season = daily_season(day, phase)
        drift = _autoregressive(rng, 0.98, 0.012 * spread, carry.walk, row["request_rate"])
        load = season * np.exp(common + drift)
        if service == BATCH_SERVICE:
            load[BATCH_MINUTE : BATCH_MINUTE + BATCH_LENGTH] += 0.8
            rows = np.full(STEPS_PER_DAY, 0.0)
            rows[BATCH_MINUTE : BATCH_MINUTE + BATCH_LENGTH] = rng.normal(4e4, 2e3, BATCH_LENGTH)
            values[self.index["batch_rows", service]] = rows
        warm_up = np.ones(STEPS_PER_DAY)
        since_deploy = np.arange(STEPS_PER_DAY) + carry.total[row["memory_used_bytes"]]
        for minute in self.deploy_minutes(service, day):
            warm_up[minute : minute + 10] *= np.linspace(1.25, 1.0, 10)
            since_deploy[minute:] = np.arange(STEPS_PER_DAY - minute)
            for metric in ("http_requests_total", "http_errors_total"):
                resets[row[metric], minute] = True
        carry.total[row["memory_used_bytes"]] = since_deploy[-1] + 1

        requests = rng.poisson(np.maximum(base_rate * load * 60, 0)).astype(np.float64)
        values[row["request_rate"]] = requests / 60
        values[row["http_requests_total"]] = requests
        values[row["http_errors_total"]] = rng.poisson(requests * error_share)
        busy = np.minimum(load / 1.6, 0.95)
        median = base_ms * (1 + 0.5 * busy**2) * warm_up * rng.lognormal(0, 0.03 * spread, STEPS_PER_DAY)
        tail = 2.6 + 0.18 * spread * np.abs(rng.standard_t(4, STEPS_PER_DAY))
        values[row["latency_p50_ms"]] = median
        values[row["latency_p99_ms"]] = median * tail * _outliers(rng)
        cpu = base_cpu + 0.4 * busy * warm_up + rng.normal(0, 0.012 * spread, STEPS_PER_DAY)
        values[row["cpu_utilisation"]] = np.clip(cpu, 0.01, 1.0)
        sawtooth = (since_deploy % period) / period
        values[row["memory_used_bytes"]] = memory * (
            1 + 0.25 * sawtooth + 0.02 * np.log1p(since_deploy / 60) + rng.normal(0, 0.004, STEPS_PER_DAY)
        )
        values[row["queue_depth"]] = rng.poisson(0.4 + 2.5 * busy**3) * np.where(rng.random(STEPS_PER_DAY) < 0.3, 1, 0)
        values[row["connections_active"]] = np.round(
            20 + 60 * load * np.exp(_autoregressive(rng, 0.9, 0.03, carry.walk, row["connections_active"]))
        )
        values[row["healthy"]] = 1.0
        if (key := ("config_version", service)) in self.index:
            values[self.index[key]] = 42.0
        if (key := ("cache_entries", service)) in self.index:
            entries = np.round(1e5 * (0.8 + 0.3 * season) * rng.normal(1, 0.01, STEPS_PER_DAY))
            entries[np.arange(STEPS_PER_DAY) % SPARSE_MINUTES != 0] = np.nan
            values[self.index[key]] = entries
        return load

    def _node_day(self, day: int, number: int, node: str, load: Floats, values: Floats, carry: _Carry) -> None:
        rng = self._noise(day, 100 + number)
        minutes = day * STEPS_PER_DAY + np.arange(STEPS_PER_DAY)
        values[self.index["node_cpu_utilisation", node]] = np.clip(
            0.08 + 0.35 * load + rng.normal(0, 0.015, STEPS_PER_DAY), 0.01, 1.0
        )
        written = 0.45 + 0.05 * number + 0.02 * ((minutes + 311 * number) % 2880) / 2880  # logs rotate every two days
        values[self.index["node_disk_used_bytes", node]] = DISK_BYTES * (written + rng.normal(0, 2e-4, STEPS_PER_DAY))
        drift = _autoregressive(rng, 0.995, 0.003, carry.walk, self.index["node_memory_available_bytes", node])
        values[self.index["node_memory_available_bytes", node]] = 1.6e10 * (0.6 - 0.1 * load) * np.exp(drift)
        values[self.index["node_network_bytes_total", node]] = np.round(
            6e7 * load * rng.lognormal(0, 0.06, STEPS_PER_DAY)
        )


def daily_season(day: int, phase_hours: float) -> Floats:
    """float64 (1440,): load over one day, 1 at a working day's peak; nights and weekends are quieter."""
    hours = np.arange(STEPS_PER_DAY) / 60 - phase_hours
    shape = 0.55 - 0.40 * np.cos((hours - 3) / 24 * 2 * np.pi) + 0.07 * np.cos((hours - 12) / 12 * 2 * np.pi)
    # the weekend fades in and out over some hours: no step at midnight
    position = day % 7 + np.arange(STEPS_PER_DAY) / STEPS_PER_DAY
    weekend = np.clip(np.minimum((position - 4.85) / 0.3, (7.05 - position) / 0.3), 0, 1)
    monday = np.clip((0.05 - position) / 0.3, 0, 1)
    return np.asarray(shape * (1 - 0.35 * np.maximum(weekend, monday)))


def _autoregressive(rng: np.random.Generator, rho: float, sigma: float, walk: Floats, k: int) -> Floats:
    """An AR(1) course that goes on where yesterday's ended, at walk[k]."""
    shocks = rng.normal(0, sigma, STEPS_PER_DAY)
    out = np.empty(STEPS_PER_DAY)
    level = walk[k]
    for step, shock in enumerate(shocks.tolist()):
        level = rho * level + shock
        out[step] = level
    walk[k] = level
    return out


def _outliers(rng: np.random.Generator) -> Floats:
    """Harmless single-sample outliers, about one in 1,500 samples."""
    size = rng.uniform(1.3, 2.2, STEPS_PER_DAY)
    return np.where(rng.random(STEPS_PER_DAY) < 1 / 1500, size, 1.0)
