"""The loop over samples: the only place where every sample is touched, so it is compiled and knows no objects.

For each sample in arrival order: place it on the time line of its series (duplicate? late? reset?), compare it with
what this series does at this hour (season by hour of day and of week, corrected by the present level), turn four
deviations into one calibrated improbability (`likelihood`), ask the novelty bank whether the state is new at all
(`novelty`), and keep the anomaly's life: onset once, persisted once, ended once. Score first, then learn.

score = s / (1 + s) with s = max(novelty, improbability / IMPROBABILITY_BAR, stuck, ...): s = 1, score 0.5, is the bar.
"""

import math

import numpy as np
from numba import njit

from aiops.compiled import forget_stale
from aiops.detection import baseline as B
from aiops.detection import state as S
from aiops.detection.creep import creep
from aiops.detection.habit import is_habit
from aiops.detection.lanes import apart, together
from aiops.detection.likelihood import deviations_at, improbabilities
from aiops.detection.novelty import least_scale, novelty
from aiops.detection.policy_kernel import JUST_BELOW, counts, is_hint
from aiops.detection.prefetch import prefetch
from aiops.detection.stuck import same_run
from aiops.detection.timeline import GAP_INTERVALS, NOT_FINITE, RESET, STALE, WARMING_UP, hour_slots, place
from aiops.detection.variance import variance_change

forget_stale(__file__)

# Cold memory: samples to look ahead
AHEAD_SCALARS, AHEAD_PROTOTYPES = 4, 2
LINE = 16  # float32 per cache line

RAW_MAX = 1e30  # larger magnitudes are cut: float32 state must not overflow

# Constants of the residuals; half-lives in samples. Hour slots of series faster than a minute forget by time.
GAIN_LONG, GAIN_SCALE = 1 - 0.5 ** (1 / 2000), 1 - 0.5 ** (1 / 1000)
GAIN_LEVEL, GAIN_RUN = 1 - 0.5 ** (1 / 40), 1 - 0.5 ** (1 / 1.2)
SLOT_GAIN, SLOT_LONG_GAIN, SLOT_INTERVAL_S = 0.05, 0.1, 60.0
WEEK_GAIN, WEEK_COUNT_STEP, WEEK_COUNT_MAX = 0.03, 0.1, 50.0
FLOOR_DEV, FLOOR_MEAN, FLOOR_QUANTA, FLOOR_ABS = 0.03, 1e-4, 0.5, 1e-9
CLIP_MEAN, CLIP_SCALE = 5.0, 10.0  # one sample moves a mean, a scale by no more than so many scales
UNLIMITED = 1e38
WEIGHT_GLOBAL, WEIGHT_RESIDUAL, WEIGHT_RUN, WEIGHT_STEP = 0.5, 1.0, 0.5, 1.25
WEIGHT_SUM = 3.25
EXCESS_LEAK, EXCESS_MAX = 0.4, 6.0
HISTORY_COUNT = 1500.0  # improbability counts by t / (t + this): tails need history
IMPROBABILITY_BAR = 2.8
ALERT_FACTOR = 2.0  # improbability alone must be so much higher for an alert: most of it is a known state at odd times

# What is told of an onset: the value as scored and its band, then the strength of each of `scores.DETECTORS`
TOLD_BAND, TOLD_SIZE = 4, 15

BAND_LP = 3.0  # the expected band holds all but one in a thousand on each side

# Constants of an anomaly's life
REFRACTORY_SAMPLES = 120.0
BREAK_THROUGH = 2.4  # within the refractory time only something this much stranger is a new onset
CALM_STRENGTH = 0.5
LEVEL_SHIFT_SAMPLES = 10.0
PERSIST_SAMPLES = 3.0
CREEP_OVER = 0.7  # a creep is over below this share of its bar
STRONG = 3.0  # this strong, PERSIST_SAMPLES are enough

