"""What detection finds, in the words of incidents: the only place that knows both."""

from aiops.detection import explain
from aiops.detection.missing import Silence
from aiops.detection.scores import Kind, Scores
from aiops.incidents.alert import MISSING, Alert
from aiops.metrics.series import Labels, SampleBatch

OUTAGE_SCORE = 0.9  # a whole entity silent: enough for an incident by itself
SILENCE_SCORE = 0.7  # one series silent: needs support


def onset(batch: SampleBatch, scores: Scores, k: int, labels: Labels) -> Alert:
    """The alert that sample k of a batch, of the series with these labels, raises."""
    kind = Kind(int(scores.kind[k]))
    value, expected = float(batch.values[k]), float(scores.expected[k])
    lower, upper = float(scores.lower[k]), float(scores.upper[k])
    return Alert(
        labels=labels,
        kind=kind.name.lower(),
        score=round(float(scores.score[k]), 4),
        time_ms=int(batch.time_ms[k]),
        sentence=explain.sentence(labels, kind, value, expected, lower, upper),
        value=value,
        expected=expected,
        lower=lower,
        upper=upper,
        is_novel=bool(scores.novel[k]),
    )


def silence(outage: Silence, now_ms: int) -> Alert:
    """The alert that an outage raises at `now_ms`."""
    silent_s = (now_ms - outage.since_ms) / 1000
    return Alert(
        labels=outage.labels,
        kind=MISSING,
        score=OUTAGE_SCORE if outage.is_entity else SILENCE_SCORE,
        time_ms=now_ms,
        sentence=explain.silence_sentence(outage.labels, len(outage.rows), outage.is_entity, silent_s),
        series_count=len(outage.rows),
    )
