"""A real Prometheus scraping real node_exporters and writing to us.

One stream of about four minutes carries all claims: every sample arrives once and unchanged, fifteen seconds of 503
lose nothing, a metric that jumps is one candidate incident, and so is an exporter that stops.
"""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import uvicorn

from aiops.api.app import create_app
from aiops.backtest.prometheus import PrometheusHistory
from aiops.config import Settings, load
from aiops.metrics.series import canonical
from aiops.service import Service
from aiops.store.database import open_database
from aiops.store.incident_store import IncidentStore
from tests.processes import free_port, running, wait_until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]
CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:{first}", "127.0.0.1:{second}"]}}]
remote_write:
  - url: {url}/api/v1/write
    queue_config: {{batch_send_deadline: 1s, min_backoff: 100ms, max_backoff: 1s}}
"""


@dataclass
class Stream:
    """Two exporters, a Prometheus and a server of ours, running."""

    service: Service
    api: httpx2.Client
    prometheus: httpx2.Client
    textfile: Path
    exporters: tuple[int, int]
    stop_second: ExitStack

    def query(self, expression: str, time_s: float) -> list[dict[str, Any]]:
        reply = self.prometheus.get("/api/v1/query", params={"query": expression, "time": time_s}).json()
        assert reply["status"] == "success", reply
        return list(reply["data"]["result"])

    def incidents(self) -> list[dict[str, Any]]:
        items = self.api.get("/v1/incidents", params={"limit": 100}).json()["items"]
        return [self.api.get(f"/v1/incidents/{one['id']}").json() for one in items]


class Latency(threading.Thread):
    """Writes the metric `checkout_latency_ms` anew every half second, around `level`."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.level, self.done, self._path = 50.0, threading.Event(), path

    def run(self) -> None:
        rng = np.random.default_rng(1)
        while not self.done.wait(0.5):
            draft = self._path.with_suffix(".draft")
            draft.write_text(f"checkout_latency_ms {rng.normal(self.level, 1.5):.3f}\n")
            draft.replace(self._path)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(None, {"AIOPS_SERVER_DATA_DIR": str(tmp_path / "data")}).settings


