"""Which series a sample belongs to.

A series is a set of labels; inside it is a row number, so that everything per series can be an array. A batch
of samples is four columns: row, time, value, stale flag. Labels are kept once per series, never per sample.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aiops.errors import InputError, OverloadError

Labels = tuple[tuple[str, str], ...]
"""Label pairs sorted by name, unique names, no empty value; the metric's name is the label `__name__`."""

STALE_NAN_BITS = 0x7FF0000000000002
"""Prometheus stale marker, a signalling NaN: compare bits, arithmetic destroys it."""

FREE = -1
"""In `SeriesTable.born`: no series stands in this row."""

COUNTER_SUFFIXES = ("_total", "_count", "_sum", "_bucket")
"""Prometheus naming: series that only grow until their process restarts."""


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """Samples in arrival order; all columns have the same length."""

    rows: NDArray[np.int32]
    time_ms: NDArray[np.int64]  # since the epoch, UTC
    values: NDArray[np.float64]
    stale: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, which: NDArray[Any]) -> "SampleBatch":
        """The samples at these positions, or those for which a mask is true."""
        return SampleBatch(self.rows[which], self.time_ms[which], self.values[which], self.stale[which])

    @staticmethod
    def empty() -> "SampleBatch":
        return SampleBatch(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0), np.empty(0, np.bool_))


def canonical(pairs: Mapping[str, str] | Iterable[tuple[str, str]]) -> Labels:
    """Labels sorted by name; a label with an empty value counts as absent (as in Prometheus).

    Raises InputError on an empty or repeated name.
    """
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    labels = tuple(sorted((name, value) for name, value in items if value))
    for k, (name, _) in enumerate(labels):
        if not name:
            raise InputError("a label has an empty name")
        if k and labels[k - 1][0] == name:
            raise InputError(f"label {name!r} appears twice in one series")
    return labels


