"""A fleet with its faults, as a stream of samples in the order a monitoring system would send them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiops.simulator.fault import Fault, Op
from aiops.simulator.fleet import DAY_MS, MINUTE_MS, STEPS_PER_DAY, Fleet, Floats


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples of some minutes, sorted by time; shapes (n,). `series` indexes `fleet.series`."""

    series: NDArray[np.int64]
    time_ms: NDArray[np.int64]
    values: Floats


class Simulation:
    """The samples of `fleet` from its start for `days` days, with `faults` in them."""

    def __init__(self, fleet: Fleet, faults: Sequence[Fault], days: int) -> None:
        self.fleet, self.faults, self.days = fleet, faults, days

    @property
    def sample_count_max(self) -> int:
        """An upper bound: sparse and missing samples are not subtracted."""
        return self.days * STEPS_PER_DAY * len(self.fleet.series)

    def chunks(self, minutes: int) -> Iterator[Chunk]:
        """The stream in pieces of `minutes`; the pieces' size changes nothing else."""
        total = np.zeros(len(self.fleet.series))
        held = np.full(len(self.fleet.series), np.nan)
        is_counter = self.fleet.is_counter()
        for day in self.fleet.days():
            if day.index >= self.days:
                return
            times = self.fleet.start_ms + day.index * DAY_MS + np.arange(STEPS_PER_DAY) * MINUTE_MS
            values = self._disturbed(day.values, times, held)
            values[is_counter] = _totals(values[is_counter], day.resets[is_counter], total, is_counter)
            self._drop(values, times)  # last: a counter that nobody reads goes on counting
            for first in range(0, STEPS_PER_DAY, minutes):
                piece = values[:, first : first + minutes].T  # (minutes, series): by time, then by series
                step, series = np.nonzero(~np.isnan(piece))
                yield Chunk(series, times[first : first + minutes][step], piece[step, series])

    def _disturbed(self, values: Floats, times: NDArray[np.int64], held: Floats) -> Floats:
        out = values.copy()
        as_float = times.astype(np.float64)
        for fault in self.faults:
            for effect in fault.effects:
                if effect.op == Op.DROP or effect.end_ms <= times[0] or effect.start_ms > times[-1]:
                    continue
                if effect.op == Op.HOLD and effect.start_ms >= times[0]:
                    held[effect.series] = out[effect.series][np.searchsorted(times, effect.start_ms)]
                out[effect.series] = effect.applied(out[effect.series], as_float, float(held[effect.series]))
        return out

    def _drop(self, values: Floats, times: NDArray[np.int64]) -> None:
        for effect in (effect for fault in self.faults for effect in fault.effects if effect.op == Op.DROP):
            values[effect.series, (times >= effect.start_ms) & (times < effect.end_ms)] = np.nan


def _totals(increments: Floats, resets: NDArray[np.bool_], total: Floats, which: NDArray[np.bool_]) -> Floats:
    """Counters from increments (counters, 1440), starting again from zero at resets; NaN stays, `total` goes on."""
    steps = np.nan_to_num(increments)
    running = np.cumsum(steps, axis=1) + total[which][:, None]
    for row, column in zip(*np.nonzero(resets), strict=True):
        before = running[row, column] - steps[row, column]
        running[row, column:] -= before
    total[which] = running[:, -1]
    return np.where(np.isnan(increments), np.nan, running)
