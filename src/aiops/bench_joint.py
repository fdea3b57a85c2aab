"""What the joint score of entities finds, what it cries over nothing, and what it costs: off, then on.

Found and false are those of the whole service, fed with the simulated fleet: normal weeks, weeks with the faults of the
demonstration, and weeks with faults that no series shows by itself. The cost is that of a scrape of many series, CPU
time of the detector alone and of the joint score beside it.
"""

import time
from typing import Any

import numpy as np

from aiops.bench import FILL_STEPS, START_MS, random_walks
from aiops.bench_budget import as_found, run
from aiops.config import Settings
from aiops.demo import FAULTS_PER_DAY, warm_up_days
from aiops.detection.engine import Engine
from aiops.detection.joint import JointWatch
from aiops.metrics.series import SampleBatch, SeriesTable
from aiops.simulator.fault import JOINT_KINDS, SINGLE_KINDS, Fault, schedule
from aiops.simulator.fleet import DAY_MS, Fleet
from aiops.simulator.judge import judge

SCRAPE_MS = 15_000


def bench_joint(seed: int, weeks: int) -> dict[str, Any]:
    """Faults found and false incidents of the service, with `detection.joint` off and on."""
    fleet, days = Fleet(seed), 7 * weeks
    warm_up = warm_up_days(days)
    first_ms, last_ms = fleet.start_ms + warm_up * DAY_MS, fleet.start_ms + days * DAY_MS
    single = schedule(fleet, first_ms, last_ms, int(FAULTS_PER_DAY * (days - warm_up)), seed, SINGLE_KINDS)
    joint = schedule(fleet, first_ms, last_ms, days - warm_up - 1, seed, JOINT_KINDS)
    cases: dict[str, list[Fault]] = {"normal": [], "single_faults": single, "joint_faults": joint}
    figures: dict[str, Any] = {"seed": seed, "weeks": weeks}
    for name, faults in cases.items():
        for is_on in (False, True):
            incidents = run(fleet, faults, days, joint=is_on)[2]
            verdict = judge(fleet, faults, [as_found(one) for one in incidents])
            figures.setdefault(name, {})["on" if is_on else "off"] = {
                "faults_injected": len(faults),
                "faults_found": verdict.found_count,
                "false_incidents": len(verdict.false_incidents),
                "median_delay_s": verdict.median_delay_s,
            }
    return figures


def bench_joint_cost(series_count: int, metrics_per_entity: int, steps: int) -> dict[str, Any]:
    """CPU seconds per sample of a scrape of all series each 15 s, of the detector and of the joint score beside it."""
    detection = Settings().detection
    table = SeriesTable(series_count)
    for k in range(series_count):
        table.row((("__name__", f"metric_{k % metrics_per_entity}"), ("instance", f"host-{k // metrics_per_entity}")))
    engine = Engine(table, threads=1)
    entities_max = detection.joint_entities_max
    watch = JointWatch(
        table, engine.state, ("instance",), detection.joint_interval_s, detection.joint_lasting_s, entities_max,
        detection.joint_metrics_max,
    )  # fmt: skip
    engine.compile()
    watch.compile()
    rows, stale = np.arange(series_count, dtype=np.int32), np.zeros(series_count, np.bool_)
    alone_s = joint_s = longest_s = 0.0
    for number, values in zip(range(FILL_STEPS + steps), random_walks(series_count), strict=False):
        batch = SampleBatch(rows, np.full(series_count, START_MS + number * SCRAPE_MS, np.int64), values, stale)
        started = time.process_time()
        scores = engine.ingest(batch)
        scored = time.process_time()
        watch.replay(batch, scores.status)
        watch.look(engine.newest_ms)
        if number >= FILL_STEPS:
            alone_s, ended = alone_s + scored - started, time.process_time()
            joint_s, longest_s = joint_s + ended - scored, max(longest_s, ended - scored)
    samples = series_count * steps
    return {
        "series": series_count,
        "entities": len(watch),
        "series_left_out": sum(watch.left_out),
        "ns_per_sample": round(1e9 * alone_s / samples, 1),
        "joint_ns_per_sample": round(1e9 * joint_s / samples, 1),
        "joint_share": round(joint_s / alone_s, 4),
        "longest_look_s": round(longest_s, 4),
        "bytes_max": watch.bytes_max,
    }
