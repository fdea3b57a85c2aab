"""The slow, obvious twin of the entity kernel: numpy vectors and matrix inversion, one row at a time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops.detection import entity_kernel as K

Floats = NDArray[np.float64]


def gain(step_s: float, half_life_s: float, count: float) -> float:
    return float(max(1 - 2 ** (-step_s / half_life_s), 1 / (count + 1)))


def score_rows(times: NDArray[np.int64], rows: Floats) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """(score, open, blame) of each row."""
    n, d = rows.shape
    mu, r2, v2, lag, blame, seen = (np.zeros(d) for _ in range(6))
    season, in_slot = np.zeros((24, d)), np.zeros((24, d))
    covariance: Floats = np.eye(2 * d)
    precision: Floats = np.eye(2 * d)
    mean_b = mean_z = fast = slow = budget = bar_open = below_s = 0.0
    is_open, refreshed, last = False, times[0], times[0]
    scores, opened, blames = np.zeros(n), np.zeros(n, np.bool_), np.zeros((n, d))
    for t, (at, x) in enumerate(zip(times.tolist(), rows, strict=True)):
        step_s = min(max((at - last) / 1000, 1e-3), K.DAY_S) if t else 1.0
        age_s, last = (at - times[0]) / 1000, at
        there = np.isfinite(x)
        mu = np.where(there & (seen == 0), x, mu)
        hours = at / 3.6e6 % 24 - 0.5
        left, share = int(np.floor(hours)), hours - np.floor(hours)
        ends = [np.where(in_slot[s % 24] >= 2, season[s % 24], mu) for s in (left, left + 1)]
        residual = np.where(there, x - ((1 - share) * ends[0] + share * ends[1]), 0.0)
        scale = np.sqrt(r2) + K.FLOOR_RAW * np.sqrt(v2) + K.FLOOR_MEAN * np.abs(mu) + K.FLOOR_ABS
        z = np.where(there, np.clip(residual / scale, -K.CLIP_Z, K.CLIP_Z), 0.0)
        u = np.concatenate([z, lag])
        y = (precision @ u)[:d]
        joint, mean_abs = max(float(z @ y), 0.0) / d, float(np.abs(z).mean())
        s0 = (joint / (mean_b + K.NORM_FLOOR) + K.WEIGHT_Z * mean_abs / (mean_z + K.NORM_FLOOR)) / (1 + K.WEIGHT_Z)
        if t > K.NORM_CAP_AFTER:
            joint, mean_abs = min(joint, K.NORM_CAP * mean_b), min(mean_abs, K.NORM_CAP * mean_z)
        mean_b += gain(step_s, K.HALF_NORM_S, t) * (joint - mean_b)
        mean_z += gain(step_s, K.HALF_NORM_S, t) * (mean_abs - mean_z)
        fast += gain(step_s, K.HALF_FAST_S, t) * (s0 - fast)
        slow += gain(step_s, K.HALF_SLOW_S, t) * (s0 - slow)
        scores[t] = (fast + slow) / 2 if t >= K.WARM_UP_ROWS else 0.0

        budget *= 2 ** (-step_s / K.HALF_BUDGET_S)
        bar = K.BAR * (1 + K.BUDGET_WEIGHT * budget)
        if not is_open and scores[t] >= bar:
            budget += 1
            if age_s >= K.DAY_S:
                is_open, bar_open, below_s = True, bar, 0.0
        elif is_open:
            below_s = 0.0 if scores[t] >= K.CLOSE_SHARE * bar_open else below_s + step_s
            is_open = below_s <= K.HOLD_S
        opened[t] = is_open
        blame = blame * (1.0 if is_open else 2 ** (-step_s / K.HALF_BLAME_S))
        blame = blame + z**2 + K.BLAME_JOINT * np.maximum(z * y, 0)
        blames[t] = blame

        w = 1.0 if fast <= K.GUARD or age_s < K.DAY_S else max(K.GUARD_FLOOR, (K.GUARD / fast) ** 2)
        for i in np.flatnonzero(there):
            limit = K.CLIP_UPDATE * scale[i] if seen[i] >= K.WARM_UP_ROWS else np.inf
            g = w * gain(step_s, K.HALF_SCALE_S, seen[i])
            away, r = np.clip(x[i] - mu[i], -limit, limit), np.clip(residual[i], -limit, limit)
            r2[i] += g * (r * r - r2[i])
            v2[i] += g * (away * away - v2[i])
            mu[i] += g * away
            slot: Any = int(at // 3_600_000 % 24)
            limit = K.CLIP_UPDATE * scale[i] if in_slot[slot, i] >= 2 * K.HOUR_S / step_s else np.inf
            g = w * max(1 - 2 ** (-step_s / K.HALF_SEASON_S), 1 / (in_slot[slot, i] + 1))
            season[slot, i] += g * np.clip(x[i] - season[slot, i], -limit, limit)
            in_slot[slot, i] += 1
            lag[i] += gain(step_s, K.HALF_LAG_S, seen[i]) * (z[i] - lag[i])
            seen[i] += 1
        if t >= K.COVARIANCE_FROM:
            covariance += w * gain(step_s, K.HALF_SCALE_S, t) * (np.outer(u, u) - covariance)
        if at - refreshed >= 1000 * (K.REFRESH_S if age_s >= K.DAY_S else K.REFRESH_YOUNG_S):
            shrink = np.diag(np.concatenate([np.ones(d), np.diag(covariance)[d:]]))
            ridge = K.RIDGE * np.eye(2 * d)
            shrunk = (1 - K.SHRINKAGE) * covariance + K.SHRINKAGE * shrink + ridge
            precision = np.asarray(np.linalg.inv(shrunk), np.float64)
            refreshed = at
    return scores, opened, blames
