"""How fast, measured where it counts: CPU seconds of the part that does the work.

`engine`: the detector alone, samples of all series in turn, as a scrape delivers them. `ingest`: a real server in a
process of its own, fed with remote-write requests over one connection; its CPU seconds are what its /metrics says.
"""

import queue
import resource
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families

from aiops.detection.engine import Engine
from aiops.detection.state import BYTES_PER_SERIES
from aiops.metrics.remote_write_encode import encode_labels, encode_series, pack
from aiops.metrics.series import SampleBatch, SeriesTable, canonical

START_MS = 1_767_571_200_000
INTERVAL_MS = 15_000
FILL_STEPS = 100  # untimed: prototypes and tails are in use, as in a running service
WRITE_HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}


def bench_engine(series_count: int, seconds: float, threads: int = 1) -> dict[str, Any]:
    """Scores random walks with seasons until `seconds` of wall time were spent in the engine, after an untimed
    warm-up; making the samples is not counted."""
    table = SeriesTable(series_count)
    for k in range(series_count):
        table.row((("__name__", f"metric_{k}"),))
    engine = Engine(table, threads=threads)
    engine.compile()
    rows, stale = np.arange(series_count, dtype=np.int32), np.zeros(series_count, np.bool_)
    samples, wall_s, cpu_s = 0, 0.0, 0.0
    for number, values in enumerate(_steps(series_count)):
        times = np.full(series_count, START_MS + number * INTERVAL_MS, np.int64)
        started, cpu_started = time.perf_counter(), time.process_time()
        engine.ingest(SampleBatch(rows, times, values, stale))
        if number >= FILL_STEPS:
            samples += series_count
            wall_s += time.perf_counter() - started
            cpu_s += time.process_time() - cpu_started
            if wall_s >= seconds:
                break
    return _report(samples, wall_s, cpu_s, resource.RUSAGE_SELF) | {"threads": threads}


def bench_ingest(samples_per_request: int, seconds: float, data_dir: str) -> dict[str, Any]:
    """Writes to a server with its data in `data_dir` for `seconds` of wall time after an untimed warm-up."""
    command = [sys.executable, "-m", "aiops", "serve", "--port", "0", "--data-dir", data_dir]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            samples, wall, cpu = _drive(server, samples_per_request, seconds)
        finally:
            server.terminate()
            server.wait(60)
    return _report(samples, wall, cpu, resource.RUSAGE_CHILDREN)


def _drive(server: "subprocess.Popen[str]", samples_per_request: int, seconds: float) -> tuple[int, float, float]:
    """(samples, wall seconds, CPU seconds of the server) of the timed part."""
    assert server.stdout
    url = server.stdout.readline().split()[-1]
    with httpx2.Client(base_url=url, timeout=60) as client:
        _await_ready(client)
        bodies = _ahead(_bodies(samples_per_request))
        for _ in range(FILL_STEPS):
            _write(client, next(bodies))
        cpu_started, started, samples = _cpu_s(client), time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            _write(client, next(bodies))
            samples += samples_per_request
        return samples, time.perf_counter() - started, _cpu_s(client) - cpu_started


def _ahead(bodies: Iterator[bytes], count: int = 8) -> Iterator[bytes]:
    """The same bodies, made in a thread while the server is at work: it shall not wait for its client."""
    waiting: queue.Queue[bytes] = queue.Queue(count)
    done = threading.Event()

    def make() -> None:
        for body in bodies:
            while not done.is_set():
                try:
                    waiting.put(body, timeout=0.1)
                    break
                except queue.Full:
                    continue
            if done.is_set():
                return

    threading.Thread(target=make, daemon=True).start()
    try:
        while True:
            yield waiting.get()
    finally:
        done.set()


def _report(samples: int, wall_s: float, cpu_s: float, who: int) -> dict[str, Any]:
    return {
        "samples": samples,
        "seconds": round(wall_s, 3),
        "cpu_seconds": round(cpu_s, 3),
        "samples_per_s": round(samples / wall_s),
        "samples_per_cpu_s": round(samples / cpu_s),
        "bytes_per_series": BYTES_PER_SERIES,
        "peak_rss_bytes": resource.getrusage(who).ru_maxrss * 1024,
    }


def _steps(series_count: int) -> Iterator[NDArray[np.float64]]:
    """float64 (series,) per step, without end: each series around a level of its own, some walking."""
    rng = np.random.default_rng(1)
    level, size = rng.lognormal(3, 1, series_count), rng.uniform(0.01, 0.2, series_count)
    walk = np.zeros(series_count)
    while True:
        shock = rng.standard_normal(series_count)
        walk = 0.98 * walk + 0.1 * shock
        yield level * (1 + size * (walk + rng.standard_normal(series_count)))


def _bodies(series_count: int) -> Iterator[bytes]:
    """Remote-write requests, one sample of each of `series_count` series of ten labels; only the last 17 bytes of a
    series change, so they are put together from pieces: the client must not be what is measured."""
    heads = []
    for k in range(series_count):
        labels = {
            "__name__": "http_request_duration_seconds", "instance": f"10.1.{k // 250}.{k % 250}:9100", "job": "shop",
            "cluster": "prod-1", "region": "eu-central-1", "namespace": "checkout", "pod": f"checkout-7d9f8b-{k:05d}",
            "method": "GET", "code": "200", "handler": f"/api/v1/items/{k % 50}",
        }  # fmt: skip
        heads.append(encode_series(encode_labels(canonical(labels)), [(START_MS, 0.0)])[:-15])
    now_ms = int(time.time() * 1000)
    for number, values in enumerate(_steps(series_count)):
        # far enough in the past that a long run does not reach the future
        tail = encode_series(b"", [(now_ms - 10**9 + number * INTERVAL_MS // 15, 0.0)])[-7:]
        yield pack(
            b"".join([head + struct.pack("<d", v) + tail for head, v in zip(heads, values.tolist(), strict=True)])
        )


def _write(client: httpx2.Client, body: bytes) -> None:
    reply = client.post("/api/v1/write", content=body, headers=WRITE_HEADERS)
    if reply.status_code != 204:
        raise RuntimeError(f"the server answered {reply.status_code}: {reply.text}")


def _await_ready(client: httpx2.Client, patience_s: float = 180) -> None:
    deadline = time.monotonic() + patience_s
    while client.get("/readyz").status_code != 200:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the server was not ready within {patience_s:.0f} s")
        time.sleep(0.1)


def _cpu_s(client: httpx2.Client) -> float:
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            if sample.name == "process_cpu_seconds_total":
                return sample.value
    raise RuntimeError("this platform does not tell the CPU time of a process")
