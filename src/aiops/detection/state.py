"""The memory of the detectors: one row of plain numbers per series, the same size for all.

Because a row is fixed and flat, memory is known before the first sample arrives, a snapshot is a file write and a
restore is a file read. Times and raw counter values need all bits of a float64 and stand in `head` (one cache line);
everything learned is float32 and stands in `body`. A fresh row is all zeros, so memory is only touched once used.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiops.errors import SettingsError

FORMAT = 8
"""Raise when the meaning of any column changes: snapshots of another format are refused."""

# head: float64 (n, 8)
LAST_TIME_MS = 0
LAST_RAW = 1  # last value as sent; counters: before turning into a rate
LAST_VALUE = 2  # last value as scored
INTERVAL_S = 3  # running mean distance between samples
SEEN = 4  # samples stored in this row's time line, scored or not
LATE_COUNT = 5  # late samples in a row that are in order among themselves
LATE_TIME_MS = 6  # the newest of these
ARRIVED_MS = 7  # where the stream stood when the batch with this series' newest sample came: tells live from replayed
HEAD_SIZE = 8

# body: float32 (n, BODY_SIZE); scalars first
COUNT = 0  # samples learned
MEAN_FAST, MEAN_SLOW = 1, 2  # of the value, half-lives 7.5 and 40 samples
CENTRE, SPREAD, LOW, HIGH = 3, 4, 5, 6  # of the novelty bank
NOVELTY_MEAN, BUDGET, PROTOTYPES = 7, 8, 9
MU, DEV, LEVEL, RESIDUAL_ABS, STEP_ABS = 10, 11, 12, 13, 14
RUN_MEAN, RUN_ABS, EXCESS = 15, 16, 17  # smoothed residual, its size, leaky sum of past strangeness
WEEK_COUNT = 18
REFRACTORY, ONSET_STRENGTH = 19, 20
ACTIVE, OUTSIDE, QUIET = (
    21,
    22,
    23,
)  # anomaly running (-1: untold); samples outside the band since onset; calm samples in a row
ONSET_LEVEL, ONSET_HALF_WIDTH, ONSET_AGE_S, PERSISTED = 24, 25, 26, 27
SAME_RUN, SAME_RUN_MAX, SAME_FIRST, SAME_NEXT, STUCK = 28, 29, 30, 31, 32  # STUCK: 1 found, 2 told
ONSET_KIND = 33
TAILS = 34  # TAIL_SIZE numbers x 2 signs x 4 statistics
TAIL_Q, TAIL_MEAN, TAIL_SPREAD, TAIL_P, TAIL_N, TAIL_E, TAIL_NE, TAIL_SIZE = 0, 1, 2, 3, 4, 5, 6, 7
STATISTICS = 4
TAIL_COUNT = 2 * STATISTICS  # the same number of all tails stands side by side
GAP_MAX_S = 90  # longest silence between two samples, slowly forgotten
GROSS_RUN = 91  # samples in a row far outside everything
ONSET_NOVELTY, ONSET_PEAK = 92, 93  # greatest novelty and strength since the onset
QUANTUM = 94  # smallest change ever seen, as sent; 0 = none yet
ONSET_USUAL = 95  # the usual deviation at an onset that was a jump; 0 = it was none, -1 = a habit, not told
SLOTS = 96  # 24 hours x SLOT_SIZE, on a cache-line border (TAILS + 4 * 2 * 7 = 90)
SLOT_MEAN, SLOT_ABS, SLOT_COUNT, SLOT_MEAN_LONG, SLOT_SIZE = 0, 1, 2, 3, 4
WEEK = SLOTS + 24 * SLOT_SIZE  # 168 hours
CREEP = WEEK + 168  # the creep: extremes of the smoothed value today, those of the days before, and how far days differ
CREEP_DAY, CREEP_DAYS, CREEP_HIGH, CREEP_LOW = CREEP, CREEP + 1, CREEP + 2, CREEP + 3
PAST_HIGH, PAST_LOW, PAST_EXCESS, CREEPING = CREEP + 4, CREEP + 5, CREEP + 6, CREEP + 7
VARIANCE = WEEK + 176  # size of the steps lately and usually, how far apart they have been; a cache line
SIZE_SHORT, SIZE_LONG, SIZE_REACH, VARYING = VARIANCE, VARIANCE + 1, VARIANCE + 2, VARIANCE + 3
LIMIT_NOTED, LIMIT_NOTES = VARIANCE + 4, 8  # the value every quarter of an hour, newest last; beside it: how many,
LIMIT_FILLED, LIMIT_REACH, LIMIT_AGE, LIMIT_HEADING = VARIANCE + 12, VARIANCE + 13, VARIANCE + 14, VARIANCE + 15
BANK_SIZE = 96
BANK = VARIANCE + 16  # 4 features x BANK_SIZE, feature-major so that the distance loop vectorises
BANK_USED = BANK + 4 * BANK_SIZE  # sample count at which a prototype last matched
HABIT = BANK_USED + BANK_SIZE  # the latest onsets: minute of each, then strength of each
HABIT_SIZE = 16
TURNS = HABIT + 2 * HABIT_SIZE  # of a series with a limit, towards it is up: the highest place where it turned back,
LIMIT_TURN, LIMIT_PEAK, LIMIT_TROUGH = TURNS, TURNS + 1, TURNS + 2  # where this rise and this fall have come to,
LIMIT_FALLING, LIMIT_FALL, LIMIT_RETURNS = TURNS + 3, TURNS + 4, TURNS + 5  # how far it falls, how often it did,
LIMIT_TOLD, LIMIT_AWAY = TURNS + 6, TURNS + 7  # where it was told; for how many steps the limit is out of sight again
EVENTS = TURNS + 8  # of a series with spikes: the minutes at which the latest began, newest last; the value above which
EVENTS_KEPT = 14  # it is one; how many are kept; when it was last above, when last seen, since when without a hole; the
EVENT_LATEST, EVENT_BAR, EVENT_COUNT, EVENT_ABOVE = EVENTS + 13, EVENTS + 14, EVENTS + 15, EVENTS + 16
EVENT_SEEN, EVENT_COVERED, EVENT_LONGEST, EVENT_LONGEST_AT = EVENTS + 17, EVENTS + 18, EVENTS + 19, EVENTS + 20
EVENT_PERIOD, EVENT_FIRST, EVENT_TOLD = EVENTS + 21, EVENTS + 22, EVENTS + 23  # longest distance and when; the period
EVENTS_SIZE = EVENTS_KEPT + 10  # (0 = none), the first, whether told to be overdue
KEPT = TURNS + 32  # the baseline at the onset, see `baseline`: MU .. RUN_ABS,
KEPT_SCALARS, KEPT_SIZES = 7, KEPT + 7  # SIZE_SHORT .. SIZE_REACH,
KEPT_TAILS = KEPT + 10  # Q, P, E of each tail,
KEPT_SLOTS, KEPT_HOURS_MAX = KEPT_TAILS + 6 * STATISTICS, 5  # mean, size, long mean of an hour of day; of the week
KEPT_HOUR, KEPT_HOURS, BACK = KEPT + 54, KEPT + 55, KEPT + 56  # first hour, how many; samples back within the band
UNTOLD_LEVEL, UNTOLD_HALF_WIDTH = KEPT + 57, KEPT + 58  # of the onset, where a rule kept it from being one
NEGATIVE = KEPT + 59  # 1: the value has been below zero
BODY_SIZE = KEPT + 64

BYTES_PER_SERIES = 8 * HEAD_SIZE + 4 * BODY_SIZE
LINE_BYTES = 64  # of the processor's cache


@dataclass(frozen=True, slots=True)
class State:
    """Rows of all series; row r of both arrays belongs to series r."""

    head: NDArray[np.float64]  # (n_series, HEAD_SIZE)
    body: NDArray[np.float32]  # (n_series, BODY_SIZE)

    @staticmethod
    def allocate(series_max: int) -> "State":
        """Zeroed rows; the operating system hands out the pages when a series first speaks. Raises SettingsError where
        it will not."""
        try:
            head, body = _aligned(series_max * HEAD_SIZE * 8), _aligned(series_max * BODY_SIZE * 4)
        except MemoryError:
            raise SettingsError(
                f"ingest.series_max = {series_max} needs {series_max * BYTES_PER_SERIES / 2**30:.1f} GiB for the "
                "detectors alone, more than this machine gives: lower it"
            ) from None
        return State(
            head.view(np.float64).reshape(series_max, HEAD_SIZE), body.view(np.float32).reshape(series_max, BODY_SIZE)
        )


def _aligned(size: int) -> NDArray[np.uint8]:
    """Zeroed bytes that begin with a cache line: else every sixteen numbers would lie in two."""
    memory = np.zeros(size + LINE_BYTES, np.uint8)
    start = -memory.ctypes.data % LINE_BYTES
    return memory[start : start + size]
