"""Detectors that the operator brings: in our calibration, on the series that match, and nowhere else."""

import re
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from aiops import log
from aiops.config import OwnDetector, Rule
from aiops.detection import kernel
from aiops.detection import own_kernel as O
from aiops.detection import state as S
from aiops.detection.engine import Engine
from aiops.detection.own import OwnDetectors
from aiops.detection.policy import Policy
from aiops.detection.scores import DETECTORS, TOLD_STRENGTHS, Kind, Scores
from aiops.errors import SettingsError
from aiops.metrics.series import SampleBatch, SeriesTable, canonical
from tests.detection.plain_engine import Series, Tail

START_MS = 1_767_571_200_000
PARITY = str(Path(__file__).parent / "own" / "parity.py")
TREES = "river.anomaly.HalfSpaceTrees"
N, AT = 6000, 5600
Floats = NDArray[np.float64]


def own(name: str, match: str = "m0", **options: object) -> OwnDetector:
    return OwnDetector(name=name, match=match, options=options)


def even(seed: int = 1, odd_at: int = AT) -> Floats:
    """Even numbers, one odd among them: nothing to see for who does not know."""
    values: Floats = (2 * np.random.default_rng(seed).integers(40, 60, N)).astype(np.float64)
    values[odd_at : odd_at + 1] += 1
    return values


def batch_of(values: Floats, row: int = 0, start: int = 0) -> SampleBatch:
    n = len(values)
    times = START_MS + 60_000 * np.arange(start, start + n)
    return SampleBatch(np.full(n, row, np.int32), times, values, np.zeros(n, np.bool_))


def engine_with(
    *detectors: OwnDetector, series: int = 1, series_max: int = 1000, rules: tuple[Rule, ...] = ()
) -> Engine:
    table = SeriesTable(10)
    for k in range(series):
        table.row(canonical({"__name__": f"m{k}"}))
    return Engine(table, policy=Policy(table, rules), own=OwnDetectors(table, detectors, series_max))


def assert_equal(one: Scores, other: Scores) -> None:
    for column in ("score", "expected", "lower", "upper", "kind", "status", "strength", "alert", "onsets", "endings"):
        np.testing.assert_array_equal(getattr(one, column), getattr(other, column))


def kernel_file(folder: Path, body: str, state_size: str = "STATE_SIZE = 1") -> str:
    path = folder / "mine.py"
    path.write_text(f"import numpy as np\n{state_size}\n\n\ndef score(values, times_s, state):\n{body}\n")
    return str(path)


def test_what_only_the_kernel_file_sees_is_an_alert_of_its_own() -> None:
    values = even()
    ours, theirs = engine_with().ingest(batch_of(values)), engine_with(own(PARITY)).ingest(batch_of(values))
    assert AT not in ours.onsets
    assert AT in theirs.onsets
    assert theirs.kind[AT] == Kind.OWN
    strengths = theirs.told[AT, TOLD_STRENGTHS:]
    assert DETECTORS[int(np.argmax(strengths))] == "own"
    assert theirs.score[AT] == pytest.approx(strengths.max() / (1 + strengths.max()))
    np.testing.assert_array_equal(ours.score[:AT], theirs.score[:AT])


def test_its_alert_ends_when_it_is_calm_again() -> None:
    scores = engine_with(own(PARITY)).ingest(batch_of(even()))
    assert scores.endings[scores.endings > AT][0] < AT + 100  # the share that the example keeps needs so many


def test_a_detector_of_river_sees_a_value_between_two_states() -> None:
    rng = np.random.default_rng(4)
    values = np.where(rng.random(N) < 0.5, 10.0, 90.0) + rng.normal(0, 1, N)
    values[AT] = 50.0
    detector = own(TREES, n_trees=25, seed=1, height=4)
    scores = engine_with(detector).ingest(batch_of(values))
    strengths = strengths_of(values, detector)
    assert strengths[AT] > 1
    assert np.mean(strengths[2000:AT] >= 1) < 0.005
    assert scores.score[AT] >= strengths[AT] / (1 + strengths[AT]) - 1e-6


def strengths_of(values: Floats, detector: OwnDetector) -> Floats:
    table = SeriesTable(1)
    table.row(canonical({"__name__": "m0"}))
    batch, head = batch_of(values), np.zeros((1, S.HEAD_SIZE))
    return OwnDetectors(table, [detector]).strengths(batch.rows, batch.time_ms, batch.values, batch.stale, head)


@pytest.mark.parametrize("name", ["GaussianScorer", "StandardAbsoluteDeviation"])
def test_a_detector_of_river_that_judges_a_target(name: str) -> None:
    values = np.random.default_rng(4).normal(100, 1, N)
    values[AT] = 112.0
    strengths = strengths_of(values, own(f"river.anomaly.{name}"))
    assert strengths[AT] == strengths[200:].max() > 1
    assert np.mean(strengths[2000:AT] >= 1) < 0.005


