"""What became of one write: how many samples were taken, which were refused and why. One result for every protocol;
each protocol has its own table from result to reply."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Refusal(StrEnum):
    """Why a sample or a series was refused; the same word stands in the reply, the log and the metric label."""

    OUT_OF_ORDER = "out_of_order"
    CONFLICT = "conflicting_duplicate"
    TOO_FAR_IN_FUTURE = "too_far_in_future"
    TOO_OLD = "too_old"
    BAD_LABELS = "bad_labels"
    TOO_MANY_LABELS = "too_many_labels"
    SERIES_LIMIT = "series_limit"
    BAD_SAMPLE = "bad_sample"


@dataclass(frozen=True, slots=True)
class WriteResult:
    """`accepted` counts samples that were kept; `refused` counts samples per reason; `first` is one sentence on the
    first refusal of each reason, for the person who reads the reply."""

    accepted: int
    refused: Mapping[Refusal, int] = field(default_factory=dict)
    first: Mapping[Refusal, str] = field(default_factory=dict)

    @property
    def refused_count(self) -> int:
        return sum(self.refused.values())
