"""The report says in words and pictures what the replay found, and needs nothing but itself."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aiops.backtest import chart, report, words
from aiops.backtest.course import CLOSE_SAMPLES, STRETCHES, Course, follow
from aiops.backtest.replay import DAY_MS, Backtest, Judged, Onset, Verdict, replay
from aiops.config import Budget, Settings
from aiops.incidents.incident import Incident
from aiops.metrics.series import canonical
from tests.backtest.test_replay import START_S, files, jump_at, result, write_history

__all__ = ["result"]  # a fixture
LATENCY = canonical({"__name__": "latency_ms", "service": "web"})


@pytest.fixture
def drawn(tmp_path: Path, result: Backtest, settings: Settings) -> list[Course]:
    return report.courses(files(tmp_path / "history.csv"), result, settings, 12)


def shapes(svg: str, kind: str) -> int:
    return len(re.findall(f'class="{kind}"', svg))


def test_the_report_is_one_file_that_asks_for_nothing(
    tmp_path: Path, result: Backtest, drawn: list[Course], settings: Settings
) -> None:
    report.write(tmp_path / "r.html", result, drawn, settings)
    text = (tmp_path / "r.html").read_text()
    assert not re.search(r"""(src|href)=|@import|url\(|<script""", text)
    for svg in re.findall(r"<svg.*?</svg>", text, re.S):
        ET.fromstring(svg)
    for sentence in words.summary(result) + words.advice(result, settings):
        assert sentence.split("'")[0] in text.replace("&#x27;", "'")


def test_the_picture_shows_value_band_alert_incident_and_known(result: Backtest, drawn: list[Course]) -> None:
    svg = report.picture(result, drawn)
    ET.fromstring(svg)
    assert len(drawn) == 2
    assert shapes(svg, "value") + shapes(svg, "range") >= 4
    assert shapes(svg, "band") >= 4
    assert shapes(svg, "alert") >= 2
    assert shapes(svg, "incident") >= 2
    assert shapes(svg, "known") >= 2
    assert "ms</text>" in svg  # the axis has the unit


def test_names_are_shown_not_run(result: Backtest, drawn: list[Course], settings: Settings) -> None:
    known = replace(result.known[0].known, name="<script>alert(1)</script>")
    evil = replace(result, source="<img src=x>", known=[Judged(known, Verdict.MISSED)])
    text = report.html(evil, drawn, settings) + report.picture(evil, drawn)
    assert "<script" not in text and "<img" not in text


def test_the_summary_counts_in_words(result: Backtest) -> None:
    said = " ".join(words.summary(result))
    assert "8,640 samples of 2 series from Mon 5 Jan 2026 00:00 to Wed 7 Jan 2026 23:59" in said
    assert "What spoke against chance: " in said
    assert "Of 3 known incidents: 1 found, 1 missed, 1 not in this history." in said
    assert "of 3 days nobody would have heard anything; the busiest was Wed 7 Jan 2026" in said


def test_a_quiet_history_is_said_to_be_quiet(result: Backtest, settings: Settings) -> None:
    quiet = replace(result, incidents=[], held_back=[], known=[])
    assert "nothing would have been told" in words.summary(quiet)[0]
    assert "Nothing to change" in words.advice(quiet, settings)[-1]
    assert "nothing would have been told" in report.html(quiet, [], settings)


def test_the_advice_names_what_was_held_back_missed_and_loud(result: Backtest, settings: Settings) -> None:
    known = result.known[0].known
    inside = (known.start_ms + known.end_ms) // 2
    held = [Onset(LATENCY, inside, 0.61, "spike")]
    judged = [Judged(known, Verdict.HELD_BACK), Judged(result.known[2].known, Verdict.MISSED)]
    many = [solo(result.incidents[-1], k) for k in range(20)]
    said = " ".join(words.advice(replace(result, held_back=held, known=judged, incidents=many), settings))
    assert "solo_score (now 0.88) of 0.61 would tell 1 of them and up to 0 more incidents" in said
    assert "No alert began during other: what these series did then was usual for them" in said
    assert "is in 20 of 20 incidents" in said
    assert "6.7 incidents a day are many for one person" in said


def solo(incident: Incident, number: int) -> Incident:
    """The same, as if its leading alert alone had opened it."""
    event = replace(incident.timeline[0], why="one alert is strange enough by itself: odd")
    return replace(incident, incident_id=number, alert_count=1, timeline=(event,))


def test_missed_known_incidents_get_their_picture(result: Backtest) -> None:
    quiet = replace(result, incidents=[], held_back=[])
    chosen = report.choose(quiet, 8)
    missed = result.known[2].known
    assert {labels for labels, _, _ in chosen} == set(result.spans)
    assert {moment for _, _, moment in chosen} == {(missed.start_ms + missed.end_ms) // 2}
    assert len(report.choose(result, 1)) == 1


def test_a_course_has_the_range_of_each_stretch_and_every_sample_close_up(tmp_path: Path) -> None:
    history = files(write_history(tmp_path))
    moment = 1000 * jump_at()[0]
    span = (1000 * START_S, 1000 * (START_S + 3 * 86_400 - 60))
    (course,) = follow(history, [(LATENCY, span, moment)], 20)
    assert len(course.whole.time_ms) == STRETCHES
    assert np.nanmax(course.whole.high) > 145 and np.nanmin(course.whole.low) < 50
    assert (course.whole.low <= course.whole.high).all()
    assert len(course.close.time_ms) == 2 * CLOSE_SAMPLES + 1
    inside = np.isfinite(course.close.expected)
    assert (course.close.lower[inside] < course.close.upper[inside]).all()


def test_a_counter_is_drawn_as_its_rate(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    rows = [f'{START_S + 60 * k},{600 * (k % 200)},"errors_total{{service=""web""}}"' for k in range(400)]
    path.write_text("\n".join(["timestamp,value,series", *rows]) + "\n")
    labels = canonical({"__name__": "errors_total", "service": "web"})
    (course,) = follow(files(path), [(labels, (1000 * START_S, 1000 * (START_S + 24_000)), 1000 * START_S)], 20)
    assert course.is_rate
    assert np.nanmin(course.whole.low) == np.nanmax(course.whole.high) == 10.0


def test_long_pauses_are_cut_out_of_the_timeline() -> None:
    days = [*range(100), *range(1000, 1100)]
    axis = chart.axis_of_days(days, 0.0, 200.0)
    assert [axis.x(day * DAY_MS) for day in (0, 50, 100, 500, 1000, 1050, 1100)] == [0, 50, 100, 100, 100, 150, 200]
    ticks = axis.ticks(10)
    assert ticks[0][1].endswith("1970")
    assert [x for x, _ in ticks] == sorted(x for x, _ in ticks)


def test_tables_are_cut_and_say_so(result: Backtest, settings: Settings) -> None:
    many = [replace(result.incidents[-1], incident_id=k) for k in range(report.INCIDENTS_MAX + 5)]
    text = report.html(replace(result, incidents=many), [], settings)
    assert f"The first {report.INCIDENTS_MAX} of them" in text


def test_the_report_says_how_budgets_were_kept_and_what_they_told(tmp_path: Path, settings: Settings) -> None:
    budgets = (Budget(match='{__name__="errors"}', alerts="2 per week"),)
    detection = settings.detection.model_copy(update={"alert_budget": "3 per day", "budgets": budgets})
    settings = settings.model_copy(update={"detection": detection})
    kept = replay(files(write_history(tmp_path)), settings, [], lambda *_: None)
    told = {one.name: one.told for one in kept.budgets}
    assert sum(told.values()) == len(kept.incidents) > 0
    said = " ".join(words.summary(kept))
    assert "chance" not in said
    assert "Why they were told: among the strangest within the budget of " in said
    assert 'Budgets: 2 per week for {__name__="errors"}: ' + f"{kept.budgets[0].told} told" in said
    assert f"; 3 per day: {told['all']} told" in said
    text = report.html(kept, [], settings)
    assert "<h2>Budgets</h2>" in text
    assert "all without one of their own" in text
    by_week, by_day = kept.summary()["budgets"]
    assert by_week["match"] == '{__name__="errors"}'
    assert by_week["most_in_a_week"] <= by_week["ceiling_of_a_week"] == 4
    assert by_day["match"] is None
    assert by_day["ceiling_of_a_day"] == 6
    assert by_day["told_per_day"] == pytest.approx(told["all"] / 3, abs=1e-2)


def test_without_budgets_none_is_spoken_of(result: Backtest, settings: Settings) -> None:
    assert "udget" not in " ".join(words.summary(result) + words.advice(result, settings))
    assert "Budgets" not in report.html(result, [], settings)
    assert result.summary()["budgets"] == []
