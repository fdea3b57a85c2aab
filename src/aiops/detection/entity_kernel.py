"""The joint score of one entity's metrics: the loop over rows.

A row holds one sample of each metric. Every metric is compared with its season and divided by its usual deviation (z);
together with where each metric has been lately (h) the z are judged by the entity's own covariance, so that what is
extreme for one metric but usual together counts little, and what breaks a relation counts much. Two smoothers, one
fast and one slow, hold short and long incidents alike. Half-lives are times, not samples; constants are round values
from the middle of flat regions measured on two public sets of servers and services.

Beside it stands a second, duller judge: each metric against its slow mean, divided by the widest it ever moved (its
range), through a covariance with so strong a diagonal that it works like the residual of a principal component
analysis with a soft border. It cares little for what rare metrics do every now and then and much for what leaves
every range seen; it is what a frozen model would say, and holds where the adapting one has got used to.
"""

import math

import numpy as np
from numba import njit

from aiops.compiled import forget_stale

forget_stale(__file__)

SLOTS = 24
HOUR_S, DAY_S = 3600.0, 86_400.0
HALF_SEASON_S = 10 * HOUR_S  # ten days of a slot that is one hour of each
HALF_SCALE_S = 60 * DAY_S
HALF_LAG_S = HOUR_S / 3
HALF_NORM_S = 60 * DAY_S
HALF_RANGE_S = 180 * DAY_S
HALF_FAST_S, HALF_SLOW_S = HOUR_S / 8, 2 * HOUR_S
HALF_BLAME_S, HALF_BLAME_HIGH_S, BLAME_HIGH = HOUR_S / 4, 6 * HOUR_S, 1.5
HALF_BUDGET_S = 7 * DAY_S
REFRESH_S, REFRESH_YOUNG_S = 4 * HOUR_S, HOUR_S
CLIP_Z, CLIP_UPDATE, CLIP_RANGE = 8.0, 10.0, 20.0
FLOOR_RAW, FLOOR_MEAN, FLOOR_ABS = 0.2, 0.001, 1e-9
SHRINKAGE, RIDGE = 0.03, 1e-6
SOFTNESS = 0.3  # of the border of the second judge, in mean variances
NORM_FLOOR, NORM_FLOOR_RANGE, NORM_CAP, NORM_CAP_AFTER = 0.02, 0.0002, 5.0, 20.0
WEIGHT_Z, WEIGHT_RANGE = 2.0, 0.5
GUARD, GUARD_FLOOR = 4.0, 0.1
WARM_UP_ROWS, COVARIANCE_FROM = 30.0, 11.0
NEWCOMER_S = 7 * DAY_S  # a newcomer makes the covariances rest on no more than this: its neighbours are soon known
SWEEPS = 4  # of filling in what was not sampled
BAR, BUDGET_WEIGHT, CLOSE_SHARE, HOLD_S = 3.0, 0.1, 0.4, HOUR_S
BLAME_JOINT = 0.3

# scalars of one entity, float64 (SCALARS,)
ROWS, LAST_MS, FIRST_MS, MEAN_B, MEAN_Z, FAST, SLOW, REFRESHED_MS = 0, 1, 2, 3, 4, 5, 6, 7
# PAIRED: rows that the covariances rest on
# PHASE_MS: how much of the time to the first refresh is over at the first row, so that not all entities refresh at once
IS_OPEN, OPEN_BAR, BUDGET, BELOW_S, MEAN_Q, SOFT, PAIRED, PHASE_MS, SCALARS = 8, 9, 10, 11, 12, 13, 14, 15, 16
# columns per metric, float64 (COLUMNS, d)
MU, RESIDUAL_2, RAW_2, LAG, BLAME, SEEN, RANGE = 0, 1, 2, 3, 4, 5, 6
HEARD_MS, SINCE_MS, IS_YOUNG, COLUMNS = 7, 8, 9, 10  # last and first sample


