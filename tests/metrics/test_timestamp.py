"""Units are told by magnitude; text is ISO 8601."""

import numpy as np
import pytest

from aiops.errors import InputError
from aiops.metrics.timestamp import epoch_ms, iso, timestamp_ms

MOMENT_MS = 1_769_860_800_123


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-31T12:00:00.123Z",
        "2026-01-31 12:00:00.123",
        "2026-01-31T13:00:00.123+01:00",
        MOMENT_MS / 1000,
        MOMENT_MS,
        MOMENT_MS * 1000,
        MOMENT_MS * 1_000_000,
        str(MOMENT_MS),
        f"{MOMENT_MS / 1000}",
    ],
)
def test_every_way_to_say_a_moment(value: str | float) -> None:
    assert timestamp_ms(value) == MOMENT_MS


@pytest.mark.parametrize("value", ["", "noon", "2026-13-01", float("nan"), float("inf"), 1e30, "1e400"])
def test_what_is_no_moment_is_refused(value: str | float) -> None:
    with pytest.raises(InputError):
        timestamp_ms(value)


def test_columns_are_judged_entry_by_entry() -> None:
    column = np.array([MOMENT_MS // 1000, MOMENT_MS, MOMENT_MS * 1000, MOMENT_MS * 1_000_000])
    assert epoch_ms(column).tolist() == [MOMENT_MS // 1000 * 1000, MOMENT_MS, MOMENT_MS, MOMENT_MS]
    assert epoch_ms(np.array([MOMENT_MS / 1000])).tolist() == [MOMENT_MS]
    with pytest.raises(ValueError, match="range"):
        epoch_ms(np.array([1.0, np.nan]))


def test_iso_is_read_back() -> None:
    assert timestamp_ms(iso(MOMENT_MS)) == MOMENT_MS
