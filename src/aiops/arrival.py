"""Samples of impossible times are taken out of a batch before anything learns from them, each reason told once."""

import numpy as np
from numpy.typing import NDArray

from aiops.config import Ingest
from aiops.metrics.series import SampleBatch, SeriesTable, display
from aiops.metrics.write_result import Refusal
from aiops.reply import moment


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
    return (
        SampleBatch(batch.rows[kept], batch.time_ms[kept], batch.values[kept], batch.stale[kept]),
        kept,
        refused,
        first,
    )
