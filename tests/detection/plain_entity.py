"""The slow, obvious twin of the entity kernel: numpy vectors and matrix inversion, one row at a time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops.detection import entity_kernel as K

Floats = NDArray[np.float64]


def gain(step_s: float, half_life_s: float, count: float) -> float:
    return float(max(1 - 2 ** (-step_s / half_life_s), 1 / (count + 1)))


def score_rows(times: NDArray[np.int64], rows: Floats) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """(score, open, blame) of each row; every row has a sample."""
    n, d = rows.shape
    mu, r2, v2, lag, blame, seen, widest, heard, since = (np.zeros(d) for _ in range(9))
    young = np.zeros(d, np.bool_)
    paired = 0.0
    season, in_slot = np.zeros((24, d)), np.zeros((24, d))
    covariance: Floats = np.eye(2 * d)
    precision: Floats = np.eye(2 * d)
    range_covariance: Floats = np.zeros((d, d))
    range_precision: Floats = np.eye(d)
    mean_b = mean_z = mean_q = fast = slow = budget = bar_open = below_s = 0.0
    soft, is_open, refreshed, last = 1.0, False, times[0], times[0]
    scores, opened, blames = np.zeros(n), np.zeros(n, np.bool_), np.zeros((n, d))

    def refresh() -> tuple[Floats, Floats, float]:
        shrink = np.diag(np.concatenate([np.ones(d), np.diag(covariance)[d:]]))
        shrunk = (1 - K.SHRINKAGE) * covariance + K.SHRINKAGE * shrink + K.RIDGE * np.eye(2 * d)
        soft = K.SOFTNESS * np.trace(range_covariance) / max(np.sum(seen > 0), 1) + K.RIDGE
        inverse = np.linalg.inv(range_covariance + soft * np.eye(d))
        return np.asarray(np.linalg.inv(shrunk), np.float64), np.asarray(inverse, np.float64), float(soft)

    def unlink(i: int) -> None:
        for own in (i, d + i):
            covariance[own] = covariance[:, own] = 0
            covariance[own, own] = 1
        range_covariance[i] = range_covariance[:, i] = 0

    for t, (at, x) in enumerate(zip(times.tolist(), rows, strict=True)):
        step_s = min(max((at - last) / 1000, 1e-3), K.DAY_S) if t else 1.0
        age_s, last = (at - times[0]) / 1000, at
        there = np.isfinite(x)
        is_stale = False
        for i in range(d):
            is_young = since[i] > times[0] and at - since[i] < 1000 * K.DAY_S
            if young[i] and not is_young:
                unlink(i)
                paired, is_stale = min(paired, K.NEWCOMER_S / step_s), True
            young[i] = is_young
            if not there[i]:
                continue
            if seen[i] > 0 and at - heard[i] > 1000 * K.DAY_S:
                for memory in (mu, r2, v2, lag, blame, seen, widest):
                    memory[i] = 0
                season[:, i] = in_slot[:, i] = 0
                unlink(i)
                is_stale = True
            if seen[i] == 0:
                since[i], mu[i], young[i] = at, x[i], t > 0
            heard[i] = at
        if is_stale:
            precision, range_precision, soft = refresh()
        counts = there & ~young

        hours = at / 3.6e6 % 24 - 0.5
        left, share = int(np.floor(hours)), hours - np.floor(hours)
        ends = [np.where(in_slot[s % 24] >= 2, season[s % 24], mu) for s in (left, left + 1)]
        residual = np.where(there, x - ((1 - share) * ends[0] + share * ends[1]), 0.0)
        scale = np.sqrt(r2) + K.FLOOR_RAW * np.sqrt(v2) + K.FLOOR_MEAN * np.abs(mu) + K.FLOOR_ABS
        z = np.where(counts, np.clip(residual / scale, -K.CLIP_Z, K.CLIP_Z), 0.0)
        w = np.where(counts, (x - mu) / (widest + K.FLOOR_MEAN * np.abs(mu) + K.FLOOR_ABS), 0.0)
        clip = K.CLIP_RANGE if t >= K.WARM_UP_ROWS else 1.0
        w = np.clip(w, -clip, clip)
        u, mean_abs, counted = np.concatenate([z, lag]), float(np.abs(z).sum()), max(int(np.sum(counts)), 1)
        for _ in range(K.SWEEPS):
            for i in np.flatnonzero(~counts).tolist():
                u[i] -= precision[i] @ u / precision[i, i]
                w[i] -= range_precision[i] @ w / range_precision[i, i]
        z, y, mean_abs = u[:d], (precision @ u)[:d], mean_abs / counted
        joint = max(float(z @ y), 0.0) / counted
        wide = soft * max(float(w @ range_precision @ w), 0.0) / counted
        s0 = joint / (mean_b + K.NORM_FLOOR) + K.WEIGHT_Z * mean_abs / (mean_z + K.NORM_FLOOR)
        s0 += K.WEIGHT_RANGE * wide / (mean_q + K.NORM_FLOOR_RANGE)
        s0 /= 1 + K.WEIGHT_Z + K.WEIGHT_RANGE
        s0 = min(s0, K.NORM_CAP) if t < K.WARM_UP_ROWS else s0
        if t > K.NORM_CAP_AFTER:
            joint, mean_abs = min(joint, K.NORM_CAP * mean_b), min(mean_abs, K.NORM_CAP * mean_z)
            wide = min(wide, K.NORM_CAP * mean_q)
        mean_b += gain(step_s, K.HALF_NORM_S, t) * (joint - mean_b)
        mean_z += gain(step_s, K.HALF_NORM_S, t) * (mean_abs - mean_z)
        mean_q += gain(step_s, K.HALF_NORM_S, t) * (wide - mean_q)
        fast += gain(step_s, K.HALF_FAST_S, t) * (s0 - fast)
        slow += gain(step_s, K.HALF_SLOW_S, t) * (s0 - slow)
        scores[t] = (fast + slow) / 2 if t >= K.WARM_UP_ROWS else 0.0

        budget *= 2 ** (-step_s / K.HALF_BUDGET_S)
        bar = K.BAR * (1 + K.BUDGET_WEIGHT * budget)
        if not is_open and scores[t] >= bar and age_s >= K.DAY_S:
            budget += 1
            is_open, bar_open, below_s = True, bar, 0.0
        elif is_open:
            below_s = 0.0 if scores[t] >= K.CLOSE_SHARE * bar_open else below_s + step_s
            is_open = below_s <= K.HOLD_S
        opened[t] = is_open
        blame = blame * 2 ** (-step_s / (K.HALF_BLAME_HIGH_S if scores[t] >= K.BLAME_HIGH else K.HALF_BLAME_S))
        blame = blame + counts * (z**2 + K.BLAME_JOINT * np.maximum(z * y, 0))
        blames[t] = blame

        weight = 1.0 if fast <= K.GUARD or age_s < K.DAY_S else max(K.GUARD_FLOOR, (K.GUARD / fast) ** 2)
        if t >= K.COVARIANCE_FROM:
            g = weight * gain(step_s, K.HALF_SCALE_S, K.COVARIANCE_FROM + paired)
            covariance += g * (np.outer(u, u) - covariance)
            range_covariance += g * (np.outer(w, w) - range_covariance)
            paired += 1
        lag = lag + np.array([gain(step_s, K.HALF_LAG_S, n) for n in seen]) * (z - lag)
        for i in np.flatnonzero(there).tolist():
            limit = K.CLIP_UPDATE * scale[i] if seen[i] >= K.WARM_UP_ROWS else np.inf
            g = weight * gain(step_s, K.HALF_SCALE_S, seen[i])
            away, r = np.clip(x[i] - mu[i], -limit, limit), np.clip(residual[i], -limit, limit)
            r2[i] += g * (r * r - r2[i])
            v2[i] += g * (away * away - v2[i])
            mu[i] += g * away
            slot: Any = int(at // 3_600_000 % 24)
            limit = K.CLIP_UPDATE * scale[i] if in_slot[slot, i] >= 2 * K.HOUR_S / step_s else np.inf
            g = weight * max(1 - 2 ** (-step_s / K.HALF_SEASON_S), 1 / (in_slot[slot, i] + 1))
            season[slot, i] += g * np.clip(x[i] - season[slot, i], -limit, limit)
            in_slot[slot, i] += 1
            widest[i] = max(2 ** (-step_s / K.HALF_RANGE_S) * widest[i], abs(x[i] - mu[i]))
            seen[i] += 1
        if at - refreshed >= 1000 * (K.REFRESH_S if age_s >= K.DAY_S else K.REFRESH_YOUNG_S):
            precision, range_precision, soft = refresh()
            refreshed = at
    return scores, opened, blames
