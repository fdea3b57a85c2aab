"""The compiled half of `recurrence`: which samples of a batch begin a spike, or end a hole that may have held one?"""

import math

import numpy as np
from numba import njit

from aiops.compiled import forget_stale
from aiops.detection import state as S
from aiops.detection.habit import CLOCK_MIN
from aiops.detection.timeline import RESET, WARMING_UP

forget_stale(__file__)

MINUTE_MS = 60_000
MERGE_MIN, MERGE_INTERVALS = 10, 2.5  # what comes back so soon is the same spike
HOLE_MIN, HOLE_INTERVALS = 2, 5.0  # without a sample for longer, a spike may have gone unseen


@njit(nogil=True, cache=True)
def crossings(rows, time_ms, values, status, is_counter, head, body, watched, before_ms, before_raw):
    """int64 (m, 3): the place in the batch of each sample that matters, minutes without a sample before it (0 where
    that is no hole), and 1 where a spike begins.

    rows int32, time_ms int64, values float64, status uint8 (n,): the batch and what became of it; is_counter, watched
    bool (n_series,); head, body: `State`; before_ms, before_raw float64 (n_series,): of watched counters the sample
    before. Writes these two, and when each series was last seen and last above its bar.
    """
    found = np.empty((len(rows), 3), np.int64)
    count = 0
    for k in range(len(rows)):
        i = rows[k]
        if not watched[i] or not (status[k] <= WARMING_UP or status[k] == RESET):
            continue
        value = values[k]
        if is_counter[i]:
            elapsed_s, rise = (time_ms[k] - before_ms[i]) / 1000, value - before_raw[i]
            value = rise / elapsed_s if before_ms[i] > 0 and elapsed_s > 0 and rise >= 0 else math.nan
            before_ms[i], before_raw[i] = time_ms[k], values[k]
        minute = time_ms[k] // MINUTE_MS % CLOCK_MIN
        interval = head[i, S.INTERVAL_S] / 60
        since = (minute - int(body[i, S.EVENT_SEEN])) % CLOCK_MIN
        body[i, S.EVENT_SEEN] = minute
        is_new = False
        if value > body[i, S.EVENT_BAR]:
            away = (minute - int(body[i, S.EVENT_ABOVE])) % CLOCK_MIN
            is_new = away > max(MERGE_INTERVALS * interval, MERGE_MIN)
            body[i, S.EVENT_ABOVE] = minute
        is_hole = since > max(HOLE_INTERVALS * interval, HOLE_MIN)
        if is_hole or is_new:
            found[count, 0], found[count, 1], found[count, 2] = k, since * is_hole, is_new
            count += 1
    return found[:count]