# Constants of novelty as evidence: what recurs (nightly jobs, collected memory, rotated logs) is strange each time, but
# no reason for an incident
NOVEL_STRENGTH = 0.7
KNOWN_SAMPLES, KNOWN_S = 1000.0, 86_400.0

# Constants of the gross rule: far outside everything, several samples in a row, needs no long history. It speaks
# only until the improbability of the same deviation is backed by history.
GROSS_DEVIATION = 50.0  # usual deviations
GROSS_SAMPLES = 4.0
GROSS_COUNT_MIN, GROSS_COUNT_MAX = 60.0, 2000.0
GROSS_SAME_RUN_MAX = 10.0  # only series that change all the time have a usual deviation worth the name
JUMP_MIN = 5.0  # usual steps: what begins with such a jump is measured by what was usual before it
LASTING_DEVIATION, LASTING_SAMPLES = 8.0, 10.0  # of a jump that lasts, in a series not known for long

NONE, SPIKE, DIP, LEVEL_SHIFT, PATTERN, STUCK, TREND, VARIANCE, OWN = 0, 1, 2, 3, 4, 5, 7, 8, 9  # 6: missing
ANOMALOUS, ONSET, PERSISTED, ENDED, NOVEL, HINT, ACCEPTED, AGAIN = 1, 2, 4, 8, 16, 32, 64, 128


@njit(inline="always")
def is_young(body, i):
    """Too little history for improbability, enough for a usual deviation."""
    varies = max(body[i, S.SAME_RUN], body[i, S.SAME_RUN_MAX]) < GROSS_SAME_RUN_MAX
    return varies and GROSS_COUNT_MIN <= body[i, S.COUNT] <= GROSS_COUNT_MAX


@njit(inline="always")
def gross(body, i, value, z):
    """Strength of a deviation of `z` usual sizes: more than 1 from its GROSS_SAMPLES-th sample in a row on. After a
    jump the sizes are those before it: what is usual may already have followed."""
    if body[i, S.ACTIVE] > 0 and body[i, S.ONSET_USUAL] > 0:
        z = (value - body[i, S.ONSET_LEVEL]) / body[i, S.ONSET_USUAL]
    if abs(z) < GROSS_DEVIATION or not is_young(body, i):
        body[i, S.GROSS_RUN] = 0
        return 0.0
    body[i, S.GROSS_RUN] += 1
    return min(abs(z) / GROSS_DEVIATION, 4.0) if body[i, S.GROSS_RUN] >= GROSS_SAMPLES else 0.0


@njit(inline="always")
def slot_mean(body, i, slot, mu):
    column = S.SLOTS + slot * S.SLOT_SIZE
    return float(body[i, column + S.SLOT_MEAN]) if body[i, column + S.SLOT_COUNT] >= 2 else mu


@njit(inline="always")
def step_toward(mean, value, gain, clip):
    """One exponential step, limited to `clip`: no single sample moves a mean further."""
    return mean + gain * min(max(value - mean, -clip), clip)


