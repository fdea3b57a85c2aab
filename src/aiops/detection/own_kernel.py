"""The compiled half of `own`: raw scores of somebody else's detector become strengths as ours are, 1 = the alert bar.

A raw score may have any unit and any level: how far it lies above its own running mean, in its own usual deviations,
is judged by what this series' raw scores did before (`likelihood`). Only scores above the mean can be strange.
"""

from numba import njit

from aiops.compiled import forget_stale
from aiops.detection.kernel import HISTORY_COUNT, IMPROBABILITY_BAR, RAW_MAX, step_toward
from aiops.detection.likelihood import improbability
from aiops.detection.state import TAIL_SIZE

forget_stale(__file__)

# memory: float64 (n, MEMORY_SIZE): a tail in the first TAIL_SIZE columns, then
CENTRE, SIZE, COUNT = TAIL_SIZE, TAIL_SIZE + 1, TAIL_SIZE + 2
MEMORY_SIZE = 16
GAIN_MIN = 5e-4
CLIP = 10.0  # one score moves the mean and the usual deviation by no more than so many of the latter
FREE_COUNT = 10  # the first ones are not cut
DEVIATION_MAX = 1000.0  # usual deviations: a detector that was always sure of itself has no usual deviation
FLOOR_RELATIVE, FLOOR_ABS = 1e-4, 1e-9


@njit(nogil=True, cache=True)
def calibrate(raw, memory, i):
    """Raw scores float64 (n,) of series i in order -> strengths float64 (n,): judged, then learned into row i."""
    strengths = raw.copy()
    for k in range(len(raw)):
        value = min(max(raw[k], -RAW_MAX), RAW_MAX)
        count, centre, size = memory[i, COUNT], memory[i, CENTRE], memory[i, SIZE]
        if count == 0:
            centre = value
        scale = size + FLOOR_RELATIVE * abs(centre) + FLOOR_ABS
        z = min(max((value - centre) / scale, 0.0), DEVIATION_MAX)
        lp = improbability(memory, i, z)
        strengths[k] = lp * count / (count + HISTORY_COUNT) / IMPROBABILITY_BAR
        gain = max(GAIN_MIN, 1 / (count + 1))
        clip = RAW_MAX if count < FREE_COUNT else CLIP * scale
        memory[i, CENTRE] = step_toward(centre, value, gain, clip)
        memory[i, SIZE] = step_toward(size, abs(value - centre), gain, clip)
        memory[i, COUNT] = count + 1
    return strengths
