"""How long a snapshot takes, how long it holds up ingest, and how long a restart needs to read it.

Saved as the service does it: in a thread of its own, while another writes a request at a time under the same lock. It
is the first snapshot, with the labels of all series, which later ones need not write again. Samples arrive as from a
fleet scraped every SCRAPE_S; then once more as fast as they can be scored, which leaves the snapshot the other core. A
pause is the time a write waits for the lock; how long the longest request took counts what else held it up, too.
"""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops.bench import INTERVAL_MS, START_MS, random_walks
from aiops.detection.engine import Engine
from aiops.detection.snapshot import Snapshots
from aiops.metrics.series import Labels, SampleBatch, SeriesTable

FILL_STEPS = 30  # all series scored
REQUEST_SAMPLES = 2000
SCRAPE_S = 15.0


def bench_snapshot(series_count: int, folder: Path) -> dict[str, Any]:
    """Saves into `folder` while samples arrive, then restores: as in a restart, the first engine is gone by then."""
    paced, saturated = _saves(series_count, folder)
    engine = Engine(SeriesTable(series_count))
    started = time.perf_counter()
    engine.newest_ms = Snapshots(folder / "paced").restore(engine.table, engine.state)
    restore_s = time.perf_counter() - started
    size = sum(path.stat().st_size for path in (folder / "paced").iterdir())
    return {
        "series": series_count,
        **paced,
        "restore_seconds": round(restore_s, 3),
        "bytes": size,
        "bytes_per_s": round(size / paced["save_seconds"]),
        "as_fast_as_possible": saturated,
    }


def _saves(series_count: int, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures while samples arrive at the pace of a fleet, and as fast as possible."""
    table = SeriesTable(series_count)
    for k in range(series_count):
        table.row(_labels(k))
    engine = Engine(table)
    engine.compile()
    rows, stale = np.arange(series_count, dtype=np.int32), np.zeros(series_count, np.bool_)
    steps = random_walks(series_count)
    for number in range(FILL_STEPS):
        engine.ingest(SampleBatch(rows, np.full(series_count, START_MS + number * INTERVAL_MS), next(steps), stale))
    stream = _Stream(rows, next(steps), FILL_STEPS)
    paced = _save(engine, folder / "paced", stream, series_count / SCRAPE_S)
    return paced, _save(engine, folder / "saturated", stream, np.inf)


@dataclass(slots=True)
class _Stream:
    """Requests without end: the same values again and again, later each time."""

    rows: NDArray[np.int32]
    values: NDArray[np.float64]
    step: int
    start: int = 0

    def __next__(self) -> SampleBatch:
        part = slice(self.start, min(self.start + REQUEST_SAMPLES, len(self.rows)))
        count = part.stop - part.start
        times, stale = np.full(count, START_MS + self.step * INTERVAL_MS), np.zeros(count, np.bool_)
        self.start = part.stop
        if self.start >= len(self.rows):
            self.step, self.start = self.step + 1, 0
        return SampleBatch(self.rows[part], times, self.values[part], stale)


def _save(engine: Engine, folder: Path, stream: _Stream, samples_per_s: float) -> dict[str, Any]:
    """Figures of the first snapshot in `folder` while so many samples arrive."""
    lock, save_s = threading.RLock(), [0.0]

    def save() -> None:
        started = time.perf_counter()
        Snapshots(folder).save(engine.table, engine.state, engine.newest_ms, lock)
        save_s[0] = time.perf_counter() - started

    saver = threading.Thread(target=save)
    waits_s, requests_s, samples = [0.0], [0.0], 0
    started = time.perf_counter()
    saver.start()
    while saver.is_alive():
        batch = next(stream)
        due = started + samples / samples_per_s
        if (early_s := due - time.perf_counter()) > 0:
            time.sleep(early_s)
        asked = time.perf_counter()
        with lock:
            waits_s.append(time.perf_counter() - asked)
            engine.ingest(batch)
        requests_s.append(time.perf_counter() - asked)
        samples += len(batch)
    saver.join()
    return {
        "save_seconds": round(save_s[0], 3),
        "samples_per_s": round(samples / save_s[0]),
        "longest_pause_ms": round(1000 * max(waits_s), 3),
        "longest_request_ms": round(1000 * max(requests_s), 3),
        "requests_meanwhile": len(waits_s) - 1,
    }


def _labels(k: int) -> Labels:
    return (
        ("__name__", "http_requests_total"), ("cluster", "prod-1"), ("code", "200"), ("handler", f"/api/{k % 50}"),
        ("instance", f"10.1.{k // 250}.{k % 250}:9100"), ("job", "shop"), ("method", "GET"), ("namespace", "checkout"),
        ("pod", f"checkout-{k:07d}"), ("region", "eu-central-1"),
    )  # fmt: skip
