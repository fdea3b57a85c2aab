"""Where a sample stands in time: after the one before, the same again, late, or from a clock that was set back; and
which hour of the day and of the week it teaches."""

import math

from numba import njit

from aiops.detection import state as S

GAP_INTERVALS = 10.0  # a longer silence restarts the running means
LATE_ACCEPTED = 5  # this many late samples in order among themselves: the clock was set back, follow it

SCORED, WARMING_UP, STALE, RESET, DUPLICATE, CONFLICT, OUT_OF_ORDER, NOT_FINITE = 0, 1, 2, 3, 4, 5, 6, 7


@njit(inline="always")
def place(head, i, time_ms, raw, stale):
    """Where the sample stands on the time line of its series: a status; SCORED = take it."""
    if head[i, S.SEEN] == 0:
        return STALE if stale else SCORED
    last = head[i, S.LAST_TIME_MS]
    if time_ms > last:
        return STALE if stale else SCORED
    if time_ms == last:
        same = raw == head[i, S.LAST_RAW] or (stale and math.isnan(head[i, S.LAST_RAW]))
        return DUPLICATE if same or math.isnan(raw) else CONFLICT
    if head[i, S.LATE_COUNT] == 0 or time_ms > head[i, S.LATE_TIME_MS]:
        head[i, S.LATE_COUNT] += 1
        head[i, S.LATE_TIME_MS] = time_ms
        if head[i, S.LATE_COUNT] > LATE_ACCEPTED and not stale:
            return SCORED
    return OUT_OF_ORDER


@njit(inline="always")
def hour_slots(time_ms):
    """Hour of day to learn in; the two slots to interpolate between and the weight of the second; hour of the week."""
    second = (time_ms // 1000) % 86400
    hour = second // 3600
    position = second / 3600 - 0.5
    left = math.floor(position)
    weight = position - left
    week_hour = ((time_ms // 1000 // 3600) + 72) % 168  # the epoch was a Thursday; 0 = Monday 00:00 UTC
    return int(hour), int(left) % 24, (int(left) + 1) % 24, weight, int(week_hour)
