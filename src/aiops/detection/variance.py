"""Does the series vary more, or less, than it used to, though its level stays?

The size of each step against the usual size is squeezed into 0..1 (one half at the usual size), so that one spike,
however high, counts for one sample. Its mean over the last samples leaves its long mean when the variance changes. How
far they have been apart before is kept as a slowly forgotten reach, which rises over more samples than a change takes:
a series whose variance comes and goes needs more than one that varies evenly. Told once: the long mean follows.
Steps, not residuals: what the season does not fit would be taken for variance. Repeated values are no steps; they are
the business of the stuck rule.
"""

from numba import njit

from aiops.detection import state as S

GAIN_SHORT = 1 - 0.5 ** (1 / 30)
GAIN_LONG = 1 - 0.5 ** (1 / 2000)
GAIN_REACH_UP, GAIN_REACH_DOWN = 1 / 500, 2e-5
REACH_FACTOR = 2.0
REACH_MIN = 0.05  # a change of less than a tenth, as squeezed, is none: about a factor of 1.5 in size
DAYS_LEARN, DAYS_MIN = 1, 3  # whole days before anything is learned of the reach, and said: variance has its hours too


@njit(inline="always")
def variance_change(body, i, step, size):
    """Strength, 1 = the bar; learns the step. step: from the value before; size > 0: its usual absolute size."""
    short, long, reach = float(body[i, S.SIZE_SHORT]), float(body[i, S.SIZE_LONG]), float(body[i, S.SIZE_REACH])
    days = body[i, S.CREEP_DAYS]
    if step != 0:
        share = abs(step) / (abs(step) + size)
        gain = 1 / (float(body[i, S.COUNT]) + 1)
        short += max(GAIN_SHORT, gain) * (share - short)
        long += max(GAIN_LONG, gain) * (share - long)
        body[i, S.SIZE_SHORT], body[i, S.SIZE_LONG] = short, long
    apart = abs(short - long)
    if days >= DAYS_LEARN:
        body[i, S.SIZE_REACH] = reach + (GAIN_REACH_UP if apart > reach else GAIN_REACH_DOWN) * (apart - reach)
    if step == 0 or days < DAYS_MIN:
        return 0.0
    return apart / (REACH_FACTOR * (1 + 1 / days) * max(reach, REACH_MIN))  # few days have seen little