@njit(inline="always")
def learn_and_score(body, i, value, time_ms, clock, interval_s, is_gap, quantum, scratch, own, found, parts):
    """Strength s of one sample (1 = the alert bar), then learned.

    `found` receives expected, lower, upper, kind, and reads and writes as `ingest` says; `parts` the strengths of
    `scores.DETECTORS`, of which the first five add up to the improbability.
    """
    count = float(body[i, S.COUNT])
    mu, dev = float(body[i, S.MU]), float(body[i, S.DEV])
    level, size = float(body[i, S.LEVEL]), float(body[i, S.RESIDUAL_ABS])
    step_size, last = float(body[i, S.STEP_ABS]), found[4]
    if count == 0:
        mu, last = value, value
    if is_gap:
        level, last = 0.0, value
    hour, left, right, weight, week_hour = clock
    slot = S.SLOTS + hour * S.SLOT_SIZE
    if body[i, S.ACTIVE] != 0:
        B.keep_hour(body, i, week_hour)
    season = slot_mean(body, i, left, mu)
    season += weight * (slot_mean(body, i, right, mu) - season)  # in this form exact where both are the same
    week_count = float(body[i, S.WEEK_COUNT])
    season += float(body[i, S.WEEK + week_hour]) * week_count / (week_count + 2)
    slot_count = float(body[i, slot + S.SLOT_COUNT])
    season_long = float(body[i, slot + S.SLOT_MEAN_LONG]) if slot_count >= 3 else mu

    residual = value - season
    if is_gap:
        level = residual
    deviation = residual - level
    floor = FLOOR_DEV * dev + FLOOR_MEAN * abs(mu) + FLOOR_QUANTA * quantum + FLOOR_ABS
    slot_size = float(body[i, slot + S.SLOT_ABS])
    usual = (max(slot_size, 0.75 * slot_size + 0.25 * size) if slot_count >= 2 else size) + floor
    z_global = (value - mu) / (dev + floor)
    z_residual = deviation / usual
    clipped = min(max(z_residual, -10.0), 10.0)
    run = float(body[i, S.RUN_MEAN])
    run += GAIN_RUN * (clipped - run)
    run_size = float(body[i, S.RUN_ABS])
    z_run = run / (run_size + 0.02)
    z_step = (value - last) / (step_size + floor)

    above, below = deviations_at(body, i, 1, BAND_LP)
    found[0] = season + level
    found[1], found[2] = found[0] - below * usual, found[0] + above * usual

    low, high = float(body[i, S.LOW]), float(body[i, S.HIGH])
    if high > low:  # a heavy tail may have no end, a band must: one range beyond everything seen
        found[1] = max(found[1], min(low - (high - low), found[0]))
        found[2] = min(found[2], max(high + (high - low), found[0]))

    weights = together(WEIGHT_GLOBAL, WEIGHT_RESIDUAL, WEIGHT_RUN, WEIGHT_STEP)
    lps = weights * improbabilities(body, i, together(z_global, z_residual, z_run, z_step))
    parts[0], parts[1], parts[2], parts[3] = apart(lps)
    lp = (parts[0] + parts[1] + parts[2] + parts[3]) / WEIGHT_SUM
    excess = float(body[i, S.EXCESS])
    parts[4] = EXCESS_LEAK * excess * WEIGHT_SUM
    likelihood = (lp + EXCESS_LEAK * excess) * count / (count + HISTORY_COUNT) / IMPROBABILITY_BAR
    body[i, S.EXCESS] = min(max(EXCESS_LEAK * excess + lp - 1, 0.0), EXCESS_MAX)

    new = novelty(body, i, value, season_long, interval_s, is_gap, quantum, scratch)
    scale_min = least_scale(float(body[i, S.CENTRE]), float(body[i, S.SPREAD]), quantum)
    found[7] = creep(body, i, time_ms, float(body[i, S.MEAN_FAST]), scale_min)
    if found[7] < CREEP_OVER:
        body[i, S.CREEPING] = 0
    elif found[7] >= 1 and body[i, S.REFRACTORY] > REFRACTORY_SAMPLES / 2:
        body[i, S.CREEPING] = 1  # a jump, already told
    leaving = found[7] if body[i, S.CREEPING] == 0 and found[7] >= 1 else 0.0
    found[8] = variance_change(body, i, value - last, step_size + floor)
    if found[8] < CALM_STRENGTH:
        body[i, S.VARYING] = 0
    varying = found[8] * (body[i, S.VARYING] == 0 and found[8] >= 1)
    stuck = same_run(body, i, value == last and count > 0, interval_s)

    far_out = gross(body, i, value, z_residual)
    found[9] = usual if abs(z_step) >= JUMP_MIN else 0.0
    strength = max(likelihood, new, stuck, far_out, leaving, varying, own)
    by_chance = max(likelihood, own) / ALERT_FACTOR
    found[6] = max(by_chance, new, stuck * (body[i, S.STUCK] == 1), far_out, leaving, varying)
    for part in range(5):
        parts[part] *= count / (count + HISTORY_COUNT) / IMPROBABILITY_BAR / WEIGHT_SUM
    parts[5], parts[6], parts[7], parts[8], parts[9], parts[10] = new, stuck, far_out, leaving, varying, own
    # what an incident may be built on: a state that is new to a series known for long, or far out, or stuck
    is_known = count >= KNOWN_SAMPLES or count * interval_s >= KNOWN_S
    known_new = max(new, own / ALERT_FACTOR) if is_known else 0.0
    found[5], found[10] = max(known_new, far_out, stuck, found[7], found[8]), is_known
    if own > 0 and own >= strength:
        found[3] = OWN
    elif leaving > 0 and found[9] == 0 and leaving >= new and leaving >= stuck:  # what jumps does not creep
        found[3] = TREND
    elif stuck > 0 and stuck >= likelihood and stuck >= new:
        found[3] = STUCK
    elif varying > 0 and varying >= new and varying >= likelihood and found[1] <= value <= found[2]:
        found[3] = VARIANCE
    elif new > likelihood and found[1] <= value <= found[2]:
        found[3] = PATTERN
    else:
        found[3] = SPIKE if value > found[0] else DIP

    # learn, each step limited
    warm = count >= 10
    free = 0.0 if warm else UNLIMITED
    gain = 1 / (count + 1)
    gain_long, gain_scale = max(GAIN_LONG, gain), max(GAIN_SCALE, gain)
    mu = step_toward(mu, value, gain_long, CLIP_MEAN * (dev + floor) + free)
    body[i, S.MU] = mu
    body[i, S.DEV] = step_toward(dev, abs(value - mu), gain_long, CLIP_SCALE * (dev + floor) + free)
    body[i, S.LEVEL] = step_toward(level, residual, max(GAIN_LEVEL, gain), CLIP_MEAN * usual + free)
    body[i, S.RESIDUAL_ABS] = step_toward(size, abs(deviation), gain_scale, CLIP_SCALE * usual + free)
    body[i, S.STEP_ABS] = step_toward(step_size, abs(value - last), gain_scale, CLIP_SCALE * (step_size + floor) + free)
    body[i, S.RUN_MEAN] = run
    body[i, S.RUN_ABS] = run_size + gain_scale * (abs(run) - run_size)
    # a young slot may lie anywhere in the range of the series, but no fault in its first samples is its season
    slot_usual = usual if slot_count >= 12 else max(usual, dev + floor)
    slot_free = 0.0 if slot_count >= 12 else free
    slot_gain = max(SLOT_GAIN * min(1.0, interval_s / SLOT_INTERVAL_S), 1 / (slot_count + 1))
    mean = float(body[i, slot + S.SLOT_MEAN]) if slot_count > 0 else mu
    body[i, slot + S.SLOT_MEAN] = step_toward(mean, value, slot_gain, CLIP_MEAN * slot_usual + slot_free)
    body[i, slot + S.SLOT_ABS] = step_toward(slot_size, abs(deviation), slot_gain, CLIP_SCALE * slot_usual + slot_free)
    long_gain = max(SLOT_LONG_GAIN * min(1.0, interval_s / SLOT_INTERVAL_S), 1 / (slot_count + 1))
    body[i, slot + S.SLOT_MEAN_LONG] += long_gain * (value - float(body[i, slot + S.SLOT_MEAN_LONG]))
    body[i, slot + S.SLOT_COUNT] = min(slot_count + 1, 1e6)
    week_gain = max(WEEK_GAIN * min(1.0, interval_s / SLOT_INTERVAL_S), 1 / (week_count + 1))
    week = float(body[i, S.WEEK + week_hour])
    away = value - mean if slot_count > 0 else 0.0
    body[i, S.WEEK + week_hour] = step_toward(week, away, week_gain, CLIP_MEAN * usual + free)
    body[i, S.WEEK_COUNT] = min(week_count + WEEK_COUNT_STEP * min(1.0, interval_s / SLOT_INTERVAL_S), WEEK_COUNT_MAX)
    body[i, S.COUNT] = count + 1
    return strength


