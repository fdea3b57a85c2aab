"""Rows come back bit for bit, and nothing but packed rows is taken for them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aiops.detection.sparse_rows import GROUP, pack, packed_words_max, unpack

Words = NDArray[np.uint32]


def plain(words: Words, is_left_out: NDArray[np.bool_]) -> list[int]:
    """What `pack` writes, one group after another."""
    out = []
    for row, is_out in zip(words.tolist(), is_left_out.tolist(), strict=True):
        for start in range(0, len(row), GROUP):
            group = [0 if is_out else word for word in row[start : start + GROUP]]
            out += [sum(1 << k for k, word in enumerate(group) if word), *(word for word in group if word)]
    return out


@st.composite
def rows(draw: Any) -> tuple[Words, NDArray[np.bool_]]:
    count, width = draw(st.integers(0, 5)), draw(st.integers(0, 3 * GROUP))
    rng, share = np.random.default_rng(draw(st.integers(0, 99))), draw(st.sampled_from([0.0, 0.03, 0.5, 1.0]))
    words = rng.integers(1, 2**32, (count, width)).astype(np.uint32)
    words[rng.random(words.shape) >= share] = 0
    return words, rng.random(count) < draw(st.sampled_from([0.0, 0.3]))


@given(rows())
@hypothesis_settings(max_examples=300, deadline=None)
def test_rows_equal_the_plain_twin_and_come_back(made: tuple[Words, NDArray[np.bool_]]) -> None:
    words, is_left_out = made
    out = np.full(3 + packed_words_max(*words.shape), 7, np.uint32)
    stop = pack(words, is_left_out, out, 3)
    assert out[3:stop].tolist() == plain(words, is_left_out)
    again = np.zeros_like(words)
    assert unpack(out[:stop], 3, again) == stop
    np.testing.assert_array_equal(again, np.where(is_left_out[:, None], 0, words))


def test_every_bit_of_a_number_is_kept() -> None:
    odd = np.array([[-0.0, np.nan, -np.inf, 5e-324, 0.0, 1.0]])
    words = odd.view(np.uint32)
    out = np.zeros(packed_words_max(*words.shape), np.uint32)
    stop = pack(words, np.zeros(1, np.bool_), out, 0)
    again = np.zeros_like(odd)
    assert unpack(out[:stop], 0, again.view(np.uint32)) == stop
    assert again.tobytes() == odd.tobytes()


@pytest.mark.parametrize("damage", ["cut", "empty", "beyond the row"])
def test_what_is_no_packed_row_is_told(damage: str) -> None:
    words = np.arange(1, 41, dtype=np.uint32).reshape(1, 40)
    out = np.zeros(packed_words_max(1, 40), np.uint32)
    stop = pack(words, np.zeros(1, np.bool_), out, 0)
    packed = out[:stop].copy()
    if damage == "beyond the row":
        packed[1 + GROUP] |= np.uint32(1 << 31)  # the mask of the second group, which has eight words
    else:
        packed = packed[: {"cut": stop - 1, "empty": 0}[damage]]
    assert unpack(packed, 0, np.zeros_like(words)) == -1
