"""The engine: samples in, scores out. Owns the state of every series and calls the kernel; everything slow or rare
(missing series, sentences, snapshots) lives beside it, not in it."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops.detection import kernel
from aiops.detection.own import OwnDetectors
from aiops.detection.policy import Policy
from aiops.detection.prior import Priors
from aiops.detection.scores import Scores
from aiops.detection.share import share_of
from aiops.detection.state import BYTES_PER_SERIES, State
from aiops.metrics.series import SampleBatch, SeriesTable

SAMPLES_PER_THREAD_MIN = 2048  # about half a millisecond: less is not worth another thread
THREADS_MAX = 8  # chosen by itself: beyond, memory is the limit
PRIOR_COUNT_MIN = 10  # samples by which the level of a new series is known well enough
PRIOR_PASSES = 4
Places = NDArray[np.int64]  # named once: a function within a function is annotated anew at every call
_NOWHERE = np.empty(0, np.int64)


class Engine:
    """Streaming detectors for every series of `table`; not thread-safe: one caller at a time.

    `threads` work on a batch side by side, each on its own series, so results do not depend on their number (0: one
    per core, at most THREADS_MAX). `policy`: which deviations count. `own`: detectors that the operator brings.
    `warm_up_samples`: samples of a series before its first score. `persist_s`: how long an anomaly lasts before it is
    reported as persistent. `newest_ms`: newest sample time of the whole stream, the clock of everything downstream.
    """

    def __init__(
        self,
        table: SeriesTable,
        warm_up_samples: int = 20,
        persist_s: float = 600.0,
        threads: int = 1,
        policy: Policy | None = None,
        own: OwnDetectors | None = None,
    ) -> None:
        self.table = table
        self.warm_up_samples = warm_up_samples
        self.persist_s = persist_s
        self.state = State.allocate(table.series_max)
        self.policy = policy or Policy(table)
        self.own = own or OwnDetectors(table)
        self._priors = Priors(table, self.state, max(warm_up_samples, PRIOR_COUNT_MIN))
        self.newest_ms = 0
        self.threads = threads or min(os.cpu_count() or 1, THREADS_MAX)
        self._pool = ThreadPoolExecutor(self.threads - 1, "engine") if self.threads > 1 else None

    @property
    def bytes_per_series(self) -> int:
        return BYTES_PER_SERIES

    def compile(self) -> None:
        """Compiles the kernel, or loads it from the cache on disk, so that the first request does not wait."""
        scratch = Engine(SeriesTable(1), self.warm_up_samples, self.persist_s)
        scratch.ingest(SampleBatch(np.zeros(1, np.int32), np.zeros(1, np.int64), np.zeros(1), np.zeros(1, np.bool_)))
        share_of(_NOWHERE, np.empty(0, np.int32), 0, 1)
        self.own.compile()

    def forget(self, rows: NDArray[np.int64]) -> None:
        """Nothing is known any more of the series in these rows: all zero, for others to begin in."""
        self.state.head[rows] = 0
        self.state.body[rows] = 0
        self._priors.forget(rows)
        self.own.forget(rows)

    def ingest(self, batch: SampleBatch) -> Scores:
        """Scores the samples in the order given and learns from them; rows must be rows of `table`."""
        n = len(batch)
        out = np.empty((5, n))
        told = np.empty((n, kernel.TOLD_SIZE))  # written at onsets only: the rest costs no memory
        status, kind, flags = np.empty((3, n), np.uint8)
        rows, arrived_ms = _column(batch.rows, np.int32), self.newest_ms
        time_ms, values = _column(batch.time_ms, np.int64), _column(batch.values, np.float64)
        stale = _column(batch.stale, np.bool_)
        self.policy.learn_series()
        own = self.own.strengths(rows, time_ms, values, stale, self.state.head)

        def score(mine: Places) -> int:
            return int(
                kernel.ingest(
                    mine,
                    rows,
                    time_ms,
                    values,
                    stale,
                    arrived_ms,
                    self.table.is_counter,
                    self.state.head,
                    self.state.body,
                    self.policy.rows,
                    own,
                    float(self.persist_s),
                    int(self.warm_up_samples),
                    out,
                    status,
                    kind,
                    flags,
                    told,
                )
            )

        def score_share(mine: Places, share: int, shares: int) -> int:
            return score(share_of(mine, rows, share, shares))

        def score_all(mine: Places) -> int:
            shares = min(self.threads, len(mine) // SAMPLES_PER_THREAD_MIN)
            if self._pool is None or shares < 2:
                return score(mine)
            others = [self._pool.submit(score_share, mine, share, shares) for share in range(1, shares)]
            return max(score_share(mine, 0, shares), *(other.result() for other in others))

        self._priors.learn_series()
        mine = np.arange(n)
        for _ in range(PRIOR_PASSES):  # the first samples of a counter, NaN and late ones teach nothing
            if (later := self._priors.later(rows, mine)) is None:
                break
            self.newest_ms = max(self.newest_ms, score_all(mine[~later]))
            self._priors.hand_over()
            mine = mine[later]
        self.newest_ms = max(self.newest_ms, score_all(mine))
        seen = int(np.bitwise_or.reduce(flags))  # most batches have no event: not worth looking for each
        onsets = np.flatnonzero(flags & kernel.ONSET) if seen & kernel.ONSET else _NOWHERE
        alert = np.zeros(n, np.float32)
        if len(onsets):
            alert[onsets] = out[0, onsets]
        return Scores(
            score=out[0].astype(np.float32),
            expected=out[1],
            lower=out[2],
            upper=out[3],
            anomalous=(flags & kernel.ANOMALOUS).view(np.bool_),
            novel=(flags & kernel.NOVEL) != 0,
            alert=alert,
            kind=kind,
            strength=out[4].astype(np.float32),
            status=status,
            onsets=onsets,
            hints=np.flatnonzero(flags & kernel.HINT) if seen & kernel.HINT else _NOWHERE,
            persisted=np.flatnonzero(flags & kernel.PERSISTED) if seen & kernel.PERSISTED else _NOWHERE,
            endings=np.flatnonzero(flags & kernel.ENDED) if seen & kernel.ENDED else _NOWHERE,
            accepted=np.flatnonzero(flags & kernel.ACCEPTED) if seen & kernel.ACCEPTED else _NOWHERE,
            again=np.flatnonzero(flags & kernel.AGAIN) if seen & kernel.AGAIN else _NOWHERE,
            told=told,
        )


def _column(values: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
    """The same numbers as the one array type the kernel is compiled for; a copy only where they are not."""
    return values if values.dtype == dtype and values.flags.carray else np.require(values, dtype, ["C", "W"])
