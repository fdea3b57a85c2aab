"""How improbable is a deviation, judged by the deviations this very series had before?

Every statistic (a deviation divided by its usual size) is turned into a tail probability on its own history, each sign
by itself: a running quantile marks where the tail begins, its frequency and its mean excess describe it, both with
slow forgetting and a prior, so that few recent exceedances neither dominate nor scare. Working on log(1 + |z|)
makes heavy tails exponential (a streaming peaks-over-threshold estimate: Siffer et al. 2017, KDD, DSPOT; Hill 1975).
Answers are -log10 of the probability, so 3 means one in a thousand.
"""

import math

from numba import njit

from aiops.detection import state as S
from aiops.detection.elementary import exp, log

TAIL_SHARE = 0.2
QUANTILE_MIN = math.log(2)  # |z| = 1: a deviation of usual size is never a tail
QUANTILE_START = 1.0
SPREAD_START = 0.5
SHARE_PRIOR_COUNT = 200.0
SHARE_GAIN_MIN = 7e-4
EXCESS_START = 0.2
EXCESS_PRIOR_COUNT = 30.0
EXCESS_GAIN_MIN = 3e-3
EXCESS_MIN = 0.1
LN10 = math.log(10)


@njit(inline="always")
def tail_column(statistic, z):
    """First body column of the tail that holds this statistic's sign."""
    return S.TAILS + (2 * statistic + (1 if z < 0 else 0)) * S.TAIL_SIZE


@njit(inline="always")
def improbability(body, i, tail, z):
    """-log10 P(a deviation at least this large), before learning it; 0 inside the bulk."""
    u = log(1 + abs(z))
    n = body[i, tail + S.TAIL_N]
    if n == 0:  # a first look: start from the prior
        body[i, tail + S.TAIL_Q] = QUANTILE_START
        body[i, tail + S.TAIL_MEAN] = u
        body[i, tail + S.TAIL_SPREAD] = SPREAD_START
        body[i, tail + S.TAIL_P] = TAIL_SHARE
        body[i, tail + S.TAIL_E] = EXCESS_START
    q = float(body[i, tail + S.TAIL_Q])
    p, e = float(body[i, tail + S.TAIL_P]), float(body[i, tail + S.TAIL_E])
    border = max(q, QUANTILE_MIN)
    excess = u - border
    lp = 0.0
    if excess > 0:
        lp = (excess / max(e, EXCESS_MIN) - log(p)) / LN10
        count = body[i, tail + S.TAIL_NE] + 1
        body[i, tail + S.TAIL_NE] = count
        gain = max(EXCESS_GAIN_MIN, 1 / (EXCESS_PRIOR_COUNT + count))
        body[i, tail + S.TAIL_E] = e + gain * (min(excess, 4 * EXCESS_START + 3 * e) - e)
    share_gain = max(SHARE_GAIN_MIN, 1 / (SHARE_PRIOR_COUNT + n + 1))
    body[i, tail + S.TAIL_P] = p + share_gain * ((1.0 if excess > 0 else 0.0) - p)
    spread, mean = float(body[i, tail + S.TAIL_SPREAD]), float(body[i, tail + S.TAIL_MEAN])
    eta = 0.2 * spread * max(0.02, 2 / (n + 2))
    body[i, tail + S.TAIL_Q] = q + (eta * (1 - TAIL_SHARE) / TAIL_SHARE if u > q else -eta)
    gain = max(0.002, 1 / (n + 2))
    body[i, tail + S.TAIL_SPREAD] = spread + gain * (abs(u - mean) - spread)
    body[i, tail + S.TAIL_MEAN] = mean + gain * (u - mean)
    body[i, tail + S.TAIL_N] = n + 1
    return lp


@njit(inline="always")
def deviation_at(body, i, tail, lp):
    """The |z| whose improbability is `lp`: the inverse of the above, for expected bands; at least a usual size."""
    if body[i, tail + S.TAIL_N] == 0:
        return math.exp(QUANTILE_START + (lp + math.log10(TAIL_SHARE)) * LN10 * EXCESS_START) - 1
    border = max(float(body[i, tail + S.TAIL_Q]), QUANTILE_MIN)
    e, p = float(body[i, tail + S.TAIL_E]), float(body[i, tail + S.TAIL_P])
    return max(exp(border + (lp * LN10 + log(p)) * max(e, EXCESS_MIN)) - 1, 1.0)
