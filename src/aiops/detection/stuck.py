"""Is a value repeated that usually changes?

A run of equal values is judged by its probability under the series' own habit of repeating itself: how often a value
is repeated at all, and how often a repeated one once more. What is constant most of the time is never stuck.
"""

import math

import numpy as np
from numba import njit

from aiops.detection import state as S

STUCK_LP = 16.0
STUCK_RUN_MIN = 20.0
STUCK_MIN_S = 600.0
STUCK_HISTORY = 3.0  # a run is judged by a history so many times longer
STUCK_FIRST_PRIOR, STUCK_NEXT_PRIOR = 0.1, 0.3
STUCK_ACCEPT_S = 86_400.0  # then it is the new normal
STUCK_RUN_LEARNED = 30.0  # a long run teaches no more than this many repeats


@njit(inline="always")
def same_run(body, i, is_same, interval_s):
    """Strength of "stuck": 0, or more than 1 once the run of equal values is improbable for this series."""
    run, first, following = body[i, S.SAME_RUN], body[i, S.SAME_FIRST], body[i, S.SAME_NEXT]
    if body[i, S.COUNT] <= 1:
        first, following = np.float32(STUCK_FIRST_PRIOR), np.float32(STUCK_NEXT_PRIOR)
    if run == 0:
        first += np.float32(0.005) * ((1 if is_same else 0) - first)
    elif run < STUCK_RUN_LEARNED:
        following += np.float32(0.005) * ((1 if is_same else 0) - following)
    elif not is_same:
        following += np.float32(0.005) * (0 - following)
    body[i, S.SAME_FIRST], body[i, S.SAME_NEXT] = first, following
    if not is_same:
        if run > 0:
            body[i, S.SAME_RUN_MAX] = max(run, body[i, S.SAME_RUN_MAX] * np.float32(0.99))
        body[i, S.SAME_RUN], body[i, S.STUCK] = 0, 0
        return 0.0
    run += 1
    body[i, S.SAME_RUN] = run
    if run < STUCK_RUN_MIN or run <= 2 * body[i, S.SAME_RUN_MAX] or run * interval_s < STUCK_MIN_S:
        return 0.0
    if run * interval_s > STUCK_ACCEPT_S:
        body[i, S.STUCK] = 0
        return 0.0
    if body[i, S.STUCK] == 0:  # judged by the habit before this run began to teach otherwise
        lp = -math.log10(max(first, 1e-3)) - (run - 1) * math.log10(min(max(following, 0.05), 0.9999))
        if lp < STUCK_LP or body[i, S.COUNT] < 100 + STUCK_HISTORY * run:
            return 0.0
        body[i, S.STUCK] = 1
    return 1.5
