"""The slow, obvious twin of the kernel: one object per series, dictionaries and floats, no numba, no arrays.

Written from the description of each idea, in the order the engine applies them; constants are shared, code is not.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from aiops.config import Rule
from aiops.detection import baseline as B
from aiops.detection import creep as C
from aiops.detection import habit as H
from aiops.detection import kernel as K
from aiops.detection import likelihood as L
from aiops.detection import novelty as N
from aiops.detection import stuck as T
from aiops.detection import timeline as M
from aiops.detection import variance as V
from aiops.detection.policy_kernel import JUST_BELOW
from aiops.detection.scores import Kind, Status
from aiops.detection.state import BANK_SIZE, KEPT_HOURS_MAX


@dataclass
class Tail:
    """One statistic of one sign."""

    q: float = 0.0
    mean: float = 0.0
    spread: float = 0.0
    share: float = 0.0
    count: int = 0
    excess: float = 0.0
    exceedances: int = 0

    def improbability(self, z: float) -> float:
        u = math.log(1 + abs(z))
        if self.count == 0:
            self.q, self.mean, self.spread = L.QUANTILE_START, u, L.SPREAD_START
            self.share, self.excess = L.TAIL_SHARE, L.EXCESS_START
        q = self.q
        over = u - max(q, L.QUANTILE_MIN)
        answer = 0.0
        if over > 0:
            answer = -math.log10(self.share) + over / (math.log(10) * max(self.excess, L.EXCESS_MIN))
            self.exceedances += 1
            gain = max(L.EXCESS_GAIN_MIN, 1 / (L.EXCESS_PRIOR_COUNT + self.exceedances))
            self.excess += gain * (min(over, 4 * L.EXCESS_START + 3 * self.excess) - self.excess)
        self.share += max(L.SHARE_GAIN_MIN, 1 / (L.SHARE_PRIOR_COUNT + self.count + 1)) * ((over > 0) - self.share)
        eta = 0.2 * self.spread * max(0.02, 2 / (self.count + 2))
        self.q = q + (eta * (1 - L.TAIL_SHARE) / L.TAIL_SHARE if u > q else -eta)
        gain = max(0.002, 1 / (self.count + 2))
        self.spread += gain * (abs(u - self.mean) - self.spread)
        self.mean += gain * (u - self.mean)
        self.count += 1
        return answer

    def deviation_at(self, lp: float) -> float:
        if self.count == 0:
            return math.exp(L.QUANTILE_START + (lp + math.log10(L.TAIL_SHARE)) * math.log(10) * L.EXCESS_START) - 1
        reach = (lp + math.log10(self.share)) * math.log(10) * max(self.excess, L.EXCESS_MIN)
        return max(math.exp(max(self.q, L.QUANTILE_MIN) + reach) - 1, 1.0)


@dataclass
class Prototype:
    state: tuple[float, float, float, float]
    used: int


@dataclass
class Bank:
    """States this series has been in."""

    fast: float = 0.0
    slow: float = 0.0
    centre: float = 0.0
    spread: float = 0.0
    low: float = 0.0
    high: float = 0.0
    novelty_mean: float = 0.0
    budget: float = 0.0
    least_scale: float = 0.0
    prototypes: list[Prototype] = field(default_factory=list)

    def novelty(
        self, value: float, season: float, interval_s: float, is_gap: bool, count: int, quantum: float
    ) -> float:
        if count == 0:
            self.low = self.high = self.centre = value
        if is_gap:
            self.fast = self.slow = value
        else:
            self.fast += max(N.GAIN_FAST, 1 / (count + 1)) * (value - self.fast)
            self.slow += max(N.GAIN_SLOW, 1 / (count + 1)) * (value - self.slow)
        gain = max(N.GAIN_CENTRE, 1 / (count + 1))
        self.centre += gain * (value - self.centre)
        self.spread += gain * (abs(value - self.centre) - self.spread)
        self.low, self.high = min(self.low, value), max(self.high, value)
        self.low += N.RANGE_DECAY * (self.centre - self.low)
        self.high += N.RANGE_DECAY * (self.centre - self.high)
        width = self.high - self.low
        scale = width * (8 * self.spread / width) ** 0.2 if width > 0 and self.spread > 0 else 0.0
        steps_usual = self.spread / quantum if quantum > 0 else 0.0
        self.least_scale = max(N.SCALE_QUANTA * quantum / (1 + steps_usual), N.SCALE_MIN * abs(self.centre))
        scale = max(scale, self.least_scale)
        state = (
            _single(N.WEIGHT_VALUE * value),
            _single(N.WEIGHT_FAST * self.fast),
            _single(N.WEIGHT_SLOW * self.slow),
            _single(N.WEIGHT_SEASON * (value - season)),
        )
        relative, nearest = 1.0, None
        if self.prototypes:
            nearest = min(self.prototypes, key=lambda p: _distance(p.state, state))
            distance = _distance(nearest.state, state)
            relative = min(1.0, distance / scale) if scale > 0 else float(distance > 0)
        if nearest is None or relative > N.VIGILANCE:
            if len(self.prototypes) < BANK_SIZE:
                self.prototypes.append(Prototype(state, count + 1))
            else:
                oldest = min(range(BANK_SIZE), key=lambda k: self.prototypes[k].used)
                self.prototypes[oldest] = Prototype(state, count + 1)
        else:
            a, b, c, d = (old + N.LEARNING_RATE * (new - old) for old, new in zip(nearest.state, state, strict=True))
            nearest.state, nearest.used = (a, b, c, d), count + 1
        speed = max(1.0, N.REFERENCE_INTERVAL_S / max(interval_s, 1e-3))
        bar = N.BAR * math.sqrt(speed)
        bar *= 1 + N.YOUTH * N.YOUTH_DAYS / (N.YOUTH_DAYS + count * interval_s / 86400)
        bar *= (1 + N.NOVELTY_WEIGHT * self.novelty_mean) * (1 + N.BUDGET_WEIGHT * self.budget)
        self.novelty_mean += max(N.GAIN_NOVELTY, 1 / (count + 1)) * (relative - self.novelty_mean)
        self.budget *= max(0.0, 1 - math.log(2) * min(interval_s, 86400.0) / N.BUDGET_HALF_LIFE_S)
        return 0.0 if is_gap else relative / bar


def _single(value: float) -> float:
    """States are compared in single precision, whatever the memory's."""
    return float(np.float32(value))


