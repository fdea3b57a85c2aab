"""The inlined functions equal the C library's to eleven digits, at the borders too."""

import math

import numpy as np
import pytest

from aiops.detection.elementary import exp, fifth_root, log


@pytest.mark.parametrize("x", [2.3e-308, 1e-45, 0.1, 0.5**0.5, 1.0, 1 + 1e-12, 1 + 1e-6, 2.0, 1e38, 1e300])
def test_log_equals_the_library(x: float) -> None:
    assert math.isclose(log(x), math.log(x), rel_tol=1e-11, abs_tol=0.0)


@pytest.mark.parametrize("x", [-690.0, -1.0, -1e-9, 0.0, 1e-9, 0.34657, 0.34658, 1.0, 88.0, 690.0])
def test_exp_equals_the_library(x: float) -> None:
    assert math.isclose(exp(x), math.exp(x), rel_tol=1e-11)


def test_exp_is_limited_rather_than_infinite() -> None:
    assert exp(1e9) == exp(700.0) > 1e300
    assert 0 < exp(-1e9) < 1e-300


def test_all_magnitudes_agree() -> None:
    for x in np.exp(np.random.default_rng(1).uniform(-80, 80, 2000)).tolist():
        assert math.isclose(log(x), math.log(x), rel_tol=1e-11, abs_tol=1e-15)
        assert math.isclose(fifth_root(x), x**0.2, rel_tol=1e-11)
    assert math.isclose(fifth_root(0.0), 2.3e-308**0.2, rel_tol=1e-11)
