"""Detectors that the operator brings, by name: any anomaly detector of river, or one file with a `score` function.

A file holds

    STATE_SIZE = 2  # float64 numbers kept for each series, zeros at first; they outlive a restart

    def score(values, times_s, state):  # plain numpy, or numba.njit
        return strengths

values, times_s float64 (n,): new samples of one series in order, counters as rates a second; state float64
(STATE_SIZE,), to be changed in place; strengths float64 (n,): the larger the stranger, in any unit, finite.
river's detectors have no such state: they learn anew after a restart. None is ever pickled.
"""

import difflib
import importlib
import importlib.util
import inspect
import math
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numba.core.errors import NumbaError
from numpy.typing import NDArray

from aiops.config import OwnDetector
from aiops.errors import SettingsError

Floats = NDArray[np.float64]
RAISED = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError, RuntimeError),
    *(TypeError, ValueError, NumbaError),
)
"""What somebody else's code may raise without ending the service."""
STATE_SIZE_MAX = 65_536
RIVER = "river.anomaly."
_ENDS_AT_ONE = ("GaussianScorer", "HalfSpaceTrees", "PredictiveAnomalyDetection")
_STRETCH_MIN = 1e-16


class Scorer(Protocol):
    """One detector at work on one series."""

    state: Floats  # kept in the snapshot

    def __call__(self, values: Floats, times_s: Floats) -> Floats:
        """Raw scores of new samples, then learned. NaN = not yet known. Raises one of RAISED."""


class KernelScorer:
    """The `score` function of a file, on one series."""

    def __init__(self, score: Callable[[Floats, Floats, Floats], Any], state_size: int) -> None:
        self._score = score
        self.state = np.zeros(state_size)

    def __call__(self, values: Floats, times_s: Floats) -> Floats:
        raw = np.asarray(self._score(values, times_s, self.state), np.float64)
        if raw.shape != values.shape:
            raise ValueError(f"score returned an array of shape {raw.shape} for {len(values)} samples")
        if not np.isfinite(raw).all():
            raise ValueError("score returned a number that is not finite")
        return raw


class RiverScorer:
    """A detector of river, on one series. One that asks for features gets {"value": x}; HalfSpaceTrees, which wants
    numbers between 0 and 1, gets x scaled by the least and the largest value so far. One that judges a target gets x as
    the target, and {"previous": the value before, "hour": of the day, UTC} as features. A score that ends at 1 is
    stretched: -log10(1 - score). Zeros before its first other score mean that it is not ready."""

    def __init__(self, detector: Any, is_supervised: bool) -> None:
        from river import preprocessing

        self._detector, self._is_supervised = detector, is_supervised
        name = type(detector).__name__
        self._is_stretched = name in _ENDS_AT_ONE
        scaling: Any = preprocessing
        self._scaler = scaling.MinMaxScaler() if name == "HalfSpaceTrees" else None
        self._previous, self._is_ready = math.nan, False
        self.state = np.zeros(0)

    def __call__(self, values: Floats, times_s: Floats) -> Floats:
        pairs = zip(values.tolist(), times_s.tolist(), strict=True)
        return np.array([self._one(value, time_s) for value, time_s in pairs])

    def _one(self, value: float, time_s: float) -> float:
        is_first = math.isnan(self._previous)  # learned only: some detectors cannot be asked before
        if self._is_supervised:
            x = {"previous": value if is_first else self._previous, "hour": time_s / 3600 % 24}
            raw = math.nan if is_first else float(self._detector.score_one(x, value))
            self._detector.learn_one(x, value)
        else:
            x = {"value": value}
            if self._scaler is not None:
                self._scaler.learn_one(x)
                x = self._scaler.transform_one(x)
            raw = math.nan if is_first else float(self._detector.score_one(x))
            self._detector.learn_one(x)
        self._previous = value
        if is_first:
            return raw
        if not math.isfinite(raw):
            raise ValueError(f"score_one returned {raw}")
        self._is_ready = self._is_ready or raw != 0
        if not self._is_ready:
            return math.nan
        return -math.log10(max(1 - raw, _STRETCH_MIN)) if self._is_stretched else raw


def load(own: OwnDetector, where: str) -> Callable[[], Scorer]:
    """What makes a scorer for one more series. Raises SettingsError that names the setting `where`."""
    if own.name.endswith(".py"):
        if own.options:
            raise SettingsError(f"{where}.options: only river's detectors take options; write constants in {own.name}")
        return _kernel(Path(own.name), f"{where}.name")
    if own.name.startswith(RIVER):
        return _river(own, where)
    raise SettingsError(f"{where}.name: {own.name!r} is neither {RIVER}NAME nor a file that ends in .py")


def place(error: BaseException, path: str = "") -> str:
    """`my_kernel.py, line 12: ZeroDivisionError: ...`: where in this file, else where at all."""
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((frame for frame in reversed(frames) if path and frame.filename.endswith(path)), None)
    if frame is None and path:
        return f"{path}: {type(error).__name__}: {error}"
    frame = frame or frames[-1]
    return f"{frame.filename}, line {frame.lineno}: {type(error).__name__}: {error}"


def _kernel(path: Path, where: str) -> Callable[[], Scorer]:
    spec = importlib.util.spec_from_file_location(f"aiops_own_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise SettingsError(f"{where}: {path} is not a file (looked for in {Path.cwd()})")
    module: Any = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise SettingsError(f"{where}: {path}, line {error.lineno}: {error.msg}") from None
    except RAISED as error:
        raise SettingsError(f"{where}: {place(error, str(path))}") from None
    size, score = getattr(module, "STATE_SIZE", None), getattr(module, "score", None)
    if not callable(score):
        raise SettingsError(f"{where}: {path} has no function score(values, times_s, state)")
    if not isinstance(size, int) or not 0 <= size <= STATE_SIZE_MAX:
        raise SettingsError(f"{where}: {path} needs STATE_SIZE = a whole number from 0 to {STATE_SIZE_MAX}")
    return lambda: KernelScorer(score, size)


def _river(own: OwnDetector, where: str) -> Callable[[], Scorer]:
    try:
        anomaly: Any = importlib.import_module("river.anomaly")
        base: Any = importlib.import_module("river.base")
    except ImportError:
        raise SettingsError(
            f"{where}.name: {own.name} needs river, which is not installed: pip install 'aiops[river]'"
        ) from None
    name = own.name.removeprefix(RIVER)
    kinds = (base.AnomalyDetector, base.SupervisedAnomalyDetector)
    known = [one for one in anomaly.__all__ if issubclass(getattr(anomaly, one), kinds)]
    if name not in known:
        close = difflib.get_close_matches(name, known, 1, 0.5)
        hint = f"did you mean {RIVER}{close[0]}?" if close else f"there are {', '.join(known)}"
        raise SettingsError(f"{where}.name: river has no anomaly detector {own.name}; {hint}")
    kind = getattr(anomaly, name)
    is_supervised = issubclass(kind, base.SupervisedAnomalyDetector)
    known_options = list(inspect.signature(kind).parameters)
    if unknown := sorted(set(own.options) - set(known_options)):
        raise SettingsError(f"{where}.options: {own.name} knows no {unknown[0]}; it knows {', '.join(known_options)}")

    def make() -> Scorer:
        return RiverScorer(kind(**own.options), is_supervised)

    try:
        make()
    except RAISED as error:
        raise SettingsError(f"{where}.options: {own.name} refuses them: {error}") from None
    return make
