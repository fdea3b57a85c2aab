"""One alert: a series became strange, or fell silent, at a moment; with the numbers and the sentence that say why."""

import hashlib
from dataclasses import dataclass, replace

from aiops.metrics.series import Labels

MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Alert:
    """The same series alerting again within one incident is the same alert with a higher `count`."""

    labels: Labels
    kind: str  # spike, dip, level_shift, pattern, stuck, missing
    score: float  # at the first onset, 0.5..1
    time_ms: int  # of the first onset
    sentence: str
    value: float | None = None
    expected: float | None = None
    lower: float | None = None
    upper: float | None = None
    peak_score: float = 0.0
    last_ms: int = 0  # of the latest onset
    count: int = 1  # onsets
    series_count: int = 1  # more than one: an entity fell silent as a whole
    is_novel: bool = True  # False: this series has been in such a state before
    is_habitual: bool = False  # this series alerts at this time of day, day after day
    is_persistent: bool = False
    ended_ms: int | None = None

    @property
    def fingerprint(self) -> str:
        """16 hex digits that name this series, and whether it is its values or its silence that alerts."""
        text = repr((self.labels, self.kind == MISSING)).encode()
        return hashlib.blake2b(text, digest_size=8).hexdigest()

    @property
    def name(self) -> str:
        """The metric's name; empty for the silence of an entity."""
        return next((value for key, value in self.labels if key == "__name__"), "")

    def again(self, later: "Alert") -> "Alert":
        """This alert after another onset of the same series."""
        return replace(
            self,
            peak_score=max(self.peak_score, later.score),
            last_ms=max(self.last_ms, later.time_ms),
            count=self.count + 1,
            is_novel=self.is_novel or later.is_novel,
            is_habitual=self.is_habitual and later.is_habitual,
            series_count=max(self.series_count, later.series_count),
            ended_ms=None,
        )
