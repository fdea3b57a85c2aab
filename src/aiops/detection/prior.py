"""A new series of a known metric starts from what its nearest sibling knows.

A pod that is replaced is a new series, but its metric is an old acquaintance. The sibling is the series of the same
name with most labels in common among those known for long. At the end of the warm-up its memory is taken over: season,
scales, tails and known states, brought from its level at this hour to the level of the first samples. What the series
has done itself (running means, intervals, resets) stays. Trust is limited: the memory counts as a day's, not as months.

The first series of a name has nobody to learn from and starts from nothing, so a file of one series is scored without.
"""

import numpy as np
from numpy.typing import NDArray

from aiops.detection import state as S
from aiops.detection.state import State
from aiops.metrics.series import SeriesTable

SIBLINGS_SEEN = 32  # so many of the first and of the latest series of a name are looked at
ELDER_COUNT, ELDER_S = 1000, 86_400.0  # a sibling is known for so many samples and so long
TRUST_COUNT = 1000.0
TAIL_TRUST, SLOT_TRUST = 300.0, 12.0  # samples in a tail, in an hour
RATIO_MAX = 1000.0  # of another order of magnitude altogether: nothing to learn
FLAT = 0.1  # a sibling whose level is less than this share of its deviations has no level to compare
OWN = (  # not of the sibling: what happened to this series; creep, variance, limits, rhythm need days of one's own
    *(S.MEAN_FAST, S.MEAN_SLOW, S.EXCESS, S.REFRACTORY, S.ONSET_STRENGTH, S.ACTIVE, S.OUTSIDE, S.QUIET, S.ONSET_LEVEL),
    *(S.ONSET_HALF_WIDTH, S.ONSET_AGE_S, S.PERSISTED, S.SAME_RUN, S.STUCK, S.ONSET_KIND, S.GAP_MAX_S, S.GROSS_RUN),
    *(S.ONSET_NOVELTY, S.ONSET_PEAK, S.ONSET_USUAL, S.QUANTUM, S.RUN_MEAN, *range(S.CREEP, S.BANK)),
    *range(S.TURNS, S.BODY_SIZE),
)
IN_UNITS = (  # of the value: they scale with the level
    *(S.CENTRE, S.SPREAD, S.LOW, S.HIGH, S.MU, S.DEV, S.LEVEL, S.RESIDUAL_ABS, S.STEP_ABS),
    *(
        S.SLOTS + S.SLOT_SIZE * hour + part
        for hour in range(24)
        for part in (S.SLOT_MEAN, S.SLOT_ABS, S.SLOT_MEAN_LONG)
    ),
    *range(S.WEEK, S.WEEK + 168),
    *range(S.BANK, S.BANK + 4 * S.BANK_SIZE),
)
_OWN, _IN_UNITS = np.array(OWN), np.array(IN_UNITS)


