"""Quiet hours: the time of day in which nobody is paged for a drill."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from release_watch.catalog.wall_clock import LocalTime, TimeZone, local, moment

_DAY = timedelta(days=1)


class QuietHours(BaseModel):
    """Every day from one local time until another, over midnight where ``until`` is the earlier one.

    The change of clocks is as in :mod:`~release_watch.catalog.wall_clock`: quiet hours end when their end is
    shown for the first time, and do not begin again where it comes twice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)

    from_: LocalTime = Field(alias="from")
    until: LocalTime
    time_zone: TimeZone

    @field_validator("until")
    @classmethod
    def _other_than_from(cls, until: time, info: ValidationInfo) -> time:
        if until == info.data.get("from_"):
            raise ValueError("is the same as from; leave quiet_hours out, or make it later or earlier")
        return until

    def end(self, at: datetime) -> datetime | None:
        """Return when the quiet hours that ``at`` lies in are over, in UTC; None if it lies in none."""
        day = local(at, self.time_zone).date()
        end = None
        for first in (day - 2 * _DAY, day - _DAY, day, day + _DAY):
            begins = moment(first, self.from_, self.time_zone)
            ends = moment(first if self.from_ < self.until else first + _DAY, self.until, self.time_zone)
            if begins <= (end or at) < ends:  # clocks that change can join two days' quiet hours
                end = ends
        return end

    def __str__(self) -> str:
        return f"{self.from_:%H:%M} to {self.until:%H:%M} {self.time_zone}"
