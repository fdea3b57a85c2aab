"""Which samples of a batch are whose, when several threads share it: each thread looks for its own, beside the others.

What is said of neighbouring samples shares a cache line, and a line that two threads write at once travels between
their cores. So neighbours stay together: in a scrape, where no series comes twice, each thread has one run of samples.
"""

import numpy as np
from numba import njit

from aiops.compiled import forget_stale

forget_stale(__file__)

NEIGHBOURS = 8  # bits: so many neighbouring rows stay together
LINE = 64  # samples between the ends of runs: no byte of a cache line is another thread's


@njit(nogil=True, cache=True)
def share_of(mine, rows, share, shares):
    """Those of the positions `mine` int64 (m,) of a batch whose series belong to thread `share` of `shares`, in order;
    rows int32 (n,)."""
    count = len(mine)
    k = 1
    while k < count and rows[mine[k - 1]] < rows[mine[k]]:
        k += 1
    if k >= count:  # no series twice
        stop = count if share == shares - 1 else count * (share + 1) // shares // LINE * LINE
        return mine[count * share // shares // LINE * LINE : stop]
    found = np.empty(count, np.int64)
    count = 0
    for k in mine:
        found[count] = k  # kept only if counted
        count += (np.uint32(rows[k]) >> np.uint32(NEIGHBOURS)) % np.uint32(shares) == share
    return found[:count]
