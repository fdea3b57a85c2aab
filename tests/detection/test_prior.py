"""A new series of a known name starts from what its sibling knows: quiet in its first hours, awake from its first."""

import numpy as np
import pytest

from aiops.detection.engine import Engine
from aiops.detection.scores import Scores, Status
from aiops.metrics.series import SampleBatch, SeriesTable, canonical
from tests.detection.test_complaints import Floats

MINUTE_MS = 60_000
DAY = 1440
START_MS = 1_767_571_200_000
OLD_DAYS = 6


def course(seed: int, days: float, level: float = 100.0) -> Floats:
    at = np.arange(int(days * DAY)) / DAY * 2 * np.pi
    return np.asarray(level * (1 - 0.4 * np.cos(at)) * np.random.default_rng(seed).lognormal(0, 0.03, len(at)))


def replaced(
    values: Floats,
    old_name: str = "latency_ms",
    new_name: str = "latency_ms",
    piece: int = 10,
    old: Floats | None = None,
) -> Scores:
    """Scores of a pod that takes the place of another after OLD_DAYS days, in the second day's rhythm of that one."""
    table = SeriesTable(2)
    engine = Engine(table)
    row = table.row(canonical({"__name__": old_name, "service": "web", "pod": "a"}))
    old = course(1, OLD_DAYS) if old is None else old
    n = len(old)
    times = START_MS + MINUTE_MS * np.arange(n)
    engine.ingest(SampleBatch(np.full(n, row, np.int32), times, old, np.zeros(n, np.bool_)))
    row = table.row(canonical({"__name__": new_name, "service": "web", "pod": "b"}))
    found = []
    for first in range(0, len(values), piece):
        part = values[first : first + piece]
        m = len(part)
        times = START_MS + MINUTE_MS * (n + first + np.arange(m))
        found.append(engine.ingest(SampleBatch(np.full(m, row, np.int32), times, part, np.zeros(m, np.bool_))))
    return joined(found)


def joined(parts: list[Scores]) -> Scores:
    edges = np.cumsum([0, *[len(part.score) for part in parts]])
    columns = {}
    for name in Scores.__dataclass_fields__:
        of_part = [getattr(part, name) for part in parts]
        is_index = name in ("onsets", "hints", "persisted", "endings")
        columns[name] = np.concatenate([x + edges[k] for k, x in enumerate(of_part)] if is_index else of_part)
    return Scores(**columns)


@pytest.mark.parametrize("level", [100.0, 10.0, 2500.0])
@pytest.mark.parametrize("seed", [2, 3])
def test_a_replaced_pod_is_quiet_in_its_first_day(seed: int, level: float) -> None:
    scores = replaced(course(seed, 1, level))
    assert scores.onsets.tolist() == []
    assert not scores.anomalous.any()


def test_without_a_sibling_the_first_day_is_not_quiet() -> None:
    """The claim above is the sibling's merit."""
    found = [len(replaced(course(seed, 1), new_name="other_ms").onsets) for seed in range(2, 8)]
    assert sum(found) > 0


@pytest.mark.parametrize("piece", [1, 10, 500])
def test_a_gross_fault_in_its_first_hour_is_found_however_samples_are_packed(piece: int) -> None:
    values = course(4, 0.5)
    values[35:55] *= 4
    scores = replaced(values, piece=piece)
    assert scores.onsets.tolist()[0] in range(35, 38)
    assert any(35 <= k < 55 for k in scores.persisted.tolist())
    lonely = replaced(values, new_name="other_ms", piece=piece)
    assert not any(35 <= k < 55 for k in lonely.persisted.tolist())


def test_no_score_is_given_before_the_warm_up_is_over() -> None:
    scores = replaced(course(5, 0.2))
    assert (scores.status[:20] == Status.WARMING_UP).all() and np.isnan(scores.score[:20]).all()
    assert (scores.status[20:] == Status.SCORED).all() and np.isfinite(scores.score[20:]).all()


def test_the_season_is_known_from_the_first_hour_at_the_level_of_the_new_series() -> None:
    values = course(6, 1, level=10.0)
    scores = replaced(values)
    noon = slice(DAY // 2, DAY // 2 + 60)
    assert np.abs(scores.expected[noon] / values[noon] - 1).mean() < 0.05


def test_constants_and_counters_take_over_too() -> None:
    assert replaced(np.ones(DAY), "healthy", "healthy", old=np.ones(OLD_DAYS * DAY)).onsets.tolist() == []
    counted = replaced(np.cumsum(course(7, 1)), "sent_total", "sent_total", old=np.cumsum(course(1, OLD_DAYS)))
    assert counted.onsets.tolist() == []


def test_a_series_of_another_magnitude_learns_nothing() -> None:
    values = course(8, 0.1, level=1e9)
    alone, beside = replaced(values, new_name="other_ms"), replaced(values)
    np.testing.assert_array_equal(alone.score, beside.score)


def test_series_that_begin_together_do_not_teach_each_other() -> None:
    def run(names: list[str]) -> Floats:
        table = SeriesTable(2)
        for k, name in enumerate(names):
            table.row(canonical({"__name__": name, "pod": str(k)}))
        rows = np.tile(np.array([0, 1], np.int32), 3 * DAY)
        times = START_MS + MINUTE_MS * np.repeat(np.arange(3 * DAY), 2)
        values = np.column_stack([course(9, 3), course(10, 3)]).ravel()
        scores = Engine(table).ingest(SampleBatch(rows, times, values, np.zeros(len(rows), np.bool_)))
        return scores.score.astype(np.float64)

    np.testing.assert_array_equal(run(["same", "same"]), run(["one", "two"]))
