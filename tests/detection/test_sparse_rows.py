"""Rows come back bit for bit, and nothing but packed rows is taken for them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aiops.detection.sparse_rows import GROUP, HALF, pack, packed_halves_max, unpack

Words = NDArray[np.uint32]


def plain(words: Words, is_left_out: NDArray[np.bool_]) -> list[int]:
    """What `pack` writes, one row after another."""
    out = []
    for row, is_out in zip(words.tolist(), is_left_out.tolist(), strict=True):
        groups = [[] if is_out else row[start : start + GROUP] for start in range(0, len(row), GROUP)]
        for first in range(0, len(groups), HALF):
            out.append(sum(1 << k for k, group in enumerate(groups[first : first + HALF]) if any(group)))
        for group in filter(any, groups):
            out.append(sum(1 << k for k, word in enumerate(group) if word))
            out.append(sum(1 << k for k, word in enumerate(group) if word % 2**HALF))
            for word in filter(None, group):
                out += [word >> HALF, word % 2**HALF] if word % 2**HALF else [word >> HALF]
    return out


@st.composite
def rows(draw: Any) -> tuple[Words, NDArray[np.bool_]]:
    count, width = draw(st.integers(0, 5)), GROUP * draw(st.sampled_from([0, 1, 3, HALF, HALF + 2]))
    rng, share = np.random.default_rng(draw(st.integers(0, 99))), draw(st.sampled_from([0.0, 0.03, 0.5, 1.0]))
    words = rng.integers(1, 2**32, (count, width)).astype(np.uint32)
    words[rng.random(words.shape) < 0.5] &= 0xFFFF0000
    words[rng.random(words.shape) < 0.1] &= 0xFFFF
    words[rng.random(words.shape) >= share] = 0
    words[:, : width // 2] *= draw(st.sampled_from([0, 1]))
    return words, rng.random(count) < draw(st.sampled_from([0.0, 0.3]))


@given(rows())
@hypothesis_settings(max_examples=300, deadline=None)
def test_rows_equal_the_plain_twin_and_come_back(made: tuple[Words, NDArray[np.bool_]]) -> None:
    words, is_left_out = made
    out = np.full(3 + packed_halves_max(*words.shape), 7, np.uint16)
    stop = pack(words, is_left_out, out, 3)
    assert out[3:stop].tolist() == plain(words, is_left_out)
    again = np.zeros_like(words)
    assert unpack(out[:stop], 3, again) == stop
    np.testing.assert_array_equal(again, np.where(is_left_out[:, None], 0, words))


def test_every_bit_of_a_number_is_kept() -> None:
    odd = np.array([[-0.0, np.nan, -np.inf, 5e-324, 0.0, 1.0, 1e300, -3.0]])
    words = odd.view(np.uint32)
    out = np.zeros(packed_halves_max(*words.shape), np.uint16)
    stop = pack(words, np.zeros(1, np.bool_), out, 0)
    again = np.zeros_like(odd)
    assert unpack(out[:stop], 0, again.view(np.uint32)) == stop
    assert again.tobytes() == odd.tobytes()


def test_the_largest_rows_fit_into_the_room_for_them() -> None:
    words = np.full((3, 20 * GROUP), 2**32 - 1, np.uint32)
    room = packed_halves_max(*words.shape)
    assert pack(words, np.zeros(3, np.bool_), np.zeros(room, np.uint16), 0) == room - 2
    with pytest.raises(ValueError, match="groups"):
        packed_halves_max(1, GROUP + 1)


@pytest.mark.parametrize("damage", ["cut", "empty", "group beyond the row", "lower half of nothing"])
def test_what_is_no_packed_row_is_told(damage: str) -> None:
    words = np.arange(1 << 20, (1 << 20) + 2 * GROUP, dtype=np.uint32).reshape(1, -1)
    words[0, 3] = 0
    out = np.zeros(packed_halves_max(*words.shape), np.uint16)
    stop = pack(words, np.zeros(1, np.bool_), out, 0)
    packed = out[:stop].copy()
    if damage == "group beyond the row":
        packed[0] |= np.uint16(1 << 2)
    elif damage == "lower half of nothing":
        packed[2] |= np.uint16(1 << 3)
    else:
        packed = packed[: {"cut": stop - 1, "empty": 0}[damage]]
    assert unpack(packed, 0, np.zeros_like(words)) == -1
