"""The tests of a rule set: which stories are told together, on which series, how often rules run in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from release_watch.slo.unit_tests.batches import Batch
from release_watch.slo.unit_tests.sources import EVENTS, Source, Values
from release_watch.slo.unit_tests.stories import (
    Story,
    absence_noticed,
    again,
    burn,
    cold_start,
    failures_only,
    incident,
    moment,
    slow_burn,
    vanishing,
)
from release_watch.slo.unit_tests.subjects import FAST, SLOW, TRICKLE, Subject

VANISHING = "a fast burn pages, and then telemetry vanishes"
QUIET = "no alert without history, or without traffic"
SLOW_PAGE = "a slow burn pages"
SLOW_TICKET = "a very slow burn raises a ticket"
DAY_TICKET = "a burn of a day raises a ticket"
FEW_HOURS = "nothing but failures in hours"
FEW_DAYS = "nothing but failures in days"

_BURNS = {
    VANISHING: (FAST, "the page: the SLO's series give no error ratio that surely pages"),
    SLOW_PAGE: (FAST, "the slower arm of the page, alone: slices and samples show few errors late or never"),
    SLOW_TICKET: (SLOW, "the ticket: the SLO's series give no error ratio that surely raises it"),
    DAY_TICKET: (SLOW, "the faster arm of the ticket, alone: that takes errors for days"),
    FEW_HOURS: (TRICKLE, "the ticket at low traffic: single events are not to be had of samples or slices"),
}
"""What a test shows of which alert, where the SLO's series can give it."""

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

_RARELY = 30 * _MINUTE
"""How often rules are evaluated in a test of more than a day."""

_BUSY, _BUSY_FOR = 50, 2 * _HOUR
_HEALTHY, _COLD, _IDLE = 5 * _MINUTE, 10 * _MINUTE, 6 * _MINUTE
_PAGE_LASTS = 7 * _MINUTE
"""Without telemetry; a window of five minutes is long empty then."""

_Tell = Callable[[Subject, timedelta], Story | None]
_Told = tuple[tuple[Subject, Story], ...]