def size_of(d: int) -> int:
    """How many numbers an entity of d metrics remembers."""
    return SCALARS + (COLUMNS + 2 * SLOTS) * d + 10 * d * d


@njit(cache=True)
def parts_of(memory, d):
    """An entity's memory, float64 (size_of(d),), as the arrays that `score_rows` takes, without a copy."""
    a = SCALARS
    b = a + COLUMNS * d
    c = b + SLOTS * d
    e = c + SLOTS * d
    f = e + 4 * d * d
    g = f + 4 * d * d
    h = g + d * d
    return (
        memory[:a], memory[a:b].reshape((COLUMNS, d)), memory[b:c].reshape((SLOTS, d)), memory[c:e].reshape((SLOTS, d)),
        memory[e:f].reshape((2 * d, 2 * d)), memory[f:g].reshape((2 * d, 2 * d)),
        memory[g:h].reshape((d, d)), memory[h : h + d * d].reshape((d, d)),
    )  # fmt: skip


@njit(inline="always")
def gain_of(step_s, half_life_s, count):
    """The gain of a mean with this half-life after `count` values: never slower than the plain mean."""
    return max(1 - 2.0 ** (-step_s / half_life_s), 1 / (count + 1))


@njit
def invert(matrix, lower, inverse):
    """inverse = matrix^-1 of a positive definite float64 (n, n), of which only the lower triangle is read, by Cholesky;
    `lower` is scratch."""
    n = len(matrix)
    for j in range(n):
        total = matrix[j, j]
        for k in range(j):
            total -= lower[j, k] * lower[j, k]
        lower[j, j] = math.sqrt(max(total, 1e-12))
        for i in range(j + 1, n):
            total = matrix[i, j]
            for k in range(j):
                total -= lower[i, k] * lower[j, k]
            lower[i, j] = total / lower[j, j]
    for column in range(n):  # forward, then backward substitution of each unit vector
        for i in range(n):
            total = 1.0 if i == column else 0.0
            for k in range(column, i):
                total -= lower[i, k] * inverse[k, column]
            inverse[i, column] = total / lower[i, i] if i >= column else 0.0
        for i in range(n - 1, -1, -1):
            total = inverse[i, column]
            for k in range(i + 1, n):
                total -= lower[k, i] * inverse[k, column]
            inverse[i, column] = total / lower[i, i]


@njit(cache=True, error_model="numpy")
def refresh(scalars, columns, covariance, precision, range_covariance, range_precision):
    """Both precisions = inverses of the shrunk covariances."""
    d = len(range_covariance)
    scratch, lower = np.empty((2 * d, 2 * d)), np.zeros((2 * d, 2 * d))
    for i in range(2 * d):
        for j in range(i + 1):
            scratch[i, j] = (1 - SHRINKAGE) * covariance[i, j]
        scratch[i, i] += SHRINKAGE * (1.0 if i < d else covariance[i, i]) + RIDGE
    invert(scratch, lower, precision)
    trace, known = 0.0, 0
    for i in range(d):
        trace += range_covariance[i, i]
        known += columns[SEEN, i] > 0
    soft = SOFTNESS * trace / max(known, 1) + RIDGE
    for i in range(d):
        for j in range(i):
            scratch[i, j] = range_covariance[i, j]
        scratch[i, i] = range_covariance[i, i] + soft
    invert(scratch[:d, :d], lower, range_precision)
    scalars[SOFT] = soft


@njit
def unlink(i, covariance, range_covariance):
    """Metric i depends on no other."""
    d = len(range_covariance)
    for own in (i, d + i):
        covariance[own, :] = 0
        covariance[:, own] = 0
        covariance[own, own] = 1
    range_covariance[i, :] = 0
    range_covariance[:, i] = 0


@njit(cache=True)
def forget(i, columns, season, season_count, covariance, range_covariance):
    """Metric i begins anew."""
    columns[:, i] = 0
    season[:, i] = 0
    season_count[:, i] = 0
    unlink(i, covariance, range_covariance)


