"""The ring forgets the oldest and answers like a plain list."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from aiops.metrics import recent
from aiops.metrics.recent import COLUMNS, RECENT_TYPE, RecentSamples


def columns(rows: list[int], first_ms: int) -> dict[str, Any]:
    n = len(rows)
    out: dict[str, Any] = {name: np.zeros(n, RECENT_TYPE[name]) for name in COLUMNS}
    out["row"] = np.array(rows, np.int32)
    out["time_ms"] = first_ms + np.arange(n)
    out["value"] = out["time_ms"] * 0.5
    return out


BATCHES = st.lists(st.lists(st.integers(0, 3), max_size=12), max_size=12)


@given(BATCHES, st.integers(1, 20), st.sampled_from([3, 65_536]))
@hypothesis_settings(max_examples=200, deadline=None)
def test_the_ring_equals_the_tail_of_a_list(batches: list[list[int]], capacity: int, block: int) -> None:
    ring, plain, at = RecentSamples(capacity), [], 0
    before, recent.BLOCK = recent.BLOCK, block
    try:
        for rows in batches:
            ring.append(**columns(rows, at))
            plain += [(row, at + k) for k, row in enumerate(rows)]
            at += len(rows)
        kept = plain[-capacity:]
        assert len(ring) == len(kept)
        for row, records in enumerate(ring.of_rows([0, 1, 2, 3], at // 3, at)):
            expected = [time_ms for owner, time_ms in kept if owner == row and time_ms >= at // 3]
            assert records["time_ms"].tolist() == expected
            assert records["value"].tolist() == [time_ms * 0.5 for time_ms in expected]
    finally:
        recent.BLOCK = before