@pytest.fixture
def stream(settings: Settings, tmp_path: Path) -> Iterator[Stream]:
    for program in ("prometheus", "prometheus-node-exporter"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    settings.server.data_dir.mkdir(parents=True)
    service = Service(settings, IncidentStore(open_database(settings.store_url)))
    port, first, second, web = (free_port() for _ in range(4))
    server = uvicorn.Server(uvicorn.Config(create_app(service), port=port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    textfiles = tmp_path / "textfiles"
    textfiles.mkdir()
    config = tmp_path / "prometheus.yml"
    url = f"http://127.0.0.1:{port}"
    config.write_text(CONFIG.format(first=first, second=second, url=url))

    def exporter(number: int, *more: str) -> list[str]:
        return ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{number}", *more]

    with ExitStack() as stack, ExitStack() as stop_second:
        stack.callback(thread.join)
        stack.callback(setattr, server, "should_exit", True)
        wait_until(lambda: service.is_ready, "the service is ready", 180)
        textfile = exporter(first, f"--collector.textfile.directory={textfiles}")
        stack.enter_context(running(textfile, f"http://127.0.0.1:{first}/", tmp_path / "first.log"))
        stop_second.enter_context(running(exporter(second), f"http://127.0.0.1:{second}/", tmp_path / "second.log"))
        command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}"]
        command += [f"--web.listen-address=127.0.0.1:{web}", "--log.level=warn"]
        stack.enter_context(running(command, f"http://127.0.0.1:{web}/-/ready", tmp_path / "prometheus.log"))
        api = stack.enter_context(httpx2.Client(base_url=url, timeout=30))
        prometheus = stack.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{web}", timeout=30))
        yield Stream(service, api, prometheus, textfiles / "checkout.prom", (first, second), stop_second)


def test_a_real_prometheus_is_served_without_loss_and_its_faults_are_found(stream: Stream) -> None:
    latency = Latency(stream.textfile)
    latency.start()
    time.sleep(45)
    stream.service.is_ready = False  # what a restart or an overload looks like: 503 to every write
    time.sleep(15)
    refused = stream.api.get("/metrics").text
    stream.service.is_ready = True
    assert 'route="/api/v1/write",status="503"' in refused
    time.sleep(45)

    latency.level = 500.0
    wait_until(lambda: bool(incidents_with(stream, "checkout_latency_ms")), "the jump is an incident", 60, 1)
    time.sleep(15)
    assert len(incidents_with(stream, "checkout_latency_ms")) == 1
    latency.level = 50.0

    stream.stop_second.close()
    silent = f"127.0.0.1:{stream.exporters[1]}"
    wait_until(lambda: bool(outages(stream, silent)), "the stopped exporter is an incident", 120, 1)
    time.sleep(10)
    assert len(outages(stream, silent)) == 1
    assert outages(stream, f"127.0.0.1:{stream.exporters[0]}") == []

    time.sleep(5)
    assert_same_samples(stream, time.time() - 5)
    latency.done.set()
    assert_history_is_read_back(stream, time.time() - 5)


def incidents_with(stream: Stream, name: str) -> list[dict[str, Any]]:
    return [one for one in stream.incidents() if any(name in alert["series"] for alert in one["alerts"])]


def outages(stream: Stream, instance: str) -> list[dict[str, Any]]:
    return [
        one
        for one in stream.incidents()
        for alert in one["alerts"]
        if alert["kind"] == "missing" and alert["series_count"] > 1 and alert["labels"].get("instance") == instance
    ]


def assert_same_samples(stream: Stream, until_s: float) -> None:
    """What Prometheus has stored of its job is what we have, sample for sample."""
    theirs: dict[tuple[tuple[str, str], ...], list[tuple[int, float]]] = {}
    for one in stream.query('{job="node"}[10m]', until_s):
        samples = [(round(float(t) * 1000), float(v)) for t, v in one["values"]]
        theirs[tuple(sorted(one["metric"].items()))] = samples
    assert sum(map(len, theirs.values())) > 100_000
    service = stream.service
    ours = {}
    for row, labels in enumerate(service.table):
        with service._lock:
            (records,) = service._recent.of_rows([row], 0, int(until_s * 1000))
        ours[labels] = list(zip(records["time_ms"].tolist(), records["value"].tolist(), strict=True))
    assert set(theirs) <= set(ours)
    lost = {labels: set(samples) - set(ours[labels]) for labels, samples in theirs.items() if finite(samples)}
    assert not any(lost.values()), {labels: len(some) for labels, some in lost.items() if some}
    for labels, samples in theirs.items():
        assert len(ours[labels]) == len(samples), labels


def assert_history_is_read_back(stream: Stream, until_s: float) -> None:
    """A backtest takes the same samples from Prometheus that it once sent us."""
    stored = stream.query('{job="node"}[2m]', until_s)
    url = str(stream.prometheus.base_url)
    history = PrometheusHistory(url, '{job="node"}', until_s - 120, until_s, span_first_s=50)
    taken = {
        (piece.labels[series], time_ms)  # a sample on the border of two pages may come twice
        for piece in history.pieces()
        for series, time_ms in zip(piece.series.tolist(), piece.time_ms.tolist(), strict=True)
    }
    assert len(taken) == sum(len(one["values"]) for one in stored)
    some = canonical(stored[0]["metric"])
    again = list(history.pieces_of([some]))
    assert {labels for piece in again for labels in piece.labels} == {some}
    thinned = PrometheusHistory(url, '{job="node"}', until_s - 120, until_s, step_s=10)
    assert all((np.diff(np.unique(piece.time_ms)) == 10_000).all() for piece in thinned.pieces())


def finite(samples: list[tuple[int, float]]) -> bool:
    return all(np.isfinite(value) for _, value in samples)
