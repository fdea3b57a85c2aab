"""What is said of an alert as it goes on: the words of its kind stay true."""

from dataclasses import replace

import numpy as np
import pytest

from aiops import finding
from aiops.config import Rule, Settings
from aiops.detection.engine import Engine
from aiops.detection.explain import Habits
from aiops.detection.limit import Approach
from aiops.detection.scores import DETECTORS, TOLD_STRENGTHS, Kind, Scores
from aiops.incidents.alert import Alert
from aiops.metrics.series import SampleBatch, SeriesTable, canonical
from aiops.service import Service
from aiops.store.incident_store import IncidentFilter
from tests.conftest import NOW_S, MakeService
from tests.detection.test_complaints import START_MS
from tests.detection.test_variance import noisy

LABELS = canonical({"__name__": "latency_ms", "service": "checkout"})
MINUTE_MS = 60_000
DAY = 1440


def scored(kind: Kind, value: float, expected: float = 100.0, band: float = 10.0) -> Scores:
    one, none = np.zeros(1), np.empty(0, np.int64)
    told = np.zeros((1, TOLD_STRENGTHS + len(DETECTORS)))
    told[0, :TOLD_STRENGTHS] = value, expected, expected - band, expected + band
    flags, kinds = np.zeros(1, np.bool_), np.array([kind], np.uint8)
    score = np.full(1, 0.8, np.float32)
    return Scores(
        score, one, one, one, flags, flags, score, score, kinds, np.zeros(1, np.uint8), none, none, none, none, none,
        none, told,
    )  # fmt: skip


def known(**more: object) -> finding.Known:
    return replace(finding.Known(LABELS, False, 8 * 86_400.0, 0.0, Habits()), **more)  # type: ignore[arg-type]


def onset(kind: Kind, value: float, series: finding.Known | None = None) -> Alert:
    at = np.array([int(1000 * NOW_S)])
    batch = SampleBatch(np.zeros(1, np.int32), at, np.array([value]), np.zeros(1, np.bool_))
    return finding.onset(batch, scored(kind, value), 0, series or known())


def test_what_lasts_is_told_by_its_worst() -> None:
    worse = finding.lasting(onset(Kind.SPIKE, 300.0), scored(Kind.LEVEL_SHIFT, 420.0), 0, known())
    assert worse.kind == "level_shift"
    assert "stays 4.2x its usual" in worse.sentence
    better = finding.lasting(onset(Kind.SPIKE, 300.0), scored(Kind.LEVEL_SHIFT, 200.0), 0, known())
    assert (better.kind, better.value) == ("level_shift", 300.0)


def test_what_fell_afterwards_does_not_retell_what_rose() -> None:
    rose = onset(Kind.LEVEL_SHIFT, 160.0)
    again = finding.lasting(rose, scored(Kind.DIP, 5.0), 0, known())
    assert (again.kind, again.sentence, again.value) == (rose.kind, rose.sentence, rose.value)


@pytest.mark.parametrize("fell", [0.0, 1e9])
def test_a_filled_disk_is_not_retold_by_its_drop(fell: float) -> None:
    full = finding.approach(Approach(0, 2e11, 2e11, 0.0, 0.0), LABELS, int(1000 * NOW_S))
    assert finding.lasting(full, scored(Kind.DIP, fell, 2e11, 1e9), 0, known()).sentence == full.sentence
    weaker = onset(Kind.DIP, fell)
    assert full.again(replace(weaker, score=0.99)).sentence == full.sentence
    assert weaker.again(replace(full, score=0.6)).eta_s == 0.0


def test_a_change_of_variance_names_both_spreads() -> None:
    said = onset(Kind.VARIANCE, 101.0, known(habits=Habits(steps=(4.1, 0.6)))).sentence
    assert "varies more than it used to: by 4.1 ms from sample to sample instead of 0.6 ms" in said
    late = finding.lasting(
        onset(Kind.VARIANCE, 101.0), scored(Kind.VARIANCE, 101.0), 0, known(habits=Habits((0.1, 0.6)))
    )
    assert "varies less than it used to: by 0.1 ms from sample to sample instead of 0.6 ms" in late.sentence


def test_a_course_is_told_with_where_it_came_from() -> None:
    habits = Habits(recent=(93.0, 80.0), recent_s=(660.0, 3480.0))
    said = onset(Kind.PATTERN, 101.0, known(habits=habits)).sentence
    assert "101 ms after 93 ms on average of the last 11 minutes and 80 ms on average of the last 58 minutes" in said


def test_a_creep_says_what_was_before_and_where_it_leads() -> None:
    ahead = Approach(0, 150.0, 400.0, 40 * 3600.0, 6.25, is_new=False)
    alert = onset(Kind.TREND, 150.0, known(habits=Habits(days=(90.0, 120.0)), ahead=ahead))
    assert (
        "crept up to 150 ms, beyond 90 ms to 120 ms of the days before; reaches its limit of 400 ms in"
        in alert.sentence
    )
    assert "in 40 hours at its pace of now (6.25 ms/h)" in alert.sentence
    assert (alert.eta_s, alert.limit, alert.pace) == (40 * 3600.0, 400.0, 6.25)
    assert onset(Kind.TREND, 150.0).eta_s is None


def live(service: Service, name: str, values: np.ndarray) -> list[Alert]:
    """All alerts of one series, sampled every minute until now."""
    row = service.table.row(canonical({"__name__": name, "service": "checkout"}))
    times = int(1000 * NOW_S) + MINUTE_MS * (np.arange(len(values)) - len(values))
    for start in range(0, len(values), 5):
        part = slice(start, start + 5)
        n = len(values[part])
        service.ingest_batch(SampleBatch(np.full(n, row, np.int32), times[part], values[part], np.zeros(n, np.bool_)))
    page = service.incidents(IncidentFilter(), 100, None).items
    return [alert for one in page for alert in service.incident(one.incident_id)[0].alerts]


def test_the_two_spreads_are_those_that_were_seen() -> None:
    table = SeriesTable(1)
    table.row(LABELS)
    engine, values = Engine(table), noisy(1, 4.0)
    for start in range(0, len(values), 12):
        at = START_MS + 300_000 * np.arange(start, start + 12)
        scores = engine.ingest(
            SampleBatch(np.zeros(12, np.int32), at, values[start : start + 12], np.zeros(12, np.bool_))
        )
        if scores.persisted.size and Kind.VARIANCE in scores.kind and start > len(values) // 2:
            break
    late, before = finding.known(engine.state, 0, LABELS, False, "", None).habits.steps
    assert before == pytest.approx(1.13, rel=0.4)  # the mean of |a - b| of two normal numbers
    assert 1.5 < late / before < 6


def test_the_way_to_a_limit_is_kept_up_to_date_in_incident_and_sentence(
    make_service: MakeService, settings: Settings
) -> None:
    detection = settings.detection.model_copy(update={"rules": (Rule(match="disk_used_bytes", limit=2e11),)})
    service = make_service(settings.model_copy(update={"detection": detection}))
    values = 1.5e11 + 2.5e9 * np.arange(19 * 60) / 60 + np.random.default_rng(1).normal(0, 4e7, 19 * 60)
    (alert,) = [one for one in live(service, "disk_used_bytes", values) if one.is_of_limit]
    assert alert.count == 1 and alert.time_ms < alert.last_ms
    assert alert.eta_s is not None and 3600 < alert.eta_s < 5400  # an hour before the limit; looked at every 15 minutes
    assert "reaches its limit of 200GB in" in alert.sentence and "at its pace of now (2.5" in alert.sentence
