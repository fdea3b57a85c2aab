"""Timestamps as people send them -> milliseconds since the epoch, UTC.

ISO 8601 (without a zone: UTC), or a number whose unit is told by its magnitude: up to 1e11 seconds (the year 5138),
up to 1e14 milliseconds, up to 1e17 microseconds, beyond that nanoseconds.
"""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from aiops.errors import InputError

_UNIT_MS = ((1e11, 1e3), (1e14, 1.0), (1e17, 1e-3), (np.inf, 1e-6))
_MAX = 9.2e18


def timestamp_ms(value: str | int | float) -> int:
    """Raises InputError where the value is neither ISO 8601 nor a number."""
    if isinstance(value, str):
        text = value
        try:
            value = float(text) if "." in text or "e" in text.lower() else int(text)
        except ValueError:
            return _iso_ms(text)
    if not abs(value) < _MAX:
        raise InputError(f"timestamp {value!r} is out of range")
    factor = next(factor for bound, factor in _UNIT_MS if abs(value) < bound)
    return round(value * factor) if factor >= 1 else int(value // round(1 / factor))


def _iso_ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(f"timestamp {text!r} is neither ISO 8601 nor epoch seconds, ms, us or ns") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def epoch_ms(values: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.int64]:
    """The same for a column of numbers, each judged by itself; not finite or out of range -> ValueError."""
    if not (np.abs(values) < _MAX).all():
        raise ValueError("a timestamp is out of range")
    out = np.empty(len(values), np.int64)
    low = 0.0
    for bound, factor in _UNIT_MS:
        inside = (np.abs(values) < bound) & (np.abs(values) >= low)
        if factor >= 1:
            out[inside] = np.round(values[inside] * factor).astype(np.int64)
        else:
            out[inside] = (values[inside] // round(1 / factor)).astype(np.int64)
        low = bound
    return out


def iso(time_ms: int) -> str:
    """`2026-01-31T12:00:00.000Z`."""
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
