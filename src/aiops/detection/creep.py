"""Has the smoothed value crept out of everything of the days before?

A leak moves a little with every sample: each state is close to the last, so no state is new, and the level follows.
What remains is the memory of whole days: the highest and the lowest the fast mean has been on each, those of past
days slowly forgotten. How far today may leave them is measured by how far earlier days left theirs, so a series that
wanders from day to day needs more than one that repeats itself. Told once: then the place reached is the new extreme.
"""

from numba import njit

from aiops.detection import state as S

DAY_MS = 86_400_000
DAYS_MIN = 2  # whole days before anything is said
RANGE_BAR = 1.0  # a whole range of the past days beyond them
EXCESS_FACTOR = 3.0  # and so many times further than days usually leave them
EXCESS_GAIN, EXCESS_CAP = 0.3, 2.0
FORGET = 0.1  # per day: an extreme that is not reached again is forgotten in about ten days


@njit(inline="always")
def creep(body, i, time_ms, mean, scale_min):
    """Strength, 1 = the bar; learns the day. `mean`: the fast mean; `scale_min`: the least range that counts."""
    day = time_ms // DAY_MS % 65536
    days = float(body[i, S.CREEP_DAYS])
    if body[i, S.COUNT] == 0:
        body[i, S.CREEP_DAY] = day
        body[i, S.CREEP_HIGH] = body[i, S.CREEP_LOW] = mean
    high, low = float(body[i, S.CREEP_HIGH]), float(body[i, S.CREEP_LOW])
    past_high, past_low = float(body[i, S.PAST_HIGH]), float(body[i, S.PAST_LOW])
    width = max(past_high - past_low, scale_min)
    if day != body[i, S.CREEP_DAY]:
        if days > 0:
            excess = max(high - past_high, past_low - low, 0.0) / width if width > 0 else 0.0
            body[i, S.PAST_EXCESS] += EXCESS_GAIN * (min(excess, EXCESS_CAP) - body[i, S.PAST_EXCESS])
            past_high = high if high > past_high else past_high + FORGET * (high - past_high)
            past_low = low if low < past_low else past_low + FORGET * (low - past_low)
        else:
            past_high, past_low = high, low
        width = max(past_high - past_low, scale_min)
        high = low = mean
        days += 1
        body[i, S.CREEP_DAY], body[i, S.CREEP_DAYS] = day, days
        body[i, S.PAST_HIGH], body[i, S.PAST_LOW] = past_high, past_low
    body[i, S.CREEP_HIGH], body[i, S.CREEP_LOW] = max(high, mean), min(low, mean)
    if days < DAYS_MIN or width <= 0:
        return 0.0
    beyond = max(mean - past_high, past_low - mean) / width
    return beyond / (RANGE_BAR + EXCESS_FACTOR * float(body[i, S.PAST_EXCESS]))
