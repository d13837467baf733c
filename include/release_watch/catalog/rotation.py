"""A rotation: who has the duty in turn, when it is handed over, and who stands in for whom."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from release_watch.catalog.fields import Name
from release_watch.catalog.nearest import Known
from release_watch.catalog.policies import Duration
from release_watch.catalog.refusals import Refusal, entries, validated, written
from release_watch.catalog.wall_clock import LocalTime, Moment, TimeZone, local, moment
from release_watch.clock import rfc3339

_DAY = timedelta(days=1)


class Person(BaseModel):
    """A person: ``user`` is the Airflow user id, ``address`` an Apprise URL or e-mail address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: Name
    name: str = Field(min_length=1, max_length=200)
    address: str | None = Field(None, repr=False)


class Override(BaseModel):
    """Somebody has the duty from one moment until another, whoever's turn it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)

    user: Name
    from_: Moment = Field(alias="from")
    until: Moment

    @field_validator("until")
    @classmethod
    def _later(cls, until: datetime, info: ValidationInfo) -> datetime:
        if "from_" in info.data and until <= info.data["from_"]:
            raise ValueError("is not after from; the override would never hold")
        return until


class Shift(NamedTuple):
    """A person's duty from ``starts_at`` until just before ``ends_at``, both UTC."""

    person: Person
    starts_at: datetime
    ends_at: datetime
    stands_in: bool


class Rotation(BaseModel):
    """The people of a role in the order of their shifts, the first on duty from ``starts_at``.

    Without ``time_zone`` every shift is ``shift_length`` long. With it, each begins when clocks there show
    ``hand_over``, so that one in which they change is an hour shorter or longer; see
    :mod:`~release_watch.catalog.wall_clock` for times that do not exist or come twice. ``stand_ins`` have no
    shifts of their own, and may be named in ``overrides``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    people: tuple[Person, ...]
    stand_ins: tuple[Person, ...] = ()
    time_zone: TimeZone | None = None
    hand_over: LocalTime | None = Field(None, validate_default=True)
    shift_length: Duration = timedelta(days=7)
    starts_at: Moment
    overrides: tuple[Override, ...] = ()

    @model_validator(mode="wrap")
    @classmethod
    def _sound(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        fields = written(data)
        return validated(data, handler, [*_strangers(fields), *_overlaps(fields)])

    @field_validator("people")
    @classmethod
    def _somebody(cls, people: tuple[Person, ...]) -> tuple[Person, ...]:
        if not people:
            raise ValueError("names nobody; add the people in the order of their shifts")
        return people

    @field_validator("hand_over")
    @classmethod
    def _with_its_zone(cls, hand_over: time | None, info: ValidationInfo) -> time | None:
        if "time_zone" in info.data and (hand_over is None) != (info.data["time_zone"] is None):
            if hand_over is None:
                raise ValueError('time_zone is given; add the local time of the hand-over, such as "09:00"')
            raise ValueError("needs time_zone, which says whose clocks show it; add it")
        return hand_over

    @field_validator("shift_length")
    @classmethod
    def _whole_days(cls, length: timedelta, info: ValidationInfo) -> timedelta:
        by_clock = info.data.get("hand_over", "one that is refused") is not None
        if by_clock and length % _DAY:
            raise ValueError(
                "must be whole days, such as P1D or P7D, as every hand-over is at the same local time"
            )
        return length

    @field_validator("starts_at")
    @classmethod
    def _at_a_hand_over(cls, starts_at: datetime, info: ValidationInfo) -> datetime:
        zone, clock = info.data.get("time_zone"), info.data.get("hand_over")
        if zone is not None and clock is not None and _day_of(starts_at, clock, zone) is None:
            there = local(starts_at, zone)
            meant = local(moment(there.date(), clock, zone), zone)
            raise ValueError(
                f"is {there:%H:%M} in {zone}, and hand_over is {clock:%H:%M}; write {meant.isoformat()}"
            )
        return starts_at

    def on_duty(self, at: datetime) -> Person:
        """Return who is on duty at ``at``; before ``starts_at`` the order runs backwards."""
        return self.shift(at).person

    def shift(self, at: datetime) -> Shift:
        """Return the duty that ``at`` lies in: an override's, or a turn as far as no override cuts it."""
        for override in self.overrides:
            if override.from_ <= at < override.until:
                person = next(one for one in self.everyone if one.user == override.user)
                return Shift(person, override.from_, override.until, stands_in=True)
        turn = self._turn(at)
        begins = [self._start(turn), *(one.until for one in self.overrides if one.until <= at)]
        ends = [self._start(turn + 1), *(one.from_ for one in self.overrides if one.from_ > at)]
        return Shift(self.people[turn % len(self.people)], max(begins), min(ends), stands_in=False)

    @property
    def everyone(self) -> tuple[Person, ...]:
        """The people in the order of their shifts, then those who only stand in."""
        return self.people + self.stand_ins

    def _turn(self, at: datetime) -> int:
        """Return the number of the shift at ``at``: 0 begins at ``starts_at``, those before are negative."""
        turn: int = (at - self.starts_at) // self.shift_length  # right, or off by one where clocks changed
        while self._start(turn) > at:
            turn -= 1
        while self._start(turn + 1) <= at:
            turn += 1
        return turn

    def _start(self, turn: int) -> datetime:
        if self.time_zone is None or self.hand_over is None:
            return self.starts_at + turn * self.shift_length
        first = _day_of(self.starts_at, self.hand_over, self.time_zone)
        if first is None:  # only a copy with unchecked changes can get here
            raise ValueError("starts_at is no hand-over")
        return moment(first + turn * self.shift_length, self.hand_over, self.time_zone)


def _day_of(at: datetime, clock: time, zone: str) -> date | None:
    """Return the day whose ``clock`` is ``at``; None if there is none."""
    day = local(at, zone).date()
    # A time that a change of the clocks around midnight leaves out is a moment of the day after.
    return next((one for one in (day, day - _DAY) if moment(one, clock, zone) == at), None)


def _strangers(fields: Any) -> Iterator[Refusal]:
    people = [one for name in ("people", "stand_ins") for _, one in entries(fields.get(name))]
    users = Known(user for one in people if isinstance(user := one.get("user"), str))
    for place, override in entries(fields.get("overrides")):
        user = override.get("user")
        if people and isinstance(user, str) and user not in users:
            words = f"is nobody of this rotation{users.hint(user)}; who has no shifts is added to stand_ins"
            yield Refusal(("overrides", place, "user"), user, words)


def _overlaps(fields: Any) -> Iterator[Refusal]:
    sound: list[tuple[Override, int]] = []
    for place, entry in entries(fields.get("overrides")):
        try:
            sound.append((Override.model_validate(dict(entry)), place))
        except ValidationError:
            continue  # refused for itself
    sound.sort(key=lambda one: one[0].from_)
    for number, (override, place) in enumerate(sound[1:], start=1):
        earlier, at = max(sound[:number], key=lambda one: one[0].until)
        if override.from_ < earlier.until:
            words = (
                f"overlaps with overrides.{at} ({earlier.user} until {rfc3339(earlier.until)}); two people "
                "cannot have one duty: end one before the other begins"
            )
            yield Refusal(("overrides", place, "from"), rfc3339(override.from_), words)