class Priors:
    """Finds siblings and hands over what they know; `at_count`: learned samples of a new series at that moment."""

    def __init__(self, table: SeriesTable, state: State, at_count: int) -> None:
        self._table, self._state, self._at_count = table, state, at_count
        self._rows_of_name: dict[str, list[int]] = {}
        self._known = 0
        self._young: dict[int, int] = {}  # row -> its elder sibling
        self._is_young = np.zeros(table.series_max, np.bool_)

    def learn_series(self) -> None:
        """Looks for elder siblings of the series that are new to the table."""
        for row in self._table.new_since(self._known):
            siblings = self._rows_of_name.setdefault(self._name(row), [])
            if self._state.body[row, S.COUNT] < self._at_count and (elder := self._elder(row, siblings)) is not None:
                self._young[row], self._is_young[row] = elder, True
            siblings.append(row)
            del siblings[SIBLINGS_SEEN:-SIBLINGS_SEEN]
        self._known = self._table.given

    def forget(self, rows: NDArray[np.int64]) -> None:
        """The series in these rows, labels still in the table, are nobody's siblings any more."""
        gone = set(rows.tolist())
        for name in {self._name(row) for row in gone}:
            self._rows_of_name[name] = [row for row in self._rows_of_name.get(name, ()) if row not in gone]
            if not self._rows_of_name[name]:
                del self._rows_of_name[name]
        self._young = {row: elder for row, elder in self._young.items() if not gone & {row, elder}}
        self._is_young.fill(False)
        self._is_young[list(self._young)] = True

    def _name(self, row: int) -> str:
        return next((value for key, value in self._table.labels(row) if key == "__name__"), "")

    def later(self, rows: NDArray[np.int32], mine: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Which samples, those at the positions `mine` (m,) of a batch, come after their series takes over, bool (m,);
        None: no series of it will."""
        if not self._young:
            return None
        rows = rows[mine]
        at = np.flatnonzero(self._is_young[rows])
        if not len(at):
            return None
        at = at[np.argsort(rows[at], kind="stable")]
        series, starts = np.unique(rows[at], return_index=True)
        rank = np.arange(len(at)) - np.repeat(starts, np.diff([*starts, len(at)]))
        left = self._at_count - np.repeat(self._state.body[series, S.COUNT], np.diff([*starts, len(at)]))
        later = np.zeros(len(rows), np.bool_)
        later[at[rank >= left]] = True
        return later

    def hand_over(self) -> None:
        """Every series that has learned `at_count` samples by now takes over what its sibling knows; one that has
        already learned much more knows enough itself."""
        for row, elder in list(self._young.items()):
            if (count := self._state.body[row, S.COUNT]) >= self._at_count:
                del self._young[row]
                self._is_young[row] = False
                if count < 2 * self._at_count:
                    self._take_over(row, elder)

    def _elder(self, row: int, siblings: list[int]) -> int | None:
        head, body, labels = self._state.head, self._state.body, set(self._table.labels(row))
        elders = [
            (len(labels.intersection(self._table.labels(other))), float(body[other, S.COUNT]), other)
            for other in siblings
            if body[other, S.COUNT] >= ELDER_COUNT
            and body[other, S.COUNT] * head[other, S.INTERVAL_S] >= ELDER_S
            and self._table.is_counter[other] == self._table.is_counter[row]
        ]
        return max(elders)[2] if elders else None

    def _take_over(self, row: int, elder: int) -> None:
        body, own = self._state.body, self._state.body[row].copy()
        hour = int(self._state.head[row, S.LAST_TIME_MS] // 3_600_000 % 24)
        slot = S.SLOTS + S.SLOT_SIZE * hour
        level = float(body[elder, slot + S.SLOT_MEAN] if body[elder, slot + S.SLOT_COUNT] >= 2 else body[elder, S.MU])
        ratio = 1.0
        if abs(level) > FLAT * float(body[elder, S.DEV]):
            ratio = float(own[S.MU]) / level
            if not 1 / RATIO_MAX < ratio < RATIO_MAX:
                return
        taken = body[elder].copy()
        taken[_IN_UNITS] *= np.float32(ratio)
        taken[_OWN] = own[_OWN]
        taken[S.LEVEL] = own[S.MU] - np.float32(ratio * level)
        taken[S.SAME_RUN_MAX] = max(float(body[elder, S.SAME_RUN_MAX]), float(body[elder, S.SAME_RUN]))
        count = min(float(body[elder, S.COUNT]), TRUST_COUNT)
        taken[S.BANK_USED : S.BANK_USED + S.BANK_SIZE] += np.float32(count - float(body[elder, S.COUNT]))
        taken[S.COUNT] = count
        for part in (S.TAIL_N, S.TAIL_NE):
            column = S.TAILS + S.TAIL_COUNT * part
            taken[column : column + S.TAIL_COUNT] = np.minimum(taken[column : column + S.TAIL_COUNT], TAIL_TRUST)
        counts = slice(S.SLOTS + S.SLOT_COUNT, S.SLOTS + 24 * S.SLOT_SIZE, S.SLOT_SIZE)
        taken[counts] = np.minimum(taken[counts], SLOT_TRUST)
        if np.isfinite(taken).all():
            body[row] = taken
