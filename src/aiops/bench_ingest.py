"""How fast the whole service is: a real server in a process of its own, fed with remote-write requests over one
connection. Its CPU seconds are what the system says.

A peer is another server that takes remote write; it gets the same requests from the same client right after ours, so
that both are measured on one machine in one state. VictoriaMetrics stores the samples, we score them.
"""

import os
import queue
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from numpy.typing import NDArray

from aiops.bench import FILL_STEPS, INTERVAL_MS, random_walks, report
from aiops.errors import InputError
from aiops.metrics.remote_write_encode import encode_labels, encode_series, pack
from aiops.metrics.series import canonical

WRITE_HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
FILL_REQUESTS_MIN = 100  # untimed at least
READY_S = 180.0
_VALUE_BYTES, _TAIL_BYTES = 8, 7  # of a sample as encoded: its value, then tag and varint of its time


def bench_ingest(
    series_count: int, samples_per_request: int, seconds: float, folder: Path, peer: str | None = None
) -> dict[str, Any]:
    """Writes one sample of each series in turn, `samples_per_request` at a time, for `seconds` of wall time after an
    untimed warm-up, to a server with its data in `folder`. Raises InputError where `peer` is not installed."""
    if peer is not None and shutil.which(peer) is None:
        raise InputError(f"{peer} is not installed: apt-get install {peer}")
    serve = [sys.executable, "-m", "aiops", "serve", "--port", "0", "--data-dir", str(folder / "aiops")]
    size = min(samples_per_request, series_count)
    with running(serve, {"AIOPS_INGEST_SERIES_MAX": str(series_count)}) as server:
        assert server.stdout
        url = server.stdout.readline().split()[-1]
        samples, wall_s, cpu_s = _drive(server.pid, url, "/readyz", series_count, size, seconds)
    figures = report(samples, wall_s, cpu_s, resource.RUSAGE_CHILDREN) | {"series": series_count}
    if peer is not None:
        port = _free_port()
        store = [peer, f"-storageDataPath={folder / peer}", f"-httpListenAddr=127.0.0.1:{port}", "-loggerLevel=ERROR"]
        with running(store, {}) as server:
            samples, _, cpu_s = _drive(server.pid, f"http://127.0.0.1:{port}", "/health", series_count, size, seconds)
        theirs = samples / cpu_s
        times = round(figures["samples_per_cpu_s"] / theirs, 2)
        figures["peers"] = {peer: {"samples_per_cpu_s": round(theirs), "ours_is_times": times}}
    return figures


@contextmanager
def running(command: list[str], environ: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """A server as a process of its own, with `environ` besides ours; told to stop at the end."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | environ) as server:
        try:
            yield server
        finally:
            server.terminate()
            server.wait(60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _drive(pid: int, url: str, ready: str, series_count: int, size: int, seconds: float) -> tuple[int, float, float]:
    """(samples, wall seconds, CPU seconds of the server) of the timed part."""
    with httpx2.Client(base_url=url, timeout=60) as client:
        await_ready(client, ready)
        bodies = _ahead(_bodies(series_count, size))
        requests = -(-series_count // size)  # per step
        for _ in range(max(FILL_STEPS * requests, FILL_REQUESTS_MIN)):
            _write(client, next(bodies)[0])
        cpu_started, started, samples = cpu_s(pid), time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            body, count = next(bodies)
            _write(client, body)
            samples += count
        return samples, time.perf_counter() - started, cpu_s(pid) - cpu_started


def _ahead(bodies: Iterator[tuple[bytes, int]], count: int = 8) -> Iterator[tuple[bytes, int]]:
    """The same bodies, made in a thread while the server is at work: it shall not wait for its client."""
    waiting: queue.Queue[tuple[bytes, int]] = queue.Queue(count)
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


def _bodies(series_count: int, size: int) -> Iterator[tuple[bytes, int]]:
    """(request, its samples): `size` of `series_count` series of ten labels at a time, in scrape order.

    Of a series only value and time change, at places known beforehand: they are written into a template, because the
    client must not be what is measured."""
    # far enough in the past that a long run does not reach the future
    first_ms = int(time.time() * 1000) - 10**9
    parts = [
        _template(range(start, min(start + size, series_count)), first_ms) for start in range(0, series_count, size)
    ]
    for number, values in enumerate(random_walks(series_count)):
        tail = np.frombuffer(
            encode_series(b"", [(first_ms + number * INTERVAL_MS // 15, 0.0)])[-_TAIL_BYTES:], np.uint8
        )
        start = 0
        for message, places in parts:
            count = len(places)
            message[places[:, None] + np.arange(_VALUE_BYTES)] = (
                values[start : start + count].view(np.uint8).reshape(-1, 8)
            )
            message[places[:, None] + np.arange(_VALUE_BYTES, _VALUE_BYTES + _TAIL_BYTES)] = tail
            yield pack(message.tobytes()), count
            start += count


def _template(numbers: range, time_ms: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The message of these series with a value of 0 each, and where the values stand."""
    encoded = []
    for k in numbers:
        labels = {
            "__name__": "http_request_duration_seconds", "instance": f"10.1.{k // 250}.{k % 250}:9100", "job": "shop",
            "cluster": "prod-1", "region": "eu-central-1", "namespace": "checkout", "pod": f"checkout-7d9f8b-{k:05d}",
            "method": "GET", "code": "200", "handler": f"/api/v1/items/{k % 50}",
        }  # fmt: skip
        encoded.append(encode_series(encode_labels(canonical(labels)), [(time_ms, 0.0)]))
    ends = np.cumsum([len(one) for one in encoded])
    return np.frombuffer(b"".join(encoded), np.uint8).copy(), ends - _VALUE_BYTES - _TAIL_BYTES


def _write(client: httpx2.Client, body: bytes) -> None:
    reply = client.post("/api/v1/write", content=body, headers=WRITE_HEADERS)
    if reply.status_code != 204:
        raise RuntimeError(f"the server answered {reply.status_code}: {reply.text}")


def await_ready(client: httpx2.Client, path: str, pause_s: float = 0.1) -> None:
    """Asks every `pause_s` until the answer is 200. Raises RuntimeError after READY_S."""
    deadline = time.monotonic() + READY_S
    while True:
        try:
            if client.get(path).status_code == 200:
                return
        except httpx2.ConnectError:
            pass  # not listening yet
        if time.monotonic() > deadline:
            raise RuntimeError(f"the server was not ready within {READY_S:.0f} s")
        time.sleep(pause_s)


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far, by Linux's account (proc(5), fields 14 and 15)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    except FileNotFoundError:
        raise RuntimeError("this platform does not tell the CPU time of a process") from None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
