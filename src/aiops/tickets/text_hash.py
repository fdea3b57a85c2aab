"""How a text is cut into words and a word becomes a number: shared by the n-grams of a model and the terms of an index.

FNV-1a over bytes, then the last mix of MurmurHash3, since FNV alone leaves the low bits uneven for short input. A bit
that differs would void every model and index kept so far: their `HASH_NAME` follows any change here.
"""

from collections.abc import Sequence

import numba as nb
import numpy as np
from numpy.typing import NDArray

from aiops.compiled import forget_stale

forget_stale(__file__)

BASIS = 2166136261  # FNV-1a begins with it


def joined(texts: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of all texts, lower-cased, and where each begins, with the end of the last."""
    raw = [text.lower().encode(errors="replace") for text in texts]
    starts = np.zeros(len(raw) + 1, np.int64)
    np.cumsum([len(one) for one in raw], dtype=np.int64, out=starts[1:])
    return np.frombuffer(b"".join(raw), dtype=np.uint8), starts


@nb.njit(cache=True, nogil=True)
def is_word(byte):
    """Letters, digits, `_`, and all of what is not ASCII: error codes and versions are evidence."""
    return byte >= 128 or byte == 95 or 48 <= byte <= 57 or 97 <= byte <= 122 or 65 <= byte <= 90


@nb.njit(cache=True, nogil=True)
def fold(state, byte):
    """The hash after one byte more."""
    return np.uint32(np.uint32(state ^ np.uint32(byte)) * np.uint32(16777619))


@nb.njit(cache=True, nogil=True)
def column(state, size):
    """One of `size` columns, a power of two."""
    h = state
    h ^= h >> np.uint32(16)
    h = np.uint32(h * np.uint32(0x85EBCA6B))
    h ^= h >> np.uint32(13)
    h = np.uint32(h * np.uint32(0xC2B2AE35))
    h ^= h >> np.uint32(16)
    return np.int32(h & np.uint32(size - 1))
