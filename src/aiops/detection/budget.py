"""How many alerts a day: the operator names the number, the population's own tail gives the bar.

What could be told ("things": related alerts count once) is counted per stream day by the logarithm of its strength.
The bar of B a day is the strength that B things a day exceed: read from the counts where there are enough, beyond them
from an exponential tail of the log strength (Hill 1975; a peaks-over-threshold estimate). Days fade with a half-life;
no day counts for more than `DAY_CAP` usual ones, so that a bad day does not deafen the days after. When the rate of
things has changed for good, which the test of ADWIN says (Bifet & Gavalda 2007, SDM, eq. 3.1), the days before are
forgotten. What was told too often of late is asked for less often in the days to come, and the other way round.

The budget is a ceiling: the bar rises on the way to 2 B told in a period (a day; of a rate by the week, a week), so
that what is left goes to the outstanding; beyond 2 B only a record is told, stronger than all that was told in the
period has become by now. Records are rare by themselves, and an outage after a noisy day is one. A budget is no order
to find something: the bar stays at the usual one or above, unless not even half of B would be told; then it goes down
as far as that half needs.

The bar follows on a grid of stream time, so what is told does not depend on how samples were split into requests.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops.config import Detection, per_day, period_days
from aiops.detection.policy import matchers_of
from aiops.metrics.series import Labels, Matcher

Floats = NDArray[np.float64]

DAY_MS = 86_400_000
DAYS = 28
HALF_LIFE_DAYS = 7.0
STRENGTH_LEAST, BINS_PER_OCTAVE, BINS = 0.25, 12, 120  # 0.25 to 256
DAY_CAP, DAY_CAP_COUNT = 3.0, 2.0
TAIL_COUNT = 20.0  # so many (faded) things make the tail; fewer alarms a day than that are read from its fit
EXCESS_START, EXCESS_PRIOR_COUNT = 0.35, 5.0
BAR_MIN, BAR_MAX = 0.5, 100.0
PACE_COUNT, PACE_MAX = 3.0, 2.0  # how soon, and how far, past telling corrects what is asked of the tail
HALF = 0.7  # share of a budget for which the bar goes below the usual one, once it has seen so many days
HALF_DAYS_MIN = 3.0
CEILING = 2.0  # budgets a period; beyond them records only
RISE, FALL = 16.0, 2.0  # bar towards the ceiling, and with nothing told for a period, against that at the budget
DRIFT_DELTA, DRIFT_DAYS_MIN = 0.002, 3
HOURLY_MAX = 10.0
FIT_MS = 3_600_000  # between two looks at the tail
FITS_MAX = 24 * DAYS  # in one leap of time
FLEET = "all"  # name of the budget of whatever has none of its own
BUDGETED = "among the strangest within the budget of"  # so begins the reason of what a budget tells
HINT_MS = 600_000  # hints of one entity so close count once


class Tail:
    """The things of one population by strength and day, and the bar that a number of them a day exceeds."""

    def __init__(self) -> None:
        self.counts = np.zeros((DAYS, BINS))  # by day modulo DAYS
        self.hourly = np.zeros((DAYS, 24))  # things at or above the usual bar
        self.told = np.zeros(DAYS)
        self.covered = np.zeros(DAYS)  # share of each day in which samples came
        self.day, self.last_ms = 0, 0  # newest day; newest time
        self.forgotten_day = 0  # days before it are of another regime

    def advance(self, time_ms: int, is_covered: bool = True) -> None:
        """Stream time goes on; it never runs backwards. `is_covered`: samples came all the while."""
        if time_ms <= self.last_ms:
            return
        day = time_ms // DAY_MS
        since_ms = max(self.last_ms or time_ms, (day - DAYS + 1) * DAY_MS)
        for fresh in range(max(self.day + 1, day - DAYS + 1), day + 1):
            for column in (self.counts, self.hourly, self.told, self.covered):
                column[fresh % DAYS] = 0
        for each in range(since_ms // DAY_MS, day + 1) if is_covered else ():
            inside_ms = min(time_ms, (each + 1) * DAY_MS) - max(since_ms, each * DAY_MS)
            self.covered[each % DAYS] += inside_ms / DAY_MS
        if day != self.day:
            self.day = day
            self._look_for_drift()
        self.last_ms = time_ms

    def count(self, time_ms: int, strength: float, before: float = 0.0) -> None:
        """One thing, or one that grew from strength `before`; `time_ms`: when it began."""
        day = time_ms // DAY_MS
        if day <= self.day - DAYS:
            return
        hour = time_ms // 3_600_000 % 24
        for value, step in ((before, -1.0), (strength, 1.0)):
            if value > 0:
                self.counts[day % DAYS, _bin(value)] += step
                self.hourly[day % DAYS, hour] += step * (value >= 1)

    def tell(self) -> None:
        """One of them is told now."""
        self.told[self.day % DAYS] += 1

    def bar(self, per_day: float) -> float:
        """The strength that `per_day` things a day exceed; 1, the usual bar, while nothing is known."""
        age = (self.day - np.arange(DAYS)) % DAYS
        weight = np.where(self.day - age >= self.forgotten_day, 0.5 ** (age / HALF_LIFE_DAYS), 0.0)
        days = float(weight @ self.covered)
        if days <= 0:
            return 1.0
        beyond = np.cumsum(self.counts[:, ::-1], axis=1)[:, ::-1]  # (DAYS, BINS) things at or above each bin
        seen = beyond[(self.covered > 0.5) & (weight > 0)]
        if len(seen) >= DRIFT_DAYS_MIN:
            beyond = np.minimum(beyond, DAY_CAP_COUNT + DAY_CAP * np.median(seen, axis=0))
        rate = weight @ beyond / max(days, 1 / 24)  # a day, never rising with strength
        told = float(weight @ np.minimum(self.told, DAY_CAP_COUNT + DAY_CAP * per_day))

        def bar_of(aim: float) -> float:
            pace = (told + PACE_COUNT) / (aim * days + PACE_COUNT)
            return self._bar(rate, max(days, 1 / 24), aim / min(max(pace, 1 / PACE_MAX), PACE_MAX))

        if (bar := bar_of(per_day)) >= 1:
            return bar
        return min(bar_of(HALF * per_day), 1.0) if days >= HALF_DAYS_MIN else 1.0

    def _bar(self, rate: Floats, days: float, wanted: float) -> float:
        enough = np.flatnonzero(rate * days >= TAIL_COUNT)
        u = int(enough[-1]) if len(enough) else int(np.argmin(rate == rate[0]) or 1) - 1
        if rate[u] <= wanted:  # so many are asked for that the counts say it
            below = int(np.flatnonzero(rate[: u + 1] > wanted)[-1]) if rate[0] > wanted else -1
            return _clipped(_log_strength(below + 1))
        n = rate[u] * days
        logs = (np.arange(BINS) - u + 0.5) * math.log(2) / BINS_PER_OCTAVE
        at = rate - np.append(rate[1:], 0.0)
        excess = float((at[u:] * logs[u:]).sum() * days)
        mean = (excess + EXCESS_PRIOR_COUNT * EXCESS_START) / (n + EXCESS_PRIOR_COUNT)
        return _clipped(_log_strength(u) + mean * math.log(rate[u] / wanted))

    def _look_for_drift(self) -> None:
        """Whether the things an hour of the last days and of those before are of one mean; if not, the earlier days
        are forgotten. Only whole days are compared: hours of day differ."""
        first = max(self.forgotten_day, self.day - DAYS + 1)
        days = [day for day in range(first, self.day) if self.covered[day % DAYS] > 0.5]
        values = np.minimum(self.hourly[[day % DAYS for day in days]], HOURLY_MAX)
        cut = drift_cut(values, DRIFT_DELTA, DRIFT_DAYS_MIN, HOURLY_MAX)
        if cut:
            self.forgotten_day = days[cut]

    def arrays(self) -> dict[str, Floats]:
        """Everything learned, for a snapshot."""
        scalars = np.array([self.day, self.last_ms, self.forgotten_day], np.float64)
        return {
            "counts": self.counts, "hourly": self.hourly, "told": self.told, "covered": self.covered,
            "scalars": scalars,
        }  # fmt: skip

    def restore(self, arrays: Mapping[str, Floats]) -> None:
        """Takes up what `arrays` gave. Raises KeyError or ValueError where it is of another make."""
        self.day, self.last_ms, self.forgotten_day = (int(x) for x in arrays["scalars"])
        for name in ("counts", "hourly", "told", "covered"):
            getattr(self, name)[:] = arrays[name]


@dataclass(frozen=True, slots=True)
class Standing:
    """How one budget stands, in words and numbers."""

    name: str  # its matcher; "all": of whatever has no other
    rate: str
    told: int  # in this run
    most: int  # told in one period
    period: str  # "day" or "week"
    ceiling: int  # of that, records apart
    bar: float  # as of the last full hour


class Scope:
    """One budget: the series it holds for, its tail, and the bar in force."""

    def __init__(self, name: str, rate: str, matchers: Sequence[Matcher]) -> None:
        self.name, self.rate, self.per_day = name, rate, per_day(rate)
        self.matchers, self.tail = tuple(matchers), Tail()
        self.told_count = 0  # in this run
        self._period_ms = int(period_days(rate) * DAY_MS)
        self._per_period = self.per_day * period_days(rate)
        self.ceiling = max(int(CEILING * self._per_period), 1)  # told in a period, records apart
        self._told: deque[tuple[int, float]] = deque()  # those of the last period: when, and how strong by now
        self._most = 0  # of those, at any time
        self._bar, self._now_ms = 1.0, 0
        self._hints: dict[object, tuple[int, float]] = {}  # entity -> time and strength of its latest hint

    @property
    def bar(self) -> float:
        """The strength from which on things are told now; once the ceiling is reached, that of a record."""
        if len(self._told) >= self.ceiling:
            return max(self._bar, math.nextafter(max(strength for _, strength in self._told), math.inf))
        if len(self._told) >= HALF * self._per_period and self._bar < 1:
            return self._climbing(1.0)  # half is told: no need to go below the usual
        return self._climbing(self._bar)

    def _climbing(self, bar: float) -> float:
        """On the way to the ceiling the bar rises; with nothing told it falls."""
        share = len(self._told) / self._per_period - 1
        if share >= 0:
            return bar * math.pow(RISE, share / (CEILING - 1))
        return max(bar * math.pow(FALL, share), min(bar, 1.0))

    def advance(self, time_ms: int) -> None:
        """Stream time goes on, with samples all the while; the bar follows the tail every full hour."""
        if time_ms <= self._now_ms:
            return
        self.tail.advance(time_ms if self.tail.last_ms == 0 else self.tail.last_ms)
        last = time_ms // FIT_MS
        for hour in range(max(self.tail.last_ms // FIT_MS + 1, last - FITS_MAX), last + 1):
            self.tail.advance(hour * FIT_MS)
        if last != self._now_ms // FIT_MS:
            self._fit()
        self._now_ms = time_ms
        while self._told and time_ms - self._told[0][0] >= self._period_ms:
            self._told.popleft()

    def paused(self, start_ms: int, end_ms: int) -> None:
        """No sample at all came between these times."""
        self.advance(start_ms)
        self.tail.advance(start_ms)
        self.tail.advance(end_ms, is_covered=False)
        self.advance(end_ms)

    def _fit(self) -> None:
        self._bar = self.tail.bar(self.per_day)
        self._hints = {who: hint for who, hint in self._hints.items() if self._now_ms - hint[0] < HINT_MS}

    def offer(self, began_ms: int, strength: float, before: float = 0.0, is_told: bool = False) -> str:
        """A thing that began at `began_ms` and grew from strength `before` to `strength`: why it is told now, empty
        where it is not. `is_told`: it was told before."""
        bar = self.bar
        self.tail.count(began_ms, strength, before)
        if is_told:
            grown = ((when_ms, max(known, strength) if known == before else known) for when_ms, known in self._told)
            self._told = deque(grown)
        if is_told or strength < bar:
            return ""
        self.tail.tell()
        self._told.append((self._now_ms, strength))
        self._most = max(self._most, len(self._told))
        self.told_count += 1
        under = ", below the usual 1, which too few reach" if bar < 1 else ""
        whose = "" if self.name == FLEET else f" for {self.name}"
        return f"{BUDGETED} {self.rate}{whose} (strength {_figure(strength, bar)}{under})"

    def is_worth(self, who: object, time_ms: int, strength: float) -> bool:
        """Whether a hint of this strength reaches the bar; one that does not is counted, those of one entity in a row
        once."""
        if strength >= self.bar:
            return True
        then_ms, known = self._hints.get(who, (0, 0.0))
        if time_ms - then_ms >= HINT_MS:
            then_ms, known = time_ms, 0.0
        if strength > known:
            self.tail.count(then_ms, strength, known)
            self._hints[who] = (then_ms, strength)
        return False

    @property
    def standing(self) -> Standing:
        """As of now."""
        period = "week" if self._period_ms > DAY_MS else "day"
        return Standing(self.name, self.rate, self.told_count, self._most, period, self.ceiling, self._bar)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything learned, for a snapshot."""
        told_ms = np.array([when_ms for when_ms, _ in self._told], np.int64)
        return self.tail.arrays() | {"told_ms": told_ms, "told_strength": np.array([one for _, one in self._told])}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Takes up what `arrays` gave. Raises KeyError or ValueError where it is of another make."""
        self.tail.restore(arrays)
        told = zip(arrays["told_ms"].tolist(), arrays["told_strength"].tolist(), strict=True)
        self._told = deque(told)
        self._now_ms = self.tail.last_ms
        self._fit()


class AlertBudget:
    """All budgets of the settings; without any, it holds for no series. Raises SettingsError for a selector that
    cannot be read."""

    def __init__(self, settings: Detection) -> None:
        self.scopes = [
            Scope(one.match, one.alerts, matchers_of(one.match, f"detection.budgets.{k}.match"))
            for k, one in enumerate(settings.budgets)
        ]
        if settings.alert_budget:
            self.scopes.append(Scope(FLEET, settings.alert_budget, ()))
        self._scope_of: dict[Labels, Scope | None] = {}

    def __bool__(self) -> bool:
        return bool(self.scopes)

    def scope_of(self, labels: Labels) -> Scope | None:
        """The budget of a series: the first that matches, else that of all."""
        if not self.scopes:
            return None
        if labels not in self._scope_of:
            mapping = dict(labels)
            fitting = (one for one in self.scopes if all(matcher.matches(mapping) for matcher in one.matchers))
            self._scope_of[labels] = next(fitting, None)
        return self._scope_of[labels]

    def forget(self, series: Sequence[Labels]) -> None:
        """Series are gone: which budget is whose is looked up again, by those who still ask."""
        self._scope_of.clear()

    def advance(self, time_ms: int) -> None:
        """Stream time goes on for all."""
        for scope in self.scopes:
            scope.advance(time_ms)

    def paused(self, start_ms: int, end_ms: int) -> None:
        """No sample at all came between these times."""
        for scope in self.scopes:
            scope.paused(start_ms, end_ms)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything learned, for a snapshot."""
        names = np.array([scope.name for scope in self.scopes], np.str_)
        learned = [(k, scope.arrays()) for k, scope in enumerate(self.scopes)]
        return {"names": names} | {f"{k}.{key}": array for k, arrays in learned for key, array in arrays.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Takes up what `arrays` gave, for budgets that still stand under the same name. Raises KeyError or ValueError
        where it is of another make."""
        place = {str(name): k for k, name in enumerate(arrays["names"])}
        for scope in self.scopes:
            if (k := place.get(scope.name)) is not None:
                own = {key.partition(".")[2]: array for key, array in arrays.items() if key.startswith(f"{k}.")}
                scope.restore(own)


def drift_cut(values: Floats, delta: float, length_min: int, value_max: float) -> int:
    """ADWIN's test on a whole window: index of the first row after the latest change of mean, 0 where there is none.

    values (n, m) from 0 to `value_max`: n blocks of m values, only cut between blocks; delta: probability of a false
    cut; length_min: least number of blocks on each side.
    """
    n, m = values.shape
    if n < 2 * length_min:
        return 0
    sums = np.cumsum(values.sum(axis=1))
    cuts = np.arange(length_min, n - length_min + 1)
    earlier, later = cuts * m, (n - cuts) * m
    difference = np.abs(sums[cuts - 1] / earlier - (sums[-1] - sums[cuts - 1]) / later)
    harmonic = 1 / (1 / earlier + 1 / later)
    log = math.log(2 * math.log(n * m) / delta)
    bound = np.sqrt(2 / harmonic * values.var() * log) + 2 / (3 * harmonic) * log * value_max
    beyond = np.flatnonzero(difference > bound)
    return int(cuts[beyond[np.argmax((difference - bound)[beyond])]]) if len(beyond) else 0


def _bin(strength: float) -> int:
    return min(max(int(math.log2(max(strength, 1e-9) / STRENGTH_LEAST) * BINS_PER_OCTAVE), 0), BINS - 1)


def _log_strength(index: int) -> float:
    """Natural logarithm of the strength at which a bin begins."""
    return math.log(STRENGTH_LEAST) + index * math.log(2) / BINS_PER_OCTAVE


def _figure(strength: float, bar: float) -> str:
    """`2.3, told from 1.8 on`, with so many digits that the one is seen to reach the other."""
    for digits in range(2, 6):
        told, asked = float(f"{strength:.{digits}g}"), float(f"{bar:.{digits}g}")
        if asked < told:
            break
    return f"{told:g}, told from {min(asked, told):g} on"


def _clipped(log_strength: float) -> float:
    return min(max(math.exp(min(log_strength, 50.0)), BAR_MIN), BAR_MAX)
