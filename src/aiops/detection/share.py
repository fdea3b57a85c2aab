"""Which samples of a batch are whose, when several threads share it: each thread looks for its own, beside the others.

Neighbouring rows stay together, since what is said of neighbours shares a cache line.
"""

import numpy as np
from numba import njit

from aiops.compiled import forget_stale

forget_stale(__file__)

NEIGHBOURS = 6  # bits: so many neighbouring rows stay together


@njit(nogil=True, cache=True)
def share_of(mine, rows, share, shares):
    """Those of the positions `mine` int64 (m,) of a batch whose series belong to thread `share` of `shares`, in order;
    rows int32 (n,)."""
    found = np.empty(len(mine), np.int64)
    count = 0
    for k in mine:
        found[count] = k  # kept only if counted
        count += (np.uint32(rows[k]) >> np.uint32(NEIGHBOURS)) % np.uint32(shares) == share
    return found[:count]
