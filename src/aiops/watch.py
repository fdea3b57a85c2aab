"""What no single sample tells and time brings out: series that fall silent, and limits that draw near."""

from collections.abc import Sequence

from aiops import finding
from aiops.config import Settings
from aiops.detection.limit import LimitWatch
from aiops.detection.missing import MissingWatch
from aiops.detection.state import State
from aiops.incidents.alert import MISSING, Alert
from aiops.metrics.series import SeriesTable


class Watch:
    """Alerts that begin and end between samples. Raises SettingsError where a rule for a limit cannot be read."""

    def __init__(self, settings: Settings, table: SeriesTable, state: State) -> None:
        detection = settings.detection
        self._table = table
        self._missing = MissingWatch(
            table,
            state,
            settings.incidents.entity_labels,
            detection.missing_intervals,
            detection.missing_min_s,
            detection.missing_forget_s,
        )
        self._limits = LimitWatch(table, state, detection.rules, detection.limit_horizon_s)
        self._silent: dict[str, tuple[set[int], int]] = {}  # fingerprint -> rows still silent, how many there were
        self._heading: dict[int, str] = {}  # rows on their way to a limit -> fingerprint

    def paused(self, start_ms: int, end_ms: int) -> None:
        """Nothing at all came between these times."""
        self._missing.paused(start_ms, end_ms)

    def take_up(self, alert: Alert) -> bool:
        """An alert that was running when the last run ended; whether it is one of ours and still is."""
        if alert.kind == MISSING:
            rows = [row for row, labels in enumerate(self._table) if set(alert.labels) <= set(labels)]
            self._missing.restore(rows)
            self._silent[alert.fingerprint] = (set(rows), len(rows))
            return bool(rows)
        row = self._table.find(alert.labels)
        if row is None or not self._limits.is_heading(row):
            return False
        self._heading[row] = alert.fingerprint
        return True

    def is_heading(self, row: int) -> bool:
        """Whether the series is on its way to a limit, whatever its single samples say."""
        return row in self._heading

    def look(self, now_ms: int) -> tuple[Sequence[Alert], Sequence[str]]:
        """(alerts that begin, fingerprints of those that end) at stream time `now_ms`."""
        outages, back = self._missing.sweep(now_ms)
        alerts = [finding.silence(outage, now_ms) for outage in outages]
        self._silent |= {one.fingerprint: (set(o.rows), len(o.rows)) for one, o in zip(alerts, outages, strict=True)}
        over = []
        for fingerprint, (rows, count) in list(self._silent.items()) if back else []:
            rows.difference_update(back)
            if 2 * len(rows) < count:
                del self._silent[fingerprint]
                over.append(fingerprint)
        approaches, turned = self._limits.look(now_ms)
        for approach in approaches:
            alert = finding.approach(approach, self._table.labels(approach.row), now_ms)
            self._heading[approach.row] = alert.fingerprint
            alerts.append(alert)
        over += [self._heading.pop(row) for row in turned if row in self._heading]
        return alerts, over