@pytest.mark.parametrize("name", ["LODA", "OneClassSVM", "LocalOutlierFactor", "PredictiveAnomalyDetection"])
def test_the_other_detectors_of_river_work(name: str) -> None:
    engine = engine_with(own(f"river.anomaly.{name}"))
    values = np.random.default_rng(4).normal(100, 1, 400)
    scores = engine.ingest(batch_of(values))
    assert engine.own.failed_count == {f"river.anomaly.{name}": 0}
    assert not len(scores.onsets)


def test_without_a_detector_nothing_changes_nor_does_a_series_beside_one() -> None:
    values = even()
    plain = engine_with(series=2).ingest(batch_of(values, row=1))
    engine = engine_with(own(PARITY), series=2)
    engine.ingest(batch_of(even(2), row=0))
    assert_equal(engine.ingest(batch_of(values, row=1)), plain)
    assert len(OwnDetectors(SeriesTable(1000)).strengths(*(np.zeros(0, np.int32),) * 4, np.zeros((0, 8)))) == 0  # type: ignore[arg-type]


def test_the_unit_of_a_raw_score_does_not_matter(tmp_path: Path) -> None:
    body = "    return {unit} * np.abs(values - 100)"
    values = even()
    each = [strengths_of(values, own(kernel_file(tmp_path, body.format(unit=unit)))) for unit in ("1.0", "1e6")]
    np.testing.assert_allclose(each[0], each[1], rtol=1e-6)


def test_calibration_equals_its_plain_twin() -> None:
    raw = np.random.default_rng(1).exponential(3, 2000)
    raw[1500] = 200.0
    strengths = O.calibrate(raw, np.zeros((1, O.MEMORY_SIZE)), 0)
    tail, centre, size = Tail(), raw[0], 0.0
    for k, value in enumerate(raw.tolist()):
        scale = size + O.FLOOR_RELATIVE * abs(centre) + O.FLOOR_ABS
        lp = tail.improbability(min(max((value - centre) / scale, 0.0), O.DEVIATION_MAX))
        assert strengths[k] == pytest.approx(lp * k / (k + kernel.HISTORY_COUNT) / kernel.IMPROBABILITY_BAR, abs=1e-9)
        gain, clip = max(O.GAIN_MIN, 1 / (k + 1)), kernel.RAW_MAX if k < O.FREE_COUNT else O.CLIP * scale
        size += gain * (min(abs(value - centre), size + clip) - size)
        centre += gain * min(max(value - centre, -clip), clip)
    assert strengths[1500] == strengths.max() > 0.5


def test_the_kernel_equals_its_plain_twin_with_a_strength_of_somebody_else() -> None:
    from tests.detection.test_kernel import assert_same, run_kernel

    rng = np.random.default_rng(7)
    n = 2500
    values, strengths = rng.normal(50, 1, n), np.where(rng.random(n) < 0.01, rng.uniform(0, 5, n), 0.0)
    values[n // 2] += 80
    times = START_MS + 300_000 * np.arange(n)
    twin = Series()
    samples = zip(times.tolist(), values.tolist(), strengths.tolist(), strict=True)
    answers = [twin.ingest(time_ms, value, False, 600.0, 20, strength) for time_ms, value, strength in samples]
    out = run_kernel(times, values, np.zeros(n, np.bool_), False, own=strengths)
    assert_same(answers, *out)
    assert (out[2] == Kind.OWN).any()


def test_how_batches_are_cut_does_not_matter() -> None:
    values = even()
    whole, parts = engine_with(own(PARITY)).ingest(batch_of(values)), engine_with(own(PARITY))
    scores = [parts.ingest(batch_of(values[k : k + 600], start=k)).score for k in range(0, N, 600)]
    np.testing.assert_array_equal(whole.score, np.concatenate(scores))


def test_a_counter_is_seen_as_its_rate_and_gaps_are_not_seen(tmp_path: Path) -> None:
    seen = tmp_path / "seen.txt"
    told = (
        f"    with open({str(seen)!r}, 'a') as file:\n        file.write(' '.join(map(str, values.tolist())) + '\\n')"
    )
    body = told + "\n    return np.zeros(len(values))"
    table = SeriesTable(1)
    table.row(canonical({"__name__": "a_total"}))
    engine = Engine(table, own=OwnDetectors(table, [own(kernel_file(tmp_path, body), "a_total")]))
    engine.ingest(batch_of(np.array([0.0, 60.0, np.nan, 180.0, 240.0])))
    engine.ingest(batch_of(np.array([360.0, 0.0, 60.0]), start=5))
    engine.ingest(batch_of(np.array([1.0]), start=2))  # late: the kernel does not take it either
    assert seen.read_text().split("\n")[:-1] == ["1.0 1.0", "2.0 1.0"]


def test_a_rule_holds_for_it_too() -> None:
    scores = engine_with(own(PARITY), rules=(Rule(match="m0", change_min=1e6),)).ingest(batch_of(even()))
    assert AT not in scores.onsets


def test_a_restart_goes_on_with_state_and_calibration(tmp_path: Path) -> None:
    values = even()
    whole, first, second = (engine_with(own(PARITY)) for _ in range(3))
    whole.ingest(batch_of(values[:5000]))
    first.ingest(batch_of(values[:5000]))
    first.own.save(tmp_path, nullcontext())
    second.state.head[:], second.state.body[:] = first.state.head, first.state.body
    second.own.restore(tmp_path)
    assert_equal(second.ingest(batch_of(values[5000:], start=5000)), whole.ingest(batch_of(values[5000:], start=5000)))


def test_a_snapshot_that_cannot_be_read_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "own.npz").write_bytes(b"torn")
    engine = engine_with(own(PARITY))
    engine.own.restore(tmp_path)
    assert AT in engine.ingest(batch_of(even())).onsets


