"""How fast the detector alone is: CPU seconds, samples of all series in turn, as a scrape delivers them."""

import resource
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops.detection.engine import Engine
from aiops.detection.state import BYTES_PER_SERIES
from aiops.metrics.series import SampleBatch, SeriesTable

START_MS = 1_767_571_200_000
INTERVAL_MS = 15_000
FILL_STEPS = 100  # untimed: prototypes and tails are in use, as in a running service


def bench_engine(
    series_count: int, seconds: float, threads: int = 1, first: list[float] | None = None
) -> dict[str, Any]:
    """Scores random walks until `seconds` of wall time were spent in the engine, after an untimed warm-up; making the
    samples is not counted. `first` receives those of the first series."""
    table = SeriesTable(series_count)
    for k in range(series_count):
        table.row((("__name__", f"metric_{k}"),))
    engine = Engine(table, threads=threads)
    engine.compile()
    rows, stale = np.arange(series_count, dtype=np.int32), np.zeros(series_count, np.bool_)
    samples, wall_s, cpu_s = 0, 0.0, 0.0
    for number, values in enumerate(random_walks(series_count)):
        times = np.full(series_count, START_MS + number * INTERVAL_MS, np.int64)
        started, cpu_started = time.perf_counter(), time.process_time()
        engine.ingest(SampleBatch(rows, times, values, stale))
        if first is not None:
            first.append(float(values[0]))
        if number >= FILL_STEPS:
            samples += series_count
            wall_s += time.perf_counter() - started
            cpu_s += time.process_time() - cpu_started
            if wall_s >= seconds:
                break
    return report(samples, wall_s, cpu_s, resource.RUSAGE_SELF) | {"threads": threads}


def report(samples: int, wall_s: float, cpu_s: float, who: int) -> dict[str, Any]:
    """The figures every benchmark prints; `who`: whose peak of memory, a constant of `resource`."""
    return {
        "samples": samples,
        "seconds": round(wall_s, 3),
        "cpu_seconds": round(cpu_s, 3),
        "samples_per_s": round(samples / wall_s),
        "samples_per_cpu_s": round(samples / cpu_s),
        "bytes_per_series": BYTES_PER_SERIES,
        "peak_rss_bytes": resource.getrusage(who).ru_maxrss * 1024,
    }


def random_walks(series_count: int) -> Iterator[NDArray[np.float64]]:
    """float64 (series,) per step, without end: each series around a level of its own, some walking."""
    rng = np.random.default_rng(1)
    level, size = rng.lognormal(3, 1, series_count), rng.uniform(0.01, 0.2, series_count)
    walk = np.zeros(series_count)
    while True:
        shock = rng.standard_normal(series_count)
        walk = 0.98 * walk + 0.1 * shock
        yield level * (1 + size * (walk + rng.standard_normal(series_count)))
