"""Has this series alerted at this time of day on earlier days, and no less?

A nightly job is strange beside its neighbours every night, and to nobody who knows it. The latest onsets are remembered
with their strength; one at the time of day of three of the last eight days that is not much stronger than those is a
habit and no alert.
"""

from numba import njit

from aiops.detection import state as S

DAY_MIN = 1440
DAYS, COUNT = 8, 3
SLACK_MIN = 15
STRONGER = 1.5
CLOCK_MIN = 1 << 20  # minutes are kept modulo two years: float32 holds them exactly


@njit
def is_habit(body, i, time_ms, strength):
    """Whether an onset of this strength at this time is one of habit; remembers it."""
    now = time_ms // 60_000 % CLOCK_MIN
    days = 0  # a bit set: which days ago
    known, oldest, age_max = 0.0, 0, -1
    for k in range(S.HABIT_SIZE):
        then = float(body[i, S.HABIT + S.HABIT_SIZE + k])
        age = int(now - body[i, S.HABIT + k]) % CLOCK_MIN if then > 0 else CLOCK_MIN
        if age > age_max:
            age_max, oldest = age, k
        ago = (age + DAY_MIN // 2) // DAY_MIN
        if then > 0 and 1 <= ago <= DAYS and abs(age - ago * DAY_MIN) <= SLACK_MIN:
            days |= 1 << ago
            known = max(known, then)
    body[i, S.HABIT + oldest], body[i, S.HABIT + S.HABIT_SIZE + oldest] = now, strength
    count = 0
    for ago in range(1, DAYS + 1):
        count += days >> ago & 1
    return count >= COUNT and strength <= STRONGER * known