def display(labels: Labels) -> str:
    """`name{a="b"}`, as Prometheus writes it."""
    name = next((value for key, value in labels if key == "__name__"), "")
    rest = ", ".join(f'{key}="{value}"' for key, value in labels if key != "__name__")
    return f"{name}{{{rest}}}" if rest or not name else name


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label, with Prometheus semantics: an absent label has the value ''."""

    name: str
    op: Literal["=", "!=", "=~", "!~"]
    value: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.name, "")
        if self.op in ("=", "!="):
            return (value == self.value) is (self.op == "=")
        return (re.fullmatch(self.value, value) is not None) is (self.op == "=~")


_SELECTOR = re.compile(r'\s*([A-Za-z_][\w.]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(,|$)')


def parse_matchers(selector: str) -> tuple[Matcher, ...]:
    """`up{job="node", instance!~"db.*"}` -> matchers. Raises InputError where it cannot be read."""
    name, brace, rest = selector.strip().partition("{")
    if "=" in name or '"' in name:
        raise InputError(f'selector {selector!r} has no braces: write {{label="value"}} or name{{label="value"}}')
    matchers = [Matcher("__name__", "=", name.strip())] if name.strip() else []
    if brace:
        if not rest.endswith("}"):
            raise InputError(f"selector {selector!r} does not end with '}}'")
        rest, at = rest[:-1].rstrip().rstrip(","), 0
        while at < len(rest):
            found = _SELECTOR.match(rest, at)
            if not found:
                raise InputError(f'selector {selector!r} cannot be read at {rest[at:]!r}: write label="value"')
            label, op, value, _ = found.groups()
            if op in ("=~", "!~"):
                try:
                    re.compile(value)
                except re.error as error:
                    raise InputError(f"selector {selector!r}: {value!r} is not a regular expression: {error}") from None
            matchers.append(Matcher(label, op, re.sub(r"\\(.)", r"\1", value)))  # type: ignore[arg-type]
            at = found.end()
    return tuple(matchers)


class SeriesTable:
    """Labels <-> row, up to `series_max` rows, given out in order. A row means the same series until it is freed; then
    it may be given to another.

    `len(table)` is the number of rows ever in use, those free again among them; `given` how often a row was given out,
    and `born` int64 (series_max,) how often before this one: who keeps things by row asks `new_since` what to learn.
    """

    def __init__(self, series_max: int) -> None:
        self.series_max = series_max
        self._labels: list[Labels] = []
        self._row: dict[Labels, int] = {}
        self._free: list[int] = []  # the next to be given out last
        self.given = 0
        self.freed = 0  # rows, since the start
        self.born = np.full(series_max, FREE, np.int64)
        self.is_counter = np.zeros(series_max, np.bool_)  # by name or by the sender's word

    def __len__(self) -> int:
        return len(self._labels)

    def __iter__(self) -> Iterator[Labels]:
        return (labels for _, labels in self.items())

    def items(self) -> Iterator[tuple[int, Labels]]:
        """(row, labels) of every series, in order of rows."""
        return ((row, labels) for row, labels in enumerate(self._labels) if not self._free or self.is_taken(row))

    @property
    def series_count(self) -> int:
        """Series known now."""
        return len(self._labels) - len(self._free)

    def is_taken(self, row: int) -> bool:
        """Whether a series stands in this row."""
        return 0 <= row < len(self._labels) and bool(self.born[row] != FREE)

    def labels(self, row: int) -> Labels:
        """Those of the series in this row, none where it is free."""
        return self._labels[row]

    def find(self, labels: Labels) -> int | None:
        return self._row.get(labels)

    def row(self, labels: Labels, is_counter: bool | None = None) -> int:
        """The row of a series, a new one if it was never seen. Raises OverloadError at `series_max`."""
        row = self._row.get(labels)
        if row is None:
            if self._free:
                row = self._free.pop()
                self._labels[row] = labels
            elif (row := len(self._labels)) < self.series_max:
                self._labels.append(labels)
            else:
                raise OverloadError(f"series limit reached: series_max = {self.series_max}; raise it or send fewer")
            self._row[labels] = row
            self.born[row] = self.given
            self.given += 1
            name = next((value for key, value in labels if key == "__name__"), "")
            self.is_counter[row] = name.endswith(COUNTER_SUFFIXES) if is_counter is None else is_counter
        return row

    def labels_of(self, first: int, stop: int, given: int) -> list[Labels]:
        """Those of the series in rows first..stop, none where a row is free or was given out since `given` had been."""
        series, is_later = self._labels[first:stop], self.born[first:stop] >= given
        for k in np.flatnonzero(is_later).tolist():
            series[k] = ()
        return series

    def extend(self, series: Sequence[Labels], is_counter: NDArray[np.bool_]) -> bool:
        """Adds series that are known to be new, with whether each is a counter: what `row` does, for many; no labels
        make a free row. False where one of them was known. The caller has seen to `series_max`."""
        first, stop = len(self._labels), len(self._labels) + len(series)
        self._labels.extend(series)
        self._row.update(zip(series, range(first, stop), strict=True))
        self.is_counter[first:stop] = is_counter
        self.born[first:stop] = np.arange(self.given, self.given + len(series))
        self.given += len(series)
        if self._row.pop((), None) is not None:
            free = [row for row in range(first, stop) if not self._labels[row]]
            self.born[free] = FREE
            self._free = free[::-1] + self._free
        return len(self._row) == self.series_count

    def new_since(self, given: int) -> list[int]:
        """Rows given out since `given` had been, in that order, but for those that are free by now."""
        if given == self.given:
            return []
        rows = np.flatnonzero(self.born[: len(self)] >= given)
        return [int(row) for row in rows[np.argsort(self.born[rows])]]

    def free(self, rows: NDArray[np.int64]) -> None:
        """These series are forgotten, and their rows may be given to others, the lowest first. Whoever keeps things by
        row has forgotten them before."""
        for row in rows.tolist():
            del self._row[self._labels[row]]
            self._labels[row] = ()
        self.born[rows] = FREE
        self.freed += len(rows)
        self._free = sorted([*self._free, *rows.tolist()], reverse=True)

    def match(self, matchers: Iterable[Matcher]) -> list[int]:
        """Rows whose labels satisfy all matchers, in order."""
        conditions = tuple(matchers)
        found = []
        for row, labels in self.items():
            mapping = dict(labels)
            if all(matcher.matches(mapping) for matcher in conditions):
                found.append(row)
        return found
