"""Samples that should have come and did not.

Every series has its own rhythm (`INTERVAL_S`, `GAP_MAX_S`), so silence is judged per series; time is the newest
sample of the whole stream, so that a stopped sender, or a replay at any speed, is not taken for a thousand dead
series. What is missing is told apart by what the rest of the same entity (service, instance, ...) and the siblings of
the series (`role`: the same metric of the same service, run by others) do:

- a series of the same role began about when this one ended, or later: it was replaced, and nothing is missing;
- its role was vacant before it came, as after an earlier one as short as it, or it was the first pod of its role and
  lived for no hour: a job that is done;
- its siblings live on: the pod (instance, host) is missing, told by its name and how many still report;
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
from aiops.detection.role import RUN_LABELS, is_of_job, role_of, run_of
from aiops.detection.state import State
from aiops.metrics.series import Labels, SeriesTable

ENTITY_SHARE_MIN = 0.5  # silent share of an entity's series that makes it an outage of the entity
QUIET_SHARE = 0.5  # of the silence that is missing data: so long after another's last sample, a series lives on
OVERLAP_MS = 30 * 60_000  # a successor may have begun so long before the end of the one it replaces
JOB_MS = 6 * 3_600_000  # a job lives no longer,
FIRST_JOB_MS = 3_600_000  # and the first of its role, when nothing else says that it is one, no longer than this


@dataclass(frozen=True, slots=True)
class Silence:
    """One outage: the rows that are silent, since when, and the labels they share. `run`: which of several siblings it
    is, of which `reporting` of `siblings` still speak."""

    labels: Labels
    rows: tuple[int, ...]
    since_ms: int
    is_entity: bool
    run: tuple[str, str] | None = None
    reporting: int = 0
    siblings: int = 0


@dataclass(frozen=True, slots=True)
class _Look:
    """What one sweep sees of the rows in use."""

    last_ms: NDArray[np.float64]
    born_ms: NDArray[np.float64]  # as far as the number of samples says
    limit_ms: NDArray[np.float64]  # a longer silence is missing data
    relevant: NDArray[np.bool_]  # of whom something is to be expected
    silent: NDArray[np.bool_]
    quiet: NDArray[np.bool_]  # silent, or about to be
    ended: NDArray[np.bool_]  # by a marker
    fresh: NDArray[np.bool_]  # silent since the last sweep, and not told yet


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
        self._role = np.zeros(table.series_max, np.int64)  # 0 = no siblings
        self._known = 0
        self._missing, self._is_whole, self._gone, self._is_heir = np.zeros((4, table.series_max), np.bool_)
        # told, or found to be none; told with its entity; replaced, or a job that is done; who replaced another
        self._told_ms = np.zeros(
            table.series_max
        )  # last sample of a row that was told before it was silent long enough
        self._pause = (0, 0)

    def paused(self, start_ms: int, end_ms: int) -> None:
        """Nothing at all came between these times: the sender or this service was away, and no series is to blame."""
        self._pause = (start_ms, end_ms)

    def restore(self, rows: Sequence[int], is_entity: bool) -> None:
        """These rows were reported missing in an earlier run; `is_entity`: as a whole."""
        self._missing[list(rows)] = True
        self._is_whole[list(rows)] |= is_entity

    def forget(self, rows: NDArray[np.int64]) -> None:
        """The series in these rows are of no entity any more; entities without series are forgotten too."""
        self._entity[rows], self._role[rows], self._told_ms[rows] = -1, 0, 0
        self._missing[rows] = self._is_whole[rows] = self._gone[rows] = self._is_heir[rows] = False
        has_entity = self._entity >= 0
        is_left = np.zeros(len(self._entity_number), np.bool_)
        is_left[self._entity[has_entity]] = True
        number = np.cumsum(is_left) - 1
        self._entity[has_entity] = number[self._entity[has_entity]]
        self._entity_number = {key: int(number[old]) for key, old in self._entity_number.items() if is_left[old]}

    def _learn_entities(self) -> list[int]:
        """Rows that are new since the last sweep and may have siblings."""
        with_role = []
        for row in self._table.new_since(self._known):
            labels = self._table.labels(row)
            key = entity_of(labels, self._entity_labels)
            if key is not None:
                self._entity[row] = self._entity_number.setdefault(key, len(self._entity_number))
            self._role[row] = role_of(labels, key)
            if self._role[row]:
                with_role.append(row)
        self._known = self._table.given
        return with_role

    def sweep(self, now_ms: int) -> tuple[list[Silence], list[int]]:
        """(new outages, rows that speak again, are replaced or given up) at stream time `now_ms`."""
        n = len(self._table)
        new = self._learn_entities()
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
        missing, gone = self._missing[:n], self._gone[:n]
        counted = silent | (was_live & ~given_up & (self._told_ms[:n] == last))
        gone &= silent
        self._is_whole[:n] &= counted
        fresh = silent & ~missing
        over = np.flatnonzero(missing & ~counted)
        outages: list[Silence] = []
        heirs = self._role[new]
        if fresh.any() or (len(new) and (silent & ~gone & np.isin(self._role[:n], heirs)).any()):
            look = _Look(
                last,
                last - 1000 * head[:, S.SEEN] * interval_s,
                limit_ms,
                was_live & ~given_up,
                silent,
                was_live & ~given_up & (silent_ms > QUIET_SHARE * limit_ms),
                np.isnan(head[:, S.LAST_RAW]),
                fresh,
            )
            before = gone.copy()
            self._succeed(look, None if fresh.any() else heirs)
            over = np.union1d(over, np.flatnonzero(gone & ~before & missing))
            if fresh.any():
                outages = self._outages(look)
                counted |= self._told_ms[:n] == last
        self._missing[:n] = counted
        return outages, [int(row) for row in over]

    def _succeed(self, look: _Look, roles: NDArray[np.int64] | None) -> None:
        """Finds those silent that were replaced, and jobs that are done; of these roles only, if given."""
        n = len(look.silent)
        role, last = self._role[:n], look.last_ms
        left = look.silent & ~self._gone[:n] & (role != 0)
        left &= np.isin(role, roles) if roles is not None else True
        if not left.any():
            return
        of_role = np.flatnonzero(np.isin(role, role[left]) & (self._state.head[:n, S.SEEN] > 0))
        first_end = last[left].min()
        is_born = (look.born_ms[of_role] >= first_end - OVERLAP_MS) & (last[of_role] > first_end)
        born = of_role[is_born & ~self._is_heir[of_role] & ~look.ended[of_role]]
        rows = np.flatnonzero(left & np.isin(role, role[born]))
        for row in rows[np.argsort(last[rows], kind="stable")]:
            mine = born[(role[born] == role[row]) & ~self._is_heir[born] & (born != row) & (last[born] > last[row])]
            mine = mine[look.born_ms[mine] >= last[row] - OVERLAP_MS]
            if len(mine):
                self._is_heir[mine[np.argmin(look.born_ms[mine])]] = self._gone[row] = True
        lived_ms = last - look.born_ms
        for row in np.flatnonzero(look.fresh & ~self._gone[:n] & (role != 0) & (lived_ms <= JOB_MS)):
            others = of_role[(role[of_role] == role[row]) & (of_role != row)]
            before = others[look.born_ms[others] < look.born_ms[row]]
            if len(before):
                latest = before[np.argmax(last[before])]
                was_vacant = last[latest] + look.limit_ms[row] < look.born_ms[row]
                self._gone[row] = was_vacant and lived_ms[latest] <= JOB_MS
            elif lived_ms[row] <= FIRST_JOB_MS and is_of_job(self._table.labels(int(row))):
                self._gone[row] = not (look.born_ms[others] <= last[row]).any()

    def _outages(self, look: _Look) -> list[Silence]:
        n = len(look.silent)
        entity, gone = self._entity[:n], self._gone[:n]
        relevant, quiet = look.relevant & ~gone, look.quiet & ~gone

        def count(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
            """Rows of the mask per entity; those of no entity are counted last."""
            return np.bincount(entity[mask] % (len(self._entity_number) + 1), minlength=len(self._entity_number) + 1)

        total, quiet_count, surprising = count(relevant), count(quiet), count(quiet & ~look.ended)
        fresh_rows = np.flatnonzero(look.fresh & ~gone)
        has_living = self._has_living_siblings(fresh_rows, look)
        names = {number: name for name, number in self._entity_number.items()} if has_living.any() else {}
        order = np.argsort(entity[fresh_rows], kind="stable")
        fresh_rows, has_living = fresh_rows[order], has_living[order]
        cuts = np.flatnonzero(np.diff(entity[fresh_rows])) + 1
        found: list[Silence] = []
        for rows, lives_on in zip(np.split(fresh_rows, cuts), np.split(has_living, cuts), strict=True):
            if not len(rows):
                continue
            number = int(entity[rows[0]])
            half = ENTITY_SHARE_MIN * total[number]
            if number >= 0 and quiet_count[number] == total[number] and surprising[number] == 0:
                continue  # all of it ended on purpose
            if lives_on.any() and names.get(number, ("pod",))[0] not in RUN_LABELS:
                mine = np.flatnonzero((entity == number) & relevant)
                found += self._runs(rows[lives_on & ~look.ended[rows]], mine, look)
                rows = rows[~lives_on]
            if not len(rows):
                continue
            if number >= 0 and total[number] > 1 and quiet_count[number] >= half:
                mine = np.flatnonzero((entity == number) & quiet)
                if not self._is_whole[mine].any():
                    found.append(self._silence(mine, is_entity=True))
                self._is_whole[mine], self._told_ms[mine] = True, look.last_ms[mine]
            else:
                found += [self._silence(rows[k : k + 1], is_entity=False) for k in np.flatnonzero(~look.ended[rows])]
        return found

    def _has_living_siblings(self, rows: NDArray[np.int64], look: _Look) -> NDArray[np.bool_]:
        """Whether another of the same role has spoken well after the last word of each."""
        n = len(look.silent)
        role = self._role[:n]
        kinds, of_kind = np.unique(role[rows], return_inverse=True)
        others = np.flatnonzero(np.isin(role, kinds[kinds != 0]) & ~look.ended)
        latest = np.zeros(len(kinds))
        np.maximum.at(latest, np.searchsorted(kinds, role[others]), look.last_ms[others])
        lives: NDArray[np.bool_] = latest[of_kind] > look.last_ms[rows] + QUIET_SHARE * look.limit_ms[rows]
        return lives

    def _runs(self, rows: NDArray[np.int64], mine: NDArray[np.int64], look: _Look) -> list[Silence]:
        """Outages of single pods (instances, ...) of an entity whose rows are `mine`, while their siblings live on."""
        entity = entity_of(self._table.labels(int(mine[0])), self._entity_labels) if len(mine) else None
        run = {int(row): run_of(self._table.labels(int(row)), entity) for row in {*rows.tolist(), *mine.tolist()}}
        newest: dict[tuple[str, str] | None, float] = {}
        for row in mine.tolist():
            newest[run[row]] = max(newest.get(run[row], 0.0), float(look.last_ms[row]))
        found: list[Silence] = []
        told: set[tuple[str, str] | None] = set()
        for row in rows.tolist():
            one = run[row]
            if one in told:
                continue
            is_all = newest.get(one, 0.0) <= look.last_ms[row] + QUIET_SHARE * look.limit_ms[row]
            its = np.array([other for other in mine.tolist() if run[other] == one]) if is_all else np.array([row])
            if is_all:
                told.add(one)
                self._told_ms[its] = look.last_ms[its]
                reporting, siblings = self._siblings(row, mine, look)
                found.append(self._silence(its, False, one, reporting, siblings))
            else:
                found.append(self._silence(its, is_entity=False))
        return found

    def _siblings(self, row: int, mine: NDArray[np.int64], look: _Look) -> tuple[int, int]:
        """(how many of the role of this row report, how many there are); `mine`: those of whom that is expected."""
        n = len(look.silent)
        speaks = (look.last_ms > look.last_ms[row] + QUIET_SHARE * look.limit_ms[row]) & ~look.ended
        reporting = int(((self._role[:n] == self._role[row]) & speaks).sum())
        return reporting, reporting + int(((self._role[mine] == self._role[row]) & ~speaks[mine]).sum())

    def _silence(
        self,
        rows: NDArray[np.int64],
        is_entity: bool,
        run: tuple[str, str] | None = None,
        reporting: int = 0,
        siblings: int = 0,
    ) -> Silence:
        shared = set(self._table.labels(int(rows[0])))
        for row in rows[1:]:
            shared &= set(self._table.labels(int(row)))
        since = int(self._state.head[rows, S.LAST_TIME_MS].min())
        found = tuple(int(row) for row in rows)
        return Silence(tuple(sorted(shared)), found, since, is_entity, run, reporting, siblings)