def _distance(a: Sequence[float], b: Sequence[float]) -> float:
    return _single(max(abs(x - y) for x, y in zip(a, b, strict=True)))


@dataclass
class Slot:
    mean: float = 0.0
    size: float = 0.0
    count: float = 0.0
    mean_long: float = 0.0


@dataclass
class Baseline:
    """What was usual when an anomaly began."""

    numbers: dict[str, float]
    variance: tuple[float, float, float]
    tails: dict[tuple[int, bool], Tail]
    hour: int  # of the week, at the onset
    hours: dict[int, tuple[Slot, float]] = field(default_factory=dict)  # its season before it was learned


@dataclass
class Anomaly:
    """One anomaly from onset to end."""

    level: float
    half_width: float
    kind: int
    usual: float
    outside: int = 0
    quiet: int = 0
    age_s: float = 0.0
    novelty: float = 0.0
    peak: float = 0.0
    persisted: bool = False
    back: int = 0
    before: Baseline | None = None


class Flags(NamedTuple):
    """What happened to the anomaly of a series."""

    onset: bool = False
    persisted: bool = False
    ended: bool = False
    accepted: bool = False
    again: bool = False


NOTHING = Flags()


@dataclass
class Answer:
    """What is said of one sample."""

    status: int
    score: float = math.nan
    expected: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    kind: int = Kind.NONE
    anomalous: bool = False
    life: Flags = NOTHING
    novel: bool = False
    told: tuple[float, ...] = ()
    strength: float = math.nan
    hint: bool = False


@dataclass
class Creep:
    """The smoothed value's extremes, day by day."""

    day: int = -1
    today: list[float] = field(default_factory=list)
    days: int = 0
    past_high: float = 0.0
    past_low: float = 0.0
    excess: float = 0.0
    is_told: bool = False
    last: float = 0.0

    def strength(self, time_ms: int, mean: float, least_width: float) -> float:
        day = time_ms // C.DAY_MS
        if day != self.day and self.today:
            high, low = max(self.today), min(self.today)
            if self.days == 0:
                self.past_high, self.past_low = high, low
            else:
                width = max(self.past_high - self.past_low, least_width)
                left = max(high - self.past_high, self.past_low - low, 0.0)
                self.excess += C.EXCESS_GAIN * (min(left / width if width > 0 else 0.0, C.EXCESS_CAP) - self.excess)
                self.past_high = max(high, self.past_high + C.FORGET * (high - self.past_high))
                self.past_low = min(low, self.past_low + C.FORGET * (low - self.past_low))
            self.days, self.today = self.days + 1, []
        self.day = day
        self.today.append(mean)
        width = max(self.past_high - self.past_low, least_width)
        beyond = max(mean - self.past_high, self.past_low - mean)
        known = self.days >= C.DAYS_MIN and width > 0
        self.last = beyond / width / (C.RANGE_BAR + C.EXCESS_FACTOR * self.excess) if known else 0.0
        return self.last


