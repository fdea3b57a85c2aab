"""Four numbers at once give what each gives alone."""

import math
from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from aiops.detection import state as S
from aiops.detection.elementary import exp, log
from aiops.detection.lanes import above, apart, larger, magnitude, read, select, smaller, together, write
from aiops.detection.likelihood import improbabilities, improbability

NUMBERS = (1e-300, 0.25, 1.0, 3e9)


@njit
def of_four(a: float, b: float, c: float, d: float) -> Any:
    x = together(a, b, c, d)
    formula = select(above(x, 0.5), larger(2.0 - x, -1.0) / 3.0, smaller(x * 4.0, magnitude(0.0 - x) + 1.0))
    return apart(formula), apart(log(x)), apart(exp(0.0 - x))


@njit
def of_one(x: float) -> Any:
    formula = select(above(x, 0.5), larger(2.0 - x, -1.0) / 3.0, smaller(x * 4.0, magnitude(0.0 - x) + 1.0))
    return formula, log(x), exp(0.0 - x)


def test_lanes_equal_single_numbers() -> None:
    for together_, alone in zip(of_four(*NUMBERS), zip(*map(of_one, NUMBERS), strict=True), strict=True):
        assert all(math.isclose(a, b, rel_tol=1e-12) for a, b in zip(together_, alone, strict=True))


@njit
def moved(matrix: NDArray[Any]) -> None:
    write(matrix, 1, 2, read(matrix, 0, 1) + 1.0)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_lanes_are_read_and_written_in_place(kind: type[np.floating]) -> None:
    matrix = np.zeros((2, 7), kind)
    matrix[0] = np.arange(7)
    moved(matrix)
    assert matrix[1].tolist() == [0, 0, 2, 3, 4, 5, 0]


@njit
def judge(body: NDArray[Any], a: float, b: float, c: float, d: float) -> Any:
    return apart(improbabilities(body, 0, together(a, b, c, d)))


@njit
def judge_alone(memory: NDArray[Any], row: int, z: float) -> Any:
    return improbability(memory, row, z)


def test_each_statistic_and_sign_has_a_tail_of_its_own() -> None:
    body, alone = np.zeros((1, S.BODY_SIZE)), np.zeros((S.TAIL_COUNT, S.TAIL_SIZE))
    for z in np.random.default_rng(3).standard_t(2, (500, S.STATISTICS)):
        tails = np.arange(S.STATISTICS) + S.STATISTICS * (z < 0)
        expected = [judge_alone(alone, tail, deviation) for tail, deviation in zip(tails, z, strict=True)]
        np.testing.assert_allclose(judge(body, *z), expected, rtol=1e-9, atol=1e-12)
    kept = body[0, S.TAILS : S.TAILS + S.TAIL_COUNT * S.TAIL_SIZE].reshape(S.TAIL_SIZE, S.TAIL_COUNT)
    np.testing.assert_allclose(kept, alone.T, rtol=1e-9)
