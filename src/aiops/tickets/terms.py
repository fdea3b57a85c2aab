"""The terms of a text that similarity search counts: its words, and letter groups that forgive typing and inflection.

A term is a hash of 20 bits, no vocabulary is kept: an index is arrays alone, and a word never seen has its place. At
2^20 columns even a hundred thousand distinct words rarely meet. Only how often a term occurs is kept here; how much it
counts (IDF) follows from the index it is searched in.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

BITS = 20
SIZE = 1 << BITS
HASH_NAME = "fnv1a32-fmix-20-v1"
CHAR_MIN, CHAR_MAX = 3, 5
_SPACE = 32


class Terms(NamedTuple):
    """Rows of one field, compressed (CSR): row i owns columns[starts[i]:starts[i + 1]], ascending."""

    starts: NDArray[np.int64]  # (n + 1,)
    columns: NDArray[np.int32]
    counts: NDArray[np.uint8]  # 255 stands for more


def words(texts: Sequence[str]) -> Terms:
    """Words of lower-cased texts: runs of letters, digits and `_`; error codes and versions are evidence and stay."""
    return _terms(texts, is_char=False)


def letters(texts: Sequence[str]) -> Terms:
    """Groups of 3 to 5 bytes within each word and its borders, of lower-cased texts."""
    return _terms(texts, is_char=True)


def _terms(texts: Sequence[str], is_char: bool) -> Terms:
    raw = [text.lower().encode(errors="replace") for text in texts]
    starts = np.zeros(len(raw) + 1, np.int64)
    np.cumsum([len(one) for one in raw], out=starts[1:])
    return Terms(*_count_rows(np.frombuffer(b"".join(raw), np.uint8), starts, is_char))


@nb.njit(cache=True, nogil=True)
def _is_word(byte):
    """Letters, digits, `_`, and all of what is not ASCII."""
    return byte >= 128 or byte == 95 or 48 <= byte <= 57 or 97 <= byte <= 122 or 65 <= byte <= 90


@nb.njit(cache=True, nogil=True)
def _fold(state, byte):
    return np.uint32(np.uint32(state ^ np.uint32(byte)) * np.uint32(16777619))


@nb.njit(cache=True, nogil=True)
def _column(state):
    """The last mix of MurmurHash3, then the low bits: FNV alone leaves them uneven for short input."""
    h = state
    h ^= h >> np.uint32(16)
    h = np.uint32(h * np.uint32(0x85EBCA6B))
    h ^= h >> np.uint32(13)
    h = np.uint32(h * np.uint32(0xC2B2AE35))
    h ^= h >> np.uint32(16)
    return np.int32(h & np.uint32(SIZE - 1))


@nb.njit(cache=True, nogil=True)
def _grams(text, start, end, is_char, into):
    """Writes the columns of text[start:end] to `into`; returns how many."""
    n, k = 0, start
    while k < end:
        if not _is_word(text[k]):
            k += 1
            continue
        first = k
        while k < end and _is_word(text[k]):
            k += 1
        if not is_char:
            state = np.uint32(2166136261)
            for place in range(first, k):
                state = _fold(state, text[place])
            into[n] = _column(state)
            n += 1
            continue
        length = k - first + 2  # with a space on either side
        for at in range(length):
            state = np.uint32(2166136261)
            for size in range(1, min(CHAR_MAX, length - at) + 1):
                place = at + size - 1
                byte = _SPACE if place == 0 or place == length - 1 else text[first + place - 1]
                state = _fold(state, byte)
                if size >= CHAR_MIN:
                    into[n] = _column(state)
                    n += 1
    return n


@nb.njit(cache=True, nogil=True)
def _count_rows(text, starts, is_char):
    rows = len(starts) - 1
    longest = 0
    for i in range(rows):
        longest = max(longest, starts[i + 1] - starts[i])
    scratch = np.empty((longest + 2) * 2 * (CHAR_MAX - CHAR_MIN + 1), np.int32)
    out_starts = np.zeros(rows + 1, np.int64)
    columns = np.empty(max(16, len(text)), np.int32)
    counts = np.empty(len(columns), np.uint8)
    n = 0
    for i in range(rows):
        found = np.sort(scratch[: _grams(text, starts[i], starts[i + 1], is_char, scratch)])
        if n + len(found) > len(columns):
            room = 2 * (n + len(found))
            wider, more = np.empty(room, np.int32), np.empty(room, np.uint8)
            wider[:n], more[:n] = columns[:n], counts[:n]
            columns, counts = wider, more
        for j in range(len(found)):
            if j and found[j] == found[j - 1]:
                if counts[n - 1] < 255:
                    counts[n - 1] += 1
            else:
                columns[n], counts[n] = found[j], 1
                n += 1
        out_starts[i + 1] = n
    return out_starts, columns[:n].copy(), counts[:n].copy()
