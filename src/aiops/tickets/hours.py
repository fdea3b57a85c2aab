"""When a team is there: `Mon-Fri 08:00-18:00 Europe/Berlin`, several parts by `;`, or `24x7`."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aiops.errors import SettingsError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_PART = re.compile(r"(?:([A-Za-z]{3})(?:-([A-Za-z]{3}))?\s+)?(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)(?:\s+([\w+/-]{1,40}))?")


@dataclass(frozen=True, slots=True)
class _Part:
    days: frozenset[int]  # 0 = Monday
    start_min: int
    end_min: int  # past 24:00 where it ends the next morning
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Hours:
    """`text` as it was written. Without parts: always."""

    text: str
    parts: tuple[_Part, ...] = ()

    def is_there(self, time_ms: int) -> bool:
        """Whether the team is there at this moment."""
        return not self.parts or any(_holds(part, time_ms) for part in self.parts)


def hours(text: str) -> Hours:
    """Raises SettingsError where it is none of the forms above."""
    if text.strip().lower() in ("", "24x7", "24/7", "always"):
        return Hours(text)
    return Hours(text, tuple(_part(part.strip()) for part in text.split(";") if part.strip()))


def _part(text: str) -> _Part:
    found = _PART.fullmatch(text)
    if not found:
        raise SettingsError(f"hours {text!r}: write 'Mon-Fri 08:00-18:00 Europe/Berlin' (parts by ;) or '24x7'")
    first, last, *clock, zone = found.groups()
    names = [day.lower() for day in DAYS]
    for day in (first, last):
        if day and day.lower() not in names:
            raise SettingsError(f"hours {text!r}: days are {', '.join(DAYS)}")
    start = names.index(first.lower()) if first else 0
    end = names.index(last.lower()) if last else (start if first else 6)
    days = frozenset((start + k) % 7 for k in range((end - start) % 7 + 1))
    from_h, from_m, to_h, to_m = map(int, clock)
    start_min, end_min = 60 * from_h + from_m, 60 * to_h + to_m
    if start_min > 1440 or end_min > 1440 or from_m > 59 or to_m > 59:
        raise SettingsError(f"hours {text!r}: a time of day is 00:00 to 24:00")
    if end_min <= start_min:
        end_min += 1440
    try:
        return _Part(days, start_min, end_min, ZoneInfo(zone or "UTC"))
    except (ZoneInfoNotFoundError, ValueError):
        raise SettingsError(
            f"hours {text!r}: no time zone {zone}; write Europe/Berlin, America/New_York, UTC"
        ) from None


def _holds(part: _Part, time_ms: int) -> bool:
    moment = datetime.fromtimestamp(time_ms / 1000, part.zone)
    minute = 60 * moment.hour + moment.minute
    yesterday = (moment - timedelta(days=1)).weekday()
    is_today = moment.weekday() in part.days and part.start_min <= minute < part.end_min
    return is_today or (yesterday in part.days and minute + 1440 < part.end_min)
