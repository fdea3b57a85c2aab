"""When does this series reach its limit, at the pace of the last hours?

A limit is given by a rule of the operator, or follows from the name: what is a percentage or a utilisation
ends at 100 or 1, what is free or available ends at 0. The smoothed value is noted every quarter of an hour; the median
of the seven steps between eight notes is the pace (robust as the slope of Theil 1950 and Sen 1968: one jump is no
pace). A limit reached within the horizon at this pace is told, however usual the pace: that a disk has always grown
does not make it larger.

Excused is only what always returns (rotated logs, collected memory, the load of a day): a series that has turned back
at least twice after such rises, and is not beyond the place where it turned. Even that one is told where its pace is
well beyond what it has on other days, kept as a slowly forgotten reach.

At a limit that a rule gives a series is told whatever it did before. At a limit that only the name suggests, many live
(a processor at work, a success rate): told is one that has never been there. Told once, until it is back.
"""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiops.config import Rule
from aiops.detection import state as S
from aiops.detection.policy import matchers_of
from aiops.detection.state import State
from aiops.metrics.series import Labels, Matcher, SeriesTable

STEP_MS = 900_000
STEPS = S.LIMIT_NOTES - 1
KNOWN_STEPS = 192  # two days before more is said than of a limit that is given; until then the reach follows at once
YOUNG_STEPS, YOUNG_SHARE = 96, 1 / 3  # in its first day, only a near limit: what a day looks like is not known
REACH_YOUNG, REACH_UP, REACH_DOWN = 0.3, 0.02, 0.001  # per step
PACE_FACTOR = 2.0  # so many times the reach is no usual pace
RISING = 5  # of the seven steps lead towards the limit
RETURNS = 2  # turned back so often, it may do so again
RETURN_SHARE, RISE_SHARE = 0.5, 0.2  # of its usual fall: less is no return; so much up again, and the fall is over
BEYOND = 0.25  # of its usual fall past the place where it turned back, or half the way from there to the limit
FORGET = 5e-4  # per step: a fall is half forgotten in two weeks
LOWER = 0.1  # so far a return from a lower place draws the highest down to it
LASTING = 2  # steps in a row
REACHED = 100  # told to be at its limit
TURNED_AWAY = 2.0  # so many horizons away, a limit is out of sight again
AWAY_STEPS = 4  # for so long, unless the series has fallen back
ARRIVED = 0.02  # this close, as a share of the limit, a full disk is not better because it fills no more
THERE = 0.002  # and this close it is at a limit that ends it
_PERCENT = re.compile(r"percent|pct", re.IGNORECASE)
_SHARE = re.compile(r"utili[sz]ation|usage|saturation|used_ratio", re.IGNORECASE)
_FREE = re.compile(r"(^|_)(free|avail|available|remaining)(_|$)", re.IGNORECASE)
NONE, GIVEN, PERCENT, SHARE, FREE = range(5)


@dataclass(frozen=True, slots=True)
class Approach:
    """A series on its way to its limit, or there."""

    row: int
    value: float
    limit: float
    eta_s: float  # from now on, at the pace of the last hours; 0 where it is there
    pace: float  # of the value, an hour; below 0 where it falls
    is_new: bool = True  # not told before, or there only now

    @property
    def is_reached(self) -> bool:
        return self.eta_s == 0


