"""The compiled hash is the sum the papers write down."""

import numpy as np
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numba import njit

from aiops.metrics.label_hash import FINAL_WORDS, hashed_bytes_max, label_hash, random_key

BYTES_MAX = 100
KEY = random_key(BYTES_MAX)


@njit
def compiled(data, start, end, key):  # type: ignore[no-untyped-def]
    return label_hash(data, start, end, key), hashed_bytes_max(key)


def plain(text: bytes, key: list[int]) -> int:
    """NH, then the multilinear step: the upper half of four products and a sum of 128 bits."""
    padded = text + b"\0" * (-len(text) % 16)
    words = [int.from_bytes(padded[k : k + 8], "little") for k in range(0, len(padded), 8)]
    sums = [(word + key[FINAL_WORDS + k]) % 2**64 for k, word in enumerate(words)]
    nh = sum(sums[k] * sums[k + 1] for k in range(0, len(sums), 2)) % 2**128
    wide = [key[2 * k] + (key[2 * k + 1] << 64) for k in range(4)]
    return (wide[0] + wide[1] * (nh % 2**64) + wide[2] * (nh >> 64) + wide[3] * len(text)) % 2**128 >> 64


@given(st.binary(max_size=BYTES_MAX), st.binary(max_size=9), st.binary(max_size=9))
@hypothesis_settings(max_examples=500, deadline=None)
def test_hash_equals_the_plain_sum_wherever_the_text_stands(text: bytes, before: bytes, after: bytes) -> None:
    data = np.frombuffer(before + text + after, np.uint8)
    found, bytes_max = compiled(data, len(before), len(before) + len(text), KEY)
    assert int(found) == plain(text, [int(word) for word in KEY])
    assert bytes_max >= BYTES_MAX


def test_length_and_every_byte_count() -> None:
    texts = [bytes(length) for length in range(40)] + [bytes(k) + b"\1" + bytes(39 - k) for k in range(40)]
    assert len({compiled(np.frombuffer(text, np.uint8), 0, len(text), KEY)[0] for text in texts}) == len(texts)


def test_another_key_is_another_hash() -> None:
    text = np.frombuffer(b"__name__", np.uint8)
    assert compiled(text, 0, 8, KEY)[0] != compiled(text, 0, 8, random_key(BYTES_MAX))[0]
