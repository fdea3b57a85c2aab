"""Hashed n-grams: a text becomes the numbers of its words, word pairs and letter groups.

No vocabulary is kept: an n-gram's column is its hash (Weinberger et al. 2009, ICML, "Feature hashing"), so a model is
arrays alone and a word never seen has its place. Words are runs of letters, digits and `_`; letter groups are 2 to 5
bytes within a word and its borders, as in scikit-learn's `char_wb`. Training and serving use this one kernel: a hash
that differs in one bit would void a model, hence `HASH_NAME` stands in every bundle.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from aiops.compiled import forget_stale
from aiops.tickets.text_hash import BASIS, column, fold, is_word, joined

forget_stale(__file__)

HASH_NAME = "fnv1a32-fmix-v1"
BITS = 16  # columns per block: 2^16
SIZE = 1 << BITS
CHAR_MIN, CHAR_MAX = 2, 5
_SPACE = 32


class Counts(NamedTuple):
    """Rows of one block, compressed (CSR): row i owns columns[starts[i]:starts[i + 1]], ascending."""

    starts: NDArray[np.int64]  # (n + 1,)
    columns: NDArray[np.int32]
    counts: NDArray[np.float32]


def word_counts(texts: Sequence[str]) -> Counts:
    """Words and pairs of neighbours, of lower-cased texts."""
    return _counts(texts, is_char=False)


def char_counts(texts: Sequence[str]) -> Counts:
    """Letter groups within words, of lower-cased texts."""
    return _counts(texts, is_char=True)


def pair_columns(pairs: Sequence[tuple[str, str]]) -> NDArray[np.int32]:
    """The word block's column of each two neighbours."""
    columns: NDArray[np.int32] = _last_columns(*joined([f"{first} {second}" for first, second in pairs]))
    return columns


def _counts(texts: Sequence[str], is_char: bool) -> Counts:
    return Counts(*_count_rows(*joined(texts), is_char))


@nb.njit(cache=True, nogil=True)
def _word_grams(text, start, end, into):
    """Writes the columns of text[start:end] to `into`; returns how many."""
    n, before, k = 0, np.uint32(0), start
    has_before = False
    while k < end:
        if not is_word(text[k]):
            k += 1
            continue
        state = np.uint32(BASIS)
        pair = fold(before, _SPACE)
        while k < end and is_word(text[k]):
            state = fold(state, text[k])
            pair = fold(pair, text[k])
            k += 1
        into[n] = column(state, SIZE)
        n += 1
        if has_before:
            into[n] = column(pair, SIZE)
            n += 1
        before, has_before = state, True
    return n


@nb.njit(cache=True, nogil=True)
def _char_grams(text, start, end, into):
    """As `_word_grams`, for every 2 to 5 bytes of ` word `."""
    n, k = 0, start
    while k < end:
        if not is_word(text[k]):
            k += 1
            continue
        first = k
        while k < end and is_word(text[k]):
            k += 1
        length = k - first + 2
        for at in range(length):
            state = np.uint32(BASIS)
            for size in range(1, min(CHAR_MAX, length - at) + 1):
                place = at + size - 1
                byte = _SPACE if place == 0 or place == length - 1 else text[first + place - 1]
                state = fold(state, byte)
                if size >= CHAR_MIN:
                    into[n] = column(state, SIZE)
                    n += 1
    return n


@nb.njit(cache=True, nogil=True)
def _count_rows(text, starts, is_char):
    rows = len(starts) - 1
    longest = 0
    for i in range(rows):
        longest = max(longest, starts[i + 1] - starts[i])
    scratch = np.empty(max(1, (longest + 2) * 2 * (CHAR_MAX - CHAR_MIN + 1)), np.int32)
    out_starts = np.zeros(rows + 1, np.int64)
    columns = np.empty(max(16, 4 * len(text)), np.int32)
    counts = np.empty(len(columns), np.float32)
    n = 0
    for i in range(rows):
        if is_char:
            size = _char_grams(text, starts[i], starts[i + 1], scratch)
        else:
            size = _word_grams(text, starts[i], starts[i + 1], scratch)
        found = np.sort(scratch[:size])
        if n + len(found) > len(columns):
            room = 2 * (n + len(found))
            wider, more = np.empty(room, np.int32), np.empty(room, np.float32)
            wider[:n], more[:n] = columns[:n], counts[:n]
            columns, counts = wider, more
        for j in range(len(found)):
            if j and found[j] == found[j - 1]:
                counts[n - 1] += 1
            else:
                columns[n], counts[n] = found[j], 1
                n += 1
        out_starts[i + 1] = n
    return out_starts, columns[:n].copy(), counts[:n].copy()


@nb.njit(cache=True, nogil=True)
def _last_columns(text, starts):
    """Of each row the last word n-gram: of two words their pair."""
    rows = len(starts) - 1
    scratch = np.empty(2 * len(text) + 2, np.int32)
    columns = np.empty(rows, np.int32)
    for i in range(rows):
        n = _word_grams(text, starts[i], starts[i + 1], scratch)
        columns[i] = scratch[n - 1]
    return columns
