"""The baseline as it was when an anomaly began, given back once the anomaly is over.

While an anomaly lasts everything goes on learning, for it may be the new normal. Where the series comes back instead,
what was learned meanwhile was no baseline: sizes would be many times too wide and the next fault no anomaly. So the
onset keeps a copy, and the return puts it back but for a limit: an anomaly widens a size by no more than GROWTH_MAX and
moves a mean by no more than one size. What happens again and again is therefore still learned, over several times.
Only of spikes and dips: they alone are over once the value is back, and nothing else widens the band.

A rule that keeps a deviation from alerting does not change what is usual: it begins and ends untold (ACTIVE is UNTOLD).

Of the season the first KEPT_HOURS_MAX hours are kept; later ones have learned as far as their own limits let them.
"""

from numba import njit

from aiops.detection import state as S

GROWTH_MAX = 3.0
SLOT_COUNT_MIN = 12  # an hour seen less often has no baseline to give back
NOT_KNOWN = -1.0
UNTOLD = -1.0

CALM_SAMPLES = 5.0  # so many calm samples in a row inside the band end an anomaly
BACK_SAMPLES = 3.0  # so many in a row within the band of its onset: over, so what it taught is taken back
ACCEPT_SAMPLES, ACCEPT_S = 60.0, 7200.0  # so many calm samples in a row outside it, so long after, are the new normal


@njit(inline="always")
def keep(body, i, week_hour):
    """At an onset: a copy of what an anomaly could spoil."""
    body[i, S.KEPT_HOUR], body[i, S.KEPT_HOURS], body[i, S.BACK] = week_hour, 0, 0
    for k in range(S.KEPT_SCALARS):
        body[i, S.KEPT + k] = body[i, S.MU + k]
    for k in range(3):
        body[i, S.KEPT_SIZES + k] = body[i, S.SIZE_SHORT + k]
    for tail in range(S.TAIL_COUNT):
        column, kept = S.TAILS + tail, S.KEPT_TAILS + 3 * tail
        body[i, kept] = body[i, column + S.TAIL_COUNT * S.TAIL_Q]
        body[i, kept + 1] = body[i, column + S.TAIL_COUNT * S.TAIL_P]
        body[i, kept + 2] = body[i, column + S.TAIL_COUNT * S.TAIL_E]
    keep_hour(body, i, week_hour)


@njit
def keep_hour(body, i, week_hour):
    """While an anomaly lasts: the season of this hour before it is learned, where it is one of the first."""
    hours = (week_hour - int(body[i, S.KEPT_HOUR])) % 168 + 1
    if hours > S.KEPT_HOURS_MAX:
        return
    for k in range(int(body[i, S.KEPT_HOURS]), hours):
        hour, kept = (int(body[i, S.KEPT_HOUR]) + k) % 168, S.KEPT_SLOTS + 4 * k
        slot = S.SLOTS + hour % 24 * S.SLOT_SIZE
        is_known = body[i, slot + S.SLOT_COUNT] >= SLOT_COUNT_MIN
        body[i, kept] = body[i, slot + S.SLOT_MEAN]
        body[i, kept + 1] = body[i, slot + S.SLOT_ABS] if is_known else NOT_KNOWN
        body[i, kept + 2] = body[i, slot + S.SLOT_MEAN_LONG]
        body[i, kept + 3] = body[i, S.WEEK + hour]
    body[i, S.KEPT_HOURS] = max(body[i, S.KEPT_HOURS], hours)


@njit
def limit_mean(body, i, column, kept, size):
    """The mean in this column no further than `size` from what it was."""
    was = float(body[i, kept])
    body[i, column] = min(max(float(body[i, column]), was - size), was + size)


@njit
def limit_size(body, i, column, size):
    """The size in this column no larger than GROWTH_MAX times what it was."""
    body[i, column] = min(float(body[i, column]), GROWTH_MAX * size)


@njit
def give_back(body, i):
    """The anomaly is over: the baseline of before, changed by no more than the limit."""
    limit_mean(body, i, S.MU, S.KEPT, float(body[i, S.KEPT + S.DEV - S.MU]))
    body[i, S.LEVEL] = body[i, S.KEPT + S.LEVEL - S.MU]
    for column in (S.DEV, S.RESIDUAL_ABS, S.STEP_ABS, S.RUN_ABS):
        limit_size(body, i, column, float(body[i, S.KEPT + column - S.MU]))
    for k in range(3):
        body[i, S.SIZE_SHORT + k] = body[i, S.KEPT_SIZES + k]
    for tail in range(S.TAIL_COUNT):
        column, kept = S.TAILS + tail, S.KEPT_TAILS + 3 * tail
        if body[i, kept + 1] > 0:  # else none of this sign had been seen
            body[i, column + S.TAIL_COUNT * S.TAIL_Q] = body[i, kept]
            body[i, column + S.TAIL_COUNT * S.TAIL_P] = body[i, kept + 1]
            body[i, column + S.TAIL_COUNT * S.TAIL_E] = body[i, kept + 2]
    for k in range(int(body[i, S.KEPT_HOURS])):
        hour, kept = (int(body[i, S.KEPT_HOUR]) + k) % 168, S.KEPT_SLOTS + 4 * k
        slot, size = S.SLOTS + hour % 24 * S.SLOT_SIZE, float(body[i, kept + 1])
        if size != NOT_KNOWN:
            limit_mean(body, i, slot + S.SLOT_MEAN, kept, size)
            limit_size(body, i, slot + S.SLOT_ABS, size)
            limit_mean(body, i, slot + S.SLOT_MEAN_LONG, kept + 2, size)
            limit_mean(body, i, S.WEEK + hour, kept + 3, size)


@njit
def follow_untold(body, i, begins, strength, value, interval_s, week_hour, found):
    """The life of a deviation that a rule keeps from alerting, as far as the baseline is concerned. begins: it would
    have been an onset; strength: what it would have been; found: expected, lower, upper."""
    if body[i, S.ACTIVE] == 0:
        if not begins:
            return
        body[i, S.ACTIVE], body[i, S.QUIET], body[i, S.ONSET_AGE_S] = UNTOLD, 0, -interval_s
        body[i, S.UNTOLD_LEVEL] = found[0]
        body[i, S.UNTOLD_HALF_WIDTH] = min(found[2] - found[0], found[0] - found[1])
        keep(body, i, week_hour)
    outside = abs(value - body[i, S.UNTOLD_LEVEL]) > body[i, S.UNTOLD_HALF_WIDTH]
    body[i, S.BACK] = 0 if outside else body[i, S.BACK] + 1
    if body[i, S.BACK] == BACK_SAMPLES:
        give_back(body, i)
    body[i, S.ONSET_AGE_S] += interval_s
    body[i, S.QUIET] = body[i, S.QUIET] + 1 if outside and strength < 1 else 0
    accepted = body[i, S.QUIET] >= ACCEPT_SAMPLES and body[i, S.ONSET_AGE_S] >= ACCEPT_S
    if accepted or body[i, S.BACK] >= CALM_SAMPLES:
        body[i, S.ACTIVE] = 0


@njit(inline="always")
def returns(body, i, value):
    """Whether this is the way back from what a rule keeps from alerting: no more an alert than that was."""
    return body[i, S.ACTIVE] < 0 and abs(value - body[i, S.UNTOLD_LEVEL]) <= body[i, S.UNTOLD_HALF_WIDTH]


@njit(inline="always")
def shown(body, i, usual):
    """A number of the band as told: what was never negative is not expected to be."""
    return 0.0 if usual < 0 and body[i, S.NEGATIVE] == 0 else usual
