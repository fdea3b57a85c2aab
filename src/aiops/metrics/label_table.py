"""Which series stands in which row, by the hash of its labels as sent.

Hashes are kept in the order in which they were first seen, and each knows who followed it last. Senders repeat their
series in one order, so the next is mostly the follower of the one before: reading goes along the memory, where a look
into an open-addressing table of this size would wait for two cold cache lines. That table is there for the others.
"""

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

CAPACITY_MIN = 1 << 11
NOBODY = -1


@njit(inline="always")
def find(slots, hashes, hashed):
    """The entry of this hash, or NOBODY. slots int32 (2**m,): entry + 1, 0 where empty; hashes uint64 (entries,)."""
    mask = np.uint64(len(slots) - 1)
    slot = hashed & mask
    while slots[slot] != 0:
        entry = np.int64(slots[slot]) - 1
        if hashes[np.uint64(entry)] == hashed:
            return entry
        slot = (slot + np.uint64(1)) & mask
    return np.int64(NOBODY)


@njit(inline="always")
def find_after(before, slots, hashes, followers, hashed):
    """The entry of this hash, or NOBODY, where `before` (or NOBODY) is the entry that came just before."""
    if before >= 0:
        entry = np.int64(followers[before])
        if hashes[entry] == hashed:
            return entry
    entry = find(slots, hashes, hashed)
    if before >= 0 and entry >= 0:
        followers[before] = entry
    return entry


@njit(cache=True)
def fill(slots, hashes, first, count):
    """Writes the entries first <= e < count, none of which is there yet, into slots that have room."""
    mask = np.uint64(len(slots) - 1)
    for entry in range(first, count):
        slot = hashes[entry] & mask
        while slots[slot] != 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = entry + 1


@njit(cache=True)
def entry_of(slots, hashes, hashed):
    """`find` for those who are not compiled."""
    return find(slots, hashes, hashed)


class LabelTable:
    """Hashes of labels -> row codes, up to `entries_max`; then it forgets all and begins anew. `last`: the entry found
    last, NOBODY where there is none."""

    def __init__(self, entries_max: int) -> None:
        self._entries_max = entries_max
        self._clear(CAPACITY_MIN)

    def __len__(self) -> int:
        return self._count

    def _clear(self, capacity: int) -> None:
        self._count, self.last = 0, NOBODY
        self.hashes, self.rows = np.zeros(capacity, np.uint64), np.zeros(capacity, np.int32)
        # who came first next; beyond the last there is none, and 0 is as good a guess as any
        self.followers = np.arange(1, capacity + 1, dtype=np.int32) % capacity
        self.slots = np.zeros(2 * capacity, np.int32)

    def remember(self, hashed: np.uint64, row: int) -> None:
        """From now on this hash has this row code."""
        entry = entry_of(self.slots, self.hashes, hashed)
        if entry < 0:
            if self._count >= self._entries_max:  # a sender that never repeats its bytes must not fill the memory
                self._clear(CAPACITY_MIN)
            if self._count == len(self.hashes):
                self._rebuild(2 * self._count, np.ones(self._count, np.bool_))
            entry = self._count
            self._count += 1
            self.hashes[entry] = hashed
            fill(self.slots, self.hashes, entry, entry + 1)
        self.rows[entry] = row

    def forget(self, is_gone: Callable[[NDArray[np.int32]], NDArray[np.bool_]]) -> None:
        """Entries whose row codes, int32 (entries,), `is_gone` of them are no more. The others keep their order."""
        kept = ~is_gone(self.rows[: self._count])
        capacity = max(CAPACITY_MIN, 1 << int(np.count_nonzero(kept)).bit_length())
        self._rebuild(capacity, kept)

    def _rebuild(self, capacity: int, kept: NDArray[np.bool_]) -> None:
        hashes, rows = self.hashes[: self._count][kept], self.rows[: self._count][kept]
        self._clear(capacity)
        self._count = len(hashes)
        self.hashes[: self._count], self.rows[: self._count] = hashes, rows
        fill(self.slots, self.hashes, 0, self._count)