def test_beyond_the_limit_series_have_ours_only() -> None:
    engine = engine_with(own(PARITY, "{}"), series=3, series_max=1)
    assert AT in engine.ingest(batch_of(even(), row=0)).onsets
    assert AT not in engine.ingest(batch_of(even(), row=1)).onsets
    assert engine.own.refused_count == 2
    assert engine.own.series_count == {PARITY: 1}


def test_the_place_of_a_series_that_was_forgotten_is_free() -> None:
    engine = engine_with(own(PARITY, "{}"), series=2, series_max=1)
    engine.ingest(batch_of(even(), row=0))
    for row in (0, 1):
        engine.forget(np.array([row]))
        engine.table.free(np.array([row]))
    assert engine.own.refused_count == 0
    assert engine.own.series_count == {PARITY: 0}
    row = engine.table.row(canonical({"__name__": "new"}))
    again = engine.ingest(batch_of(even(), row=row, start=N))
    assert engine.own.name(row) == PARITY
    assert_equal(again, engine_with(own(PARITY)).ingest(batch_of(even(), start=N)))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("    return values / 0 if len(values) > 9999 else [1][2]", "line 6: IndexError"),
        ("    return values[1:]", r"mine\.py: ValueError: score returned an array of shape"),
        ("    return values * np.nan", "not finite"),
    ],
)
def test_a_file_that_raises_is_told_and_the_series_goes_on(tmp_path: Path, body: str, why: str) -> None:
    values = even()
    name = kernel_file(tmp_path, body)
    engine, plain = engine_with(own(name)), engine_with()
    log.configure("info", "json")  # whatever an earlier test asked for
    with capture_logs() as lines:
        for k in (0, 3000):
            assert_equal(
                engine.ingest(batch_of(values[k : k + 3000], start=k)),
                plain.ingest(batch_of(values[k : k + 3000], start=k)),
            )
    assert engine.own.failed_count == {name: 1}
    assert engine.own.series_count == {name: 0}
    (told,) = [line for line in lines if line["event"] == "own_detector_failed"]
    assert re.search(why, told["where"])


@pytest.mark.parametrize(
    ("detector", "why"),
    [
        (own("river.anomaly.HalfSpaceTree"), r"detectors\.0\.name: .* did you mean river\.anomaly\.HalfSpaceTrees\?"),
        (own("river.anomaly.QuantileFilter"), "no anomaly detector"),
        (own("sklearn.IsolationForest"), r"neither river\.anomaly\.NAME nor a file"),
        (own(TREES, trees=3), "knows no trees; it knows n_trees"),
        (own("no_such_file.py"), "no_such_file.py is not a file"),
        (own(PARITY, gain=3), "only river's detectors take options"),
        (own(TREES, "{a="), r"detectors\.0\.match"),
    ],
)
def test_what_cannot_be_obeyed_is_said_at_the_start(detector: OwnDetector, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        engine_with(detector)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("STATE_SIZE = 1\n", "has no function score"),
        ("def score(values, times_s, state): return values\n", "needs STATE_SIZE"),
        ("STATE_SIZE = 1\ndef score(:\n", "line 2"),
        ("STATE_SIZE = 1\n1 / 0\n", "line 2: ZeroDivisionError"),
    ],
)
def test_a_file_that_is_no_detector_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(SettingsError, match=why):
        engine_with(own(str(tmp_path / "mine.py")))


def test_without_river_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "river.anomaly", None)
    with pytest.raises(SettingsError, match=r"pip install 'aiops\[river\]'"):
        engine_with(own(TREES))
