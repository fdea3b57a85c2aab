"""What survives a restart: everything that was learned, saved to disk every few seconds while samples arrive."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import structlog

from aiops.detection.engine import Engine
from aiops.detection.joint import JointWatch
from aiops.detection.snapshot import Snapshots
from aiops.metrics.series import SeriesTable
from aiops.observation import Observation
from aiops.telling import Telling

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Learned:
    """All that has a memory."""

    table: SeriesTable
    engine: Engine
    telling: Telling
    joint: JointWatch


class Keeping:
    """Saves into `folder` each `interval_s` in a thread of its own, under `lock` where it reads; `now_s`: the clock."""

    def __init__(
        self,
        folder: Path,
        interval_s: float,
        lock: AbstractContextManager[object],
        observation: Observation,
        now_s: Callable[[], float],
    ) -> None:
        self._folder, self._interval_s, self._lock = folder, interval_s, lock
        self._observation, self._now_s = observation, now_s
        self._snapshots = Snapshots(folder)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def restore(self, learned: Learned) -> None:
        """Takes up what was saved last. Raises SnapshotError where the series cannot be read."""
        learned.engine.newest_ms = self._snapshots.restore(learned.table, learned.engine.state)
        learned.telling.restore(self._folder)
        learned.engine.own.restore(self._folder)
        learned.joint.restore(self._folder)

    def set_aside(self) -> None:
        """What cannot be read is moved out of the way."""
        self._snapshots.set_aside()

    def start(self, learned: Learned) -> None:
        """Begins to save."""
        self._thread = threading.Thread(target=self._save_often, args=(learned,), name="snapshots", daemon=True)
        self._thread.start()

    def stop(self, learned: Learned) -> None:
        """Saves a last time, where it was begun."""
        self._stopping.set()
        if self._thread:
            self._thread.join()
            self.save(learned)

    def _save_often(self, learned: Learned) -> None:
        while not self._stopping.wait(self._interval_s):
            self.save(learned)

    def save(self, learned: Learned) -> None:
        """Saves now; what fails is told, and tried again later."""
        started = time.perf_counter()
        try:
            size = self._snapshots.save(learned.table, learned.engine.state, learned.engine.newest_ms, self._lock)
            learned.telling.save(self._folder, self._lock)
            learned.engine.own.save(self._folder, self._lock)
            learned.joint.save(self._folder, self._lock)
        except OSError as error:
            self._observation.snapshot_failures.inc()
            log.error("snapshot_failed", reason=str(error), action="will try again; free space in server.data_dir")
            return
        self._observation.snapshot(self._now_s(), time.perf_counter() - started, size)