class LimitWatch:
    """Looks at the series that have a limit; what it remembers of each stands in its row of `state`.

    rules: those with a `limit` count, the later ones before the earlier; the limit is reached from above where the
    rule's direction is down or the name says that it is free or available, else from below. horizon_s: a limit further
    away is nobody's business. Raises SettingsError where a selector cannot be read.
    """

    def __init__(self, table: SeriesTable, state: State, rules: Sequence[Rule], horizon_s: float) -> None:
        self._table, self._state, self._horizon_s = table, state, horizon_s
        found = [(matchers_of(rule.match, f"detection.rules.{k}.match"), rule) for k, rule in enumerate(rules)]
        self._rules = [(matchers, rule) for matchers, rule in reversed(found) if rule.limit is not None]
        self._kind = np.zeros(table.series_max, np.uint8)
        self._given = np.full(table.series_max, np.nan)
        self._way = np.ones(table.series_max)  # towards the limit: 1 up, -1 down
        self._known = 0
        self._looks_ms: deque[int] = deque(maxlen=S.LIMIT_NOTES)  # when all that is noted was noted

    def is_heading(self, row: int) -> bool:
        """Whether the series is told to be on its way to its limit."""
        return bool(self._state.body[row, S.LIMIT_HEADING] >= LASTING)

    def outlook(self, row: int) -> Approach | None:
        """Where the series goes at its pace of late, however far that is; None where it has no limit ahead."""
        rows = np.array([row])
        is_noted = min(self._state.body[row, S.LIMIT_FILLED], len(self._looks_ms)) == S.LIMIT_NOTES
        if self._kind[row] == NONE or not is_noted:
            return None
        limit, notes = self._limits(rows), self._notes(rows)
        pace, eta_s = self._pace(notes, limit, self._way[rows])
        if not 0 < eta_s[0] < np.inf:
            return None
        return self._approach(row, float(notes[0, -1]), float(limit[0]), float(eta_s[0]), float(pace[0]), is_new=False)

    def look(self, now_ms: int) -> tuple[list[Approach], list[int]]:
        """(series on their way to a limit, of which those `is_new` were not told before; rows that no longer are)."""
        self._learn_rules()
        rows = np.flatnonzero(self._kind != NONE)
        is_fresh = now_ms - self._state.head[rows, S.LAST_TIME_MS] <= STEP_MS
        found = self._reached(rows[is_fresh])
        elapsed_ms = now_ms - (self._looks_ms[-1] if self._looks_ms else 0)
        if 0 <= elapsed_ms < STEP_MS:
            return found, []
        if not 0 <= elapsed_ms <= 2 * STEP_MS:  # the first look, a pause, a clock set back: no steps to compare
            self._state.body[rows, S.LIMIT_FILLED] = 0
            self._looks_ms.clear()
        self._looks_ms.append(now_ms)
        self._state.body[rows[~is_fresh], S.LIMIT_FILLED] = 0
        rows = rows[is_fresh]
        self._note(rows)
        if len(self._looks_ms) < S.LIMIT_NOTES:
            return found, []
        rows = rows[self._state.body[rows, S.LIMIT_FILLED] == S.LIMIT_NOTES]
        more, turned = self._judge(rows)
        return found + more, turned

    def _learn_rules(self) -> None:
        for row in self._table.new_since(self._known):
            if not self._table.is_counter[row]:
                labels = self._table.labels(row)
                self._kind[row], self._given[row], self._way[row] = _limit_of(labels, self._rules)
        self._known = self._table.given

    def forget(self, rows: NDArray[np.int64]) -> None:
        """The series in these rows have no limit any more."""
        self._kind[rows], self._given[rows], self._way[rows] = NONE, np.nan, 1.0

    def _approach(self, row: int, value: float, limit: float, eta_s: float, pace: float, is_new: bool) -> Approach:
        an_hour = float(self._way[row]) * pace * 3_600_000 / STEP_MS
        return Approach(row, value, limit, eta_s, an_hour, is_new)

    def _reached(self, rows: NDArray[np.int64]) -> list[Approach]:
        """Those whose newest value is at the limit a rule gives, or beyond it, and not told to be."""
        body, value = self._state.body, self._state.head[rows, S.LAST_VALUE]
        with np.errstate(invalid="ignore"):
            is_there = (self._kind[rows] == GIVEN) & (self._way[rows] * (value - self._given[rows]) >= 0)
        is_there &= (body[rows, S.COUNT] > 0) & (body[rows, S.LIMIT_HEADING] != REACHED)
        found = np.flatnonzero(is_there)
        self._tell(rows[found], value[found], REACHED)
        return [
            self._approach(int(rows[k]), float(value[k]), float(self._given[rows[k]]), 0.0, 0.0, is_new=True)
            for k in found
        ]

    def _tell(self, rows: NDArray[np.int64], value: NDArray[np.float64], heading: int) -> None:
        body = self._state.body
        body[rows, S.LIMIT_HEADING], body[rows, S.LIMIT_TOLD], body[rows, S.LIMIT_AWAY] = heading, value, 0

    def _note(self, rows: NDArray[np.int64]) -> None:
        body, first, last = self._state.body, S.LIMIT_NOTED, S.LIMIT_NOTED + STEPS
        for column in range(first, last):
            body[rows, column] = body[rows, column + 1]
        body[rows, last] = body[rows, S.MEAN_FAST]
        body[rows, S.LIMIT_FILLED] = np.minimum(body[rows, S.LIMIT_FILLED] + 1, S.LIMIT_NOTES)
        self._note_turns(rows)

    def _note_turns(self, rows: NDArray[np.int64]) -> None:
        """Where the series turned back, how far it fell, and how often it fell so far; towards the limit is up."""
        body = self._state.body
        level = self._way[rows] * body[rows, S.MEAN_FAST]
        is_first = body[rows, S.LIMIT_AGE] == 0
        turn, peak, trough = (
            np.where(is_first, level, body[rows, column]) for column in (S.LIMIT_TURN, S.LIMIT_PEAK, S.LIMIT_TROUGH)
        )
        falling, returns = body[rows, S.LIMIT_FALLING] > 0, body[rows, S.LIMIT_RETURNS]
        fall = np.where(is_first, 0, body[rows, S.LIMIT_FALL] * (1 - FORGET))
        peak, trough = np.where(falling, peak, np.maximum(peak, level)), np.minimum(trough, level)
        begins = ~falling & (peak > level) & (peak - level > RETURN_SHARE * fall)
        turn = np.where(begins, np.maximum(turn + LOWER * (peak - turn), peak), turn)
        trough = np.where(begins, level, trough)
        depth = peak - trough
        ends = falling & (level - trough > RISE_SHARE * depth)
        returns = np.where(ends, np.where(depth > 2 * fall, 1, returns + 1), returns)  # 1: the first of this size
        body[rows, S.LIMIT_FALL] = np.where(ends, np.maximum(fall, depth), fall)
        body[rows, S.LIMIT_TURN], body[rows, S.LIMIT_TROUGH], body[rows, S.LIMIT_RETURNS] = turn, trough, returns
        body[rows, S.LIMIT_PEAK], body[rows, S.LIMIT_FALLING] = np.where(ends, level, peak), (falling | begins) & ~ends

    def _notes(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """float64 (rows, LIMIT_NOTES), newest last."""
        return self._state.body[rows, S.LIMIT_NOTED : S.LIMIT_NOTED + S.LIMIT_NOTES].astype(np.float64)

    def _pace(
        self, notes: NDArray[np.float64], limit: NDArray[np.float64], way: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(towards the limit per step, and still going on; seconds until it is reached)."""
        steps = way[:, None] * np.diff(notes, axis=1) * STEP_MS / np.diff(self._looks_ms)
        pace = np.minimum(np.median(steps, axis=1), steps[:, -2:].mean(axis=1))
        pace = np.where((steps > 0).sum(axis=1) >= RISING, pace, np.minimum(pace, 0))
        with np.errstate(divide="ignore", invalid="ignore"):
            eta_s = np.where(pace > 0, np.maximum(way * (limit - notes[:, -1]), 0) / pace, np.inf) * STEP_MS / 1000
        return pace, eta_s

    def _judge(self, rows: NDArray[np.int64]) -> tuple[list[Approach], list[int]]:
        body = self._state.body
        notes, limit, way, kind = self._notes(rows), self._limits(rows), self._way[rows], self._kind[rows]
        value = notes[:, -1]
        pace, eta_s = self._pace(notes, limit, way)
        reach, age, heading = body[rows, S.LIMIT_REACH], body[rows, S.LIMIT_AGE], body[rows, S.LIMIT_HEADING]
        is_known = age >= KNOWN_STEPS
        is_unusual = (pace > PACE_FACTOR * reach) & is_known
        horizon_s = self._horizon_s * np.where(age >= YOUNG_STEPS, 1.0, YOUNG_SHARE)
        is_excused = self._returns(rows, notes, limit) | ~(is_known | (kind == GIVEN))
        is_near = (eta_s <= horizon_s) & (is_unusual | ~is_excused)
        left = way * (limit - value)
        width = np.maximum(np.abs(limit), body[rows, S.HIGH] - body[rows, S.LOW])
        at_end = (kind != GIVEN) & is_known & (left <= THERE * width)
        never_there = way * limit - body[rows, S.LIMIT_TURN] > ARRIVED * width + BEYOND * body[rows, S.LIMIT_FALL]
        at_end &= never_there
        was_told = heading >= LASTING
        left_now = np.minimum(left, way * (limit - self._state.head[rows, S.LAST_VALUE]))
        is_away = was_told & ((eta_s > TURNED_AWAY * self._horizon_s) & (left_now > ARRIVED * width) | np.isnan(limit))
        away = np.where(is_away, body[rows, S.LIMIT_AWAY] + 1, 0)
        is_over = is_away & ((away >= AWAY_STEPS) | (way * (value - body[rows, S.LIMIT_TOLD]) < 0))
        heading = np.where(was_told, np.where(is_over, 0, heading), np.where(is_near, heading + 1, 0))
        gain = np.where(pace > reach, np.where(is_known, REACH_UP, REACH_YOUNG), REACH_DOWN)
        body[rows, S.LIMIT_REACH] = reach + gain * (np.maximum(pace, 0) - reach)
        body[rows, S.LIMIT_AGE] = age + 1
        body[rows, S.LIMIT_HEADING], body[rows, S.LIMIT_AWAY] = heading, away
        is_new = ~was_told & (heading >= LASTING)
        now_there = at_end & (heading != REACHED)
        self._tell(rows[is_new], value[is_new], LASTING)
        self._tell(rows[now_there], value[now_there], REACHED)
        eta_s = np.where(at_end, 0.0, np.maximum(eta_s, 1.0))
        is_coming = (heading >= LASTING) & (heading != REACHED) & np.isfinite(eta_s)
        found = [
            self._approach(
                int(rows[k]), float(value[k]), float(limit[k]), float(eta_s[k]), float(pace[k]),
                is_new=bool(is_new[k] or now_there[k]),
            )
            for k in np.flatnonzero(is_coming | now_there)
        ]  # fmt: skip
        return found, rows[was_told & is_over].tolist()

    def _returns(
        self, rows: NDArray[np.int64], notes: NDArray[np.float64], limit: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Whether the series has turned back from rises like this one, and is not beyond where it did."""
        body, way = self._state.body, self._way[rows]
        fall, turn = body[rows, S.LIMIT_FALL], body[rows, S.LIMIT_TURN]
        rise = way * (notes[:, -1] - notes[:, 0])
        is_within = way * notes[:, -1] <= turn + np.minimum(BEYOND * fall, (way * limit - turn) / 2)
        often = body[rows, S.LIMIT_RETURNS] >= RETURNS
        returns: NDArray[np.bool_] = often & (rise <= (1 + BEYOND) * fall) & is_within
        return returns

    def _limits(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """NaN where the values seen so far do not fit the name."""
        low, high = self._state.body[rows, S.LOW], self._state.body[rows, S.HIGH]
        share = np.select([(low >= 0) & (high <= 1), (low >= 0) & (high <= 100)], [1.0, 100.0], np.nan)
        percent = np.where((low >= 0) & (high <= 100), 100.0, np.nan)
        free = np.where(low >= 0, 0.0, np.nan)
        kind = self._kind[rows]
        return np.select([kind == PERCENT, kind == SHARE, kind == FREE], [percent, share, free], self._given[rows])


def _limit_of(labels: Labels, rules: Sequence[tuple[tuple[Matcher, ...], Rule]]) -> tuple[int, float, float]:
    """(kind, limit where it is given, way towards it)."""
    mapping = dict(labels)
    name = mapping.get("__name__", "")
    is_free = bool(_FREE.search(name))
    for matchers, rule in rules:
        if all(matcher.matches(mapping) for matcher in matchers) and rule.limit is not None:
            falls = rule.direction == "down" or (is_free and rule.direction != "up")
            return GIVEN, rule.limit, -1.0 if falls else 1.0
    for pattern, kind in ((_FREE, FREE), (_PERCENT, PERCENT), (_SHARE, SHARE)):
        if pattern.search(name):
            return kind, np.nan, -1.0 if kind == FREE else 1.0
    return NONE, np.nan, 1.0
