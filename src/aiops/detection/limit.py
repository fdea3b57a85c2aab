"""When does this series reach its limit, at the pace of the last hours?

A limit is given by a rule of the operator, or follows from the name: what is a percentage or a utilisation
ends at 100 or 1, what is free or available ends at 0. The smoothed value is noted every quarter of an hour; the median
of the seven steps between eight notes is the pace (robust as the slope of Theil 1950 and Sen 1968: one jump is no
pace). A limit draws near where it is reached within the horizon and the pace is well beyond what this series has on
other days, kept as a slowly forgotten reach. Told once, until the series turns away.
"""

import re
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
KNOWN_STEPS = 192  # two days before anything is said; until then the reach follows within the hour
REACH_YOUNG, REACH_UP, REACH_DOWN = 0.3, 0.02, 0.001  # per step
PACE_FACTOR = 2.0  # so many times the reach is no usual pace
LASTING = 2  # steps in a row
TURNED_AWAY = 2.0  # so many horizons away, a limit is out of sight again
ARRIVED = 0.02  # this close, as a share of the limit, a full disk is not better because it fills no more
_PERCENT = re.compile(r"percent|pct", re.IGNORECASE)
_SHARE = re.compile(r"utili[sz]ation|usage|saturation|used_ratio", re.IGNORECASE)
_FREE = re.compile(r"(^|_)(free|avail|available|remaining)(_|$)", re.IGNORECASE)
NONE, GIVEN, PERCENT, SHARE, FREE = range(5)


@dataclass(frozen=True, slots=True)
class Approach:
    """A series on its way to its limit."""

    row: int
    value: float
    limit: float
    eta_s: float  # from now on, at the pace of the last hours


