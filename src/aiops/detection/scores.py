"""What the engine says about each sample: columns, one entry per sample of the batch that was put in."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Status(IntEnum):
    """What became of one sample; everything from DUPLICATE on left no trace in the detector's state."""

    SCORED = 0
    WARMING_UP = 1  # learned from, but too little history for a score
    STALE = 2  # Prometheus stale marker: the series ended or its target is down
    RESET = 3  # a counter restarted: no rate can be taken from this sample
    DUPLICATE = 4  # same timestamp as the sample before and same value: harmless
    CONFLICT = 5  # same timestamp as the sample before, another value: the first one stays
    OUT_OF_ORDER = 6  # older than the newest sample of its series
    NOT_FINITE = 7  # NaN or infinite: counted, not learned


class Kind(IntEnum):
    """What sort of strangeness; NONE where nothing is strange. The names, lower case, are part of the API."""

    NONE = 0
    SPIKE = 1  # far above what this series does at this time
    DIP = 2  # far below
    LEVEL_SHIFT = 3  # stayed away from the usual level for many samples
    PATTERN = 4  # a state (value, recent means, season) that was never seen before
    STUCK = 5  # repeats one value although it never used to
    MISSING = 6  # expected samples do not arrive
    TREND = 7  # crept out of everything of the days before, too slowly to ever be a new state
    VARIANCE = 8  # varies more, or less, than it used to, whatever its level
    OWN = 9  # strange to the detector that the operator brought
    OVERDUE = 10  # a spike that comes at its time has not come


DETECTORS = (
    "level",  # far from the overall mean
    "season",  # far from what is usual at this hour
    "course",  # several samples in a row off to one side
    "step",  # a sudden change
    "recent",  # strange already just before; these five together are the improbability
    "novelty",  # a state never seen
    "stuck",  # the same value over and over
    "gross",  # beyond anything usual, while history is short
    "trend",  # beyond everything of the days before
    "variance",  # varies from sample to sample as it never used to
    "own",  # the detector that the operator brought; told by its name
)
"""Who speaks for an alert, in the order of the strengths in `Scores.told`; the names are part of the API."""
TOLD_STRENGTHS = 4  # before them: the value as scored, expected, lower, upper


EVENTS = ("onsets", "hints", "persisted", "endings", "accepted", "again")  # fields of Scores that are indices


@dataclass(frozen=True, slots=True)
class Scores:
    """One entry per sample, in the order of the batch; `onsets`, `persisted` and `endings` are indices into it."""

    score: NDArray[np.float32]  # 0..1, 0.5 = the alert threshold; NaN = not known
    expected: NDArray[np.float64]  # in the unit of the value; NaN = not known
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    anomalous: NDArray[np.bool_]
    novel: NDArray[np.bool_]  # no such state was ever seen; False at an anomaly: it has happened before
    alert: NDArray[np.float32]  # score at the onset of an anomaly, 0 elsewhere
    strength: NDArray[np.float32]  # as an alert, for the budget: 1 = the bar; NaN = not known
    kind: NDArray[np.uint8]  # Kind
    status: NDArray[np.uint8]  # Status
    onsets: NDArray[np.int64]  # indices of samples that raised an alert
    hints: NDArray[np.int64]  # indices that would have raised one from a lower bar, where the policy asks for these
    persisted: NDArray[np.int64]  # indices at which an anomaly had lasted long enough to be believed by itself
    endings: NDArray[np.int64]  # indices of samples at which the anomaly of their series ended
    accepted: NDArray[np.int64]  # those of them that ended by becoming usual: the series has not come back
    again: NDArray[np.int64]  # indices at which an anomaly that had ended came back too soon to be a new alert
    told: NDArray[
        np.float64
    ]  # (n, TOLD_STRENGTHS + len(DETECTORS)); only rows of `onsets` and `persisted`: see kernel.tell

    @classmethod
    def joined(cls, parts: Sequence[tuple[NDArray[np.int64], "Scores"]]) -> "Scores":
        """Those of a batch, from those of its parts, each with its positions in the batch."""
        if len(parts) == 1:
            return parts[0][1]
        columns, order = {}, np.concatenate([where for where, _ in parts])
        is_in_order = bool((np.diff(order) > 0).all())
        for column in (field.name for field in fields(cls)):
            if column in EVENTS:
                columns[column] = np.sort(np.concatenate([where[getattr(part, column)] for where, part in parts]))
            else:
                whole = np.concatenate([getattr(part, column) for _, part in parts])
                columns[column] = whole if is_in_order else np.empty_like(whole)
                if not is_in_order:
                    columns[column][order] = whole
        return cls(**columns)
