"""What detection finds, in the words of incidents: the only place that knows both."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from aiops.detection import explain
from aiops.detection import state as S
from aiops.detection.entity_kernel import BAR
from aiops.detection.joint import Joint
from aiops.detection.limit import Approach
from aiops.detection.missing import Silence
from aiops.detection.recurrence import Overdue
from aiops.detection.scores import TOLD_STRENGTHS, Kind, Scores
from aiops.detection.state import State
from aiops.incidents.alert import JOINT, LIMIT, MISSING, OVERDUE, Alert
from aiops.metrics.series import Labels, SampleBatch

OUTAGE_SCORE = 0.9  # a whole entity silent: enough for an incident by itself
SILENCE_SCORE = 0.7  # one series silent: needs support
JOINT_SCORE_MAX = 0.85  # an entity's metrics move together as never before: needs support ...
JOINT_EVIDENCE = 2 * BAR  # weaker, it joins an incident and is shown there, but supports no other alert
JOINT_LASTING_SCORE = 0.9  # ... until it has lasted
OVERDUE_SCORE = 0.9  # a spike that came at its time, day after day, did not: enough by itself
LIMIT_SCORE = 0.9  # a limit reached within hours: enough for an incident by itself
REACHED_SCORE = 0.95
FAST_SAMPLES, SLOW_SAMPLES = 11, 58  # that the running means stretch over: half-lives of 7.5 and 40


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a series whose sample is strange."""

    labels: Labels
    is_counter: bool
    history_s: float  # for how long it is known
    same_s: float  # for how long it has repeated its value
    habits: explain.Habits
    own: str = ""  # the detector that the operator brought for it
    ahead: Approach | None = None  # where it goes, where it has a limit


def known(state: State, row: int, labels: Labels, is_counter: bool, own: str, ahead: Approach | None) -> Known:
    """What the memory of the detectors says of the series in this row."""
    body, interval_s = state.body[row], float(state.head[row, S.INTERVAL_S])

    short, long = (float(body[column]) for column in (S.SIZE_SHORT, S.SIZE_LONG))  # squeezed by `variance_change`
    step = float(body[S.STEP_ABS]) if 0 < long < 1 else math.nan
    grown = short * (1 - long) / max(long * (1 - short), 1e-6)
    habits = explain.Habits(
        steps=(step * grown, step),
        recent=(float(body[S.MEAN_FAST]), float(body[S.MEAN_SLOW])),
        recent_s=(interval_s * FAST_SAMPLES, interval_s * SLOW_SAMPLES),
        days=(float(body[S.PAST_LOW]), float(body[S.PAST_HIGH])) if body[S.CREEP_DAYS] > 1 else (math.nan, math.nan),
    )
    same_s, history_s = interval_s * float(body[S.SAME_RUN]), interval_s * float(body[S.COUNT])
    return Known(labels, is_counter, history_s, same_s, habits, own, ahead)


def onset(batch: SampleBatch, scores: Scores, k: int, series: Known) -> Alert:
    """The alert that sample k of a batch, of this series, raises."""
    kind, found, time_ms = Kind(int(scores.kind[k])), _deviation(scores, k), int(batch.time_ms[k])
    if kind == Kind.NONE:  # below the usual bar, told by a budget that asks for more
        kind = Kind.SPIKE if found.value > found.expected else Kind.DIP
    said, ahead = _said(series, kind, found, time_ms), series.ahead if kind == Kind.TREND else None
    if ahead:
        said = explain.outlook(said, series.labels, ahead.limit, ahead.eta_s, ahead.pace)
    return Alert(
        labels=series.labels,
        kind=kind.name.lower(),
        score=round(float(scores.score[k]), 4),
        time_ms=time_ms,
        sentence=said,
        value=found.value,
        expected=found.expected,
        lower=found.lower,
        upper=found.upper,
        since_ms=time_ms - round(1000 * series.same_s) if kind == Kind.STUCK else None,
        contributions=explain.contributions(scores.told[k, TOLD_STRENGTHS:].tolist(), series.own),
        strength=round(float(scores.strength[k]), 4),
        is_novel=bool(scores.novel[k]),
        eta_s=round(ahead.eta_s, 3) if ahead else None,
        limit=ahead.limit if ahead else None,
        pace=ahead.pace if ahead else None,
    )