@njit(inline="always")
def live(body, i, strength, value, time_ms, interval_s, found, persist_s):
    """The anomaly's life as flags; may turn the kind into LEVEL_SHIFT. Within the refractory time what is over can come
    back (AGAIN): no new alert, but the same trouble."""
    refractory = body[i, S.REFRACTORY]
    telling = found[6]
    onset = telling >= 1 and (refractory <= 0 or telling > BREAK_THROUGH * body[i, S.ONSET_STRENGTH])
    again = not onset and strength >= 1 and refractory > 0 and body[i, S.ACTIVE] <= 0 and body[i, S.ONSET_USUAL] >= 0
    again = again and abs(value - body[i, S.ONSET_LEVEL]) > body[i, S.ONSET_HALF_WIDTH]
    flags = 0
    if onset:
        body[i, S.REFRACTORY], body[i, S.ONSET_STRENGTH] = REFRACTORY_SAMPLES, telling
        onset = not is_habit(body, i, time_ms, telling)
        if not onset and body[i, S.ACTIVE] <= 0:
            body[i, S.ONSET_USUAL] = -1
        body[i, S.BUDGET] += 1
        if found[7] >= 1:
            body[i, S.CREEPING] = 1
        if found[8] >= 1:
            body[i, S.VARYING] = 1
        if body[i, S.STUCK] > 0:
            body[i, S.STUCK] = 2
    elif refractory > 0:
        body[i, S.REFRACTORY] = refractory - 1
    if (onset or again) and body[i, S.ACTIVE] <= 0:
        if body[i, S.ACTIVE] == 0:  # else the copy is there
            B.keep(body, i, hour_slots(time_ms)[4])
        body[i, S.ACTIVE], body[i, S.OUTSIDE], body[i, S.QUIET] = 1, 0, 0
        body[i, S.PERSISTED], body[i, S.ONSET_AGE_S], body[i, S.BACK] = 0, 0, 0
        body[i, S.ONSET_LEVEL] = found[0]
        body[i, S.ONSET_HALF_WIDTH] = min(found[2] - found[0], found[0] - found[1])
        body[i, S.ONSET_KIND], body[i, S.ONSET_USUAL] = found[3], found[9]
        body[i, S.ONSET_NOVELTY], body[i, S.ONSET_PEAK] = 0, 0
    if body[i, S.ACTIVE] > 0:
        outside = abs(value - body[i, S.ONSET_LEVEL]) > body[i, S.ONSET_HALF_WIDTH]
        body[i, S.BACK] = 0 if outside else body[i, S.BACK] + 1
        if body[i, S.BACK] == B.BACK_SAMPLES and body[i, S.ONSET_KIND] <= DIP:
            B.give_back(body, i)
        if found[8] >= 1 and not outside and found[1] <= value <= found[2]:
            was_away = 2 * body[i, S.OUTSIDE] * interval_s > body[i, S.ONSET_AGE_S]
            if body[i, S.ONSET_KIND] <= PATTERN and not was_away:  # what began as a spike is a change of variance
                body[i, S.ONSET_KIND], body[i, S.VARYING] = VARIANCE, 1
            if body[i, S.ONSET_KIND] == VARIANCE:
                found[3] = VARIANCE
        if body[i, S.ONSET_KIND] == STUCK:
            outside = body[i, S.STUCK] > 0
        elif body[i, S.ONSET_KIND] == TREND:
            outside = found[7] >= CREEP_OVER
        elif body[i, S.ONSET_KIND] == VARIANCE:
            outside = found[8] >= CALM_STRENGTH
        elif body[i, S.ONSET_KIND] == PATTERN or body[i, S.ONSET_KIND] == OWN:
            outside = strength >= CALM_STRENGTH
        body[i, S.ONSET_NOVELTY] = max(body[i, S.ONSET_NOVELTY], found[5])
        body[i, S.ONSET_PEAK] = max(body[i, S.ONSET_PEAK], strength)
        if not onset:
            body[i, S.ONSET_AGE_S] += interval_s
        if outside:
            body[i, S.OUTSIDE] += 1
        if body[i, S.OUTSIDE] >= LEVEL_SHIFT_SAMPLES and found[3] != STUCK and body[i, S.ONSET_KIND] <= DIP:
            found[3] = LEVEL_SHIFT
        is_new = body[i, S.ONSET_NOVELTY] >= NOVEL_STRENGTH
        has_lasted = body[i, S.ONSET_AGE_S] >= persist_s or body[i, S.ONSET_PEAK] >= STRONG
        believed = body[i, S.OUTSIDE] >= PERSIST_SAMPLES and has_lasted and is_new
        far = abs(value - body[i, S.ONSET_LEVEL]) >= LASTING_DEVIATION * body[i, S.ONSET_USUAL] > 0
        if far and body[i, S.ONSET_AGE_S] >= persist_s and body[i, S.OUTSIDE] >= LASTING_SAMPLES and is_young(body, i):
            believed = True
        if body[i, S.PERSISTED] == 0 and outside and believed:
            body[i, S.PERSISTED] = 1
            flags += PERSISTED
        calm = strength < CALM_STRENGTH or (outside and strength < 1)
        body[i, S.QUIET] = body[i, S.QUIET] + 1 if calm else 0
        accepted = outside and body[i, S.QUIET] >= B.ACCEPT_SAMPLES and body[i, S.ONSET_AGE_S] >= B.ACCEPT_S
        is_back = body[i, S.ONSET_KIND] <= DIP and body[i, S.BACK] >= B.CALM_SAMPLES
        if accepted or is_back or (not outside and body[i, S.QUIET] >= B.CALM_SAMPLES):
            body[i, S.ACTIVE] = 0
            flags += ENDED + ACCEPTED * accepted
    return flags + ONSET * onset + AGAIN * again