@njit(inline="always")
def fill_in(precision, values, is_counted):
    """What was not sampled becomes what the rest makes most likely, so that a gap breaks no relation."""
    for _ in range(SWEEPS):
        for i in range(len(is_counted)):
            if not is_counted[i]:
                total = 0.0
                for k in range(len(values)):
                    total += precision[i, k] * values[k]
                values[i] -= total / precision[i, i]


@njit(nogil=True, cache=True, error_model="numpy")
def score_rows(
    values, time_ms, scalars, columns, season, season_count, covariance, precision, range_covariance, range_precision,
    out, blame,
):  # fmt: skip
    """Scores rows in order and learns from them.

    values float64 (n, d), NaN = no sample; time_ms int64 (n,); the entity's memory: scalars (SCALARS,), columns
    (COLUMNS, d), season and season_count (SLOTS, d), covariance and precision (2d, 2d), those of the second judge
    (d, d); of covariances the lower triangle is kept. Writes out float64 (2, n): the score (0 while warming up; about
    1 is usual) and whether an incident of the entity is open (0/1); blame (n, d): how much each metric contributes.

    A metric that comes after a day of silence begins anew; a newcomer counts nothing until it has been known for a day.
    """
    n, d = values.shape
    z, y, residual, scale = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    u, w, is_counted = np.empty(2 * d), np.empty(d), np.empty(d, np.bool_)
    for row in range(n):
        count, at = scalars[ROWS], time_ms[row]
        present = 0
        for i in range(d):
            present += math.isfinite(values[row, i])
        if present == 0:
            out[0, row], out[1, row], blame[row] = np.nan, scalars[IS_OPEN], columns[BLAME]
            continue
        if count == 0:
            scalars[FIRST_MS], scalars[REFRESHED_MS] = at, at - scalars[PHASE_MS]
            scalars[SOFT] = 1
        step_s = min(max((at - scalars[LAST_MS]) / 1000, 1e-3), DAY_S) if count > 0 else 1.0
        age_s = (at - scalars[FIRST_MS]) / 1000
        scalars[LAST_MS] = at
        second = (at // 1000) % 86400
        slot = int(second // 3600)
        position = second / 3600 - 0.5
        left = math.floor(position)
        share = position - left
        left, right = int(left) % SLOTS, (int(left) + 1) % SLOTS

        is_stale = False
        for i in range(d):
            since_ms = columns[SINCE_MS, i]
            is_young = since_ms > scalars[FIRST_MS] and at - since_ms < 1000 * DAY_S
            if columns[IS_YOUNG, i] and not is_young:
                unlink(i, covariance, range_covariance)
                scalars[PAIRED], is_stale = min(scalars[PAIRED], NEWCOMER_S / step_s), True
            columns[IS_YOUNG, i] = is_young
            if math.isfinite(values[row, i]):
                if columns[SEEN, i] > 0 and at - columns[HEARD_MS, i] > 1000 * DAY_S:
                    forget(i, columns, season, season_count, covariance, range_covariance)
                    is_stale = True
                if columns[SEEN, i] == 0:
                    columns[SINCE_MS, i], columns[MU, i], columns[IS_YOUNG, i] = at, values[row, i], count > 0
                columns[HEARD_MS, i] = at
        if is_stale:
            refresh(scalars, columns, covariance, precision, range_covariance, range_precision)

        total_z, counted = 0.0, 0
        for i in range(d):
            x, mu = values[row, i], columns[MU, i]
            u[i], u[d + i], w[i] = 0.0, columns[LAG, i], 0.0
            is_counted[i] = math.isfinite(x) and columns[IS_YOUNG, i] == 0
            if not math.isfinite(x):
                continue
            one = season[left, i] if season_count[left, i] >= 2 else mu
            two = season[right, i] if season_count[right, i] >= 2 else mu
            residual[i] = x - ((1 - share) * one + share * two)
            scale[i] = math.sqrt(columns[RESIDUAL_2, i]) + FLOOR_RAW * math.sqrt(columns[RAW_2, i])
            scale[i] += FLOOR_MEAN * abs(mu) + FLOOR_ABS
            if is_counted[i]:
                counted += 1
                u[i] = min(max(residual[i] / scale[i], -CLIP_Z), CLIP_Z)
                w[i] = (x - mu) / (columns[RANGE, i] + FLOOR_MEAN * abs(mu) + FLOOR_ABS)
                clip = CLIP_RANGE if count >= WARM_UP_ROWS else 1.0  # a first move is its own range
                w[i] = min(max(w[i], -clip), clip)
                total_z += abs(u[i])
        if counted < d:
            fill_in(precision, u, is_counted)
            fill_in(range_precision, w, is_counted)
        joint, wide = 0.0, 0.0
        for i in range(d):
            total, total_w = 0.0, 0.0
            for k in range(2 * d):
                total += precision[i, k] * u[k]
            for k in range(d):
                total_w += range_precision[i, k] * w[k]
            z[i], y[i] = u[i], total
            joint += u[i] * total
            wide += w[i] * total_w
        counted = max(counted, 1)
        joint, mean_z = max(joint, 0.0) / counted, total_z / counted
        wide = scalars[SOFT] * max(wide, 0.0) / counted

        s0 = joint / (scalars[MEAN_B] + NORM_FLOOR) + WEIGHT_Z * mean_z / (scalars[MEAN_Z] + NORM_FLOOR)
        s0 += WEIGHT_RANGE * wide / (scalars[MEAN_Q] + NORM_FLOOR_RANGE)
        s0 /= 1 + WEIGHT_Z + WEIGHT_RANGE
        if count < WARM_UP_ROWS:
            s0 = min(s0, NORM_CAP)
        if count > NORM_CAP_AFTER:
            joint = min(joint, NORM_CAP * scalars[MEAN_B])
            mean_z = min(mean_z, NORM_CAP * scalars[MEAN_Z])
            wide = min(wide, NORM_CAP * scalars[MEAN_Q])
        gain = gain_of(step_s, HALF_NORM_S, count)
        scalars[MEAN_B] += gain * (joint - scalars[MEAN_B])
        scalars[MEAN_Z] += gain * (mean_z - scalars[MEAN_Z])
        scalars[MEAN_Q] += gain * (wide - scalars[MEAN_Q])
        scalars[FAST] += gain_of(step_s, HALF_FAST_S, count) * (s0 - scalars[FAST])
        scalars[SLOW] += gain_of(step_s, HALF_SLOW_S, count) * (s0 - scalars[SLOW])
        score = (scalars[FAST] + scalars[SLOW]) / 2 if count >= WARM_UP_ROWS else 0.0

        live(scalars, score, step_s, age_s)
        keep = 2.0 ** (-step_s / (HALF_BLAME_HIGH_S if score >= BLAME_HIGH else HALF_BLAME_S))
        for i in range(d):
            part = z[i] * z[i] + BLAME_JOINT * max(z[i] * y[i], 0.0) if is_counted[i] else 0.0
            columns[BLAME, i] = keep * columns[BLAME, i] + part
            blame[row, i] = columns[BLAME, i]
        out[0, row], out[1, row] = score, scalars[IS_OPEN]

        fast = scalars[FAST]
        weight = 1.0 if fast <= GUARD or age_s < DAY_S else max(GUARD_FLOOR, (GUARD / fast) ** 2)
        if count >= COVARIANCE_FROM:
            gain = weight * gain_of(step_s, HALF_SCALE_S, COVARIANCE_FROM + scalars[PAIRED])
            scalars[PAIRED] += 1
            for i in range(2 * d):
                for k in range(i + 1):
                    covariance[i, k] += gain * (u[i] * u[k] - covariance[i, k])
            for i in range(d):
                for k in range(i + 1):
                    range_covariance[i, k] += gain * (w[i] * w[k] - range_covariance[i, k])
        learn(values[row], z, residual, scale, columns, season[slot], season_count[slot], step_s, weight)
        every_s = REFRESH_S if age_s >= DAY_S else REFRESH_YOUNG_S
        if at - scalars[REFRESHED_MS] >= 1000 * every_s:
            refresh(scalars, columns, covariance, precision, range_covariance, range_precision)
            scalars[REFRESHED_MS] = at
        scalars[ROWS] = count + 1


@njit(nogil=True, cache=True, error_model="numpy")
def score_entities(memory, series, slots, now_ms, last_ms, held, keeps_ms, out, blame):
    """One row at `now_ms` of each of these entities of one width, from what their series hold.

    memory float64 (m, size_of(d)); series int32 (m, d), -1 = none; slots int64: which of the m; by series: last_ms
    int64, held float64, and keeps_ms float64, for how long it holds. Writes out float64 (m, 2), score and whether an
    incident is open, and blame (m, d).
    """
    d = series.shape[1]
    values, at, told = np.empty((1, d)), np.full(1, now_ms), np.empty((2, 1))
    for slot in slots:
        for i in range(d):
            k = series[slot, i]
            values[0, i] = held[k] if k >= 0 and now_ms - last_ms[k] <= keeps_ms[k] else np.nan
        a, b, c, e, f, g, h, j = parts_of(memory[slot], d)
        score_rows(values, at, a, b, c, e, f, g, h, j, told, blame[slot : slot + 1])
        out[slot, 0], out[slot, 1] = told[0, 0], told[1, 0]


@njit(inline="always")
def live(scalars, score, step_s, age_s):
    """Opens and closes the entity's incident; each opening raises the bar for the next."""
    scalars[BUDGET] *= 2.0 ** (-step_s / HALF_BUDGET_S)
    if scalars[IS_OPEN] == 0:
        bar = BAR * (1 + BUDGET_WEIGHT * scalars[BUDGET])
        if score >= bar and age_s >= DAY_S:
            scalars[BUDGET] += 1
            scalars[IS_OPEN], scalars[OPEN_BAR], scalars[BELOW_S] = 1, bar, 0
    elif score >= CLOSE_SHARE * scalars[OPEN_BAR]:
        scalars[BELOW_S] = 0
    else:
        scalars[BELOW_S] += step_s
        if scalars[BELOW_S] > HOLD_S:
            scalars[IS_OPEN] = 0


@njit(inline="always")
def learn(values, z, residual, scale, columns, season, season_count, step_s, weight):
    """Season, mean and scales of every metric that spoke; each update is clipped, all are slowed by the guard."""
    slot_day = HOUR_S / step_s  # samples of one slot in one day
    for i in range(len(values)):
        x, seen = values[i], columns[SEEN, i]
        columns[LAG, i] += gain_of(step_s, HALF_LAG_S, seen) * (z[i] - columns[LAG, i])
        if not math.isfinite(x):
            continue
        limit = CLIP_UPDATE * scale[i] if seen >= WARM_UP_ROWS else 1e300
        gain = weight * gain_of(step_s, HALF_SCALE_S, seen)
        away = min(max(x - columns[MU, i], -limit), limit)
        r = min(max(residual[i], -limit), limit)
        columns[RESIDUAL_2, i] += gain * (r * r - columns[RESIDUAL_2, i])
        columns[RAW_2, i] += gain * (away * away - columns[RAW_2, i])
        columns[MU, i] += gain * away
        in_slot = season_count[i]
        slot_limit = CLIP_UPDATE * scale[i] if in_slot >= 2 * slot_day else 1e300
        slot_gain = weight * max(1 - 2.0 ** (-step_s / HALF_SEASON_S), 1 / (in_slot + 1))
        season[i] += slot_gain * min(max(x - season[i], -slot_limit), slot_limit)
        season_count[i] = in_slot + 1
        columns[RANGE, i] = max(2.0 ** (-step_s / HALF_RANGE_S) * columns[RANGE, i], abs(x - columns[MU, i]))
        columns[SEEN, i] = seen + 1