def lasting(alert: Alert, scores: Scores, k: int, series: Known) -> Alert:
    """The alert of an anomaly that has lasted until sample k: its kind as it is known now, and the numbers and sentence
    of now where they are further from what was expected than those of the onset, on the same side. What is said of a
    trend stands: what comes after it, such as the drop of a disk that was cleared, is another thing."""
    kind, found = Kind(int(scores.kind[k])), _deviation(scores, k)
    alert = replace(alert, strength=max(alert.worth, round(float(scores.strength[k]), 4)))
    if alert.value is None or alert.expected is None or kind == Kind.NONE or alert.kind == Kind.TREND.name.lower():
        return alert
    away, before = found.value - found.expected, alert.value - alert.expected
    if away * before < 0:
        return alert
    is_further = abs(away) > abs(before) and found.is_outside
    if kind == Kind.OWN or not (is_further or kind == Kind.VARIANCE):
        return replace(alert, kind=kind.name.lower())
    return replace(
        alert,
        kind=kind.name.lower(),
        sentence=_said(series, kind, found, alert.time_ms),
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


def joint(found: Joint, labels_of: Sequence[Labels]) -> Alert:
    """The alert that an entity raises as a whole; `labels_of` its contributors, in their order."""
    shares: dict[str, float] = {}
    for (_, share), labels in zip(found.contributors, labels_of, strict=True):
        name = dict(labels).get("__name__", "series")
        shares[name] = shares.get(name, 0.0) + share
    score = JOINT_LASTING_SCORE if found.is_lasting else min(1 - 0.5 * BAR / found.score, JOINT_SCORE_MAX)
    return Alert(
        labels=(found.entity,),
        kind=JOINT,
        score=round(score, 4),
        time_ms=found.time_ms,
        sentence=explain.joint_sentence(found.entity, list(shares)),
        is_novel=found.score >= JOINT_EVIDENCE,
        contributions={name: round(share, 3) for name, share in shares.items()},
    )


def overdue(found: Overdue, labels: Labels, now_ms: int) -> Alert:
    """The alert that a spike which stays away raises at `now_ms`."""
    return Alert(
        labels=labels,
        kind=OVERDUE,
        score=OVERDUE_SCORE,
        time_ms=now_ms,
        sentence=explain.overdue_sentence(labels, found.period_s, found.due_ms, found.on_time, found.of),
        since_ms=found.due_ms,
        contributions={OVERDUE: round(OVERDUE_SCORE / (1 - OVERDUE_SCORE), 3)},
    )


def approach(found: Approach, labels: Labels, now_ms: int) -> Alert:
    """The alert that a limit drawing near, or reached, raises at `now_ms`."""
    score = REACHED_SCORE if found.is_reached else LIMIT_SCORE
    return Alert(
        labels=labels,
        kind=Kind.TREND.name.lower(),
        score=score,
        time_ms=now_ms,
        last_ms=now_ms,
        sentence=explain.limit_sentence(labels, found.value, found.limit, found.eta_s, found.pace),
        value=found.value,
        contributions={LIMIT: round(score / (1 - score), 3)},
        eta_s=round(found.eta_s, 3),
        limit=found.limit,
        pace=found.pace,
        since_ms=now_ms if found.is_reached else None,
    )


def reason(alert: Alert, last_ms: int | None, now_ms: int) -> str:
    """Why it is strange, as of `now_ms`: for how long by now, and when the like was last seen."""
    end_ms = now_ms if alert.ended_ms is None else alert.ended_ms
    is_ahead = alert.is_of_limit and alert.eta_s != 0  # how long it has been coming is no news
    lasted_s = 0.0 if is_ahead else (end_ms - (alert.since_ms or alert.time_ms)) / 1000
    how: Literal["", "silent", "overdue"] = (
        "silent" if alert.kind == MISSING else "overdue" if alert.kind == OVERDUE else ""
    )
    return explain.told(alert.sentence, lasted_s, last_ms, now_ms, how, alert.times)


def _said(series: Known, kind: Kind, found: explain.Deviation, time_ms: int) -> str:
    hour = explain.usual_hour(time_ms, series.history_s)
    return explain.sentence(series.labels, kind, found, hour, series.is_counter, series.own, series.habits)


def _deviation(scores: Scores, k: int) -> explain.Deviation:
    value, expected, lower, upper = scores.told[k, :TOLD_STRENGTHS].tolist()
    return explain.Deviation(value, expected, lower, upper)
