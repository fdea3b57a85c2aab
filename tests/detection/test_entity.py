"""The joint score of an entity: equal to its plain twin, and able to see what no single series shows."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aiops.bench_entities import bench_entities, best_f1, spans
from aiops.detection.entity import EntityScorer
from aiops.errors import InputError
from tests.conftest import DATA
from tests.detection import plain_entity

START_MS = 1_767_571_200_000
DAY = 288
Floats = NDArray[np.float64]


def entity(days: int, seed: int = 1, d: int = 6) -> Floats:
    """Metrics that follow one daily load, with noise of their own; float64 (days * 288, d)."""
    rng = np.random.default_rng(seed)
    load = 1 + 0.5 * np.sin(np.arange(days * DAY) / DAY * 2 * np.pi) + rng.normal(0, 0.2, days * DAY)
    return np.asarray(10 ** np.arange(d) * (load[:, None] + rng.normal(0, 0.03, (days * DAY, d))))


def times(n: int) -> NDArray[np.int64]:
    return START_MS + 300_000 * np.arange(n)


def test_the_kernel_equals_its_plain_twin() -> None:
    rng = np.random.default_rng(2)
    rows = entity(5)
    rows[3 * DAY : 3 * DAY + 20, 2] *= 3
    rows[rng.random(rows.shape) < 0.02] = np.nan
    rows[DAY : DAY + 50, 1] = np.nan
    rows[DAY : 2 * DAY + 50, 4] = np.nan  # away for more than a day: begins anew
    rows[: 2 * DAY, 5] = np.nan  # comes late
    score, opened, blame = plain_entity.score_rows(times(len(rows)), rows)
    found = EntityScorer(rows.shape[1]).score(times(len(rows)), rows)
    np.testing.assert_allclose(found.score, score, rtol=1e-6)
    np.testing.assert_array_equal(found.anomalous, opened)
    np.testing.assert_allclose(found.blame, blame, rtol=1e-6, atol=1e-9)
    assert opened.any()


def test_rows_may_come_one_by_one() -> None:
    rows = entity(2)
    whole = EntityScorer(6).score(times(len(rows)), rows)
    scorer = EntityScorer(6)
    pieces = [scorer.score(times(len(rows))[k : k + 1], rows[k : k + 1]).score for k in range(len(rows))]
    np.testing.assert_array_equal(np.concatenate(pieces), whole.score)


def test_a_broken_relation_is_seen_although_every_metric_stays_in_its_range() -> None:
    rows = entity(10)
    start = 9 * DAY
    rows[start : start + 36, 3] = 2 * rows[:start, 3].mean() - rows[start : start + 36, 3]  # falls as the load rises
    assert rows[:start, 3].min() < rows[start : start + 36, 3].min()
    assert rows[start : start + 36, 3].max() < rows[:start, 3].max()
    found = EntityScorer(6).score(times(len(rows)), rows)
    assert found.anomalous[start : start + 36].any()
    assert found.contributors(start + 30)[0] == 3


def test_a_usual_day_scores_about_one_and_opens_nothing() -> None:
    found = EntityScorer(6).score(times(14 * DAY), entity(14, seed=3))
    assert 0.7 < found.score[5 * DAY :].mean() < 1.3
    assert len(spans(found.anomalous)) <= 1


def test_scale_does_not_matter() -> None:
    rows = entity(6)
    one, thousand = (EntityScorer(6).score(times(len(rows)), rows * k).score for k in (1, 1000))
    np.testing.assert_allclose(one, thousand, rtol=1e-3, atol=1e-3)


def test_a_long_anomaly_is_not_absorbed_within_hours() -> None:
    rows = entity(12)
    start = 10 * DAY
    rows[start:, 1] *= 2
    found = EntityScorer(6).score(times(len(rows)), rows)
    assert found.anomalous[start + 5 : start + 12 * 12].mean() > 0.9


def test_a_metric_that_never_speaks_and_a_constant_do_no_harm() -> None:
    rows = entity(4)
    rows[:, 0], rows[:, 1] = np.nan, 7.0
    found = EntityScorer(6).score(times(len(rows)), rows)
    assert np.isfinite(found.score).all()
    assert not found.anomalous.any()


def test_a_metric_that_comes_late_raises_no_score_and_is_known_a_day_later() -> None:
    rows = entity(6)
    rows[: 3 * DAY, 2] = np.nan
    rows[5 * DAY : 5 * DAY + 30, 2] = rows[:, 2][np.isfinite(rows[:, 2])].max() * 2
    found = EntityScorer(6).score(times(len(rows)), rows)
    without = EntityScorer(5).score(times(len(rows)), np.delete(rows, 2, axis=1))
    assert found.score[3 * DAY : 5 * DAY].max() < 1.5 * without.score[3 * DAY : 5 * DAY].max()
    assert found.anomalous[5 * DAY : 5 * DAY + 30].any()
    assert found.contributors(5 * DAY + 20)[0] == 2


def test_a_metric_back_after_a_day_of_silence_begins_anew() -> None:
    rows = entity(9)
    rows[3 * DAY : 5 * DAY, 1] = np.nan
    rows[5 * DAY :, 1] *= 20  # another machine behind the same name
    found = EntityScorer(6).score(times(len(rows)), rows)
    assert found.score[3 * DAY :].max() < 3.5
    shorter = entity(9)
    shorter[3 * DAY : 3 * DAY + 200, 1] = np.nan
    shorter[3 * DAY + 200 :, 1] *= 20
    assert EntityScorer(6).score(times(len(rows)), shorter).score[3 * DAY + 200 :].max() > 10


def test_an_entity_widens_without_forgetting() -> None:
    rows, at = entity(6), times(6 * DAY)
    padded = np.column_stack([rows, np.full((len(rows), 3), np.nan)])
    whole = EntityScorer(9).score(at, padded)
    scorer = EntityScorer(6)
    scorer.score(at[: 3 * DAY], rows[: 3 * DAY])
    scorer.widen(9)
    later = scorer.score(at[3 * DAY :], padded[3 * DAY :])
    np.testing.assert_allclose(later.score, whole.score[3 * DAY :], rtol=1e-9)


def test_a_column_given_away_begins_anew() -> None:
    rows, at = entity(8), times(8 * DAY)
    rows[4 * DAY :, 0] = 1e6 * (3 - rows[4 * DAY :, 1] / 10)
    scorer = EntityScorer(6)
    scorer.score(at[: 4 * DAY], rows[: 4 * DAY])
    scorer.forget([0])
    assert scorer.score(at[4 * DAY :], rows[4 * DAY :]).score.max() < 3.5


def test_memory_is_fixed() -> None:
    scorer = EntityScorer(19)
    before = scorer.bytes
    scorer.score(times(3 * DAY), entity(3, d=19))
    assert scorer.bytes == before < 50_000


def test_figures_of_a_perfect_and_a_useless_score() -> None:
    label = np.zeros(100, np.bool_)
    label[40:50] = True
    assert best_f1(label, label.astype(float)) == (1.0, 1.0)
    f1, auprc = best_f1(label, np.zeros(100))
    assert (round(f1, 3), auprc) == (0.182, 0.1)
    assert spans(label) == [(40, 50)]


def test_the_benchmark_writes_one_line_per_test_row(tmp_path: Path) -> None:
    rows = entity(8)
    rows[7 * DAY + 20 : 7 * DAY + 60, 2] *= 3
    label = np.zeros(2 * DAY, np.int8)
    label[DAY + 20 : DAY + 60] = 1
    np.savez(tmp_path / "host.npz", train=rows[: 6 * DAY], test=rows[6 * DAY :], test_label=label)
    (figures,) = bench_entities(tmp_path, 300, tmp_path / "out")
    assert (figures.segments, figures.segments_found) == (1, 1)
    lines = list(csv.DictReader((tmp_path / "out" / "host.csv").read_text().splitlines()))
    assert len(lines) == 2 * DAY
    assert json.loads(lines[DAY + 50]["contributors"])[0] == 2
    assert lines[DAY + 50]["anomalous"] == "1"


def test_ranking_of_contributors_is_judged_where_it_is_explained(tmp_path: Path) -> None:
    rows = entity(8)
    rows[7 * DAY + 20 : 7 * DAY + 60, [2, 4]] *= 3
    np.savez(tmp_path / "host.npz", train=rows[: 6 * DAY], test=rows[6 * DAY :])
    explained = tmp_path / "host.interpretation.txt"
    explained.write_text(f"{DAY + 20}-{DAY + 59}:3,5\n")
    (figures,) = bench_entities(tmp_path, 300, tmp_path / "out")
    (hits,) = figures.hits
    assert (hits.at_100, hits.at_150, hits.by_chance_100, hits.by_chance_150) == (1.0, 1.0, 2 / 6, 3 / 6)
    explained.write_text(f"{DAY + 20}-{DAY + 59}:1,6\n")
    assert bench_entities(tmp_path, 300, tmp_path / "out")[0].hits[0].at_100 == 0
    for wrong in ("1-2", "1-2:a", "1-99999:1", "1-2:7"):
        explained.write_text(wrong)
        with pytest.raises(InputError, match=r"host\.interpretation"):
            bench_entities(tmp_path, 300, tmp_path / "out")


def test_files_of_other_things_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \*\.npz"):
        bench_entities(tmp_path, 300, tmp_path / "out")
    np.savez(tmp_path / "x.npz", train=np.zeros((5, 2)), other=np.zeros(3))
    with pytest.raises(InputError, match=r"x\.npz"):
        bench_entities(tmp_path, 300, tmp_path / "out")


@pytest.mark.parametrize(("name", "f1", "auprc"), [("asd", 0.56, 0.54), ("services", 0.57, 0.57)])
def test_labelled_servers_and_services_are_found_as_well_as_measured(
    tmp_path: Path, name: str, f1: float, auprc: float
) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"evaluation data {name} is not here")
    figures = bench_entities(DATA / name, 300, tmp_path)
    assert np.mean([one.f1 for one in figures if one.f1 is not None]) > f1
    assert np.mean([one.auprc for one in figures if one.auprc is not None]) > auprc
    assert sum(one.segments_found for one in figures) > 0.6 * sum(one.segments for one in figures)
    assert sum(one.false_openings for one in figures) < 0.2 * sum(one.days for one in figures)
    assert all(hit.at_150 >= hit.at_100 for one in figures for hit in one.hits)