@njit(inline="always")
def tell(body, i, value, is_onset, found, parts, told, k):
    """Keeps what a sentence needs; an anomaly that lasts is told against what was expected when it began."""
    told[k, 0] = value
    if not is_onset:
        level, half_width = float(body[i, S.ONSET_LEVEL]), float(body[i, S.ONSET_HALF_WIDTH])
        found[0], found[1], found[2] = level, level - half_width, level + half_width
    for column in range(3):
        told[k, 1 + column] = B.shown(body, i, found[column])
    for part in range(len(parts)):
        told[k, TOLD_BAND + part] = parts[part]


@njit(inline="always")
def bring_scalars(head, body, i, clock):
    """Prefetches what a sample of row i in these hours will touch, but for the prototypes."""
    prefetch(head, i, 0)
    for column in range(0, S.SLOTS, LINE):
        prefetch(body, i, column)
    _, left, right, _, week_hour = clock
    prefetch(body, i, S.SLOTS + left * S.SLOT_SIZE)
    prefetch(body, i, S.SLOTS + right * S.SLOT_SIZE)
    prefetch(body, i, S.WEEK + week_hour)
    prefetch(body, i, S.CREEP)
    prefetch(body, i, S.VARIANCE)


@njit(inline="always")
def bring_prototypes(body, i):
    """Prefetches the prototypes in use; their number must have arrived by now."""
    used = int(body[i, S.PROTOTYPES])
    for column in range(0, used, LINE):
        for feature in range(4):
            prefetch(body, i, S.BANK + feature * S.BANK_SIZE + column)
        prefetch(body, i, S.BANK_USED + column)


