"""Incidents that really were, to hold a replay against: a CSV with columns start, end, and perhaps name and series."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aiops.errors import InputError, TableError
from aiops.metrics.series import Labels, Matcher, parse_matchers
from aiops.metrics.timestamp import timestamp_ms

GRACE_MS = 10 * 60_000  # a known incident may be told so long before its start or after its end


@dataclass(frozen=True, slots=True)
class KnownIncident:
    """An incident that really was. `where`: which series it was seen in; None: any."""

    name: str
    start_ms: int
    end_ms: int
    where: str = ""
    matchers: Sequence[Matcher] | None = None

    def covers(self, time_ms: int) -> bool:
        """Whether what is told at this time belongs to it: while it lasted, or shortly before or after."""
        return self.start_ms - GRACE_MS <= time_ms <= self.end_ms + GRACE_MS

    def concerns(self, labels: Labels) -> bool:
        """Whether this series is one it was seen in."""
        mapping = dict(labels)
        if self.matchers is not None:
            return all(matcher.matches(mapping) for matcher in self.matchers)
        return not self.where or self.where in mapping.values()


def read_known(path: Path) -> list[KnownIncident]:
    """`series` is a selector (`latency{service="web"}`), or the plain value of any label: a metric, a service, a file.
    Raises TableError naming the row."""
    try:
        table = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
        rows = list(table)
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TableError(f"{path} cannot be read: not text in UTF-8") from None
    if absent := {"start", "end"}.difference(table.fieldnames or ()):
        has = ", ".join(table.fieldnames or ()) or "none"
        raise TableError(f"{path}: no column {' and no column '.join(sorted(absent))}; it has {has}")
    known = []
    for number, row in enumerate(rows, 2):
        where = (row.get("series") or "").strip()
        try:
            start, end = timestamp_ms(row["start"] or ""), timestamp_ms(row["end"] or "")
            matchers = parse_matchers(where) if "{" in where else None
        except InputError as error:
            raise TableError(f"{path}, row {number}: {error}") from None
        if end < start:
            raise TableError(f"{path}, row {number}: ends before it starts")
        known.append(KnownIncident(row.get("name") or f"row {number}", start, end, where, matchers))
    return known