class Scene(NamedTuple):
    """One test: series with a sample every ``step``, all rules evaluated ``every``, and what must come of it.

    ``traffic`` are the moments from which a step has so many events; ``single``, if any, the only moments
    with an event. ``gone`` is from when to when there is no telemetry.
    """

    name: str
    every: timedelta
    step: timedelta
    sources: tuple[Source, ...]
    stories: _Told
    traffic: tuple[tuple[timedelta, int], ...] = ((timedelta(0), EVENTS),)
    single: tuple[timedelta, ...] = ()
    gone: tuple[timedelta, timedelta] | None = None

    @property
    def end(self) -> timedelta:
        """When the last check is."""
        return max(story.end for _, story in self.stories)

    def values(self) -> Values:
        """Return the values of every series, one for each step."""
        moments = [number * self.step for number in range(self.end // self.step + 1)]
        stories = {subject.name: story for subject, story in self.stories}
        found: Values = {}
        for source in self.sources:
            course = [
                (total, {name: _bad(stories.get(name), at, total) for name in source.names})
                for at in moments
                for total in [self._events(at)]
            ]
            found.update(source.values(course))
        return found

    def is_gone(self, at: timedelta) -> bool:
        """Return whether there is no telemetry at a moment."""
        return self.gone is not None and self.gone[0] <= at < self.gone[1]

    def _events(self, at: timedelta) -> int:
        if at == timedelta(0) or self.is_gone(at):
            return 0  # a counter begins with nothing
        if self.single:
            return int(at in self.single)
        return next(number for start, number in reversed(self.traffic) if start < at)


def scenes(batch: Batch) -> Iterator[Scene]:
    """Yield all tests of a batch."""
    for every, subjects in _by(batch.subjects, lambda one: one.intervals["page"]):
        yield _vanishing(batch, subjects, every)
        yield _without_history(batch, subjects, every)
        yield from _told(SLOW_PAGE, batch, subjects, every, _slow_page)
    for every, subjects in _by(batch.subjects, lambda one: one.intervals["ticket"]):
        yield from _told(SLOW_TICKET, batch, subjects, every, _slow_ticket)
    busy = ((timedelta(0), EVENTS * _BUSY), (_BUSY_FOR, EVENTS))
    for scene in _told(DAY_TICKET, batch, batch.subjects, _RARELY, _day_ticket):
        yield scene._replace(traffic=busy)
    yield from _low_traffic(batch)


def untested(subject: Subject, found: Iterable[Scene]) -> Iterator[str]:
    """Yield what of an SLO's alerts none of these tests shows."""
    tested = {
        (scene.name, check.tier)
        for scene in found
        for one, story in scene.stories
        if one is subject
        for check in story.checks
        if check.fires
    }
    for name, (tier, what) in _BURNS.items():
        if tier in subject.alerts and (name, tier) not in tested:
            yield what


def _vanishing(batch: Batch, subjects: Sequence[Subject], every: timedelta) -> Scene:
    burning = [_fast_page(one, every) if FAST in one.alerts else None for one in subjects]
    gone = moment(max((story.end for story in burning if story), default=_HEALTHY), every, 1)
    lasts = max(_PAGE_LASTS, *(absence_noticed(one) + 3 * every for one in subjects))
    back = moment(gone + lasts, every, 0)
    stories = tuple(
        (one, vanishing(one, story, every, gone, back)) for one, story in zip(subjects, burning, strict=True)
    )
    return Scene(VANISHING, every, every, batch.sources, stories, gone=(gone, back))


def _without_history(batch: Batch, subjects: Sequence[Subject], every: timedelta) -> Scene:
    end = moment(_COLD + _IDLE, every, 0)
    cold = tuple((one, cold_start(one, every, moment(_COLD, every, 0), end)) for one in subjects)
    idle = ((timedelta(0), EVENTS), (moment(_COLD, every, 1), 0))
    return Scene(QUIET, every, every, batch.sources, cold, idle)


def _told(
    name: str, batch: Batch, subjects: Sequence[Subject], every: timedelta, tell: _Tell
) -> Iterator[Scene]:
    stories = tuple((one, story) for one in subjects if (story := tell(one, every)))
    if stories:
        yield Scene(name, every, min(every, _MINUTE), batch.sources, stories)


def _fast_page(subject: Subject, every: timedelta) -> Story | None:
    """Return an incident that pages, its end, and errors that page again."""
    found = incident(subject, "page")
    if found is None:
        return None
    story = burn(subject, found, every, moment(_HEALTHY, every, 0), subject.healthy)
    return again(subject, found, story, every)


def _slow_page(subject: Subject, every: timedelta) -> Story | None:
    return slow_burn(subject, "page", every) if FAST in subject.alerts else None


def _slow_ticket(subject: Subject, every: timedelta) -> Story | None:
    if SLOW not in subject.alerts:
        return None
    if subject.told_apart:
        return slow_burn(subject, "ticket", every)
    found = incident(subject, "ticket")
    return found and burn(subject, found, every, moment(_HEALTHY, every, 0))


def _day_ticket(subject: Subject, every: timedelta) -> Story | None:
    """Return an incident after a busier time, which has left the window of a day, and not that of three."""
    if SLOW not in subject.alerts or not subject.told_apart:
        return None
    found = incident(subject, "ticket", every // subject.intervals["ticket"])
    if found is None or found.detected > _DAY - 2 * _BUSY_FOR:
        return None
    start = max(_DAY + _BUSY_FOR - found.detected, 2 * _BUSY_FOR)
    return burn(subject, found, every, moment(start, every, 0))


def _low_traffic(batch: Batch) -> Iterator[Scene]:
    subjects = [one for one in batch.subjects if TRICKLE in one.alerts and one.told_apart]
    if not subjects:
        return
    half_past = [(FEW_HOURS, (0.5, 1.5, 2.5), 4.5), (FEW_DAYS, (0.5, 7.5, 14.5), 16.5)]
    for name, hours, success in half_past:
        failures, end = [hour * _HOUR for hour in hours], success * _HOUR
        stories = tuple((one, failures_only(one, failures, end)) for one in subjects)
        yield Scene(name, _HOUR, _MINUTE, batch.sources, stories, single=(*failures, end))


def _by(
    subjects: Iterable[Subject], key: Callable[[Subject], timedelta]
) -> list[tuple[timedelta, list[Subject]]]:
    found: dict[timedelta, list[Subject]] = {}
    for subject in subjects:
        found.setdefault(key(subject), []).append(subject)
    return sorted(found.items())


def _bad(story: Story | None, at: timedelta, total: int) -> int:
    return round((story.bad(at) if story else Decimal(0)) * total)