# Fused multiply-add and multiplication by reciprocals may differ in the last digit and cost a tenth less time. Without
# _nrt nothing counts references to arrays: several times a sample, an atomic write to memory that all threads share
@njit(_nrt=False, error_model="numpy", fastmath={"contract", "nsz", "arcp"})  # type: ignore[call-overload]
def walk(
    mine, rows, time_ms, values, stale, arrived_ms, is_counter, head, body, policy, own, persist_s, warm_up,
    out, status, kind, flags, told, scratch, found, parts,
):  # fmt: skip
    """`ingest`, with room to work in: the rest are its arguments."""
    newest_ms = arrived_ms
    clock_ms = arrived_ms
    clock = hour_slots(clock_ms)
    for position in range(len(mine)):
        k = np.uintp(mine[position])  # without a sign, an index need not be looked at before use
        i = np.uintp(rows[k])
        if time_ms[k] != clock_ms:  # nearly all of a scrape are of the same moment
            clock_ms = time_ms[k]
            clock = hour_slots(clock_ms)
        if position + AHEAD_SCALARS < len(mine):
            bring_scalars(head, body, np.uintp(rows[np.uintp(mine[position + AHEAD_SCALARS])]), clock)
        if position + AHEAD_PROTOTYPES < len(mine):
            bring_prototypes(body, np.uintp(rows[np.uintp(mine[position + AHEAD_PROTOTYPES])]))
        out[0, k] = out[1, k] = out[2, k] = out[3, k] = out[4, k] = np.nan
        kind[k], flags[k] = NONE, 0
        raw, at = values[k], time_ms[k]
        verdict = place(head, i, at, raw, stale[k])
        status[k] = verdict
        if verdict > STALE:
            continue
        seen = head[i, S.SEEN]
        elapsed_s = (at - head[i, S.LAST_TIME_MS]) / 1000
        is_rewound = elapsed_s <= 0
        head[i, S.LAST_TIME_MS] = at
        head[i, S.LATE_COUNT] = 0
        newest_ms = max(newest_ms, at)
        head[i, S.ARRIVED_MS] = max(arrived_ms, at)  # within a batch no series is late because another came first
        if verdict == STALE:
            head[i, S.LAST_RAW] = np.nan
            head[i, S.SEEN] = max(seen, 1.0)
            continue
        if not math.isfinite(raw):
            head[i, S.LAST_RAW] = raw
            head[i, S.SEEN] = max(seen, 1.0)
            status[k] = NOT_FINITE
            continue
        interval_s = head[i, S.INTERVAL_S]
        is_gap = False
        if seen > 0 and not is_rewound:
            if interval_s == 0:
                interval_s = elapsed_s
            else:
                is_gap = elapsed_s > GAP_INTERVALS * interval_s
                body[i, S.GAP_MAX_S] = max(elapsed_s, 0.999 * body[i, S.GAP_MAX_S])
                gain = max(0.01, 0.5 / seen)
                interval_s += gain * min(max(elapsed_s - interval_s, -0.5 * interval_s), 0.5 * interval_s)
            head[i, S.INTERVAL_S] = interval_s
        head[i, S.SEEN] = seen + 1
        previous = head[i, S.LAST_RAW]
        head[i, S.LAST_RAW] = raw
        base, scale = 0.0, 1.0
        if is_counter[i]:
            if seen == 0 or is_rewound or not math.isfinite(previous):
                status[k] = WARMING_UP
                continue
            if raw < previous:
                status[k] = RESET
                continue
            base, scale = previous, elapsed_s
        value = min(max((raw - base) / scale, -RAW_MAX), RAW_MAX)
        found[4] = head[i, S.LAST_VALUE]
        quantum = float(body[i, S.QUANTUM])
        if quantum == 0 and is_counter[i] and raw == math.floor(raw):
            quantum = 1.0  # counters count: the first event ever is one step
        strength = learn_and_score(
            body, i, value, at, clock, max(interval_s, 1e-3), is_gap, min(quantum / scale, RAW_MAX), scratch,
            own[k] if len(own) > 0 else 0.0, found, parts,
        )  # fmt: skip
        if value < 0:
            body[i, S.NEGATIVE] = 1
        change = min(abs(raw - previous), RAW_MAX) if seen > 0 and math.isfinite(previous) else 0.0
        if change > 0 and (quantum == 0 or change < quantum):
            body[i, S.QUANTUM] = change
        head[i, S.LAST_VALUE] = value
        if body[i, S.COUNT] <= warm_up:
            status[k] = WARMING_UP
            continue
        hint, begins, untold = False, False, strength
        if len(policy) > 0:
            has_size = found[3] != STUCK and found[3] != VARIANCE
            if has_size and (
                B.returns(body, i, value) or not counts(policy, body, i, value, found[0], found[3] == TREND)
            ):
                begins, untold = found[6] >= 1 and found[3] <= DIP, strength
                strength = min(strength, JUST_BELOW)
                found[5] = found[6] = 0.0
            hint = is_hint(policy, i, found[6], REFRACTORY_SAMPLES, BREAK_THROUGH) and found[6] < 1
        life = live(body, i, strength, value, at, interval_s, found, persist_s)
        if body[i, S.ACTIVE] < 0 or (begins and body[i, S.ACTIVE] == 0):
            B.follow_untold(body, i, begins, untold, value, interval_s, clock[4], found)
        out[0, k] = strength / (1 + strength)
        out[4, k] = found[6] if found[10] > 0 else min(found[6], found[5])
        for column in range(3):
            out[1 + column, k] = base + scale * B.shown(body, i, found[column])
        kind[k] = found[3] if strength >= 1 or (body[i, S.ACTIVE] > 0 and found[3] in (LEVEL_SHIFT, VARIANCE)) else NONE
        flags[k] = life + ANOMALOUS * (strength >= 1) + NOVEL * (found[5] >= NOVEL_STRENGTH) + HINT * hint
        if hint or life & (ONSET | PERSISTED | AGAIN):
            is_before = life & PERSISTED and not life & (ONSET | AGAIN)
            tell(body, i, value, not is_before, found, parts, told, k)
    return newest_ms


