"""A backtest in words: what would have been told, on which days, by which series, and what could be set otherwise."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from aiops.backtest.replay import DAY_MS, Backtest, Judged, Verdict, lead_of
from aiops.config import Settings
from aiops.detection.budget import BUDGETED, FLEET, Standing
from aiops.detection.explain import duration
from aiops.incidents.incident import Incident
from aiops.metrics.series import display

MANY_A_DAY = 2.0  # more than a person on call reads
LOUD_SHARE, LOUD_COUNT = 0.2, 3  # a series in so large a share of the incidents is named
BAR_MIN = 0.51  # solo_score lies above the alert threshold
VERDICTS = {
    Verdict.FOUND: "found",
    Verdict.LATE: "found late",
    Verdict.ONGOING: "within an earlier incident",
    Verdict.HELD_BACK: "held back",
    Verdict.MISSED: "missed",
    Verdict.UNSEEN: "not in this history",
}


def count(number: int, one: str, many: str = "") -> str:
    """`1 incident`, `2 incidents`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def moment(time_ms: int) -> str:
    """`Mon 12 Oct 2026 10:05`, UTC."""
    at = datetime.fromtimestamp(time_ms / 1000, UTC)
    return f"{at:%a} {at.day} {at:%b %Y %H:%M}"


def delay(judged: Judged) -> str:
    """How long after its start a known incident was told."""
    if judged.delay_ms is None:
        return ""
    return f"{duration(judged.delay_ms / 1000)} after its start" if judged.delay_ms >= 0 else "before its start"


