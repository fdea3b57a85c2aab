"""An example of a file with a kernel: how far the share of odd values among the latest is from what it was."""

import numpy as np
from numba import njit

STATE_SIZE = 2  # the running share, samples so far
GAIN = 0.2


@njit(cache=False)
def score(values, times_s, state):  # type: ignore[no-untyped-def]
    strengths = np.zeros(len(values))
    for k in range(len(values)):
        odd = float(int(values[k]) % 2)
        strengths[k] = abs(odd - state[0]) if state[1] >= 10 else 0.0
        state[0] += GAIN * (odd - state[0])
        state[1] += 1
    return strengths
