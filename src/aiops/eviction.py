"""Room in a full table: series that fell silent long ago are forgotten, so that new ones can come.

Nothing is forgotten while there is room. In a full table the series of replaced pods and renamed labels would shut out
those that live; what lives is never pushed out by what is new, however much of it comes. Silent is counted from the
last arrival, by the clock of the stream, so a sender that is behind is not silent; where all that comes is refused,
that clock goes on as fast as the wall's. What pauses by habit (a nightly job) is known by its longest pause. Series of
living incidents are left alone; what was held back of others is over.
"""

import math
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from aiops.config import Settings
from aiops.detection import state as S
from aiops.detection.state import BYTES_PER_SERIES, State
from aiops.incidents.grouping import Grouper
from aiops.metrics.series import FREE, Labels, SeriesTable
from aiops.metrics.timestamp import iso
from aiops.metrics.write_result import Refusal
from aiops.observation import Observation
from aiops.watch import Watch

AGAIN_MS = 10_000  # of stream time before another look where the last found all there was
WARN_S = 60.0
ROWS_MAX = 20_000  # forgotten at a time: writes wait so long
PAUSES = 2.0  # so many times its longest pause a series may be silent
PAUSES_MAX_S = 8 * 86_400.0  # but no longer: a weekly job is kept, a sample of long ago protects nothing
log = structlog.get_logger(__name__)

Rows = NDArray[np.int64]


class ByRow(Protocol):
    """Keeps things by row of the table; `forget` is called while the labels still stand there."""

    def forget(self, rows: Rows, /) -> None: ...


class ByLabels(Protocol):
    """Keeps things by the labels of a series."""

    def forget(self, series: Sequence[Labels], /) -> None: ...


@dataclass(frozen=True, slots=True)
class InUse:
    """Who may be saying something about a series now."""

    alert_of_row: dict[int, str]  # rows with a running anomaly -> fingerprint
    watch: Watch
    grouper: Grouper

    def rows(self, table: SeriesTable) -> set[int]:
        """Rows that must not be forgotten."""
        alerting = (table.find(alert.labels) for alert in self.grouper.alerts())
        told = self.watch.rows_of(self._is_told)
        anomalous = (row for row, fingerprint in self.alert_of_row.items() if self._is_told(fingerprint))
        return told.union(anomalous, (row for row in alerting if row is not None))

    def end(self, rows: Iterable[int], now_ms: int) -> None:
        """What these series did last is over."""
        for row in self.alert_of_row.keys() & set(rows):
            self.grouper.ended(self.alert_of_row.pop(row), now_ms)

    def _is_told(self, fingerprint: str) -> bool:
        return self.grouper.incident_of(fingerprint) is not None


class Eviction:
    """Forgets silent series everywhere at once: in all that keep things by row, by labels, and in the table."""

    def __init__(
        self,
        settings: Settings,
        table: SeriesTable,
        state: State,
        in_use: InUse,
        by_row: Sequence[ByRow],
        by_labels: Sequence[ByLabels],
        observation: Observation,
    ) -> None:
        self._forget_s = settings.ingest.series_forget_s
        self._gone_s = max(settings.detection.missing_forget_s, self._forget_s)
        self._table, self._state, self._in_use, self._observation = table, state, in_use, observation
        self._by_row, self._by_labels = by_row, by_labels
        self._pause = (0, 0)  # the longest of late in which nothing came at all
        self._due_ms = 0
        self._placed_s = math.inf  # wall clock, when a sample last had a place
        self._refused, self._warned_s = 0, -math.inf  # samples since the last warning; when that was

    def paused(self, start_ms: int, end_ms: int) -> None:
        """Nothing at all came between these times: it does not count as silence of any series."""
        start, end = self._pause
        if end_ms - start_ms >= end - start or end_ms - end > 1000 * self._forget_s:
            self._pause = (start_ms, end_ms)

    def refused(self, count: int, now_s: float) -> None:
        """So many samples were refused for want of room at wall clock time `now_s`: told at most once a minute."""
        self._refused += count
        if self._refused and not 0 <= now_s - self._warned_s < WARN_S:
            log.warning(
                "series_limit",
                series=self._table.series_count,
                series_max=self._table.series_max,
                samples_refused=self._refused,
                action=f"raise ingest.series_max ({BYTES_PER_SERIES} bytes each; then restart), send fewer series, "
                "or lower ingest.series_forget_s",
            )
            self._refused, self._warned_s = 0, now_s

    def makes_room(self, refused: Container[Refusal], rows: NDArray[np.int32], now_ms: int, now_s: float) -> bool:
        """Whether a request that was refused series for want of room is worth another try, since silent ones were
        forgotten. `rows`: of those of its samples that have a place; now_ms: where the stream stands; now_s: wall
        clock."""
        if len(rows) or self._placed_s == math.inf:
            self._placed_s = now_s
        now_ms += max(0, int(1000 * (now_s - self._placed_s)))  # all was renamed: nobody else moves the clock
        if Refusal.SERIES_LIMIT not in refused or now_ms < self._due_ms:
            return False
        self._end_given_up(now_ms)
        out = self._silent(self._in_use.rows(self._table) | set(rows.tolist()), now_ms)
        if len(out) < ROWS_MAX:
            self._due_ms = now_ms + AGAIN_MS
        if len(out):
            since = iso(int(self._state.head[out, S.ARRIVED_MS].max()))
            self._in_use.end(out.tolist(), now_ms)
            self._forget(out)
            self._observation.forgotten.inc(len(out))
            log.info("series_forgotten", count=len(out), silent_since=since, series_max=self._table.series_max)
        return len(out) > 0

    def _end_given_up(self, now_ms: int) -> None:
        """What a series did last is over where it is gone for good, else its incident would live for ever."""
        rows = np.fromiter(self._in_use.alert_of_row, np.int64)
        self._in_use.end(rows[self._silent_s(rows, now_ms) > self._gone_s].tolist(), now_ms)

    def _silent(self, in_use: set[int], now_ms: int) -> Rows:
        """The rows to forget, those silent for longest first."""
        rows: Rows = np.flatnonzero(self._table.born[: len(self._table)] != FREE)
        silent_s = self._silent_s(rows, now_ms)
        pauses_s = np.minimum(PAUSES * self._state.body[rows, S.GAP_MAX_S], PAUSES_MAX_S)
        is_out = silent_s > np.maximum(self._forget_s, pauses_s)
        is_out &= ~np.isin(rows, np.fromiter(in_use, np.int64))
        out: Rows = rows[is_out][np.argsort(-silent_s[is_out], kind="stable")]
        return out[:ROWS_MAX]

    def _forget(self, rows: Rows) -> None:
        labels = [self._table.labels(row) for row in rows.tolist()]
        for by_row in self._by_row:
            by_row.forget(rows)
        for by_labels in self._by_labels:
            by_labels.forget(labels)
        self._table.free(rows)

    def _silent_s(self, rows: Rows, now_ms: int) -> NDArray[np.float64]:
        """Since the last sample of each came; for ever where none did."""
        arrived_ms, (start_ms, end_ms) = self._state.head[rows, S.ARRIVED_MS], self._pause
        silent_ms = now_ms - arrived_ms - np.where(arrived_ms <= start_ms, end_ms - start_ms, 0)
        return np.where(arrived_ms > 0, silent_ms / 1000, np.inf if now_ms else 0.0)
