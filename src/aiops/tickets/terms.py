"""The terms of a text that similarity search counts: its words, and the first five letters of each word.

The beginnings stand for stems: they forgive inflection (crash, crashes, crashed) and many a typing mistake in any
language, at one term a word where letter groups would need a dozen (McNamee, Mayfield 2004, Information Retrieval 7).
A term is a hash, no vocabulary is kept: an index is arrays alone, and a word never seen has its place. At 2^20 columns
a field even a hundred thousand distinct words rarely meet.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from aiops.compiled import forget_stale
from aiops.tickets.text_hash import BASIS, column, fold, is_word, joined

forget_stale(__file__)

BITS = 20
FIELD = 1 << BITS  # columns of a field: words from 0, beginnings from here
SIZE = 2 * FIELD
HASH_NAME = "fnv1a32-fmix-20-begin5-v1"
BEGINNING = 5


class Terms(NamedTuple):
    """Rows, compressed (CSR): row i owns columns[starts[i]:starts[i + 1]], ascending, so words come first."""

    starts: NDArray[np.int64]  # (n + 1,)
    columns: NDArray[np.int32]
    counts: NDArray[np.uint8]  # 255 stands for more


def terms(texts: Sequence[str]) -> Terms:
    """Of lower-cased texts. Words are runs of letters, digits and `_`: error codes and versions are evidence."""
    return Terms(*_count_rows(*joined(texts)))


@nb.njit(cache=True, nogil=True)
def _text_columns(text, start, end, into):
    """Writes the columns of text[start:end] to `into`; returns how many."""
    n, k = 0, start
    while k < end:
        if not is_word(text[k]):
            k += 1
            continue
        first = k
        state = np.uint32(BASIS)
        beginning = state
        while k < end and is_word(text[k]):
            state = fold(state, text[k])
            k += 1
            if k - first == BEGINNING:
                beginning = state
        if k - first < BEGINNING:
            beginning = state
        into[n] = column(state, FIELD)
        into[n + 1] = FIELD + column(beginning, FIELD)
        n += 2
    return n


@nb.njit(cache=True, nogil=True)
def _count_rows(text, starts):
    rows = len(starts) - 1
    longest = 0
    for i in range(rows):
        longest = max(longest, starts[i + 1] - starts[i])
    scratch = np.empty(longest + 2, np.int32)  # a word and what ends it are two bytes at least
    out_starts = np.zeros(rows + 1, np.int64)
    columns = np.empty(len(text) + rows + 1, np.int32)
    counts = np.empty(len(columns), np.uint8)
    n = 0
    for i in range(rows):
        found = np.sort(scratch[: _text_columns(text, starts[i], starts[i + 1], scratch)])
        for j in range(len(found)):
            if j and found[j] == found[j - 1]:
                if counts[n - 1] < 255:
                    counts[n - 1] += 1
            else:
                columns[n], counts[n] = found[j], 1
                n += 1
        out_starts[i + 1] = n
    return out_starts, columns[:n].copy(), counts[:n].copy()
