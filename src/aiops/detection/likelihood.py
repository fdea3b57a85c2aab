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
from aiops.detection.lanes import above, apart, larger, magnitude, read, select, smaller, together, write

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
SHARE_MIN = 1e-300  # of a memory never used: its logarithm must exist
LN10 = math.log(10)


@njit(inline="always")
def learn_tail(size, q, mean, spread, p, n, e, exceeded):
    """-log10 P(a deviation at least of this size), before learning it, 0 inside the bulk; then the tail as learned.

    One tail, or the tails of four statistics side by side (`lanes`).
    """
    u = log(size + 1.0)
    is_new = above(0.5, n)  # a first look: start from the prior
    q, mean, spread = select(is_new, QUANTILE_START, q), select(is_new, u, mean), select(is_new, SPREAD_START, spread)
    p, e = select(is_new, TAIL_SHARE, p), select(is_new, EXCESS_START, e)
    excess = u - larger(q, QUANTILE_MIN)
    is_excess = above(excess, 0.0)
    lp = select(is_excess, (excess / larger(e, EXCESS_MIN) - log(larger(p, SHARE_MIN))) * (1 / LN10), 0.0)
    exceeded = select(is_excess, exceeded + 1.0, exceeded)
    gain = larger(1.0 / (exceeded + EXCESS_PRIOR_COUNT), EXCESS_GAIN_MIN)
    e = select(is_excess, e + gain * (smaller(excess, 3.0 * e + 4 * EXCESS_START) - e), e)
    p = p + larger(1.0 / (n + (SHARE_PRIOR_COUNT + 1)), SHARE_GAIN_MIN) * (select(is_excess, 1.0, 0.0) - p)
    recent = 1.0 / (n + 2.0)
    eta = 0.2 * spread * larger(2.0 * recent, 0.02)
    q = q + select(above(u, q), eta * ((1 - TAIL_SHARE) / TAIL_SHARE), 0.0 - eta)
    gain = larger(recent, 0.002)
    spread = spread + gain * (magnitude(u - mean) - spread)
    mean = mean + gain * (u - mean)
    return lp, q, mean, spread, p, n + 1.0, e, exceeded


@njit(inline="always")
def improbability(memory, i, z):
    """-log10 P(a deviation at least as large as z), before learning it into the tail in the first columns of row i."""
    lp, q, mean, spread, p, n, e, exceeded = learn_tail(
        abs(z), memory[i, S.TAIL_Q], memory[i, S.TAIL_MEAN], memory[i, S.TAIL_SPREAD], memory[i, S.TAIL_P],
        memory[i, S.TAIL_N], memory[i, S.TAIL_E], memory[i, S.TAIL_NE],
    )  # fmt: skip
    memory[i, S.TAIL_Q], memory[i, S.TAIL_MEAN], memory[i, S.TAIL_SPREAD], memory[i, S.TAIL_P] = q, mean, spread, p
    memory[i, S.TAIL_N], memory[i, S.TAIL_E], memory[i, S.TAIL_NE] = n, e, exceeded
    return lp


@njit(inline="always")
def part_of_tails(body, i, is_down, part):
    """One number of the tails of four statistics, each of its own sign."""
    column = S.TAILS + S.TAIL_COUNT * part
    return select(is_down, read(body, i, column + S.STATISTICS), read(body, i, column))


@njit(inline="always")
def keep_part(body, i, is_down, part, value):
    column = S.TAILS + S.TAIL_COUNT * part
    write(body, i, column, select(is_down, read(body, i, column), value))
    write(body, i, column + S.STATISTICS, select(is_down, value, read(body, i, column + S.STATISTICS)))


@njit(inline="always")
def improbabilities(body, i, z):
    """Of four deviations at once (lanes), each judged by, and then learned into, the tail of its statistic and sign."""
    down = above(0.0, z)
    lp, q, mean, spread, p, n, e, exceeded = learn_tail(
        magnitude(z), part_of_tails(body, i, down, S.TAIL_Q), part_of_tails(body, i, down, S.TAIL_MEAN),
        part_of_tails(body, i, down, S.TAIL_SPREAD), part_of_tails(body, i, down, S.TAIL_P),
        part_of_tails(body, i, down, S.TAIL_N), part_of_tails(body, i, down, S.TAIL_E),
        part_of_tails(body, i, down, S.TAIL_NE),
    )  # fmt: skip
    keep_part(body, i, down, S.TAIL_Q, q)
    keep_part(body, i, down, S.TAIL_MEAN, mean)
    keep_part(body, i, down, S.TAIL_SPREAD, spread)
    keep_part(body, i, down, S.TAIL_P, p)
    keep_part(body, i, down, S.TAIL_N, n)
    keep_part(body, i, down, S.TAIL_E, e)
    keep_part(body, i, down, S.TAIL_NE, exceeded)
    return lp


@njit(inline="always")
def reach(lp, q, p, n, e):
    """The size of a deviation whose improbability is `lp`: the inverse of the above; at least a usual size."""
    is_new = above(0.5, n)
    q, p, e = select(is_new, QUANTILE_START, q), select(is_new, TAIL_SHARE, p), select(is_new, EXCESS_START, e)
    least = select(is_new, 0.0, 1.0)
    far = exp(larger(q, QUANTILE_MIN) + (log(larger(p, SHARE_MIN)) + lp * LN10) * larger(e, EXCESS_MIN))
    return larger(far - 1.0, least)


@njit(inline="always")
def deviations_at(body, i, statistic, lp):
    """The sizes up and down whose improbability is `lp`, for expected bands."""
    up = S.TAILS + statistic
    q, p = both(body, i, up + S.TAIL_COUNT * S.TAIL_Q), both(body, i, up + S.TAIL_COUNT * S.TAIL_P)
    n, e = both(body, i, up + S.TAIL_COUNT * S.TAIL_N), both(body, i, up + S.TAIL_COUNT * S.TAIL_E)
    above, below, _, _ = apart(reach(lp, q, p, n, e))
    return above, below


@njit(inline="always")
def both(body, i, column):
    """A number of the tails of both signs, as lanes: up, down, up, down."""
    up, down = float(body[i, column]), float(body[i, column + S.STATISTICS])
    return together(up, down, up, down)
