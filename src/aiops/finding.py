"""What detection finds, in the words of incidents: the only place that knows both."""

from dataclasses import replace

from aiops.detection import explain
from aiops.detection.limit import Approach
from aiops.detection.missing import Silence
from aiops.detection.scores import TOLD_STRENGTHS, Kind, Scores
from aiops.incidents.alert import MISSING, Alert
from aiops.metrics.series import Labels, SampleBatch

OUTAGE_SCORE = 0.9  # a whole entity silent: enough for an incident by itself
SILENCE_SCORE = 0.7  # one series silent: needs support
LIMIT_SCORE = 0.9  # a limit reached within hours: enough for an incident by itself


def onset(
    batch: SampleBatch,
    scores: Scores,
    k: int,
    labels: Labels,
    is_counter: bool,
    history_s: float,
    same_s: float,
    own: str = "",
) -> Alert:
    """The alert that sample k of a batch, of the series with these labels, raises. `history_s`: for how long the series
    is known; `same_s`: for how long it has repeated its value; `own`: the detector that the operator brought for it."""
    kind, found, time_ms = Kind(int(scores.kind[k])), _deviation(scores, k), int(batch.time_ms[k])
    if kind == Kind.NONE:  # below the usual bar, told by a budget that asks for more
        kind = Kind.SPIKE if found.value > found.expected else Kind.DIP
    return Alert(
        labels=labels,
        kind=kind.name.lower(),
        score=round(float(scores.score[k]), 4),
        time_ms=time_ms,
        sentence=explain.sentence(labels, kind, found, explain.usual_hour(time_ms, history_s), is_counter, own),
        value=found.value,
        expected=found.expected,
        lower=found.lower,
        upper=found.upper,
        since_ms=time_ms - round(1000 * same_s) if kind == Kind.STUCK else None,
        contributions=explain.contributions(scores.told[k, TOLD_STRENGTHS:].tolist(), own),
        strength=round(float(scores.strength[k]), 4),
        is_novel=bool(scores.novel[k]),
    )


def lasting(alert: Alert, scores: Scores, k: int, is_counter: bool, history_s: float) -> Alert:
    """The alert of an anomaly that has lasted until sample k: its kind as it is known now, and the numbers and sentence
    of now where they are further from what was expected than those of the onset."""
    kind, found = Kind(int(scores.kind[k])), _deviation(scores, k)
    hour = explain.usual_hour(alert.time_ms, history_s)
    strength = max(alert.worth, round(float(scores.strength[k]), 4))
    alert = replace(alert, kind=kind.name.lower() if kind else alert.kind, strength=strength)
    if alert.value is None or alert.expected is None or kind in (Kind.NONE, Kind.OWN):
        return alert
    if abs(found.value - found.expected) <= abs(alert.value - alert.expected) or not found.is_outside:
        return alert
    return replace(
        alert,
        sentence=explain.sentence(alert.labels, kind, found, hour, is_counter),
        value=found.value,
        expected=found.expected,
        lower=found.lower,
        upper=found.upper,
    )


def silence(outage: Silence, now_ms: int) -> Alert:
    """The alert that an outage raises at `now_ms`."""
    score = OUTAGE_SCORE if outage.is_entity else SILENCE_SCORE
    return Alert(
        labels=outage.labels,
        kind=MISSING,
        score=score,
        time_ms=now_ms,
        sentence=explain.silence_sentence(outage.labels, len(outage.rows), outage.is_entity),
        since_ms=outage.since_ms,
        contributions={MISSING: round(score / (1 - score), 3)},
        series_count=len(outage.rows),
    )


def approach(found: Approach, labels: Labels, now_ms: int) -> Alert:
    """The alert that a limit drawing near raises at `now_ms`."""
    return Alert(
        labels=labels,
        kind=Kind.TREND.name.lower(),
        score=LIMIT_SCORE,
        time_ms=now_ms,
        sentence=explain.limit_sentence(labels, found.value, found.limit, found.eta_s),
        value=found.value,
        contributions={"limit": round(LIMIT_SCORE / (1 - LIMIT_SCORE), 3)},
        eta_s=round(found.eta_s, 3),
    )


def reason(alert: Alert, last_ms: int | None, now_ms: int) -> str:
    """Why it is strange, as of `now_ms`: for how long by now, and when the like was last seen."""
    end_ms = now_ms if alert.ended_ms is None else alert.ended_ms
    lasted_s = 0.0 if alert.kind == Kind.TREND.name.lower() else (end_ms - (alert.since_ms or alert.time_ms)) / 1000
    return explain.told(alert.sentence, lasted_s, last_ms, now_ms, alert.kind == MISSING, alert.times)


def _deviation(scores: Scores, k: int) -> explain.Deviation:
    value, expected, lower, upper = scores.told[k, :TOLD_STRENGTHS].tolist()
    return explain.Deviation(value, expected, lower, upper)
