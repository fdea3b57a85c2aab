"""One alert: a series became strange, or fell silent, at a moment; with the numbers and the sentence that say why."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from aiops.metrics.series import Labels

MISSING, JOINT, OVERDUE = "missing", "joint", "overdue"
LIMIT = "limit"  # among the contributions
VALUE_KINDS = ("spike", "dip", "level_shift", "pattern")  # one deviation may be told as any of these
SIMILAR_SIZE = 3.0  # deviations within this factor of each other are alike


@dataclass(frozen=True, slots=True)
class Alert:
    """The same series alerting again within one incident is the same alert with a higher `count`."""

    labels: Labels
    kind: str  # the names of detection.scores.Kind, lower case; joint: of an entity as a whole
    score: float  # at the first onset, 0.5..1
    time_ms: int  # of the first onset
    sentence: str
    value: float | None = None  # as scored: of a counter its rate; so are expected, lower and upper
    expected: float | None = None
    lower: float | None = None
    upper: float | None = None
    strength: float | None = None  # the greatest at an onset, 1 = the usual bar; None: what the score says
    peak_score: float = 0.0
    last_ms: int = 0  # of the latest onset
    count: int = 1  # onsets
    times: int = 1  # anomalies: onsets of which the one before was over
    series_count: int = 1  # more than one: an entity fell silent as a whole
    is_novel: bool = True  # False: this series has been in such a state before
    is_habitual: bool = False  # this series alerts at this time of day, day after day
    is_persistent: bool = False
    ended_ms: int | None = None
    since_ms: int | None = None  # when it began, where that was before it could be told
    eta_s: float | None = None  # of a trend: until its limit is reached, as of `last_ms`; 0 where it is
    limit: float | None = None  # where it ends
    pace: float | None = None  # an hour
    past_ms: int | None = None  # when the like was last seen in another incident
    contributions: Mapping[str, float] = field(
        default_factory=dict, hash=False
    )  # strength by detector, strongest first; joint: share by metric

    @property
    def fingerprint(self) -> str:
        """16 hex digits that name this series, and what of it alerts: its values, its silence, or what is overdue."""
        return fingerprint_of(self.labels, OVERDUE if self.kind == OVERDUE else self.kind == MISSING)

    @property
    def worth(self) -> float:
        """Strength before an alert budget."""
        return self.score / (1 - min(self.score, 0.999)) if self.strength is None else self.strength

    @property
    def is_of_limit(self) -> bool:
        """Whether it was raised by a limit that draws near."""
        return LIMIT in self.contributions

    @property
    def name(self) -> str:
        """The metric's name; empty for the silence of an entity."""
        return next((value for key, value in self.labels if key == "__name__"), "")

    def is_like(self, other: "Alert") -> bool:
        """Whether another alert of the same series tells of the same sort of thing: kind, direction, similar size."""
        mine, theirs = self._deviation, other._deviation
        if not {self.kind, other.kind} <= set(VALUE_KINDS):
            return self.kind == other.kind and (self.kind != "trend" or mine * theirs >= 0)
        is_same_size = abs(mine) <= SIMILAR_SIZE * abs(theirs) and abs(theirs) <= SIMILAR_SIZE * abs(mine)
        return is_same_size and mine * theirs >= 0

    @property
    def _deviation(self) -> float:
        return self.value - self.expected if self.value is not None and self.expected is not None else 0.0

    def again(self, later: "Alert") -> "Alert":
        """This alert after another onset of the same series; its words are those of the strongest onset, but what is
        said of a limit stands until there is news of it."""
        is_stronger = later.score > max(self.score, self.peak_score)
        told = later if later.is_of_limit or (is_stronger and not self.is_of_limit) else self
        return replace(
            self,
            kind=told.kind if later.is_of_limit or not self.is_persistent else self.kind,
            sentence=told.sentence,
            value=told.value,
            expected=told.expected,
            lower=told.lower,
            upper=told.upper,
            eta_s=told.eta_s,
            limit=told.limit,
            pace=told.pace,
            contributions=told.contributions,
            times=self.times + (self.ended_ms is not None),
            peak_score=max(self.peak_score, later.score),
            strength=max(self.worth, later.worth),
            last_ms=max(self.last_ms, later.time_ms),
            count=self.count + 1,
            is_novel=self.is_novel or later.is_novel,
            is_habitual=self.is_habitual and later.is_habitual,
            series_count=max(self.series_count, later.series_count),
            ended_ms=None,
            since_ms=told.since_ms if later.is_of_limit else self.since_ms,
        )


def fingerprint_of(labels: Labels, of: bool | str = False) -> str:
    """That of any alert with these labels; `of`: whether it is their silence that alerts, or OVERDUE."""
    return hashlib.blake2b(repr((labels, of)).encode(), digest_size=8).hexdigest()
