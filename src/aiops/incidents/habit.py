"""Alerts by habit: what alerts at the same time of day, day after day (a nightly job, a backup), is no evidence."""

from collections import deque

from aiops.incidents.alert import Alert

DAY_MS = 86_400_000
HABIT_DAYS, HABIT_COUNT, HABIT_SLACK_MS = 8, 2, 15 * 60_000


class Habits:
    """Remembers the latest onsets of every series that alerted."""

    def __init__(self) -> None:
        self._onsets: dict[str, deque[int]] = {}  # fingerprint -> times of its latest onsets

    def is_habit(self, alert: Alert) -> bool:
        """Whether this series alerted at this time of day on HABIT_COUNT earlier days; remembers the onset."""
        onsets = self._onsets.setdefault(alert.fingerprint, deque(maxlen=4 * HABIT_DAYS))
        days = set()
        for earlier in onsets:
            days_ago = round((alert.time_ms - earlier) / DAY_MS)
            is_same_time = abs(alert.time_ms - earlier - days_ago * DAY_MS) <= HABIT_SLACK_MS
            if 1 <= days_ago <= HABIT_DAYS and is_same_time:
                days.add(days_ago)
        onsets.append(alert.time_ms)
        return len(days) >= HABIT_COUNT

    def forget(self, now_ms: int) -> None:
        """Habits that have ended are not kept."""
        oldest_ms = now_ms - (HABIT_DAYS + 1) * DAY_MS
        self._onsets = {key: onsets for key, onsets in self._onsets.items() if onsets[-1] >= oldest_ms}
