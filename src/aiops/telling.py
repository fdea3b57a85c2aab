"""Which alerts are told: the part of the walk that knows alert budgets, and what is said of them at /metrics.

Without a budget every onset is told. With one, what a budget holds back stays inside: it is evidence that joins
incidents, but `alert` is 0 and nobody hears of it.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import structlog

from aiops.config import Detection
from aiops.detection.budget import AlertBudget
from aiops.detection.missing import entity_of
from aiops.detection.scores import Scores
from aiops.detection.snapshot import load_arrays, save_arrays
from aiops.errors import SnapshotError
from aiops.metrics.series import Labels
from aiops.observation import Observation

log = structlog.get_logger(__name__)


class Telling:
    """The budgets of one running service and their traces. Raises SettingsError for a selector that cannot be read."""

    def __init__(self, settings: Detection, entity_labels: Sequence[str], observation: Observation) -> None:
        self.budget = AlertBudget(settings)
        self._entity_labels, self._observation = tuple(entity_labels), observation

    @property
    def is_budgeted(self) -> Callable[[Labels], bool] | None:
        """Tells series with a budget from those without; None where there is no budget at all."""
        return (lambda labels: self.budget.scope_of(labels) is not None) if self.budget else None

    def is_worth(self, labels: Labels, time_ms: int, scores: Scores, k: int) -> bool:
        """Whether the hint at sample k of a batch reaches the bar of its budget."""
        scope, strength = self.budget.scope_of(labels), float(scores.strength[k])
        who = entity_of(labels, self._entity_labels) or labels
        return scope is not None and strength > 0 and scope.is_worth(who, time_ms, strength)

    def tell(self, scores: Scores, k: int, kind: str, is_told: bool, is_new: bool = True) -> None:
        """Sample k of a batch raised an alert of this kind, or a budget held it back. Not `is_new`: it came back."""
        if is_new:
            scores.alert[k] = scores.score[k] if is_told else 0.0
        if is_told:
            self._observation.alerts.labels(kind).inc()

    def tick(self, now_ms: int) -> None:
        """Time has passed: the budgets follow, and so does what is said of them."""
        self.budget.advance(now_ms)
        for scope in self.budget.scopes:
            self._observation.budget(scope.name, scope.per_day, scope.bar, scope.told_count)

    def save(self, folder: Path, lock: AbstractContextManager[object]) -> None:
        """Keeps what the budgets have learned. Raises OSError."""
        if self.budget:
            with lock:
                arrays = {name: array.copy() for name, array in self.budget.arrays().items()}
            save_arrays(folder / "budget.npz", arrays)

    def restore(self, folder: Path) -> None:
        """Takes it up again; where it cannot be read, the budgets learn anew."""
        try:
            if self.budget and (arrays := load_arrays(folder / "budget.npz")):
                self.budget.restore(arrays)
        except (SnapshotError, KeyError, ValueError) as error:
            log.error("budget_snapshot_refused", reason=str(error), action="the alert budgets learn anew")
