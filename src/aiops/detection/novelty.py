"""Has this series ever been in such a state? A bank of prototypes (leader clustering) per series.

A state is four numbers in the unit of the value: the value itself, its fast and slow running means and its residual
from the hourly mean. The distance to the nearest stored prototype (Chebyshev), divided by the range of the series, is
the novelty. Prototypes are kept in raw units and only the comparison is scaled, so the range may grow without touching
the memory. A spike once seen is a prototype: recurring spikes go quiet by themselves; a level shift alarms once and is
then known. A budget counts past alarms and raises the bar of series that alarm often; sampling faster than every five
minutes raises it too, because more samples mean more chances.

The constants are round values from the middle of a flat region measured on public benchmark data; moving any of
them by ten per cent changes those figures by less than their noise.
"""

import math

import numpy as np
from numba import njit

from aiops.detection import state as S
from aiops.detection.elementary import fifth_root
from aiops.detection.nearest import nearest

WEIGHT_VALUE, WEIGHT_FAST, WEIGHT_SLOW, WEIGHT_SEASON = 1.25, 0.9, 1.15, 0.15
GAIN_FAST = 1 - 0.5 ** (1 / 7.5)
GAIN_SLOW = 1 - 0.5 ** (1 / 40)
GAIN_CENTRE = 1e-3
RANGE_DECAY = 1e-4  # per sample, towards the mean: old extremes are forgotten in about 10,000 samples
BAR = 0.063  # a state further than this share of the range from all known ones is strange
NOVELTY_WEIGHT = 1.2  # series that are novel all the time have a higher bar
GAIN_NOVELTY = 1 - 0.5 ** (1 / 180)
BUDGET_WEIGHT = 0.1  # each recent alarm raises the bar by a tenth
BUDGET_HALF_LIFE_S = 8 * 86400.0
REFERENCE_INTERVAL_S = 300.0
SCALE_QUANTA = 24.0  # one step of a series that counts is no news
SCALE_MIN = 0.01  # of the level: a constant that moves by a millionth is no news either
YOUTH, YOUTH_DAYS = 0.4, 1.0  # the bar is so much higher at first: early on, much is new
VIGILANCE = 0.06  # beyond this share of the range a state becomes a prototype of its own
LEARNING_RATE = 0.04  # else the nearest prototype moves this far towards it
BANK = S.BANK
BANK_SIZE = S.BANK_SIZE


@njit(inline="always")
def least_scale(centre, spread, quantum):
    """Changes are measured by no less than this. A series that rarely leaves its value counts by steps; one that
    wanders over many steps is as good as continuous."""
    coarse = SCALE_QUANTA * quantum * quantum / (quantum + spread) if quantum > 0 else 0.0
    return max(coarse, SCALE_MIN * abs(centre))


@njit(inline="always")
def novelty(body, i, value, season, interval_s, is_gap, quantum, scratch):
    """How far this state is from every known one, 1 = the bar; learns the state.

    value, season: float, unit of the series; interval_s: its mean sampling distance; is_gap: the running means
    restart here, so nothing can be said of this one sample; quantum: the smallest step the series can take.
    """
    count = body[i, S.COUNT]
    centre, spread = float(body[i, S.CENTRE]), float(body[i, S.SPREAD])
    low, high = float(body[i, S.LOW]), float(body[i, S.HIGH])
    if count == 0:
        low = high = centre = value
    fast = value if is_gap else body[i, S.MEAN_FAST] + max(GAIN_FAST, 1 / (count + 1)) * (value - body[i, S.MEAN_FAST])
    slow = value if is_gap else body[i, S.MEAN_SLOW] + max(GAIN_SLOW, 1 / (count + 1)) * (value - body[i, S.MEAN_SLOW])
    gain = max(GAIN_CENTRE, 1 / (count + 1))
    centre += gain * (value - centre)
    spread += gain * (abs(value - centre) - spread)
    low, high = min(low, value), max(high, value)
    low += RANGE_DECAY * (centre - low)
    high += RANGE_DECAY * (centre - high)
    width = high - low
    scale = width * fifth_root(8 * spread / width) if width > 0 and spread > 0 else 0.0
    scale = max(scale, least_scale(centre, spread, quantum))

    f0, f1 = np.float32(WEIGHT_VALUE * value), np.float32(WEIGHT_FAST * fast)
    f2, f3 = np.float32(WEIGHT_SLOW * slow), np.float32(WEIGHT_SEASON * (value - season))
    used = int(body[i, S.PROTOTYPES])
    distance, index = nearest(body, i, f0, f1, f2, f3, used, scratch)
    relative = 1.0 if index < 0 else (min(1.0, distance / scale) if scale > 0 else (0.0 if distance == 0 else 1.0))
    if index < 0 or relative > VIGILANCE:
        index = used
        if used < BANK_SIZE:
            body[i, S.PROTOTYPES] = used + 1
        else:  # replace the least recently matched
            index, oldest = 0, body[i, S.BANK_USED]
            for k in range(1, BANK_SIZE):
                if body[i, S.BANK_USED + k] < oldest:
                    oldest, index = body[i, S.BANK_USED + k], k
        body[i, BANK + index] = f0
        body[i, BANK + BANK_SIZE + index] = f1
        body[i, BANK + 2 * BANK_SIZE + index] = f2
        body[i, BANK + 3 * BANK_SIZE + index] = f3
    else:
        rate = np.float32(LEARNING_RATE)
        body[i, BANK + index] += rate * (f0 - body[i, BANK + index])
        body[i, BANK + BANK_SIZE + index] += rate * (f1 - body[i, BANK + BANK_SIZE + index])
        body[i, BANK + 2 * BANK_SIZE + index] += rate * (f2 - body[i, BANK + 2 * BANK_SIZE + index])
        body[i, BANK + 3 * BANK_SIZE + index] += rate * (f3 - body[i, BANK + 3 * BANK_SIZE + index])
    body[i, S.BANK_USED + index] = count + 1

    speed = max(1.0, REFERENCE_INTERVAL_S / max(interval_s, 1e-3))
    mean = float(body[i, S.NOVELTY_MEAN])
    bar = BAR * math.sqrt(speed) * (1 + NOVELTY_WEIGHT * mean) * (1 + BUDGET_WEIGHT * body[i, S.BUDGET])
    bar *= 1 + YOUTH * YOUTH_DAYS / (YOUTH_DAYS + count * interval_s / 86400.0)
    body[i, S.NOVELTY_MEAN] = mean + max(GAIN_NOVELTY, 1 / (count + 1)) * (relative - mean)
    body[i, S.BUDGET] *= max(0.0, 1 - math.log(2) * min(interval_s, 86400.0) / BUDGET_HALF_LIFE_S)
    body[i, S.MEAN_FAST], body[i, S.MEAN_SLOW] = fast, slow
    body[i, S.CENTRE], body[i, S.SPREAD], body[i, S.LOW], body[i, S.HIGH] = centre, spread, low, high
    return 0.0 if is_gap else relative / bar
