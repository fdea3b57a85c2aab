"""What a batch is before anything learns from it: samples of impossible times are taken out, each reason told once, and
the rest is cut into steps of stream time, so that it is walked as if it had come in as many requests."""

import numpy as np
from numpy.typing import NDArray

from aiops.config import Ingest
from aiops.detection.scores import Scores
from aiops.metrics.series import SampleBatch, SeriesTable, display
from aiops.metrics.write_result import Refusal
from aiops.reply import REFUSED_BY_STATUS, WHY, moment

STEPS_MAX = 1000  # steps of one batch, each costs about 0.2 ms; what spans more is walked in longer ones
_SPAN_MAX_MS = 1 << 40  # 35 years: times further apart are no stream


def within_time(
    batch: SampleBatch, table: SeriesTable, settings: Ingest, now_s: float
) -> tuple[SampleBatch, NDArray[np.bool_], dict[Refusal, int], dict[Refusal, str]]:
    """The samples whose times can be, which these are, and what is said of the others."""
    latest = int(1000 * (now_s + settings.future_max_s))
    kept = np.ones(len(batch), np.bool_)
    refused: dict[Refusal, int] = {}
    first: dict[Refusal, str] = {}
    if not len(batch) or (batch.time_ms.max() <= latest and batch.time_ms.min() >= settings.timestamp_min_ms):
        return batch, kept, refused, first
    ahead = f"more than {settings.future_max_s:.0f} s ahead of the clock"
    for reason, bad, why in (
        (Refusal.TOO_FAR_IN_FUTURE, batch.time_ms > latest, ahead),
        (Refusal.TOO_OLD, batch.time_ms < settings.timestamp_min_ms, "before timestamp_min_ms: is the unit right?"),
    ):
        if bad.any():
            k = int(np.flatnonzero(bad)[0])
            refused[reason] = int(bad.sum())
            labels = table.labels(int(batch.rows[k]))
            first[reason] = f"{display(labels)} at {moment(int(batch.time_ms[k]))}: {why}"
            kept &= ~bad
    return batch.part(kept), kept, refused, first


def tell_late(
    batch: SampleBatch, scores: Scores, table: SeriesTable, refused: dict[Refusal, int], first: dict[Refusal, str]
) -> None:
    """Adds what the detectors refused to `refused` and `first`."""
    for status, reason in REFUSED_BY_STATUS.items():
        late = np.flatnonzero(scores.status == int(status))
        if len(late):
            refused[reason] = len(late)
            labels = table.labels(int(batch.rows[late[0]]))
            first[reason] = f"{display(labels)} at {moment(int(batch.time_ms[late[0]]))}: {WHY[reason]}"


def in_steps(batch: SampleBatch, step_ms: int) -> list[tuple[NDArray[np.int64], SampleBatch]]:
    """A batch by step of stream time, in order of time, each with its positions; those of one series stay in order of
    arrival, so a late one stays late."""
    everything = np.arange(len(batch))
    if not len(batch):
        return [(everything, batch)]
    time_ms = batch.time_ms
    first_ms, last_ms = int(time_ms.min()), int(time_ms.max())
    if first_ms // step_ms == last_ms // step_ms or last_ms - first_ms > _SPAN_MAX_MS:
        return [(everything, batch)]
    order = everything
    if (np.diff(time_ms) < 0).any():
        by_series = np.argsort(batch.rows, kind="stable")
        owner = np.cumsum(np.diff(batch.rows[by_series], prepend=batch.rows[by_series[0]]) != 0)
        ahead = owner * (last_ms - first_ms + 1)  # no series reaches into the next
        time_ms = np.empty_like(time_ms)
        time_ms[by_series] = np.maximum.accumulate(batch.time_ms[by_series] - first_ms + ahead) - ahead + first_ms
        order = np.argsort(time_ms, kind="stable")
    number = np.cumsum(np.diff(time_ms[order] // step_ms, prepend=first_ms // step_ms) != 0)
    number //= number[-1] // STEPS_MAX + 1
    return [(step, batch.part(step)) for step in np.split(order, np.flatnonzero(np.diff(number)) + 1)]
