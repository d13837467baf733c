"""The moments that a text names, in the ways in which people and programs write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_ZONES = "[CE]ES?T|[ECMP][SD]T|BST|IST|JST|KST|MSK|WES?T|EES?T|AE[SD]T|NZ[SD]T|SGT|HKT|BRT|ART"
_CLOCK = (
    r"(?:,?(?:T| at | )(\d{1,2}:\d\d(?::\d\d)?)(\.\d{1,9})?(?: ?([AaPp])\.?[Mm]\b\.?)?"
    rf"(?: ?(Z\b|UTC|GMT|[+-]\d\d:?\d\d|(?:{_ZONES})\b))?)?"
)
_MONTH = r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_FORMS = (
    re.compile(rf"\b(?P<y>\d{{4}})-(?P<m>\d\d)-(?P<d>\d\d){_CLOCK}"),
    re.compile(rf"\b(?P<d>\d{{1,2}})\.(?P<m>\d{{1,2}})\.(?P<y>\d{{4}}){_CLOCK}"),
    re.compile(rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)? (?P<m>{_MONTH}),? (?P<y>\d{{4}}){_CLOCK}", re.I),
    re.compile(rf"\b(?P<m>{_MONTH}) (?P<d>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y>\d{{4}}){_CLOCK}", re.I),
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY = timedelta(days=1)


class Moment(NamedTuple):
    """A moment as written: where only a day stands there, ``latest`` is the end of it."""

    earliest: datetime
    latest: datetime


def moments(text: str) -> list[Moment]:
    """Return the moments in ``text``; without a time zone they are UTC, with an uncertain one left out."""
    return [moment for form in _FORMS for match in form.finditer(text) if (moment := _moment(match))]


def _moment(match: re.Match[str]) -> Moment | None:
    clock, fraction, half, zone = match.groups()[-4:]
    month = match["m"]
    number = int(month) if month.isdigit() else _MONTHS.index(month[:3].lower()) + 1
    try:
        day = datetime(int(match["y"]), number, int(match["d"]), tzinfo=UTC)
        if clock is None:
            return Moment(day, day + _DAY)
        at = day + _since_midnight(clock, fraction, half) - _offset(zone or "Z")
    except (ValueError, OverflowError):
        return None
    seconds = timedelta(0) if clock.count(":") == 2 else timedelta(minutes=1)
    return Moment(at, at + seconds)


def _since_midnight(clock: str, fraction: str | None, half: str | None) -> timedelta:
    hours, minutes, *seconds = (int(part) for part in clock.split(":"))
    if half:
        hours = hours % 12 + (12 if half in "Pp" else 0)
    if hours > 23 or minutes > 59:
        raise ValueError(clock)
    return timedelta(hours=hours, minutes=minutes, seconds=(seconds or [0])[0] + float(fraction or 0))


def _offset(zone: str) -> timedelta:
    if zone in ("Z", "UTC", "GMT"):
        return timedelta(0)
    digits = zone.lstrip("+-").replace(":", "")
    if not digits.isdigit():
        raise ValueError(f"{zone} is no zone that is known for certain")
    length = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -length if zone[0] == "-" else length
