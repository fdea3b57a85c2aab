"""The kernel equals its plain twin, sample by sample, in double precision; and does not care how batches are cut."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from aiops.config import Rule
from aiops.detection import kernel
from aiops.detection import policy as P
from aiops.detection import state as S
from aiops.detection.engine import Engine
from aiops.detection.scores import Scores
from aiops.detection.share import share_of
from aiops.metrics.series import SampleBatch, SeriesTable
from tests.detection.plain_engine import Answer, Series

Floats = NDArray[np.float64]
START_MS = 1_767_571_200_000
PERSIST_S, WARM_UP = 600.0, 20
NO_OWN = np.empty(0)
NO_POLICY = np.zeros((0, P.POLICY_SIZE), np.float32)


def season(rng: np.random.Generator, n: int) -> Floats:
    hours = np.arange(n) / 12
    return np.asarray(50 + 20 * np.sin(hours / 24 * 2 * np.pi) + rng.normal(0, 1, n))


def with_faults(rng: np.random.Generator, n: int) -> Floats:
    values = season(rng, n)
    values[n // 2] += 80
    values[2 * n // 3 : 2 * n // 3 + 60] += 40
    values[-120:] = values[-121]
    return values


COURSES: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "season": season,
    "faults": with_faults,
    "random walk": lambda rng, n: np.cumsum(rng.normal(0, 1, n)),
    "heavy tails": lambda rng, n: np.asarray(rng.standard_t(2, n)),
    "constant": lambda rng, n: np.full(n, 3.25),
    "zeros and ones": lambda rng, n: np.asarray((rng.random(n) < 0.1).astype(float)),
    "low counts": lambda rng, n: np.asarray(rng.poisson(0.3, n).astype(float)),
    "huge and tiny": lambda rng, n: np.asarray(rng.choice([1e300, -1e300, 1e-310, 0.0, 1.0], n)),
    "not finite": lambda rng, n: np.where(
        rng.random(n) < 0.1, rng.choice([np.nan, np.inf, -np.inf], n), season(rng, n)
    ),
    "leak": lambda rng, n: season(rng, n) + 120 * np.maximum(np.arange(n) / n - 0.7, 0),
    "variance": lambda rng, n: np.asarray(50 + rng.normal(0, 1, n) * np.where(np.arange(n) > 0.7 * n, 4, 1)),
    "daily job": lambda rng, n: np.asarray(np.where(np.arange(n) % 144 // 3 == 20, 50, 1) * rng.normal(1, 0.02, n)),
    "jump while young": lambda rng, n: np.asarray(50 + rng.normal(0, 0.5, n) + 500 * (np.arange(n) > 300)),
}


def run_kernel(
    times: NDArray[np.int64],
    values: Floats,
    stale: NDArray[np.bool_],
    is_counter: bool,
    policy: NDArray[np.float32] = NO_POLICY,
    own: Floats = NO_OWN,
) -> tuple[Floats, NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], Floats]:
    """The kernel on one series with a float64 memory: out, status, kind, flags, told."""
    n = len(values)
    told = np.full((n, kernel.TOLD_SIZE), np.nan)
    out, status, kind, flags = np.empty((5, n)), np.empty(n, np.uint8), np.empty(n, np.uint8), np.empty(n, np.uint8)
    kernel.ingest(
        np.arange(n), np.zeros(n, np.int32), times, values, stale, 0, np.array([is_counter]),
        np.zeros((1, S.HEAD_SIZE)), np.zeros((1, S.BODY_SIZE)), policy.copy(), own, PERSIST_S, WARM_UP,
        out, status, kind, flags, told,
    )  # fmt: skip
    return out, status, kind, flags, told


def assert_same(
    answers: list[Answer],
    out: Floats,
    status: NDArray[np.uint8],
    kind: NDArray[np.uint8],
    flags: NDArray[np.uint8],
    told: Floats,
) -> None:
    for k, answer in enumerate(answers):
        assert answer.status == status[k], k
        said = (answer.score, answer.expected, answer.lower, answer.upper, answer.strength)
        for mine, theirs in zip(said, out[:, k], strict=True):
            assert math.isclose(mine, theirs, rel_tol=1e-6, abs_tol=1e-9) or (mine != mine and theirs != theirs), k
        said_flags = (answer.anomalous, answer.novel, answer.hint, *answer.life)
        bits = (
            *(kernel.ANOMALOUS, kernel.NOVEL, kernel.HINT),
            *(kernel.ONSET, kernel.PERSISTED, kernel.ENDED, kernel.ACCEPTED, kernel.AGAIN),
        )
        assert said_flags == tuple(bool(flags[k] & bit) for bit in bits), k
        assert answer.kind == kind[k], k
        assert np.isnan(told[k]).all() != bool(answer.told), k
        if answer.told:
            np.testing.assert_allclose(told[k], answer.told, rtol=1e-6, atol=1e-9, err_msg=str(k))


@pytest.mark.parametrize("course", COURSES)
def test_kernel_equals_its_plain_twin(course: str) -> None:
    rng = np.random.default_rng(7)
    n = 2500
    values = COURSES[course](rng, n)
    times = START_MS + 300_000 * np.arange(n)
    twin = Series()
    samples = zip(times.tolist(), values.tolist(), strict=True)
    answers = [twin.ingest(time_ms, value, False, PERSIST_S, WARM_UP) for time_ms, value in samples]
    assert_same(answers, *run_kernel(times, values, np.zeros(n, np.bool_), False))


@pytest.mark.parametrize("course", ["season", "faults", "random walk", "low counts", "leak"])
@pytest.mark.parametrize(
    ("rule", "low_bar"),
    [
        (Rule(match="m"), 0.5),
        (Rule(match="m", direction="up"), 0.0),
        (Rule(match="m", direction="down", change_min=3), 0.5),
        (Rule(match="m", change_relative_min=0.5), 0.7),
    ],
    ids=str,
)
def test_kernel_equals_its_twin_under_rules(course: str, rule: Rule, low_bar: float) -> None:
    values = COURSES[course](np.random.default_rng(7), 2500)
    times = START_MS + 300_000 * np.arange(len(values))
    table = SeriesTable(1)
    table.row((("__name__", "m"),))
    policy = P.Policy(table, [rule])
    policy.learn_series()
    policy.rows[:, P.LOW_BAR] = low_bar
    twin = Series(rule=rule, low_bar=float(np.float32(low_bar)))
    samples = zip(times.tolist(), values.tolist(), strict=True)
    answers = [twin.ingest(time_ms, value, False, PERSIST_S, WARM_UP) for time_ms, value in samples]
    assert_same(answers, *run_kernel(times, values, np.zeros(len(values), np.bool_), False, policy.rows))
    if not low_bar or (course == "faults" and low_bar == 0.5):
        assert any(answer.hint for answer in answers) == (low_bar > 0)


def test_kernel_equals_its_twin_on_counters_gaps_duplicates_and_late_samples() -> None:
    rng = np.random.default_rng(8)
    n = 2500
    steps = rng.choice([0, 1000, 60_000, 60_000, 60_000, 60_000, -120_000, 3_600_000], n)
    times = START_MS + np.cumsum(steps)
    values = np.cumsum(rng.poisson(5, n)).astype(float)
    values[n // 2 :] -= values[n // 2]
    stale = rng.random(n) < 0.02
    values[stale] = np.nan
    for is_counter in (False, True):
        twin = Series(is_counter)
        samples = zip(times.tolist(), values.tolist(), stale.tolist(), strict=True)
        answers = [twin.ingest(t, v, s, PERSIST_S, WARM_UP) for t, v, s in samples]
        assert_same(answers, *run_kernel(times, values, stale, is_counter))


def test_batches_may_be_cut_anywhere() -> None:
    rng = np.random.default_rng(9)
    n = 6000
    rows = rng.integers(0, 3, n).astype(np.int32)
    times = START_MS + 20_000 * np.arange(n)
    values = season(rng, n) + 100 * rows
    values[4000:4100] *= 3
    batch = SampleBatch(rows, times, values, np.zeros(n, np.bool_))

    def engine() -> Engine:
        table = SeriesTable(3)
        for k in range(3):
            table.row((("__name__", f"m{k}"),))
        return Engine(table)

    whole = engine().ingest(batch)
    pieces, cut = [], engine()
    edges = [0, *np.sort(rng.integers(0, n, 40)).tolist(), n]
    for a, b in itertools.pairwise(edges):
        pieces.append(cut.ingest(SampleBatch(rows[a:b], times[a:b], values[a:b], batch.stale[a:b])))
    for name in ("score", "expected", "lower", "upper", "anomalous", "alert", "kind", "status", "novel"):
        joined = np.concatenate([getattr(piece, name) for piece in pieces])
        np.testing.assert_array_equal(joined, getattr(whole, name), err_msg=name)
    assert len(whole.onsets) > 0


def test_single_precision_finds_the_same_onsets() -> None:
    """Memory is float32; onsets agree with a float64 memory on at least 95 % of faults."""
    agreed = total = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        n = 3000
        values, times = with_faults(rng, n), START_MS + 300_000 * np.arange(n)
        _, _, _, flags, _ = run_kernel(times, values, np.zeros(n, np.bool_), False)
        table = SeriesTable(1)
        scores = Engine(table).ingest(SampleBatch(np.zeros(n, np.int32), times, values, np.zeros(n, np.bool_)))
        double = set(np.flatnonzero(flags & kernel.ONSET).tolist())
        agreed, total = agreed + len(double & set(scores.onsets.tolist())), total + len(double)
    assert total > 20
    assert agreed >= 0.95 * total


@pytest.mark.parametrize("is_scrape", [False, True])
@pytest.mark.parametrize("threads", [2, 3])
def test_results_do_not_depend_on_the_number_of_threads(threads: int, is_scrape: bool) -> None:
    series_count = 20_000 if is_scrape else 1000

    def run(threads: int) -> tuple[Scores, Engine]:
        rng, table = np.random.default_rng(4), SeriesTable(series_count)
        for k in range(series_count):
            table.row((("__name__", f"m{k}"),), is_counter=k % 3 == 0)
        engine = Engine(table, threads=threads)
        for step in range(4):
            rows = rng.integers(0, 1000, 20_000).astype(np.int32)  # some several times, some late, some alone
            if is_scrape:
                rows = np.arange(series_count, dtype=np.int32)
            times = START_MS + 600_000 * step + rng.integers(0, 600_000, 20_000)
            values = rng.normal(50, 1, 20_000) + 100 * (rng.random(20_000) < 0.001)
            scores = engine.ingest(SampleBatch(rows, times, values, rng.random(20_000) < 0.01))
        return scores, engine

    (one, engine), (many, other) = run(1), run(threads)
    for column in ("score", "expected", "lower", "upper", "kind", "status", "onsets", "persisted", "endings"):
        np.testing.assert_array_equal(getattr(one, column), getattr(many, column))
    np.testing.assert_array_equal(engine.state.head, other.state.head)
    np.testing.assert_array_equal(engine.state.body, other.state.body)
    assert engine.newest_ms == other.newest_ms


@pytest.mark.parametrize("is_scrape", [False, True])
def test_every_sample_is_one_threads(is_scrape: bool) -> None:
    rng = np.random.default_rng(4)
    rows, mine = rng.integers(0, 1000, 5000, np.int32), np.sort(rng.permutation(5000)[:3000])
    if is_scrape:
        rows = np.sort(rng.permutation(10_000).astype(np.int32)[:5000])
    shares = [share_of(mine, rows, share, 3) for share in range(3)]
    assert np.array_equal(np.sort(np.concatenate(shares)), mine)
    assert all((np.diff(share) > 0).all() for share in shares)
    assert min(map(len, shares)) > 700
    assert not set(rows[shares[0]]) & set(rows[shares[1]])
