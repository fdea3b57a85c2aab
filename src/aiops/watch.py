"""What no single sample tells and time brings out: series that fall silent, limits that draw near, entities whose
metrics move together as never before, and spikes that do not come at their time."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from aiops import finding
from aiops.config import Settings
from aiops.detection.joint import Joint, JointWatch
from aiops.detection.limit import Approach, LimitWatch
from aiops.detection.missing import MissingWatch
from aiops.detection.recurrence import RecurrenceWatch
from aiops.detection.state import State
from aiops.incidents.alert import JOINT, MISSING, OVERDUE, Alert, fingerprint_of
from aiops.metrics.series import SampleBatch, SeriesTable

SAID_SHARE_MAX = 0.5  # of a joint anomaly on series that alert by themselves; more says nothing new


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
        self.joint = JointWatch(
            table,
            state,
            detection.joint_labels,
            detection.joint_interval_s,
            detection.joint_lasting_s,
            detection.joint_entities_max if detection.joint else 0,
            detection.joint_metrics_max,
        )
        self._recurrences = RecurrenceWatch(table, state)
        self._silent: dict[str, tuple[set[int], int]] = {}  # fingerprint -> rows still silent, how many there were
        self._is_thinned = False  # rows of a silence were forgotten since the last look
        self._heading: dict[int, str] = {}  # rows on their way to a limit -> fingerprint
        self._overdue: dict[int, str] = {}  # rows whose spike has not come -> fingerprint

    def paused(self, start_ms: int, end_ms: int) -> None:
        """Nothing at all came between these times."""
        self._missing.paused(start_ms, end_ms)

    def take_up(self, alert: Alert) -> bool:
        """An alert that was running when the last run ended; whether it is one of ours and still is."""
        if alert.kind == MISSING:
            rows = [row for row, labels in self._table.items() if set(alert.labels) <= set(labels)]
            self._missing.restore(rows)
            self._silent[alert.fingerprint] = (set(rows), len(rows))
            return bool(rows)
        if alert.kind == JOINT:
            return self.joint.is_open(alert.labels[0])
        row = self._table.find(alert.labels)
        if alert.kind == OVERDUE:
            if row is not None and self._recurrences.is_overdue(row):
                self._overdue[row] = alert.fingerprint
            return row in self._overdue
        if row is None or not self._limits.is_heading(row):
            return False
        self._heading[row] = alert.fingerprint
        return True

    def compile(self) -> None:
        """Compiles what is compiled, or loads it from the cache on disk."""
        self.joint.compile()
        self._recurrences.compile()

    def note(self, batch: SampleBatch, status: NDArray[np.uint8]) -> None:
        """Samples that the engine has taken, with what became of each."""
        self.joint.replay(batch, status)
        self._recurrences.note(batch, status)

    def is_heading(self, row: int) -> bool:
        """Whether the series is on its way to a limit, whatever its single samples say."""
        return row in self._heading

    def rows_of(self, is_living: Callable[[str], bool]) -> set[int]:
        """Rows on their way to a limit, and those of a silence whose alert, by its fingerprint, `is_living`."""
        silences = (rows for fingerprint, (rows, _) in self._silent.items() if is_living(fingerprint))
        return set(self._heading).union(*silences)

    def forget(self, rows: NDArray[np.int64]) -> None:
        """Nothing is known any more of the series in these rows; a silence that was only theirs ends at the next look.
        None of them is on its way to a limit."""
        gone = set(rows.tolist())
        for silent, _ in self._silent.values():
            silent -= gone
        self._is_thinned = True
        self._missing.forget(rows)
        self._limits.forget(rows)
        self.joint.forget(rows)
        self._recurrences.forget(rows)
        for row in self._overdue.keys() & gone:
            del self._overdue[row]

    def outlook(self, row: int) -> Approach | None:
        """Where the series goes at its pace of late; None where it has no limit ahead."""
        return self._limits.outlook(row)

    def look(
        self, now_ms: int, is_alerting: Callable[[str], bool] = lambda _: False
    ) -> tuple[Sequence[Alert], Sequence[Alert], Sequence[tuple[str, int, bool]]]:
        """(alerts that begin; news of alerts that run; fingerprints of those that end, when, and whether by
        having become usual) at stream time `now_ms`. `is_alerting`: whether the series of this fingerprint alerts by
        itself."""
        outages, back = self._missing.sweep(now_ms)
        alerts = [finding.silence(outage, now_ms) for outage in outages]
        self._silent |= {one.fingerprint: (set(o.rows), len(o.rows)) for one, o in zip(alerts, outages, strict=True)}
        over: list[tuple[str, int, bool]] = []
        for fingerprint, (rows, count) in list(self._silent.items()) if back or self._is_thinned else []:
            rows.difference_update(back)
            if 2 * len(rows) < count:
                del self._silent[fingerprint]
                over.append((fingerprint, now_ms, False))
        self._is_thinned = False
        approaches, turned = self._limits.look(now_ms)
        news = []
        for approach in approaches:
            alert = finding.approach(approach, self._table.labels(approach.row), now_ms)
            if approach.is_new:
                self._heading[approach.row] = alert.fingerprint
                alerts.append(alert)
            else:
                news.append(alert)
        over += [(self._heading.pop(row), now_ms, False) for row in turned if row in self._heading]
        joints, usual = self.joint.look(now_ms)
        alerts += [alert for alert in (self._joint(found, is_alerting) for found in joints) if alert]
        over += [(fingerprint_of((entity,)), time_ms, False) for entity, time_ms in usual]
        overdue, came, gone = self._recurrences.look(now_ms)
        over += [(self._overdue.pop(row), now_ms, False) for row in came if row in self._overdue]
        over += [(self._overdue.pop(row), now_ms, True) for row in gone if row in self._overdue]
        for late in overdue:
            alerts.append(finding.overdue(late, self._table.labels(late.row), now_ms))
            self._overdue[late.row] = alerts[-1].fingerprint
        return alerts, news, over

    def _joint(self, found: Joint, is_alerting: Callable[[str], bool]) -> Alert | None:
        """The alert of an entity as a whole; none where most of it is what its series tell by themselves."""
        labels = [self._table.labels(row) for row, _ in found.contributors]
        shares = [share for _, share in found.contributors]
        told = sum(share for share, one in zip(shares, labels, strict=True) if is_alerting(fingerprint_of(one)))
        return finding.joint(found, labels) if told < SAID_SHARE_MAX * sum(shares) else None