@dataclass
class Variance:
    """How large steps are, lately and usually."""

    short: float = 0.0
    long: float = 0.0
    reach: float = 0.0
    is_told: bool = False
    last: float = 0.0

    def strength(self, step: float, size: float, count: int, days: int) -> float:
        if step != 0:
            share = abs(step) / (abs(step) + size)
            self.short += max(V.GAIN_SHORT, 1 / (count + 1)) * (share - self.short)
            self.long += max(V.GAIN_LONG, 1 / (count + 1)) * (share - self.long)
        apart, reach = abs(self.short - self.long), max(self.reach, V.REACH_MIN)
        if days >= V.DAYS_LEARN:
            self.reach += (V.GAIN_REACH_UP if apart > self.reach else V.GAIN_REACH_DOWN) * (apart - self.reach)
        self.last = apart / (V.REACH_FACTOR * (1 + 1 / days) * reach) if step != 0 and days >= V.DAYS_MIN else 0.0
        return self.last


@dataclass
class Habit:
    """The latest onsets: (minute, strength)."""

    onsets: list[tuple[int, float]] = field(default_factory=list)

    def covers(self, time_ms: int, strength: float) -> bool:
        minute = time_ms // 60_000
        recent = [(minute - then, known) for then, known in self.onsets[-16:]]
        at_this_time = [
            (round(age / 1440), known) for age, known in recent if abs(age - 1440 * round(age / 1440)) <= H.SLACK_MIN
        ]
        self.onsets.append((minute, strength))
        near = [(ago, known) for ago, known in at_this_time if 1 <= ago <= H.DAYS]
        often = len({ago for ago, _ in near}) >= H.COUNT
        return often and strength <= H.STRONGER * max(known for _, known in near)


