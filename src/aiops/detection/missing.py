"""Samples that should have come and did not.

Every series has its own rhythm (`INTERVAL_S`, `GAP_MAX_S`), so silence is judged per series; time is the newest
sample of the whole stream, so that a stopped sender, or a replay at any speed, is not taken for a thousand dead
series. What is missing is told apart by what the rest of the same entity (service, instance, ...) does:

- most of an entity silent while some of it still speaks, or all of it silent without a word: one outage of the entity;
- a few series silent, no end marker: these series are missing, one by one;
- ended by the sender (stale marker) while the entity lives on, or the entity ended as a whole: gone on purpose.
  Prometheus keeps writing `up` and `scrape_*` for a target that is down, and ends them too when the target is removed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiops.detection import state as S
from aiops.detection.state import State
from aiops.metrics.series import Labels, SeriesTable

ENTITY_SHARE_MIN = 0.5  # silent share of an entity's series that makes it an outage of the entity


@dataclass(frozen=True, slots=True)
class Silence:
    """One outage: the rows that are silent, since when, and the labels they share."""

    labels: Labels
    rows: tuple[int, ...]
    since_ms: int
    is_entity: bool


def entity_of(labels: Labels, entity_labels: Sequence[str]) -> tuple[str, str] | None:
    """The first of `entity_labels` that the series carries, with its value."""
    mapping = dict(labels)
    return next(((name, mapping[name]) for name in entity_labels if name in mapping), None)


class MissingWatch:
    """Remembers which rows are reported missing, so that each outage is told once and its end once.

    intervals, min_s: silence longer than both (and three times the longest pause ever seen) is missing.
    forget_s: a series silent for longer is gone for good and its outage ends.
    """

    def __init__(
        self,
        table: SeriesTable,
        state: State,
        entity_labels: Sequence[str],
        intervals: float,
        min_s: float,
        forget_s: float,
    ) -> None:
        self._table, self._state = table, state
        self._entity_labels = tuple(entity_labels)
        self._intervals, self._min_s, self._forget_s = intervals, min_s, forget_s
        self._entity_number: dict[tuple[str, str], int] = {}
        self._entity = np.full(table.series_max, -1, np.int32)  # entity number per row; -1 = belongs to none
        self._known = 0
        self._missing = np.zeros(table.series_max, np.bool_)
        self._pause = (0, 0)

    def paused(self, start_ms: int, end_ms: int) -> None:
        """Nothing at all came between these times: the sender or this service was away, and no series is to blame."""
        self._pause = (start_ms, end_ms)

    def restore(self, rows: Sequence[int]) -> None:
        """These rows were reported missing in an earlier run."""
        self._missing[list(rows)] = True

    def forget(self, rows: NDArray[np.int64]) -> None:
        """The series in these rows are of no entity any more; entities without series are forgotten too."""
        self._entity[rows], self._missing[rows] = -1, False
        has_entity = self._entity >= 0
        is_left = np.zeros(len(self._entity_number), np.bool_)
        is_left[self._entity[has_entity]] = True
        number = np.cumsum(is_left) - 1
        self._entity[has_entity] = number[self._entity[has_entity]]
        self._entity_number = {key: int(number[old]) for key, old in self._entity_number.items() if is_left[old]}

    def _learn_entities(self) -> None:
        for row in self._table.new_since(self._known):
            key = entity_of(self._table.labels(row), self._entity_labels)
            if key is not None:
                self._entity[row] = self._entity_number.setdefault(key, len(self._entity_number))
        self._known = self._table.given

    def sweep(self, now_ms: int) -> tuple[list[Silence], list[int]]:
        """(new outages, rows that speak again or are given up) at stream time `now_ms`."""
        n = len(self._table)
        self._learn_entities()
        head, body = self._state.head[:n], self._state.body[:n]
        last, interval_s = head[:, S.LAST_TIME_MS], head[:, S.INTERVAL_S]
        limit_ms = 1000 * np.maximum(
            np.maximum(self._intervals * interval_s, 3.0 * body[:, S.GAP_MAX_S].astype(np.float64)), self._min_s
        )
        was_live = (head[:, S.SEEN] >= 20) & (interval_s > 0) & (head[:, S.ARRIVED_MS] - last <= limit_ms)
        pause_start_ms, pause_end_ms = self._pause
        silent_ms = now_ms - last - np.where(last <= pause_start_ms, pause_end_ms - pause_start_ms, 0)
        given_up = was_live & (silent_ms > np.maximum(1000 * self._forget_s, 2 * limit_ms))
        silent = was_live & (silent_ms > limit_ms) & ~given_up
        ended = silent & np.isnan(head[:, S.LAST_RAW])
        fresh = silent & ~self._missing[:n]
        over = np.flatnonzero(self._missing[:n] & ~silent)
        outages = self._outages(silent, ended, fresh, was_live & ~given_up) if fresh.any() else []
        self._missing[:n] = silent
        return outages, [int(row) for row in over]

    def _outages(
        self,
        silent: NDArray[np.bool_],
        ended: NDArray[np.bool_],
        fresh: NDArray[np.bool_],
        relevant: NDArray[np.bool_],
    ) -> list[Silence]:
        entity = self._entity[: len(silent)]

        def count(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
            """Rows of the mask per entity; those of no entity are counted last."""
            return np.bincount(entity[mask] % (len(self._entity_number) + 1), minlength=len(self._entity_number) + 1)

        total, silent_count = count(relevant), count(silent)
        surprising, earlier = count(silent & ~ended), count(silent & ~fresh)
        fresh_rows = np.flatnonzero(fresh)
        fresh_rows = fresh_rows[np.argsort(entity[fresh_rows], kind="stable")]
        found: list[Silence] = []
        for rows in np.split(fresh_rows, np.flatnonzero(np.diff(entity[fresh_rows])) + 1):
            number = int(entity[rows[0]])
            half = ENTITY_SHARE_MIN * total[number]
            if number >= 0 and silent_count[number] == total[number] and surprising[number] == 0:
                continue  # all of it ended on purpose
            if number >= 0 and total[number] > 1 and silent_count[number] >= half:
                if earlier[number] < half:
                    found.append(self._silence(rows, is_entity=True))
            else:
                found += [self._silence(rows[k : k + 1], is_entity=False) for k in np.flatnonzero(~ended[rows])]
        return found

    def _silence(self, rows: NDArray[np.int64], is_entity: bool) -> Silence:
        shared = set(self._table.labels(int(rows[0])))
        for row in rows[1:]:
            shared &= set(self._table.labels(int(row)))
        since = int(self._state.head[rows, S.LAST_TIME_MS].min())
        return Silence(tuple(sorted(shared)), tuple(int(row) for row in rows), since, is_entity)
