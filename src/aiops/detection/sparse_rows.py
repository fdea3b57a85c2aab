"""Rows of numbers without their zeros, bit for bit.

What a series has not learned yet is zero: other hours, free places in its banks; and a small whole number as a float32
has zeros in its lower half. So a row is cut into halves of words: bits say which groups of 16 words are not all zero,
and of each such group two masks say which words are not zero, and which have a lower half. Those halves follow. That
takes fewer bytes than a general packer makes of them, in less time, and a row that is full grows by a sixteenth only.
"""

import numpy as np
from numba import njit

from aiops.compiled import forget_stale

forget_stale(__file__)

GROUP = 16  # words under one pair of masks: a cache line
HALF = 16  # bits


def packed_halves_max(rows: int, width: int) -> int:
    """How many halves `pack` may need for rows of so many words, a multiple of GROUP; two only while it works."""
    groups, rest = divmod(width, GROUP)
    if rest:
        raise ValueError(f"rows of {width} words are not groups of {GROUP}")
    return rows * (-(-groups // HALF) + groups * (2 + 2 * GROUP)) + 2


@njit(nogil=True, cache=True)
def pack(words, is_left_out, out, at):
    """Writes words uint32 (rows, width) into out uint16 (m,) from `at` on; rows left out, bool (rows,), as zeros.
    Returns the next place in `out`."""
    rows, width = words.shape
    groups = np.uintp(width // GROUP)
    at = np.uintp(at)
    for i in range(rows):
        first = at
        at += (groups + np.uintp(HALF - 1)) // np.uintp(HALF)
        for place in range(first, at):
            out[place] = 0
        if is_left_out[i]:
            continue
        for group in range(groups):
            start = np.uintp(group) * np.uintp(GROUP)
            some = np.uint32(0)
            for k in range(GROUP):
                some |= words[i, start + np.uintp(k)]
            if some == 0:
                continue
            out[first + group // np.uintp(HALF)] |= np.uint16(1) << np.uint16(group % np.uintp(HALF))
            place = at
            at += np.uintp(2)
            mask = low_mask = np.uint32(0)
            for k in range(GROUP):  # written in any case, kept if not zero: no branch to be guessed
                word = words[i, start + np.uintp(k)]
                out[at] = np.uint16(word >> np.uint32(HALF))
                kept = np.uint32(word != 0)
                mask |= kept << np.uint32(k)
                at += np.uintp(kept)
                low = np.uint16(word)
                out[at] = low
                kept = np.uint32(low != 0)
                low_mask |= kept << np.uint32(k)
                at += np.uintp(kept)
            out[place], out[place + np.uintp(1)] = np.uint16(mask), np.uint16(low_mask)
    return np.int64(at)


@njit(nogil=True, cache=True)
def unpack(data, at, words):
    """Fills words uint32 (rows, width), all zero, from data uint16 (n,) from `at` on. Returns the next place in `data`,
    -1 where it is not what `pack` wrote for such rows."""
    rows, width = words.shape
    groups = np.uintp(width // GROUP)
    size, at = np.uintp(len(data)), np.uintp(at)
    for i in range(rows):
        first = at
        at += (groups + np.uintp(HALF - 1)) // np.uintp(HALF)
        if at > size:
            return np.int64(-1)
        for group in range((at - first) * np.uintp(HALF)):
            if not data[first + group // np.uintp(HALF)] >> np.uint16(group % np.uintp(HALF)) & 1:
                continue
            if group >= groups or at + np.uintp(2) > size:
                return np.int64(-1)
            mask, low_mask = np.uint32(data[at]), np.uint32(data[at + np.uintp(1)])
            at += np.uintp(2)
            start = np.uintp(group) * np.uintp(GROUP)
            for k in range(GROUP):  # read in any case, kept if it is there
                kept = mask >> np.uint32(k) & np.uint32(1)
                word = np.uint32(data[min(at, size - np.uintp(1))]) * kept << np.uint32(HALF)
                at += np.uintp(kept)
                kept = low_mask >> np.uint32(k) & np.uint32(1)
                words[i, start + np.uintp(k)] = word | np.uint32(data[min(at, size - np.uintp(1))]) * kept
                at += np.uintp(kept)
            if low_mask & ~mask or at > size:
                return np.int64(-1)
    return np.int64(at)
