"""When a team is there."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from aiops.errors import SettingsError
from aiops.tickets.hours import hours


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


MONDAY = "2026-01-05T"


@pytest.mark.parametrize(
    ("text", "moment", "is_there"),
    [
        ("", "2026-01-04T03:00", True),
        ("24x7", "2026-01-04T03:00", True),
        ("Mon-Fri 08:00-18:00", MONDAY + "08:00", True),
        ("Mon-Fri 08:00-18:00", MONDAY + "18:00", False),
        ("Mon-Fri 08:00-18:00", "2026-01-04T12:00", False),
        ("Sat 08:00-12:00", "2026-01-03T09:00", True),
        ("Fri-Mon 08:00-12:00", "2026-01-04T09:00", True),
        ("Fri-Mon 08:00-12:00", "2026-01-06T09:00", False),
        ("Mon 22:00-06:00", "2026-01-06T05:59", True),
        ("Mon 22:00-06:00", MONDAY + "05:59", False),
        ("22:00-06:00", MONDAY + "05:59", True),
        ("Mon-Fri 8:00-12:00; Sun 10:00-11:00", "2026-01-04T10:30", True),
        ("Mon-Fri 00:00-24:00", MONDAY + "23:59", True),
    ],
)
def test_hours_are_kept(text: str, moment: str, is_there: bool) -> None:
    assert hours(text).is_there(at(moment)) is is_there


def test_hours_follow_the_zone_through_summer_time() -> None:
    berlin = hours("Mon-Fri 08:00-18:00 Europe/Berlin")
    for day in ("2026-01-05", "2026-07-06"):
        assert berlin.is_there(at(f"{day}T08:00", "Europe/Berlin"))
        assert not berlin.is_there(at(f"{day}T07:59", "Europe/Berlin"))


@pytest.mark.parametrize(
    "text",
    ["9 to 5", "Mon-Fri", "Mo-Fr 08:00-18:00", "Mon 25:00-26:00", "Mon 08:70-09:00", "Mon 08:00-09:00 Mars/Base"],
)
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(SettingsError, match="hours"):
        hours(text)
