"""The demonstration: a simulated fleet with known faults, sent through a real server, and judged.

Samples go in by remote write, tickets by the API, when the stream has reached the time they were written; incidents
and answers come out by the API. Nothing is known here that a user could not know, but for the list of faults and what
each ticket is about, which are opened only at the end.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from aiops.api.server import listen, make_server
from aiops.bench_ingest import WRITE_HEADERS
from aiops.config import Settings
from aiops.errors import OverloadError
from aiops.metrics.remote_write_encode import encode_labels, encode_series, pack
from aiops.metrics.series import canonical
from aiops.metrics.timestamp import timestamp_ms
from aiops.simulator.fault import schedule
from aiops.simulator.fleet import DAY_MS, Fleet
from aiops.simulator.judge import FoundAlert, FoundIncident, Verdict, judge
from aiops.simulator.simulation import Chunk, Simulation
from aiops.simulator.tickets import SimulatedTicket, write_tickets

WARM_UP_DAYS = 4
FAULTS_PER_DAY = 2.7
CHUNK_MINUTES = 10


@dataclass(frozen=True, slots=True)
class AnsweredTicket:
    """A ticket as it was sent, and as the API shows it at the end."""

    sent: SimulatedTicket
    shown: dict[str, Any]

    @property
    def incidents(self) -> list[str]:
        """Those it is linked to, best first."""
        return [one["id"] for one in self.shown["incidents"]]


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What was sent and what came of it."""

    days: int
    samples: int
    seconds: float
    verdict: Verdict
    early: frozenset[str]  # incidents from before the first fault
    tickets: Sequence[AnsweredTicket]

    @property
    def warm_up_days(self) -> int:
        return warm_up_days(self.days)

    @property
    def false_while_learning(self) -> list[str]:
        return [name for name in self.verdict.false_incidents if name in self.early]

    @property
    def false_after(self) -> list[str]:
        return [name for name in self.verdict.false_incidents if name not in self.early]

    def incident_of(self, ticket: AnsweredTicket) -> str | None:
        """The incident of the fault that it is about; None: no fault, or one that was missed."""
        found = (one.incident for one in self.verdict.findings if one.fault is ticket.sent.fault)
        return next(found, None)

    def summary(self) -> dict[str, Any]:
        """The figures, as `aiops demo --json` prints them."""
        return {
            "faults_injected": len(self.verdict.findings),
            "faults_found": self.verdict.found_count,
            "false_incidents": len(self.verdict.false_incidents),
            "simulated_days": self.days,
            "median_delay_s": self.verdict.median_delay_s,
            "tickets": len(self.tickets),
            "tickets_of_found_faults": sum(self.incident_of(one) is not None for one in self.tickets),
            "tickets_linked_rightly": sum(self.incident_of(one) in one.incidents for one in self.tickets),
            "tickets_linked_wrongly": sum(one.sent.fault is None and bool(one.incidents) for one in self.tickets),
        }


def warm_up_days(days: int) -> int:
    """How many of the simulated days pass before the first fault."""
    return min(WARM_UP_DAYS, days - 1)


@contextmanager
def running_server(settings: Settings) -> Iterator[str]:
    """A real server of these settings in a thread of its own; yields its URL once it is ready."""
    listener = listen(settings)
    server = make_server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="server")
    thread.start()
    try:
        url = "http://{}:{}".format(*listener.getsockname()[:2])
        with httpx2.Client(base_url=url, timeout=60) as client:
            while client.get("/readyz").status_code != 200:
                time.sleep(0.05)
        yield url
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def run(
    url: str, seed: int, days: int, told: Callable[[dict[str, Any]], None], progressed: Callable[[int, int], None]
) -> Demonstration:
    """Sends `days` days of the fleet to `url`. `told` hears of each incident as it opens; `progressed` of samples sent
    and the time of the latest (ms)."""
    fleet = Fleet(seed)
    first, last = fleet.start_ms + warm_up_days(days) * DAY_MS, fleet.start_ms + days * DAY_MS
    faults = schedule(fleet, first, last, max(1, int(FAULTS_PER_DAY * (last - first) / DAY_MS)), seed)
    label_fields = [encode_labels(labels) for labels in fleet.series]
    tickets = write_tickets(fleet, faults, days, seed)
    waiting = deque(tickets)
    started, sent = time.perf_counter(), 0
    with httpx2.Client(base_url=url, timeout=60) as client:
        news = _News(client)
        for chunk in Simulation(fleet, faults, days).chunks(CHUNK_MINUTES):
            reply = client.post("/api/v1/write", content=_encode(chunk, label_fields), headers=WRITE_HEADERS)
            reply.raise_for_status()
            sent += len(chunk.values)
            progressed(sent, int(chunk.time_ms[-1]))
            for incident in news.fetch():
                told(incident)
            while waiting and waiting[0].created_ms <= chunk.time_ms[-1]:
                _post(client, waiting.popleft())
        for ticket in waiting:
            _post(client, ticket)
        found = [_found(client.get(f"/v1/incidents/{name}").raise_for_status().json()) for name in news.names]
        answered = [
            AnsweredTicket(one, client.get(f"/v1/tickets/{one.ticket_id}").raise_for_status().json()) for one in tickets
        ]
    early = frozenset(one.name for one in found if one.detected_ms < first)
    return Demonstration(days, sent, time.perf_counter() - started, judge(fleet, faults, found), early, answered)


def _post(client: httpx2.Client, ticket: SimulatedTicket) -> None:
    reply = client.post("/v1/tickets", json=ticket.as_json())
    if reply.status_code == 503:
        raise OverloadError(reply.json()["detail"])
    reply.raise_for_status()


class _News:
    """Incidents not seen before, by asking the list as any user would."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self.names: list[str] = []
        self._known: set[str] = set()

    def fetch(self) -> list[dict[str, Any]]:
        page = self._client.get("/v1/incidents", params={"limit": 20}).raise_for_status().json()
        fresh = [incident for incident in reversed(page["items"]) if incident["id"] not in self._known]
        self._known.update(incident["id"] for incident in fresh)
        self.names += [incident["id"] for incident in fresh]
        return [self._client.get(f"/v1/incidents/{one['id']}").raise_for_status().json() for one in fresh]


def _encode(chunk: Chunk, label_fields: Sequence[bytes]) -> bytes:
    order = np.argsort(chunk.series, kind="stable")
    series, starts = np.unique(chunk.series[order], return_index=True)
    times, values = chunk.time_ms[order].tolist(), chunk.values[order].tolist()
    ends = [*starts[1:].tolist(), len(order)]
    return pack(
        b"".join(
            encode_series(label_fields[k], zip(times[a:b], values[a:b], strict=True))
            for k, a, b in zip(series.tolist(), starts.tolist(), ends, strict=True)
        )
    )


def _found(incident: dict[str, Any]) -> FoundIncident:
    alerts = [FoundAlert(canonical(a["labels"]), timestamp_ms(a["started"])) for a in incident["alerts"]]
    return FoundIncident(incident["id"], timestamp_ms(incident["detected"]), alerts)


def settings_for(base: Settings, data_dir: Path) -> Settings:
    """The user's settings on a free loopback port, with the fleet's topology and a data folder of its own."""
    base = base.with_data_in(data_dir)
    topology = base.topology.model_copy(update={"depends_on": dict(Fleet().topology)})
    server = base.server.model_copy(update={"host": "127.0.0.1", "port": 0, "api_keys": ()})
    tickets = base.tickets.model_copy(update={"tenants": ()})
    return base.model_copy(update={"server": server, "topology": topology, "tickets": tickets})