@njit(nogil=True, cache=True)
def ingest(
    mine, rows, time_ms, values, stale, arrived_ms, is_counter, head, body, policy, own, persist_s, warm_up,
    out, status, kind, flags, told,
):  # fmt: skip
    """Scores samples in arrival order: those at the positions `mine` of the batch, ascending. Calls on different
    series may run side by side.

    mine int64 (m,); rows int32 (n,), time_ms int64 (n,), values float64 (n,), stale bool (n,): the batch; arrived_ms:
    newest sample time of the stream before it. is_counter bool (n_series,); head, body: `State`; policy: `Policy.rows`,
    perhaps without any; own float64 (n,): `OwnDetectors.strengths`, or empty. persist_s: how long an anomaly
    lasts before it is called persistent; warm_up: samples before the first score.
    Writes out float64 (5, n) = score, expected, lower, upper, strength as an alert (NaN = not known; while a series is
    young, only what an incident may be built on); status, kind uint8 (n,); flags uint8 (n,) = ANOMALOUS | ONSET |
    PERSISTED | ENDED | NOVEL | HINT. told float64 (n, TOLD_SIZE): at ONSET, PERSISTED, HINT only, the value as scored
    (of a counter: its rate), expected, lower, upper (PERSISTED: those of the onset), and the strength of each detector.
    Returns the newest sample time.
    """
    scratch = np.empty(S.BANK_SIZE, np.float32)
    # expected, lower, upper, kind; the value before; novelty as evidence; strength as an alert; strength of the creep;
    # of the change of variance; the usual deviation, where the sample is a jump; whether the series is known for long
    found = np.empty(11)
    parts = np.empty(TOLD_SIZE - TOLD_BAND)
    return walk(
        mine, rows, time_ms, values, stale, arrived_ms, is_counter, head, body, policy, own, persist_s, warm_up,
        out, status, kind, flags, told, scratch, found, parts,
    )  # fmt: skip