class LimitWatch:
    """Looks at the series that have a limit; what it remembers of each stands in its row of `state`.

    rules: those with a `limit` count, the later ones before the earlier. horizon_s: a limit further away is nobody's
    business. Raises SettingsError where a selector cannot be read.
    """

    def __init__(self, table: SeriesTable, state: State, rules: Sequence[Rule], horizon_s: float) -> None:
        self._table, self._state, self._horizon_s = table, state, horizon_s
        found = [(matchers_of(rule.match, f"detection.rules.{k}.match"), rule.limit) for k, rule in enumerate(rules)]
        self._rules = [(matchers, limit) for matchers, limit in reversed(found) if limit is not None]
        self._kind = np.zeros(table.series_max, np.uint8)
        self._given = np.full(table.series_max, np.nan)
        self._known, self._looked_ms = 0, 0

    def is_heading(self, row: int) -> bool:
        """Whether the series is told to be on its way to its limit."""
        return bool(self._state.body[row, S.LIMIT_HEADING] >= LASTING)

    def look(self, now_ms: int) -> tuple[list[Approach], list[int]]:
        """(series newly on their way to a limit, rows that no longer are); does nothing between steps."""
        elapsed_ms = now_ms - self._looked_ms
        if 0 <= elapsed_ms < STEP_MS:
            return [], []
        self._learn_rules()
        self._looked_ms = now_ms
        rows = np.flatnonzero(self._kind != NONE)
        is_fresh = now_ms - self._state.head[rows, S.LAST_TIME_MS] <= STEP_MS
        if not 0 <= elapsed_ms <= 2 * STEP_MS:  # the first look, a pause, a clock set back: no steps to compare
            self._state.body[rows, S.LIMIT_FILLED] = 0
        self._state.body[rows[~is_fresh], S.LIMIT_FILLED] = 0
        rows = rows[is_fresh]
        self._note(rows)
        rows = rows[self._state.body[rows, S.LIMIT_FILLED] == S.LIMIT_NOTES]
        return self._judge(rows)

    def _learn_rules(self) -> None:
        for row in self._table.new_since(self._known):
            if not self._table.is_counter[row]:
                labels = self._table.labels(row)
                self._kind[row], self._given[row] = _limit_of(labels, self._rules)
        self._known = self._table.given

    def forget(self, rows: NDArray[np.int64]) -> None:
        """The series in these rows have no limit any more."""
        self._kind[rows], self._given[rows] = NONE, np.nan

    def _note(self, rows: NDArray[np.int64]) -> None:
        body, first, last = self._state.body, S.LIMIT_NOTED, S.LIMIT_NOTED + STEPS
        for column in range(first, last):
            body[rows, column] = body[rows, column + 1]
        body[rows, last] = body[rows, S.MEAN_FAST]
        body[rows, S.LIMIT_FILLED] = np.minimum(body[rows, S.LIMIT_FILLED] + 1, S.LIMIT_NOTES)

    def _judge(self, rows: NDArray[np.int64]) -> tuple[list[Approach], list[int]]:
        body = self._state.body
        notes = body[rows, S.LIMIT_NOTED : S.LIMIT_NOTED + S.LIMIT_NOTES].astype(np.float64)
        value = notes[:, -1]
        limit = self._limits(rows)
        way = np.where(limit >= body[rows, S.MU], 1.0, -1.0)  # from where it usually is
        steps = way[:, None] * np.diff(notes, axis=1)
        pace = np.minimum(np.median(steps, axis=1), steps[:, -2:].mean(axis=1))  # per step, and still going on
        reach, age, heading = body[rows, S.LIMIT_REACH], body[rows, S.LIMIT_AGE], body[rows, S.LIMIT_HEADING]
        with np.errstate(divide="ignore", invalid="ignore"):
            eta_s = np.where(pace > 0, np.maximum(way * (limit - value), 0) / pace, np.inf) * STEP_MS / 1000
        is_near = (pace > PACE_FACTOR * reach) & (eta_s <= self._horizon_s) & (age >= KNOWN_STEPS)
        is_there = np.abs(limit - value) <= ARRIVED * np.maximum(np.abs(limit), body[rows, S.HIGH] - body[rows, S.LOW])
        is_away = ((eta_s > TURNED_AWAY * self._horizon_s) & ~is_there) | np.isnan(limit)
        was_told = heading >= LASTING
        heading = np.where(was_told & ~is_away, heading, np.where(is_near, heading + 1, 0))
        gain = np.where(pace > reach, np.where(age < KNOWN_STEPS, REACH_YOUNG, REACH_UP), REACH_DOWN)
        body[rows, S.LIMIT_REACH] = reach + gain * (np.maximum(pace, 0) - reach)
        body[rows, S.LIMIT_AGE] = age + 1
        body[rows, S.LIMIT_HEADING] = heading
        fresh = np.flatnonzero(~was_told & (heading >= LASTING))
        found = [Approach(int(rows[k]), float(value[k]), float(limit[k]), float(eta_s[k])) for k in fresh]
        return found, rows[was_told & (heading < LASTING)].tolist()

    def _limits(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """NaN where the values seen so far do not fit the name."""
        low, high = self._state.body[rows, S.LOW], self._state.body[rows, S.HIGH]
        share = np.select([(low >= 0) & (high <= 1), (low >= 0) & (high <= 100)], [1.0, 100.0], np.nan)
        percent = np.where((low >= 0) & (high <= 100), 100.0, np.nan)
        free = np.where(low >= 0, 0.0, np.nan)
        kind = self._kind[rows]
        return np.select([kind == PERCENT, kind == SHARE, kind == FREE], [percent, share, free], self._given[rows])


def _limit_of(labels: Labels, rules: Sequence[tuple[tuple[Matcher, ...], float]]) -> tuple[int, float]:
    mapping = dict(labels)
    for matchers, value in rules:
        if all(matcher.matches(mapping) for matcher in matchers):
            return GIVEN, value
    name = mapping.get("__name__", "")
    for pattern, kind in ((_FREE, FREE), (_PERCENT, PERCENT), (_SHARE, SHARE)):
        if pattern.search(name):
            return kind, np.nan
    return NONE, np.nan
