"""The report of a backtest: one HTML file that works offline, or its picture alone as SVG.

In words first, then the timeline, then the series that matter most: those of incidents by how strange they were, and
those in which a known incident was missed.
"""

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from aiops.backtest import chart, words
from aiops.backtest.chart import Mark
from aiops.backtest.course import Course, follow
from aiops.backtest.history import History
from aiops.backtest.replay import DAY_MS, Backtest, Verdict
from aiops.config import Settings
from aiops.detection.budget import FLEET
from aiops.detection.explain import duration
from aiops.errors import InputError
from aiops.incidents.incident import Incident
from aiops.metrics.series import Labels, display

MISSED_SHARE = 4  # one picture in so many may go to a series in which a known incident was missed
INCIDENTS_MAX, DAYS_MAX, SERIES_MAX = 500, 400, 50  # rows of the tables; beyond, the number left out is said
ROWS_OPEN = 20  # a longer table is folded
PICTURES = (".html", ".svg")

Wanted = tuple[Labels, tuple[int, int], int]


def choose(result: Backtest, most: int) -> list[Wanted]:
    """At most so many series to draw, with their spans and the moment that matters most of each."""
    peaks: dict[Labels, tuple[float, int]] = {}
    for incident in result.incidents:
        for alert in incident.alerts:
            if alert.labels in result.spans:
                peak = (max(alert.score, alert.peak_score), alert.time_ms)
                peaks[alert.labels] = max(peaks.get(alert.labels, (0.0, 0)), peak)
    told = sorted(peaks, key=lambda labels: -peaks[labels][0])
    missed: dict[Labels, int] = {}
    for one in result.known:
        if one.known.where and one.verdict in (Verdict.MISSED, Verdict.HELD_BACK):
            for labels in result.spans:
                if one.known.concerns(labels):
                    missed.setdefault(labels, (one.known.start_ms + one.known.end_ms) // 2)
    for onset in sorted(result.held_back, key=lambda one: -one.score):
        peaks.setdefault(onset.labels, (onset.score, onset.time_ms))
    only_missed = [labels for labels in missed if labels not in told][: max(most // MISSED_SHARE, 1)]
    held = [labels for labels in peaks if labels not in told and labels not in only_missed]
    order = [*told[: max(most - len(only_missed), 0)], *only_missed, *held][:most]
    return [
        (labels, result.spans[labels], missed[labels] if labels in only_missed else peaks[labels][1])
        for labels in order
    ]


def courses(history: History, result: Backtest, settings: Settings, most: int) -> list[Course]:
    """What the series to draw did."""
    return follow(history, choose(result, most), settings.detection.warm_up_samples)


def write(path: Path, result: Backtest, drawn: Sequence[Course], settings: Settings) -> None:
    """An HTML report, or the picture alone, as the name says. Raises InputError for other names."""
    check(path)
    text = html(result, drawn, settings) if path.suffix == ".html" else picture(result, drawn)
    path.write_text(text, encoding="utf-8")


def check(path: Path) -> None:
    """Raises InputError where no such file can be written."""
    if path.suffix not in PICTURES:
        raise InputError(f"{path}: a report is .html, a picture .svg")


def check_apart(written: Sequence[Path], read: Sequence[Path]) -> None:
    """Raises InputError where a file would overwrite another, or what is read, or cannot be."""
    for k, path in enumerate(written):
        if not path.absolute().parent.is_dir():
            raise InputError(f"{path}: no such folder {path.parent}")
        if path.resolve() in {other.resolve() for other in written[:k]}:
            raise InputError(f"{path}: two things cannot be written to one file")
        if path.resolve() in {other.resolve() for other in read}:
            raise InputError(f"{path} would be overwritten, and is to be read; choose another name")


def picture(result: Backtest, drawn: Sequence[Course]) -> str:
    """Everything drawn, as one SVG."""
    parts: list[Callable[[float], tuple[str, float]]] = [
        chart.line_of_text(f"What would have alerted: {result.source}", "strong"),
        *(chart.line_of_text(sentence, "dim") for sentence in words.summary(result)),
        lambda top: chart.timeline_legend(bool(result.known), top),
        lambda top: _timeline(result, top),
    ]
    parts += [chart.legend] if drawn else []
    parts += [lambda top, course=course: _panel(result, course, top) for course in drawn]  # type: ignore[misc]
    return chart.document(parts)


def html(result: Backtest, drawn: Sequence[Course], settings: Settings) -> str:
    """The whole report."""
    body = [f"<h1>What would have alerted</h1><p class='dim'>{escape(result.source)}</p>"]
    body += [f"<p class='lead'>{escape(sentence)}</p>" for sentence in words.summary(result)]
    advice = words.advice(result, settings)
    if advice:
        body.append("<h2>What to change</h2><ul>" + "".join(f"<li>{escape(one)}</li>" for one in advice) + "</ul>")
    if result.budgets:
        body.append("<h2>Budgets</h2>" + _budget_table(result))
    key = _figure(*chart.timeline_legend(bool(result.known))) if result.incidents or result.known else ""
    body.append("<h2>When</h2>" + key + _figure(*_timeline(result, 0.0)))
    if drawn:
        more = len(result.spans) - len(drawn)
        note = f"the {len(drawn)} strangest of {len(result.spans)}" if more > 0 else f"all {len(drawn)} that alerted"
        body.append(f"<h2>Series <small>{note}; right of each, its strangest moment close up</small></h2>")
        body.append(_figure(*chart.legend()))
        body += [_figure(*_panel(result, course, 0.0)) + _sentences(result, course.labels) for course in drawn]
    if result.known:
        body.append("<h2>Known incidents</h2>" + _known_table(result))
    if result.incidents:
        body.append("<h2>Incidents</h2>" + _incident_table(result))
        body.append("<h2>Day by day</h2>" + _day_table(result))
        body.append("<h2>By series</h2>" + _series_table(result))
    body.append("<p class='dim'>All times are UTC. Nothing was fitted to this history and nothing looked ahead.</p>")
    title = f"Backtest of {result.source}"
    return _PAGE.format(title=escape(title), style=chart.STYLE + _STYLE, body="\n".join(body))


def _timeline(result: Backtest, top: float) -> tuple[str, float]:
    incidents = [
        Mark(one.detected_ms, result.end_ms(one), one.severity.name.lower(), f"{one.name}: {result.reason(one)}")
        for one in result.incidents
    ]
    known = [
        Mark(
            judged.known.start_ms,
            judged.known.end_ms,
            "known-bar" if judged.incident else "missed",
            f"{judged.known.name}: {words.VERDICTS[judged.verdict]}",
        )
        for judged in result.known
    ]
    return chart.timeline(result.days_seen, incidents, known, top)


def _panel(result: Backtest, course: Course, top: float) -> tuple[str, float]:
    marks = [
        Mark(one.known.start_ms, one.known.end_ms, "known", f"known: {one.known.name}, {words.VERDICTS[one.verdict]}")
        for one in result.known
        if one.known.concerns(course.labels)
    ]
    alerts = []
    for incident in _incidents_of(result, course.labels):
        said = f"{incident.name}: {result.reason(incident)}"
        marks.append(Mark(incident.detected_ms, result.end_ms(incident), "incident", said))
        alerts += [
            Mark(alert.time_ms, alert.time_ms, "alert", f"{words.moment(alert.time_ms)}: {alert.sentence}")
            for alert in incident.alerts
            if alert.labels == course.labels
        ]
    alerts += [
        Mark(
            one.time_ms,
            one.time_ms,
            "held",
            f"{words.moment(one.time_ms)}: {one.kind}, score {one.score:.2f}, held back",
        )
        for one in result.held_back
        if one.labels == course.labels
    ]
    return chart.panel(course, marks, alerts, display(course.labels), top)


def _sentences(result: Backtest, labels: Labels, most: int = 3) -> str:
    incidents = _incidents_of(result, labels)
    rows = [
        f"<li><b>{one.name}</b> {words.moment(one.detected_ms)}: {escape(result.reason(one))}</li>"
        for one in incidents[:most]
    ]
    more = f"<li class='dim'>and {len(incidents) - most} more</li>" if len(incidents) > most else ""
    return f"<ul class='of-series'>{''.join(rows)}{more}</ul>" if rows else ""


def _incidents_of(result: Backtest, labels: Labels) -> list[Incident]:
    """Of one series, the strangest first."""
    mine = [(one, a) for one in result.incidents for a in one.alerts if a.labels == labels]
    return [one for one, _ in sorted(mine, key=lambda pair: -max(pair[1].score, pair[1].peak_score))]


def _incident_table(result: Backtest) -> str:
    of_known = {one.incident.incident_id: one.known.name for one in result.known if one.incident}
    rows = [
        (
            words.moment(one.detected_ms),
            f"<span class='tag {one.severity.name.lower()}'>{one.severity.name.lower()}</span>",
            one.name,
            duration((result.end_ms(one) - one.started_ms) / 1000),
            escape(result.reason(one))
            + f"<br><span class='dim'>{escape(one.timeline[0].why.partition(': ')[0])}</span>",
            str(one.alert_count),
            *([escape(of_known.get(one.incident_id, ""))] if result.known else []),
        )
        for one in result.incidents
    ]
    heads = ["told", "severity", "incident", "lasted", "why", "series", *(["known"] if result.known else [])]
    return _table(heads, rows, INCIDENTS_MAX)


def _budget_table(result: Backtest) -> str:
    rows = [
        (
            "all without one of their own" if one.name == FLEET else escape(one.name),
            escape(one.rate),
            str(one.told),
            f"{one.told / result.days * (7 if one.period == 'week' else 1):.2g} a {one.period}",
            f"{one.most} in one {one.period}",
            f"{one.bar:.2g}",
        )
        for one in result.budgets
    ]
    heads = ["series", "budget", "told", "on average", "at most", "bar at the end (1 = without a budget)"]
    return _table(heads, rows, SERIES_MAX)


def _known_table(result: Backtest) -> str:
    rows = [
        (
            escape(one.known.name),
            escape(one.known.where),
            words.moment(one.known.start_ms),
            duration((one.known.end_ms - one.known.start_ms) / 1000),
            f"<span class='tag {one.verdict}'>{words.VERDICTS[one.verdict]}</span>",
            one.incident.name if one.incident else "",
            words.delay(one),
        )
        for one in result.known
    ]
    return _table(["known incident", "series", "started", "lasted", "verdict", "told as", "told"], rows, INCIDENTS_MAX)


def _day_table(result: Backtest) -> str:
    rows = [
        (
            words.moment(day * DAY_MS)[:-6],
            str(len(some)),
            "<br>".join(f"{one.name} {escape(one.title)}" for one in some),
        )
        for day, some in words.by_day(result).items()
    ]
    quiet = len(result.days_seen) - len(rows)
    return (
        _table(["day", "incidents", "which"], rows, DAYS_MAX)
        + f"<p class='dim'>{words.count(quiet, 'day')} without any.</p>"
    )


def _series_table(result: Backtest) -> str:
    found = words.loudest(result, SERIES_MAX + 1)
    rows = [(escape(series), str(told), str(held), f"{peak:.2f}") for series, told, held, peak in found]
    return _table(["series", "incidents", "alerts held back", "greatest score"], rows, SERIES_MAX)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], most: int) -> str:
    is_long = len(rows) > ROWS_OPEN
    head = "".join(f"<th>{text}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows[:most])
    left = f"<p class='dim'>The first {most} of them; the rest is in the JSON.</p>" if len(rows) > most else ""
    table = f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{left}"
    return f"<details><summary>{len(rows)} rows</summary>{table}</details>" if is_long else table


def _figure(drawn: str, height: float) -> str:
    return f"<figure>{chart.svg(drawn, height)}</figure>"


_STYLE = """
:root{--paper:#fff;--ink:#1f2328;--dim:#656d76;--line:#d0d7de;--value:#24292f;--back:#f6f8fa}
@media (prefers-color-scheme:dark){
 :root{--paper:#0d1117;--ink:#e6edf3;--dim:#8b949e;--line:#30363d;--value:#e6edf3;--back:#161b22}
}
body{background:var(--paper);color:var(--ink);max-width:1120px;margin:28px auto;padding:0 20px;
 font:15px/1.5 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}
h1{font-size:26px;margin:0} h2{font-size:18px;margin:34px 0 8px}
small{font-weight:400;color:var(--dim);font-size:13px} .dim{color:var(--dim)}
p{margin:4px 0 8px} .lead{font-size:16px} figure{margin:10px 0 4px} svg{width:100%;height:auto;display:block}
ul{margin:6px 0;padding-left:22px} .of-series{margin:0 0 18px;font-size:13px;padding-left:70px}
summary{cursor:pointer;color:var(--dim)} .wide{overflow-x:auto}
table{border-collapse:collapse;font-size:13px;width:100%}
th{color:var(--dim);font-weight:500;text-align:left} td:first-child{white-space:nowrap}
th,td{padding:5px 10px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
.tag{border-radius:9px;padding:1px 8px;font-size:12px;background:var(--back);border:1px solid var(--line);
 white-space:nowrap}
.tag.high,.tag.critical,.tag.missed{border-color:#cf222e;color:#cf222e}
.tag.medium,.tag.late,.tag.held_back,.tag.ongoing{border-color:#bf8700;color:#bf8700}
.tag.found{border-color:#1a7f37;color:#1a7f37}
"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head><body>
{body}
</body></html>
"""
