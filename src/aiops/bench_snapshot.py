"""How long a snapshot takes, how long it holds up ingest, and how long a restart needs to read it.

Saved as the service does it: in a thread of its own, while another writes a request at a time under the same lock.
A pause is the time a write waits for the lock.
"""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from aiops.bench import INTERVAL_MS, START_MS, random_walks
from aiops.detection.engine import Engine
from aiops.detection.snapshot import Snapshots
from aiops.metrics.series import Labels, SampleBatch, SeriesTable

FILL_STEPS = 30  # all series scored
REQUEST_SAMPLES = 2000


def bench_snapshot(series_count: int, folder: Path) -> dict[str, Any]:
    """Saves into `folder` while samples arrive, and restores into an engine of its own."""
    table = SeriesTable(series_count)
    for k in range(series_count):
        table.row(_labels(k))
    engine = Engine(table)
    engine.compile()
    rows, stale = np.arange(series_count, dtype=np.int32), np.zeros(series_count, np.bool_)
    steps = random_walks(series_count)
    for number in range(FILL_STEPS):
        engine.ingest(SampleBatch(rows, np.full(series_count, START_MS + number * INTERVAL_MS), next(steps), stale))

    lock, pauses, results = threading.RLock(), [0.0], dict[str, float]()

    def save() -> None:
        started = time.perf_counter()
        Snapshots(folder).save(table, engine.state, engine.newest_ms, lock)
        results["save_s"] = time.perf_counter() - started

    saver = threading.Thread(target=save)
    saver.start()
    number, start, values = FILL_STEPS, 0, next(steps)
    while saver.is_alive():
        part = slice(start, min(start + REQUEST_SAMPLES, series_count))
        times = np.full(part.stop - part.start, START_MS + number * INTERVAL_MS)
        batch = SampleBatch(rows[part], times, values[part], stale[part])
        asked = time.perf_counter()
        with lock:
            pauses.append(time.perf_counter() - asked)
            engine.ingest(batch)
        start = part.stop
        if start >= series_count:
            number, start = number + 1, 0
    saver.join()

    other = Engine(SeriesTable(series_count))
    started = time.perf_counter()
    other.newest_ms = Snapshots(folder).restore(other.table, other.state)
    restore_s = time.perf_counter() - started
    return {
        "series": series_count,
        "save_seconds": round(results["save_s"], 3),
        "longest_pause_ms": round(1000 * max(pauses), 3),
        "requests_meanwhile": len(pauses) - 1,
        "restore_seconds": round(restore_s, 3),
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
    }


def _labels(k: int) -> Labels:
    return (
        ("__name__", "http_requests_total"), ("cluster", "prod-1"), ("code", "200"), ("handler", f"/api/{k % 50}"),
        ("instance", f"10.1.{k // 250}.{k % 250}:9100"), ("job", "shop"), ("method", "GET"), ("namespace", "checkout"),
        ("pod", f"checkout-{k:07d}"), ("region", "eu-central-1"),
    )  # fmt: skip
