"""Detectors that the operator brings (`own_load`), at work beside ours: on the series that match, nowhere else.

Before the kernel runs, new samples of these series pass through their detector, and its raw scores through the same
calibration as ours (`own_kernel`). What comes out is one more strength among those of our detectors, so that alerts,
budgets, rules and incidents need not know. A detector that fails on a series is not asked about that series again.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from aiops.config import OwnDetector
from aiops.detection import own_kernel as O
from aiops.detection import state as S
from aiops.detection.own_load import RAISED, Floats, Scorer, load, place
from aiops.detection.policy import matchers_of
from aiops.detection.snapshot import load_arrays, save_arrays
from aiops.errors import SnapshotError
from aiops.metrics.series import SeriesTable

WARM_UP = 20  # a detector's first scores of a series are not worth learning
NOWHERE: Floats = np.empty(0)
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Watched:
    """One series and its detector."""

    own: OwnDetector
    key: str
    scorer: Scorer | None  # None: it failed
    unready: int = WARM_UP  # scores yet to come that are not worth learning


class OwnDetectors:
    """The operator's detectors and what they know of the series of `table`; without any, nothing is allocated.

    Of several that match a series the first counts. Beyond `series_max` matched series, the others are scored by our
    detectors only (`refused_count`). Raises SettingsError for a selector, name, file or option that cannot be obeyed.
    """

    def __init__(self, table: SeriesTable, detectors: Sequence[OwnDetector] = (), series_max: int = 1000) -> None:
        self._table, self._series_max = table, series_max
        self._detectors = [
            (matchers_of(own.match, f"detection.detectors.{k}.match"), own, load(own, f"detection.detectors.{k}"))
            for k, own in enumerate(detectors)
        ]
        self._known = 0
        self._slot = np.full(table.series_max if detectors else 0, -1, np.int32)
        self._watched: dict[int, _Watched] = {}  # by slot: the row of `_memory`
        self._free = list(range(series_max if detectors else 0))[::-1]  # slots, the next to be given out last
        self._refused: set[int] = set()  # rows
        self._memory = np.zeros((series_max if detectors else 0, O.MEMORY_SIZE))
        self._kept: dict[str, tuple[Floats, Floats]] = {}  # of a snapshot: memory and state
        self.failed_count: dict[str, int] = {own.name: 0 for own in detectors}

    def __bool__(self) -> bool:
        return bool(self._detectors)

    @property
    def refused_count(self) -> int:
        """Series that match but came when `series_max` had one."""
        return len(self._refused)

    @property
    def series_count(self) -> dict[str, int]:
        """Series at which each detector is at work."""
        names = [watched.own.name for watched in self._watched.values() if watched.scorer is not None]
        return {own.name: names.count(own.name) for _, own, _ in self._detectors}

    def name(self, row: int) -> str:
        """The name of the detector that this series has; empty where it has none."""
        slot = self._slot[row] if self._detectors else -1
        return self._watched[slot].own.name if slot >= 0 else ""

    def compile(self) -> None:
        """Compiles the calibration, so that the first request does not wait."""
        if self._detectors:
            O.calibrate(np.zeros(1), np.zeros((1, O.MEMORY_SIZE)), 0)

    def strengths(
        self,
        rows: NDArray[np.int32],
        time_ms: NDArray[np.int64],
        values: Floats,
        stale: NDArray[np.bool_],
        head: Floats,
    ) -> Floats:
        """Strengths (n,) of a batch that the kernel is about to score, 0 = nothing to say; empty where no sample is of
        a series with a detector. Samples that the kernel will not take are left out; those that are late by a clock set
        back are until the next batch."""
        if not self._detectors:
            return NOWHERE
        self._learn_series()
        slots = self._slot[rows]
        mine = np.flatnonzero(slots >= 0)
        if not len(mine):
            return NOWHERE
        out = np.zeros(len(rows))
        mine = mine[np.argsort(slots[mine], kind="stable")]
        for group in np.split(mine, np.flatnonzero(np.diff(slots[mine])) + 1):
            slot, row = int(slots[group[0]]), int(rows[group[0]])
            if self._watched[slot].scorer is not None:
                taken, scored = self._taken(group, row, time_ms, values, stale, head)
                if len(taken):
                    out[taken] = self._scored(slot, scored, time_ms[taken] / 1000)
        return out

    def forget(self, rows: NDArray[np.int64]) -> None:
        """Nothing is known any more of the series in these rows."""
        if self._detectors:
            self._refused.difference_update(rows.tolist())
            for slot in self._slot[rows][self._slot[rows] >= 0].tolist():
                del self._watched[slot]
                self._memory[slot] = 0
                self._free.append(slot)
            self._slot[rows] = -1

    def save(self, folder: Path, lock: AbstractContextManager[object]) -> None:
        """Keeps the calibration and the states, as plain numbers and text. Raises OSError."""
        if self._detectors:
            with lock:
                arrays = self._arrays()
            save_arrays(folder / "own.npz", arrays)

    def restore(self, folder: Path) -> None:
        """Takes them up again, series by series; where they cannot be read, the detectors learn anew."""
        try:
            if self._detectors and (arrays := load_arrays(folder / "own.npz")):
                self._take_up(arrays)
        except (SnapshotError, KeyError, ValueError) as error:
            log.error("own_snapshot_refused", reason=str(error), action="the detectors you brought learn anew")

    def _arrays(self) -> dict[str, NDArray[Any]]:
        living = [(slot, one, one.scorer) for slot, one in self._watched.items() if one.scorer is not None]
        states = [scorer.state for _, _, scorer in living]
        return {
            "keys": np.array([one.key for _, one, _ in living], np.str_),
            "memory": self._memory[np.array([slot for slot, _, _ in living], np.int64)],
            "sizes": np.array([len(state) for state in states], np.int64),
            "states": np.concatenate([NOWHERE, *states]),
        }

    def _take_up(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        keys, memory, sizes = arrays["keys"].tolist(), arrays["memory"], arrays["sizes"]
        if memory.shape != (len(keys), O.MEMORY_SIZE) or int(sizes.sum()) != len(arrays["states"]):
            raise ValueError("what was kept has another shape")
        states = np.split(arrays["states"], np.cumsum(sizes)[:-1])
        self._kept = {key: (memory[k], states[k]) for k, key in enumerate(keys)}
        self._learn_series()

    def _learn_series(self) -> None:
        for row in self._table.new_since(self._known):
            labels = dict(self._table.labels(row))
            for matchers, own, make in self._detectors:
                if all(matcher.matches(labels) for matcher in matchers):
                    if self._free:
                        slot = self._free.pop()
                        self._slot[row] = slot
                        self._watched[slot] = self._begin(slot, own, make(), labels)
                    else:
                        self._refuse(row)
                    break
        self._known = self._table.given

    def _begin(self, slot: int, own: OwnDetector, scorer: Scorer, labels: dict[str, str]) -> _Watched:
        key = json.dumps([own.name, own.options, labels], sort_keys=True, default=str)
        watched = _Watched(own, key, scorer)
        memory, state = self._kept.pop(key, (NOWHERE, NOWHERE))
        if len(memory) and len(state) == len(scorer.state):
            self._memory[slot] = memory
            scorer.state[:] = state
            watched.unready = 0 if len(state) else WARM_UP
        return watched

    def _refuse(self, row: int) -> None:
        self._refused.add(row)
        if len(self._refused) == 1:
            log.warning(
                "own_series_max_reached",
                own_series_max=self._series_max,
                action="further series are scored by the built-in detectors only; raise detection.own_series_max",
            )

    def _taken(
        self,
        group: NDArray[np.int64],
        row: int,
        time_ms: NDArray[np.int64],
        values: Floats,
        stale: NDArray[np.bool_],
        head: Floats,
    ) -> tuple[NDArray[np.int64], Floats]:
        """Positions of the samples of one series that the kernel will score, and the values as it will: of a counter
        the rate."""
        is_counter, seen = bool(self._table.is_counter[row]), head[row, S.SEEN] > 0
        last_ms = int(head[row, S.LAST_TIME_MS]) if seen else None
        last = float(head[row, S.LAST_RAW]) if seen else np.nan
        taken, scored = [], []
        for k in group.tolist():
            at, value = int(time_ms[k]), float(values[k])
            if last_ms is not None and at <= last_ms:
                continue
            is_known = not stale[k] and np.isfinite(value)
            if is_known and not is_counter:
                taken.append(k)
                scored.append(value)
            elif is_known and last_ms is not None and np.isfinite(last) and value >= last:
                taken.append(k)
                scored.append((value - last) / ((at - last_ms) / 1000))
            last_ms, last = at, (value if not stale[k] else np.nan)
        return np.array(taken, np.int64), np.array(scored, np.float64)

    def _scored(self, slot: int, values: Floats, times_s: Floats) -> Floats:
        watched = self._watched[slot]
        assert watched.scorer is not None
        strengths = np.zeros(len(values))
        try:
            raw = watched.scorer(values, times_s)
        except RAISED as error:
            watched.scorer = None
            name = watched.own.name
            self.failed_count[name] += 1
            if self.failed_count[name] == 1:
                where = place(error, name if name.endswith(".py") else "")
                log.error("own_detector_failed", detector=name, where=where, action="the series goes on without it")
            return strengths
        ready = np.flatnonzero(~np.isnan(raw))
        skipped = min(watched.unready, len(ready))
        watched.unready -= skipped
        ready = ready[skipped:]
        if len(ready):
            strengths[ready] = O.calibrate(raw[ready], self._memory, slot)
        return strengths