def by_day(result: Backtest) -> Mapping[int, Sequence[Incident]]:
    """Incidents by the day they would have been told, days since the epoch."""
    days: dict[int, list[Incident]] = {}
    for one in result.incidents:
        days.setdefault(one.detected_ms // DAY_MS, []).append(one)
    return days


def summary(result: Backtest) -> list[str]:
    """What came of it, a sentence each."""
    incidents, days = result.incidents, len(result.days_seen)
    said = [
        f"{count(result.samples, 'sample')} of {count(result.series, 'series', 'series')} from "
        f"{moment(result.first_ms)} to {moment(result.last_ms)}: "
        + (
            f"{count(len(incidents), 'incident')} would have been told, {len(incidents) / result.days:.2g} a day."
            if incidents
            else "nothing would have been told."
        )
    ]
    days_told = by_day(result)
    if incidents:
        worst = max(days_told, key=lambda day: len(days_told[day]))
        said.append(
            f"On {days - len(days_told)} of {count(days, 'day')} nobody would have heard anything; the busiest was "
            f"{moment(worst * DAY_MS)[:-6]} with {count(len(days_told[worst]), 'incident')}."
        )
        grounds = Counter(_ground(one) for one in incidents)
        parts = [f"{text} ({number})" for text, number in grounds.most_common()]
        said.append(f"{'Why they were told' if result.budgets else 'What spoke against chance'}: {', '.join(parts)}.")
    if result.budgets:
        said.append(f"Budgets: {'; '.join(_of_budget(one, result.days) for one in result.budgets)}.")
    held = len(result.held_back)
    if held:
        said.append(
            f"{count(held, 'more alert was', 'more alerts were')} held back: strange, but not evidence enough for an "
            f"incident{', or not among the strangest within their budget' if result.budgets else ''}."
        )
    if result.known:
        verdicts = Counter(one.verdict for one in result.known)
        parts = [f"{verdicts[verdict]} {text}" for verdict, text in VERDICTS.items() if verdicts[verdict]]
        said.append(
            f"Of {count(len(result.known), 'known incident')}: {', '.join(parts)}. "
            f"{count(len(result.unknown), 'incident belongs', 'incidents belong')} to no known one."
        )
    return said


def advice(result: Backtest, settings: Settings) -> list[str]:
    """What could be set otherwise, each with the figures that speak for it."""
    said, total, solo = [], len(result.incidents), settings.incidents.solo_score
    young = [one for one in result.incidents if _is_young(result, one)]
    if total and len(young) >= max(LOUD_COUNT, LOUD_SHARE * total):
        said.append(
            f"{len(young)} of {count(total, 'incident')} fell into the first day of their series, while it was learned:"
            " in service that day comes once."
        )
    for series, times in list(result.alerts_by_series.items())[:3]:
        if times >= max(LOUD_COUNT, LOUD_SHARE * total):
            said.append(
                f"{series} is in {times} of {count(total, 'incident')}: if nobody acts on it, let only larger changes "
                "alert ([[detection.rules]] with change_min or direction), or do not send it."
            )
    if total / result.days > MANY_A_DAY:
        alone = sorted(peak for one in result.incidents if (peak := _solo_peak(one)))
        if alone:
            bar = min(round(alone[len(alone) // 2] + 0.005, 2), 0.99)
            gone = sum(peak < bar for peak in alone)
            said.append(
                f"{total / result.days:.2g} incidents a day are many for one person: with [incidents] solo_score = "
                f"{bar} (now {solo}) about {gone} of {total} would not be told by their one alert alone."
            )
    said += _advice_on_known(result, settings)
    if result.days < 7:
        said.append(
            f"This history has {result.days:.1f} days: what a weekday usually looks like is known after a week, and "
            "what recurs once it has been seen. Two weeks or more judge better."
        )
    if not total and not result.known:
        what = "among the strangest" if result.budgets else "evidence enough for an incident"
        said.append(f"Nothing to change: no alert was {what}.")
    return said


def _advice_on_known(result: Backtest, settings: Settings) -> list[str]:
    said = []
    held, scores = result.held_back, []
    for one in result.known:
        if one.verdict == Verdict.HELD_BACK:
            mine = [o.score for o in held if one.known.covers(o.time_ms) and one.known.concerns(o.labels)]
            scores += [max(mine)] if mine else []
    if scores and result.budgets:
        rates = ", ".join(dict.fromkeys(one.rate for one in result.budgets))
        said.append(
            f"{count(len(scores), 'known incident')} raised alerts that were held back: a larger budget (now {rates}) "
            "would tell more of them, and more that is none."
        )
    elif scores:
        persist = duration(settings.detection.persist_s)
        said.append(
            f"{count(len(scores), 'known incident')} raised alerts that were held back, since they neither lasted "
            f"{persist} nor had company. [incidents] solo_score (now {settings.incidents.solo_score}) of "
            + "; ".join(_at(bar, scores, [onset.score for onset in held]) for bar in _bars(scores))
            + "."
        )
    missed = [one.known for one in result.known if one.verdict == Verdict.MISSED]
    if missed:
        names = ", ".join(one.name for one in missed[:3]) + (f" and {len(missed) - 3} more" if len(missed) > 3 else "")
        is_seen = any(one.where and one.concerns(labels) for one in missed for labels in result.spans)
        why = (
            "what these series did then was usual for them, or they gave no numbers"
            if is_seen
            else "is the metric that shows it in this history"
        )
        said.append(f"No alert began during {names}: {why}{'; look at their pictures.' if is_seen else '?'}")
    late = [one for one in result.known if one.verdict == Verdict.LATE]
    if late:
        said.append(
            f"{count(len(late), 'known incident was', 'known incidents were')} told only after the end: an anomaly "
            f"counts by itself after [detection] persist_s = {settings.detection.persist_s:g}."
        )
    return said


def _bars(scores: Sequence[float]) -> list[float]:
    """Where half of these would be told, and where all."""
    ordered = sorted(scores, reverse=True)
    return sorted({max(int(100 * ordered[k]) / 100, BAR_MIN) for k in ((len(ordered) - 1) // 2, -1)}, reverse=True)


def _at(bar: float, wanted: Sequence[float], all_held: Sequence[float]) -> str:
    mine = sum(score >= bar for score in wanted)
    others = max(sum(score >= bar for score in all_held) - mine, 0)
    return f"{bar:.2f} would tell {mine} of them and up to {count(others, 'more incident')}"


def loudest(result: Backtest, most: int) -> list[tuple[str, int, int, float]]:
    """(series, incidents, alerts held back, greatest score), the loudest first."""
    rows: dict[str, list[float]] = {}
    for incident in result.incidents:
        for alert in incident.alerts:
            row = rows.setdefault(display(alert.labels), [0, 0, 0.0])
            row[0], row[2] = row[0] + 1, max(row[2], alert.score, alert.peak_score)
    for onset in result.held_back:
        row = rows.setdefault(display(onset.labels), [0, 0, 0.0])
        row[1], row[2] = row[1] + 1, max(row[2], onset.score)
    order = sorted(rows.items(), key=lambda item: (-item[1][0], -item[1][2], -item[1][1]))
    return [(series, int(row[0]), int(row[1]), row[2]) for series, row in order[:most]]


def _is_young(result: Backtest, incident: Incident) -> bool:
    lead = lead_of(incident)
    span = result.spans.get(lead.labels) if lead else None
    return bool(lead and span and lead.time_ms - span[0] < DAY_MS)


def _of_budget(one: Standing, days: float) -> str:
    """How a budget was kept."""
    periods = days / (7 if one.period == "week" else 1)
    whose = "" if one.name == FLEET else f" for {one.name}"
    often = f", {one.told / periods:.2g} a {one.period}" if periods >= 1 else ""
    most = f" (at most {one.most} in one {one.period})" if one.told else ""
    return f"{one.rate}{whose}: {one.told} told{often}{most}"


def _ground(incident: Incident) -> str:
    """Why it was opened, in short."""
    why = incident.timeline[0].why
    if why.startswith(BUDGETED):
        return why.partition(" (strength")[0]
    if why.startswith("one alert is strange enough"):
        return "one very strange alert"
    return "an anomaly that lasted" if "stays away from its usual course" in why else "several metrics together"


def _solo_peak(incident: Incident) -> float:
    lead = lead_of(incident)
    is_solo = incident.timeline[0].why.startswith("one alert is strange enough by itself")
    return max(lead.score, lead.peak_score) if lead and is_solo and incident.alert_count == 1 else 0.0
