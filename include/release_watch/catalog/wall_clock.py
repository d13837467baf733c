"""Wall-clock times of a time zone, and the moments they are.

Where clocks change, RFC 5545 (3.3.5) says which moment is meant, and calendars and Java do the same. A time
that the change leaves out is read with the offset from before it: where clocks go from 02:00 to 03:00, 02:30
is the moment at which they show 03:30. Of a time that comes twice, the first counts.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, PlainSerializer

from release_watch.catalog.nearest import Known

_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")
_ZONE = re.compile(r"(?!Factory)[A-Z][A-Za-z0-9_+/-]*")  # localtime, posixrules: each machine has its own
_MINUTES_A_DAY = 24 * 60


def moment(day: date, clock: time, zone: str) -> datetime:
    """Return when clocks in ``zone`` show ``clock`` on ``day``, in UTC."""
    return datetime.combine(day, clock, ZoneInfo(zone)).astimezone(UTC)


def local(at: datetime, zone: str) -> datetime:
    """Return a moment as clocks in ``zone`` show it."""
    return at.astimezone(ZoneInfo(zone))


def _time_zone(value: str) -> str:
    if not _is_zone(value):
        guess = Known(available_timezones()).guess(value)
        raise ValueError(f"is no IANA time zone{guess}; write one such as Europe/Berlin or UTC")
    return value


def _is_zone(value: str) -> bool:
    if not _ZONE.fullmatch(value):
        return False
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # not there, no zone file, a folder
        return False
    return True


def _clock(value: object) -> object:
    if isinstance(value, time):
        return value
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return time.fromisoformat(value)
    if isinstance(value, int) and 0 <= value < _MINUTES_A_DAY:
        told = f"{value // 60:02}:{value % 60:02}"
        raise ValueError(f'is what YAML makes of {told} without quotes; write "{told}"')
    raise ValueError('is no time of day; write hours and minutes in quotes, such as "09:00"')


def _plain(value: time) -> time:
    if value.tzinfo is not None or value.second or value.microsecond:
        raise ValueError("must be hours and minutes without an offset; time_zone says where")
    return value


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def _shown(value: time) -> str:
    return f"{value:%H:%M}"


TimeZone = Annotated[str, AfterValidator(_time_zone)]
"""An IANA time zone, such as ``Europe/Berlin``."""
LocalTime = Annotated[
    time,
    BeforeValidator(_clock),
    AfterValidator(_plain),
    PlainSerializer(_shown, return_type=str, when_used="json"),
]
"""Hours and minutes on the clocks of a place: ``"09:00"``."""
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A moment with an offset, kept in UTC: Python compares two times of one zone by their clocks alone."""
