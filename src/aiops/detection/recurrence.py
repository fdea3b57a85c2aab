"""Spikes that come at their time, and then stay away.

A cron job shows as a spike every hour or every night. Once it is known it is no alert any more (`habit`); that it does
not come is what someone on call wants to hear. Rows that have spikes are found once an hour: the highest value lies
many usual deviations above the mean. From then on each crossing of a bar between them is noted in the row of the
series, outside the kernel: most series have no spikes, and cost one look at a table of bits per sample.

The latest times are a rhythm if nearly all distances between them are one period, or several (a weekend). Told is a
silence longer than the longest ever seen, that of a weekend included; a job of working days also where it did not come
at the time of the same day of the last two weeks. Silence is counted on the series' own time line, and no hole in it
that may have held the spike counts: neither a silent series or sender nor a restart makes a job overdue.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiops.detection import state as S
from aiops.detection.habit import CLOCK_MIN, DAY_MIN
from aiops.detection.recurrence_kernel import MINUTE_MS, crossings
from aiops.detection.state import State
from aiops.metrics.series import SampleBatch, SeriesTable

WEEK_MIN = 7 * DAY_MIN
SCAN_MS = 3_600_000  # between looks for series with spikes
LOOK_MS = MINUTE_MS  # between looks at what is overdue
KNOWN_COUNT = 100  # samples learned before a series may be said to have spikes
SPIKY = 5.0  # usual deviations of the highest value above the mean: spikes that last less than a tenth of the time
BAR_SHARE = 0.2  # of the way from the mean to the highest value; no less than SPIKY deviations
PERIOD_MIN, PERIOD_INTERVALS = 30.0, 6.0  # a shorter rhythm is none
GAPS_MIN, GAPS_JUDGED, GAPS_PER_MISS = 5, 8, 8  # of the latest eight distances one may be odd, once there are eight
SLACK, SLACK_MIN, SLACK_INTERVALS = 0.05, 60.0, 1.5  # of a period, but no more than an hour; no less than intervals
KNOWN_MIN, WORKDAYS_KNOWN_MIN = DAY_MIN, 8 * DAY_MIN  # the second for what pauses at night, or at the weekend
PAUSES = 1.5  # a longest distance of so many periods is a pause
LATE, LATE_MAX_MIN, LATE_INTERVALS = 0.1, 60.0, 3.0  # past the longest distance, as a share of it; an hour at most
LONGEST_KEPT_MIN = 15 * DAY_MIN  # two weekends
LONGEST_AGAIN = 0.9  # a distance so long renews the longest
GIVEN_UP_PERIODS, GIVEN_UP_MIN, GIVEN_UP_LONGEST = 8.0, 2.0 * DAY_MIN, 2.0  # silent for all of these: there is no job

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Overdue:
    """A spike that has not come."""

    row: int
    period_s: float
    due_ms: int  # when it should have
    on_time: int  # how many of the latest came so
    of: int


class RecurrenceWatch:
    """Notes the spikes of all series that have any, and tells which stay away, each once; what it remembers stands in
    the rows of `state`."""

    def __init__(self, table: SeriesTable, state: State) -> None:
        self._table, self._state = table, state
        self._watched = np.zeros(table.series_max, np.bool_)
        before = np.zeros((2, table.series_max))  # of counters that are watched: time and value of the sample before
        self._kept = (state.head, state.body, self._watched, before[0], before[1])
        self._scanned_ms, self._looked_ms = -SCAN_MS, -LOOK_MS
        self._came: list[int] = []  # rows told to be overdue whose spike has come since
        self._gone: list[int] = []  # and those whose rhythm is over

    def forget(self, rows: NDArray[np.int64]) -> None:
        """The series in these rows are watched no more; their state is forgotten by its owner."""
        self._watched[rows], self._kept[-2][rows] = False, 0
        gone = set(rows.tolist())
        self._came, self._gone = ([row for row in kept if row not in gone] for kept in (self._came, self._gone))

    def is_overdue(self, row: int) -> bool:
        """Whether a spike of this series has been told to be overdue and has not come."""
        return bool(self._state.body[row, S.EVENT_TOLD] > 0)

    def compile(self) -> None:
        """Compiles the kernel, or loads it from the cache on disk, so that the first request does not wait."""
        nothing = np.empty(0)
        batch = SampleBatch(nothing.astype(np.int32), nothing.astype(np.int64), nothing, nothing.astype(np.bool_))
        self.note(batch, nothing.astype(np.uint8))

    def note(self, batch: SampleBatch, status: NDArray[np.uint8]) -> None:
        """Samples that the engine has taken, with what became of each."""
        if self._scanned_ms < 0:  # what an earlier run knew
            self._watched[: len(self._table)] = self._state.body[: len(self._table), S.EVENT_BAR] != 0
        found = crossings(
            np.require(batch.rows, np.int32, ["C", "W"]),  # the one array type the kernel is compiled for
            np.require(batch.time_ms, np.int64, ["C", "W"]),
            np.require(batch.values, np.float64, ["C", "W"]),
            status,
            self._table.is_counter,
            *self._kept,
        )
        if not len(found):
            return
        found = found[np.argsort(batch.rows[found[:, 0]], kind="stable")]
        rows = batch.rows[found[:, 0]].astype(np.int64)
        minute = (batch.time_ms[found[:, 0]] // MINUTE_MS % CLOCK_MIN).astype(np.float64)
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        rank = np.arange(len(rows)) - np.repeat(first, np.diff([*first, len(rows)]))
        for k in range(int(rank.max()) + 1):  # one sample of each series at a time
            mine = rank == k
            self._step(rows[mine], minute[mine], found[mine, 1].astype(np.float64), found[mine, 2] > 0)

    def look(self, now_ms: int) -> tuple[list[Overdue], list[int], list[int]]:
        """(spikes that are overdue and were not told, rows whose spike has come, rows whose rhythm is over)."""
        if now_ms - self._scanned_ms >= SCAN_MS:
            self._scanned_ms = now_ms
            self._scan()
        found: list[Overdue] = []
        if now_ms - self._looked_ms >= LOOK_MS:
            self._looked_ms = now_ms
            found = self._overdue()
        came, self._came = self._came, []
        gone, self._gone = self._gone, []
        return found, came, gone

    def _scan(self) -> None:
        """Finds the series that have spikes. The bar of a known rhythm stands, until the series lives above it."""
        n = len(self._table)
        body = self._state.body[:n]
        mean, size, high = (body[:, column].astype(np.float64) for column in (S.MU, S.DEV, S.HIGH))
        bar = body[:, S.EVENT_BAR]
        is_spiky = (high - mean > SPIKY * size) & (body[:, S.COUNT] >= KNOWN_COUNT)
        self._reset(np.flatnonzero((bar != 0) & (mean > bar)))
        rows = np.flatnonzero(is_spiky & (body[:, S.EVENT_PERIOD] == 0))
        fresh = rows[bar[rows] == 0]
        over = np.maximum(SPIKY * size[rows], BAR_SHARE * (high[rows] - mean[rows]))
        bar[rows] = np.where(mean[rows] + over == 0, 1e-30, mean[rows] + over)
        seen = self._state.head[fresh, S.LAST_TIME_MS] // MINUTE_MS % CLOCK_MIN
        body[fresh, S.EVENT_SEEN] = body[fresh, S.EVENT_COVERED] = seen
        body[fresh, S.EVENT_ABOVE] = (seen - CLOCK_MIN / 2) % CLOCK_MIN  # long ago
        self._watched[:n] = bar != 0

    def _reset(self, rows: Rows) -> None:
        body = self._state.body
        self._gone += rows[body[rows, S.EVENT_TOLD] > 0].tolist()
        body[rows, S.EVENTS : S.EVENTS + S.EVENTS_SIZE] = 0
        self._watched[rows] = False

    def _interval_min(self, rows: Rows) -> Floats:
        interval: Floats = self._state.head[rows, S.INTERVAL_S] / 60
        return interval

    def _step(self, rows: Rows, minute: Floats, since: Floats, is_new: NDArray[np.bool_]) -> None:
        """One sample of each of these series, with which a spike begins or a hole of `since` minutes ends."""
        is_back = since > CLOCK_MIN / 2  # the clock was set back: nothing that is known fits
        self._reset(rows[is_back])
        hides = (since > 0) & self._may_hide(rows, minute, since)
        self._state.body[rows[hides], S.EVENT_COVERED] = minute[hides]
        is_new = is_new & ~is_back
        if is_new.any():
            self._event(rows[is_new], minute[is_new])

    def _may_hide(self, rows: Rows, minute: Floats, since: Floats) -> NDArray[np.bool_]:
        """Whether the spike was due in a hole that ends now; of a series without rhythm it always was."""
        body = self._state.body
        period = body[rows, S.EVENT_PERIOD].astype(np.float64)
        end = (minute - body[rows, S.EVENT_LATEST]) % CLOCK_MIN
        slack = self._slack(rows, period)
        with np.errstate(divide="ignore", invalid="ignore"):
            is_due = np.floor((end + slack) / period) > np.floor((end - since - slack) / period)
        may: NDArray[np.bool_] = (period == 0) | is_due
        return may

    def _slack(self, rows: Rows, period: Floats) -> Floats:
        least = np.maximum(SLACK_INTERVALS * self._interval_min(rows), 1.0)
        slack: Floats = np.maximum(np.minimum(SLACK * period, SLACK_MIN), least)
        return slack

    def _event(self, rows: Rows, minute: Floats) -> None:
        """A spike begins in each of these series."""
        body = self._state.body
        count = body[rows, S.EVENT_COUNT]
        gap = (minute - body[rows, S.EVENT_LATEST]) % CLOCK_MIN
        is_seen = (count > 0) & ((minute - body[rows, S.EVENT_COVERED]) % CLOCK_MIN >= gap)
        for column in range(S.EVENTS, S.EVENT_LATEST):
            body[rows, column] = body[rows, column + 1]
        body[rows, S.EVENT_LATEST] = minute
        known = np.where(count > 0, (minute - body[rows, S.EVENT_FIRST]) % CLOCK_MIN, 0)
        body[rows, S.EVENT_FIRST] = (minute - np.minimum(known, CLOCK_MIN / 2)) % CLOCK_MIN
        body[rows, S.EVENT_COUNT] = np.minimum(count + 1, S.EVENTS_KEPT)
        gaps, is_gap = self._gaps(rows)
        longest = np.where(count > 0, body[rows, S.EVENT_LONGEST], 0)
        is_old = (minute - body[rows, S.EVENT_LONGEST_AT]) % CLOCK_MIN > LONGEST_KEPT_MIN
        longest = np.where(is_old & (longest > 0), np.where(is_gap, gaps, 0).max(axis=1), longest)
        renews = is_old | (is_seen & (gap >= LONGEST_AGAIN * longest))
        body[rows, S.EVENT_LONGEST] = np.where(is_seen, np.maximum(longest, gap), longest)
        body[rows[renews], S.EVENT_LONGEST_AT] = minute[renews]
        body[rows, S.EVENT_PERIOD], _, _ = self._rhythm(rows)
        self._came += rows[body[rows, S.EVENT_TOLD] > 0].tolist()
        body[rows, S.EVENT_TOLD] = 0

    def _gaps(self, rows: Rows) -> tuple[Floats, NDArray[np.bool_]]:
        """Minutes between the events kept, (rows, EVENTS_KEPT - 1), newest last, and which of them there are."""
        body = self._state.body
        gaps: Floats = np.diff(body[rows, S.EVENTS : S.EVENT_LATEST + 1].astype(np.float64), axis=1) % CLOCK_MIN
        return gaps, np.arange(S.EVENTS_KEPT - 1) >= S.EVENTS_KEPT - body[rows, S.EVENT_COUNT][:, None]

    def _rhythm(self, rows: Rows) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
        """(period in minutes, 0 = none; how many of the distances kept are one, or several; of how many)."""
        gaps, is_gap = self._gaps(rows)
        latest = np.sort(np.where(is_gap, gaps, np.inf)[:, -GAPS_JUDGED:], axis=1)
        judged = is_gap[:, -GAPS_JUDGED:].sum(axis=1)
        period = latest[np.arange(len(rows)), np.maximum(judged - 1, 0) // 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            times = np.round(gaps / period[:, None])
            away = np.abs(gaps - times * period[:, None])
        on_time = is_gap & (times >= 1) & (away <= self._slack(rows, period)[:, None])
        odd = judged - on_time[:, -GAPS_JUDGED:].sum(axis=1)
        is_slow = period >= np.maximum(PERIOD_MIN, PERIOD_INTERVALS * self._interval_min(rows))
        is_regular = is_slow & (judged >= GAPS_MIN) & (odd <= judged // GAPS_PER_MISS)
        return np.where(is_regular, period, 0.0), on_time.sum(axis=1), is_gap.sum(axis=1)

    def _overdue(self) -> list[Overdue]:
        body = self._state.body
        rows = np.flatnonzero(self._watched[: len(self._table)])
        rows = rows[body[rows, S.EVENT_PERIOD] > 0]
        if not len(rows):
            return []
        seen, period = body[rows, S.EVENT_SEEN], body[rows, S.EVENT_PERIOD].astype(np.float64)

        def ago(column: int) -> Floats:
            minutes: Floats = ((seen - body[rows, column]) % CLOCK_MIN).astype(np.float64)
            return minutes

        above, since = ago(S.EVENT_ABOVE), ago(S.EVENT_LATEST)
        since = np.where(since - above > period / 2, above, since)  # what lasted so long was no spike
        since = np.minimum(since, ago(S.EVENT_COVERED))
        longest = np.maximum(body[rows, S.EVENT_LONGEST], period)
        is_told = body[rows, S.EVENT_TOLD] > 0
        is_over = since > np.maximum(np.maximum(GIVEN_UP_PERIODS * period, GIVEN_UP_LONGEST * longest), GIVEN_UP_MIN)
        self._reset(rows[is_told & is_over])
        pauses = longest > PAUSES * period
        is_known = ago(S.EVENT_FIRST) >= np.where(pauses, WORKDAYS_KNOWN_MIN, KNOWN_MIN)
        least = LATE_INTERVALS * self._interval_min(rows) + 1
        late = since - np.where(pauses, longest, period)
        is_late = since > longest + np.maximum(np.minimum(LATE * longest, LATE_MAX_MIN), least)
        of_week = np.zeros(len(rows))
        maybe = np.flatnonzero(pauses & ~is_told & (since > period))
        of_week[maybe] = self._late_by_week(rows[maybe], period[maybe], since[maybe], least[maybe])
        late = np.where(of_week > 0, of_week, late)
        told = np.flatnonzero(is_known & ~is_told & (above > 0) & (is_late | (of_week > 0)))
        if not len(told):
            return []
        body[rows[told], S.EVENT_TOLD] = 1
        _, on_time, of = self._rhythm(rows[told])
        last_ms = self._state.head[rows[told], S.LAST_TIME_MS]
        return [
            Overdue(
                int(rows[k]),
                60 * float(period[k]),
                int(last_ms[j]) // MINUTE_MS * MINUTE_MS - int(late[k]) * MINUTE_MS,
                int(on_time[j]),
                int(of[j]),
            )
            for j, k in enumerate(told.tolist())
        ]

    def _late_by_week(self, rows: Rows, period: Floats, since: Floats, least: Floats) -> Floats:
        """Minutes since a daily spike should have come that did at this time on the same day of the last two weeks; 0
        where there is none."""
        body = self._state.body
        slack, margin = self._slack(rows, period)[:, None], np.maximum(LATE_MAX_MIN, least)[:, None]
        ages = (body[rows, S.EVENT_SEEN][:, None] - body[rows, S.EVENTS : S.EVENT_LATEST + 1]).astype(np.float64)
        ages = ages % CLOCK_MIN
        ages[np.arange(S.EVENTS_KEPT) < S.EVENTS_KEPT - body[rows, S.EVENT_COUNT][:, None]] = np.inf
        late = ages - WEEK_MIN
        with np.errstate(invalid="ignore"):
            week_before = (np.abs(ages[:, None, :] - ages[:, :, None] - WEEK_MIN) <= slack[:, :, None]).any(axis=2)
        is_due = (late > margin) & (late < period[:, None] / 2) & week_before
        is_due &= since[:, None] > late + period[:, None] / 2  # and it has not come since, at any time
        is_due &= np.abs(period - DAY_MIN)[:, None] <= slack
        latest: Floats = np.where(is_due, late, 0.0).max(axis=1)
        return latest