@dataclass
class Series:
    """Everything known of one series."""

    is_counter: bool = False
    seen: int = 0
    last_time_ms: int = 0
    last_raw: float = 0.0
    last_value: float = 0.0
    interval_s: float = 0.0
    late_count: int = 0
    late_time_ms: int = 0
    count: int = 0
    mu: float = 0.0
    dev: float = 0.0
    level: float = 0.0
    size: float = 0.0
    step_size: float = 0.0
    run: float = 0.0
    run_size: float = 0.0
    excess: float = 0.0
    week_count: float = 0.0
    slots: list[Slot] = field(default_factory=lambda: [Slot() for _ in range(24)])
    week: list[float] = field(default_factory=lambda: [0.0] * 168)
    tails: dict[tuple[int, bool], Tail] = field(
        default_factory=lambda: {(statistic, is_down): Tail() for statistic in range(4) for is_down in (False, True)}
    )
    bank: Bank = field(default_factory=Bank)
    creep: Creep = field(default_factory=Creep)
    variance: Variance = field(default_factory=Variance)
    habit: Habit = field(default_factory=Habit)
    same_run: int = 0
    same_run_max: float = 0.0
    same_first: float = 0.0
    same_next: float = 0.0
    is_stuck: bool = False
    is_stuck_told: bool = False
    quantum: float = 0.0
    gross_run: int = 0
    jump_usual: float = 0.0
    was_told: bool = True
    refractory: int = 0
    onset_strength: float = 0.0
    anomaly: Anomaly | None = None
    untold: Anomaly | None = None  # a rule keeps it from being one
    was_negative: bool = False
    latest: Anomaly = field(default_factory=lambda: Anomaly(0.0, 0.0, Kind.NONE, 0.0))
    rule: Rule | None = None
    low_bar: float = 0.0
    low_refractory: int = 0
    low_strength: float = 0.0

    def ingest(self, time_ms: int, raw: float, stale: bool, persist_s: float, warm_up: int, own: float = 0.0) -> Answer:
        status = self._place(time_ms, raw, stale)
        if status > Status.STALE:
            return Answer(status)
        elapsed_s = (time_ms - self.last_time_ms) / 1000
        rewound = elapsed_s <= 0
        self.last_time_ms, self.late_count = time_ms, 0
        if status == Status.STALE or not math.isfinite(raw):
            self.last_raw, self.seen = (math.nan if status == Status.STALE else raw), max(self.seen, 1)
            return Answer(Status.STALE if status == Status.STALE else Status.NOT_FINITE)
        is_gap = self._learn_interval(elapsed_s) if self.seen and not rewound else False
        first, previous = self.seen == 0, self.last_raw
        self.seen, self.last_raw = self.seen + 1, raw
        base, scale = 0.0, 1.0
        if self.is_counter:
            if first or rewound or not math.isfinite(previous):
                return Answer(Status.WARMING_UP)
            if raw < previous:
                return Answer(Status.RESET)
            base, scale = previous, elapsed_s
        value = min(max((raw - base) / scale, -K.RAW_MAX), K.RAW_MAX)
        quantum = 1.0 if self.quantum == 0 and self.is_counter and raw == math.floor(raw) else self.quantum
        strength, telling, band, kind, evidence, parts = self._score_and_learn(
            value, time_ms, max(self.interval_s, 1e-3), is_gap, min(quantum / scale, K.RAW_MAX), own
        )
        self.last_value = value
        change = 0.0 if first or not math.isfinite(previous) else min(abs(raw - previous), K.RAW_MAX)
        if change > 0 and (quantum == 0 or change < quantum):
            self.quantum = change
        self.was_negative |= value < 0
        if self.count <= warm_up:
            return Answer(Status.WARMING_UP)
        begins, untold = False, strength
        returns = self.untold is not None and abs(value - self.untold.level) <= self.untold.half_width
        counts = not self.rule or (self._counts(self.rule, value, band[0], kind) and not returns)
        if not counts and kind not in (Kind.STUCK, Kind.VARIANCE):
            begins, untold = telling >= 1 and kind <= Kind.DIP, strength
            strength, telling, evidence = min(strength, JUST_BELOW), 0.0, 0.0
        learned = self.count - 1
        is_known = learned >= K.KNOWN_SAMPLES or learned * max(self.interval_s, 1e-3) >= K.KNOWN_S
        hint = self._is_hint(telling) and telling < 1
        at_onset = self.anomaly
        life, kind = self._live(strength, telling, value, band, kind, evidence, persist_s)
        if self.anomaly is None:
            self._follow_untold(begins, untold, value, band)
        told = band
        if life.persisted and not (life.onset or life.again) and at_onset:
            told = at_onset.level, at_onset.level - at_onset.half_width, at_onset.level + at_onset.half_width
        zero = -math.inf if self.was_negative else 0.0
        expected, lower, upper = (base + scale * max(x, zero) for x in band)
        told = max(told[0], zero), max(told[1], zero), max(told[2], zero)
        shifted = self.anomaly is not None and kind in (Kind.LEVEL_SHIFT, Kind.VARIANCE)
        return Answer(
            Status.SCORED,
            strength / (1 + strength),
            expected,
            lower,
            upper,
            kind if strength >= 1 or shifted else Kind.NONE,
            strength >= 1,
            life,
            evidence >= K.NOVEL_STRENGTH,
            (value, *told, *parts) if life.onset or life.again or life.persisted or hint else (),
            telling if is_known else min(telling, evidence),
            hint,
        )

    def _counts(self, rule: Rule, value: float, expected: float, kind: int) -> bool:
        change = value - expected
        if kind == Kind.TREND:
            mean = self.bank.fast
            expected = self.creep.past_high if mean > self.creep.past_high else self.creep.past_low
            change = mean - expected
        if (rule.direction == "up" and change < 0) or (rule.direction == "down" and change > 0):
            return False
        return abs(change) >= (rule.change_min or 0) and abs(change) >= (rule.change_relative_min or 0) * abs(expected)

    def _is_hint(self, telling: float) -> bool:
        if not self.low_bar:
            return False
        is_free = self.low_refractory <= 0 or telling > K.BREAK_THROUGH * self.low_strength
        if telling >= self.low_bar and is_free:
            self.low_refractory, self.low_strength = int(K.REFRACTORY_SAMPLES), telling
            return True
        self.low_refractory = max(self.low_refractory - 1, 0)
        return False

    def _place(self, time_ms: int, raw: float, stale: bool) -> int:
        fresh = Status.STALE if stale else Status.SCORED
        if self.seen == 0 or time_ms > self.last_time_ms:
            return fresh
        if time_ms == self.last_time_ms:
            same = raw == self.last_raw or (stale and math.isnan(self.last_raw)) or math.isnan(raw)
            return Status.DUPLICATE if same else Status.CONFLICT
        if self.late_count == 0 or time_ms > self.late_time_ms:
            self.late_count, self.late_time_ms = self.late_count + 1, time_ms
            if self.late_count > M.LATE_ACCEPTED and not stale:
                return Status.SCORED
        return Status.OUT_OF_ORDER

    def _learn_interval(self, elapsed_s: float) -> bool:
        if self.interval_s == 0:
            self.interval_s = elapsed_s
            return False
        is_gap = elapsed_s > M.GAP_INTERVALS * self.interval_s
        step = min(max(elapsed_s - self.interval_s, -0.5 * self.interval_s), 0.5 * self.interval_s)
        self.interval_s += max(0.01, 0.5 / self.seen) * step
        return is_gap

    def _slot_mean(self, hour: int) -> float:
        slot = self.slots[hour % 24]
        return slot.mean if slot.count >= 2 else self.mu

    def _score_and_learn(
        self, value: float, time_ms: int, interval_s: float, is_gap: bool, quantum: float, own: float
    ) -> tuple[float, float, tuple[float, float, float], int, float, tuple[float, ...]]:
        count, last = self.count, self.last_value
        if count == 0:
            self.mu, last = value, value
        if is_gap:
            self.level, last = 0.0, value
        second = (time_ms // 1000) % 86400
        position = second / 3600 - 0.5
        left = math.floor(position)
        week_hour = (time_ms // 3_600_000 + 72) % 168
        slot = self.slots[second // 3600]
        for running in (self.anomaly, self.untold):
            if running is not None and running.before:
                self._keep_hours(running.before, week_hour)
        season = self._slot_mean(left)
        season += (position - left) * (self._slot_mean(left + 1) - season)
        season += self.week[week_hour] * self.week_count / (self.week_count + 2)
        season_long = slot.mean_long if slot.count >= 3 else self.mu
        residual = value - season
        if is_gap:
            self.level = residual
        deviation = residual - self.level
        floor = K.FLOOR_DEV * self.dev + K.FLOOR_MEAN * abs(self.mu) + K.FLOOR_QUANTA * quantum + K.FLOOR_ABS
        usual = self.size
        if slot.count >= 2:
            usual = max(slot.size, 0.75 * slot.size + 0.25 * self.size)
        usual += floor
        z = [(value - self.mu) / (self.dev + floor), deviation / usual, 0.0, (value - last) / (self.step_size + floor)]
        self.run += K.GAIN_RUN * (min(max(z[1], -10.0), 10.0) - self.run)
        z[2] = self.run / (self.run_size + 0.02)

        expected = season + self.level
        lower = expected - self.tails[1, True].deviation_at(K.BAND_LP) * usual
        upper = expected + self.tails[1, False].deviation_at(K.BAND_LP) * usual
        low, high = self.bank.low, self.bank.high
        if high > low:
            lower = max(lower, min(low - (high - low), expected))
            upper = min(upper, max(high + (high - low), expected))

        weights = (K.WEIGHT_GLOBAL, K.WEIGHT_RESIDUAL, K.WEIGHT_RUN, K.WEIGHT_STEP)
        lps = [w * self.tails[s, z[s] < 0].improbability(z[s]) / K.WEIGHT_SUM for s, w in enumerate(weights)]
        lp, backing = sum(lps), count / (count + K.HISTORY_COUNT) / K.IMPROBABILITY_BAR
        parts = [x * backing for x in (*lps, K.EXCESS_LEAK * self.excess)]
        likely = sum(parts)
        self.excess = min(max(K.EXCESS_LEAK * self.excess + lp - 1, 0.0), K.EXCESS_MAX)
        new = self.bank.novelty(value, season_long, interval_s, is_gap, count, quantum)
        crept = self.creep.strength(time_ms, self.bank.fast, self.bank.least_scale)
        if crept < K.CREEP_OVER:
            self.creep.is_told = False
        elif crept >= 1 and self.refractory > K.REFRACTORY_SAMPLES / 2:
            self.creep.is_told = True
        leaving = crept if crept >= 1 and not self.creep.is_told else 0.0
        varied = self.variance.strength(value - last, self.step_size + floor, count, self.creep.days)
        self.variance.is_told &= varied >= K.CALM_STRENGTH
        varying = varied if varied >= 1 and not self.variance.is_told else 0.0
        stuck = self._stuck(value == last and count > 0, interval_s)
        far_out = self._gross(value, z[1])
        self.jump_usual = usual if abs(z[3]) >= K.JUMP_MIN else 0.0
        strength = max(likely, new, stuck, far_out, leaving, varying, own)
        untold = 0.0 if self.is_stuck_told else stuck
        telling = max(max(likely, own) / K.ALERT_FACTOR, new, untold, far_out, leaving, varying)
        is_known = count >= K.KNOWN_SAMPLES or count * interval_s >= K.KNOWN_S
        evidence = max(max(new, own / K.ALERT_FACTOR) if is_known else 0.0, far_out, stuck, crept, varied)
        if own > 0 and own == strength:
            kind = Kind.OWN
        elif leaving > 0 and self.jump_usual == 0 and leaving >= new and leaving >= stuck:
            kind = Kind.TREND
        elif stuck > 0 and stuck >= likely and stuck >= new:
            kind = Kind.STUCK
        elif varying > 0 and varying >= new and varying >= likely and lower <= value <= upper:
            kind = Kind.VARIANCE
        elif new > likely and lower <= value <= upper:
            kind = Kind.PATTERN
        else:
            kind = Kind.SPIKE if value > expected else Kind.DIP
        self._learn(value, residual, deviation, last, usual, floor, slot, week_hour, interval_s)
        return (
            strength,
            telling,
            (expected, lower, upper),
            kind,
            evidence,
            (*parts, new, stuck, far_out, leaving, varying, own),
        )

    def _learn(
        self, value: float, residual: float, deviation: float, last: float, usual: float, floor: float, slot: Slot,
        week_hour: int, interval_s: float,
    ) -> None:  # fmt: skip
        free = 0.0 if self.count >= 10 else K.UNLIMITED
        gain = 1 / (self.count + 1)
        gain_long, gain_scale = max(K.GAIN_LONG, gain), max(K.GAIN_SCALE, gain)
        wide = self.dev + floor
        self.mu = _step(self.mu, value, gain_long, K.CLIP_MEAN * wide + free)
        self.dev = _step(self.dev, abs(value - self.mu), gain_long, K.CLIP_SCALE * wide + free)
        size = self.size
        self.level = _step(self.level, residual, max(K.GAIN_LEVEL, gain), K.CLIP_MEAN * usual + free)
        self.size = _step(size, abs(deviation), gain_scale, K.CLIP_SCALE * usual + free)
        clip = K.CLIP_SCALE * (self.step_size + floor) + free
        self.step_size = _step(self.step_size, abs(value - last), gain_scale, clip)
        self.run_size += gain_scale * (abs(self.run) - self.run_size)
        slow = min(1.0, interval_s / K.SLOT_INTERVAL_S)
        slot_usual, slot_free = (usual, 0.0) if slot.count >= 12 else (max(usual, wide), free)
        mean = slot.mean if slot.count > 0 else self.mu
        away = value - mean if slot.count > 0 else 0.0
        slot_gain = max(K.SLOT_GAIN * slow, 1 / (slot.count + 1))
        slot.mean = _step(mean, value, slot_gain, K.CLIP_MEAN * slot_usual + slot_free)
        slot.size = _step(slot.size, abs(deviation), slot_gain, K.CLIP_SCALE * slot_usual + slot_free)
        slot.mean_long += max(K.SLOT_LONG_GAIN * slow, 1 / (slot.count + 1)) * (value - slot.mean_long)
        slot.count += 1
        week_gain = max(K.WEEK_GAIN * slow, 1 / (self.week_count + 1))
        self.week[week_hour] = _step(self.week[week_hour], away, week_gain, K.CLIP_MEAN * usual + free)
        self.week_count = min(self.week_count + K.WEEK_COUNT_STEP * slow, K.WEEK_COUNT_MAX)
        self.count += 1

    def _baseline(self) -> Baseline:
        names = ("mu", "dev", "level", "size", "step_size", "run_size")
        kept = Baseline(
            {name: getattr(self, name) for name in names},
            (self.variance.short, self.variance.long, self.variance.reach),
            copy.deepcopy(self.tails),
            self.last_time_ms // 3_600_000 + 72,
        )
        self._keep_hours(kept, kept.hour % 168)
        return kept

    def _keep_hours(self, kept: Baseline, week_hour: int) -> None:
        passed = (week_hour - kept.hour) % 168
        if passed >= KEPT_HOURS_MAX:
            return
        for hour in range(kept.hour, kept.hour + passed + 1):
            if hour not in kept.hours:
                kept.hours[hour] = copy.copy(self.slots[hour % 24]), self.week[hour % 168]

    def _give_back(self, kept: Baseline) -> None:
        was = kept.numbers
        self.mu = min(max(self.mu, was["mu"] - was["dev"]), was["mu"] + was["dev"])
        self.level = was["level"]
        for name in ("dev", "size", "step_size", "run_size"):
            setattr(self, name, min(getattr(self, name), B.GROWTH_MAX * was[name]))
        self.variance.short, self.variance.long, self.variance.reach = kept.variance
        for key, tail in kept.tails.items():
            if tail.count:
                self.tails[key].q, self.tails[key].share, self.tails[key].excess = tail.q, tail.share, tail.excess
        for hour, (slot, week) in kept.hours.items():
            if slot.count >= B.SLOT_COUNT_MIN:
                now = self.slots[hour % 24]
                now.mean = min(max(now.mean, slot.mean - slot.size), slot.mean + slot.size)
                now.mean_long = min(max(now.mean_long, slot.mean_long - slot.size), slot.mean_long + slot.size)
                now.size = min(now.size, B.GROWTH_MAX * slot.size)
                at = hour % 168
                self.week[at] = min(max(self.week[at], week - slot.size), week + slot.size)

    def _stuck(self, is_same: bool, interval_s: float) -> float:
        if self.count <= 1:
            self.same_first, self.same_next = T.STUCK_FIRST_PRIOR, T.STUCK_NEXT_PRIOR
        first, following = self.same_first, self.same_next
        if self.same_run == 0:
            first += 0.005 * (is_same - first)
        elif self.same_run < T.STUCK_RUN_LEARNED or not is_same:
            following += 0.005 * (is_same - following)
        self.same_first, self.same_next = first, following
        if not is_same:
            if self.same_run > 0:
                self.same_run_max = max(self.same_run, 0.99 * self.same_run_max)
            self.same_run, self.is_stuck, self.is_stuck_told = 0, False, False
            return 0.0
        self.same_run += 1
        run = self.same_run
        if run < T.STUCK_RUN_MIN or run <= 2 * self.same_run_max or run * interval_s < T.STUCK_MIN_S:
            return 0.0
        if run * interval_s > T.STUCK_ACCEPT_S:
            self.is_stuck = self.is_stuck_told = False
            return 0.0
        if not self.is_stuck:
            lp = -math.log10(max(first, 1e-3)) - (run - 1) * math.log10(min(max(following, 0.05), 0.9999))
            self.is_stuck = lp >= T.STUCK_LP and self.count >= 100 + T.STUCK_HISTORY * run
        return 1.5 if self.is_stuck else 0.0

    def _is_young(self) -> bool:
        varies = max(self.same_run, self.same_run_max) < K.GROSS_SAME_RUN_MAX
        return varies and K.GROSS_COUNT_MIN <= self.count <= K.GROSS_COUNT_MAX

    def _gross(self, value: float, z: float) -> float:
        if self.anomaly and self.anomaly.usual > 0:
            z = (value - self.anomaly.level) / self.anomaly.usual
        self.gross_run = self.gross_run + 1 if abs(z) >= K.GROSS_DEVIATION and self._is_young() else 0
        return min(abs(z) / K.GROSS_DEVIATION, 4.0) if self.gross_run >= K.GROSS_SAMPLES else 0.0

    def _live(
        self, strength: float, telling: float, value: float, band: tuple[float, float, float], kind: int,
        evidence: float, persist_s: float,
    ) -> tuple[Flags, int]:  # fmt: skip
        onset = telling >= 1 and (self.refractory <= 0 or telling > K.BREAK_THROUGH * self.onset_strength)
        again = not onset and strength >= 1 and self.refractory > 0 and self.anomaly is None and self.was_told
        again = again and abs(value - self.latest.level) > self.latest.half_width
        persisted = ended = accepted = False
        if onset:
            self.refractory, self.onset_strength = int(K.REFRACTORY_SAMPLES), telling
            onset = not self.habit.covers(self.last_time_ms, telling)
            self.was_told = onset or self.anomaly is not None
            self.bank.budget += 1
            self.creep.is_told = self.creep.is_told or self.creep.last >= 1
            self.variance.is_told = self.variance.is_told or self.variance.last >= 1
            self.is_stuck_told = self.is_stuck_told or self.is_stuck
        elif self.refractory > 0:
            self.refractory -= 1
        if (onset or again) and self.anomaly is None:
            self.anomaly = self.latest = Anomaly(
                band[0], min(band[2] - band[0], band[0] - band[1]), kind, self.jump_usual
            )
            self.anomaly.before = self.untold.before if self.untold else self._baseline()
            self.untold = None
        one = self.anomaly
        if one is not None:
            outside = abs(value - one.level) > one.half_width
            one.back = 0 if outside else one.back + 1
            if one.back == B.BACK_SAMPLES and one.kind <= Kind.DIP and one.before:
                self._give_back(one.before)
            if self.variance.last >= 1 and not outside and band[1] <= value <= band[2]:
                was_away = 2 * one.outside * self.interval_s > one.age_s
                if one.kind <= Kind.PATTERN and not was_away:
                    one.kind, self.variance.is_told = Kind.VARIANCE, True
                kind = Kind.VARIANCE if one.kind == Kind.VARIANCE else kind
            if one.kind == Kind.STUCK:
                outside = self.is_stuck
            elif one.kind == Kind.TREND:
                outside = self.creep.last >= K.CREEP_OVER
            elif one.kind == Kind.VARIANCE:
                outside = self.variance.last >= K.CALM_STRENGTH
            elif one.kind in (Kind.PATTERN, Kind.OWN):
                outside = strength >= K.CALM_STRENGTH
            one.novelty, one.peak = max(one.novelty, evidence), max(one.peak, strength)
            one.age_s += 0.0 if onset else self.interval_s
            one.outside += outside
            if one.outside >= K.LEVEL_SHIFT_SAMPLES and kind != Kind.STUCK and one.kind <= Kind.DIP:
                kind = Kind.LEVEL_SHIFT
            lasted = one.age_s >= persist_s or one.peak >= K.STRONG
            believed = one.outside >= K.PERSIST_SAMPLES and lasted and one.novelty >= K.NOVEL_STRENGTH
            if self._is_young() and abs(value - one.level) >= K.LASTING_DEVIATION * one.usual > 0:
                believed |= one.age_s >= persist_s and one.outside >= K.LASTING_SAMPLES
            if outside and believed and not one.persisted:
                one.persisted = persisted = True
            calm = strength < K.CALM_STRENGTH or (outside and strength < 1)
            one.quiet = one.quiet + 1 if calm else 0
            accepted = outside and one.quiet >= B.ACCEPT_SAMPLES and one.age_s >= B.ACCEPT_S
            is_back = one.kind <= Kind.DIP and one.back >= B.CALM_SAMPLES
            if accepted or is_back or (not outside and one.quiet >= B.CALM_SAMPLES):
                self.anomaly, ended = None, True
        return Flags(onset, persisted, ended, accepted, again), kind

    def _follow_untold(self, begins: bool, strength: float, value: float, band: tuple[float, float, float]) -> None:
        if begins and self.untold is None:
            self.untold = Anomaly(band[0], min(band[2] - band[0], band[0] - band[1]), Kind.NONE, 0.0)
            self.untold.before, self.untold.age_s = self._baseline(), -self.interval_s
        one = self.untold
        if one is None or one.before is None:
            return
        outside = abs(value - one.level) > one.half_width
        one.back = 0 if outside else one.back + 1
        one.age_s += self.interval_s
        one.quiet = one.quiet + 1 if outside and strength < 1 else 0
        if one.back == B.BACK_SAMPLES:
            self._give_back(one.before)
        is_accepted = one.quiet >= B.ACCEPT_SAMPLES and one.age_s >= B.ACCEPT_S
        if is_accepted or one.back >= B.CALM_SAMPLES:
            self.untold = None


def _step(mean: float, value: float, gain: float, clip: float) -> float:
    return mean + gain * min(max(value - mean, -clip), clip)
