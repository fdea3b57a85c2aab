"""The compiled half of `policy`: does this deviation count, and is it a hint to the alert budget?"""

from numba import njit

from aiops.detection import policy as P
from aiops.detection import state as S

JUST_BELOW = 0.99  # strength of what does not count: score 0.497


@njit(inline="always")
def counts(policy, body, i, value, expected, is_trend):
    """Whether a deviation is of the direction and size that row i is watched for. A trend has pulled what is expected
    along: it is measured against the days before."""
    change = value - expected
    if is_trend:
        mean, high, low = float(body[i, S.MEAN_FAST]), float(body[i, S.PAST_HIGH]), float(body[i, S.PAST_LOW])
        change = mean - high if mean > high else mean - low
        expected = high if mean > high else low
    if policy[i, P.DIRECTION] * change < 0:
        return False
    return abs(change) >= max(float(policy[i, P.CHANGE_MIN]), float(policy[i, P.CHANGE_RELATIVE_MIN]) * abs(expected))


@njit(inline="always")
def is_hint(policy, i, telling, refractory_samples, break_through):
    """Whether a deviation of strength `telling` begins something, judged from the lower bar of row i; as an onset is
    judged from 1."""
    refractory = policy[i, P.LOW_REFRACTORY]
    if policy[i, P.LOW_BAR] == 0:
        return False
    if telling >= policy[i, P.LOW_BAR] and (refractory <= 0 or telling > break_through * policy[i, P.LOW_STRENGTH]):
        policy[i, P.LOW_REFRACTORY], policy[i, P.LOW_STRENGTH] = refractory_samples, telling
        return True
    if refractory > 0:
        policy[i, P.LOW_REFRACTORY] = refractory - 1
    return False
