"""Pages per shift, and pages at night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from release_watch.artifacts.models import Window
from release_watch.assurance.quality.models import Paging, ShiftLoad
from release_watch.catalog.oncall import OnCall, Rotation
from release_watch.catalog.policies import AlertQualityPolicy
from release_watch.catalog.quiet_hours import QuietHours
from release_watch.clock import in_words

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Stretch(NamedTuple):
    person: str | None
    start: datetime
    end: datetime


def paged_rotation(oncall: OnCall | None) -> Rotation | None:
    """Return the rotation of the first level of escalation: who is paged first."""
    return oncall.roles.get(oncall.escalation[0].role) if oncall else None


def night_of(policy: AlertQualityPolicy, rotation: Rotation | None) -> QuietHours:
    """Return the nights of the policy, in the time zone of the rotation where it has one."""
    if rotation is None or rotation.time_zone is None:
        return policy.night
    return policy.night.model_copy(update={"time_zone": rotation.time_zone})


def paging_of(
    pages: Sequence[datetime], window: Window, policy: AlertQualityPolicy, rotation: Rotation | None
) -> Paging:
    """Return how often people were paged, by the shifts of ``rotation``, else by those of the policy.

    A shift that is longer than the policy's may have as many more pages as it is longer.
    """
    night = night_of(policy, rotation)
    stretches = list(_rotation(window, rotation) if rotation else _fixed(window, policy))
    shifts = []
    for person, start, end in stretches:
        theirs = [at for at in pages if start <= at < end or at == end == window.end]
        bearable = policy.pages_per_shift * max(1.0, (end - start) / policy.shift)
        shifts.append(
            ShiftLoad(
                person=person,
                start=start,
                end=end,
                pages=len(theirs),
                night_pages=sum(1 for at in theirs if night.end(at)),
                heavy=len(theirs) > bearable,
            )
        )
    return Paging(
        pages=len(pages),
        night_pages=sum(1 for at in pages if night.end(at)),
        pages_per_shift=len(pages) / len(stretches) if stretches else 0.0,
        busiest=max((shift.pages for shift in shifts), default=0),
        heavy_shifts=sum(1 for shift in shifts if shift.heavy),
        quiet_shifts=sum(1 for shift in shifts if not shift.pages),
        shifts=tuple(shift for shift in shifts if shift.pages),
        night=str(night),
        rotation="shifts of the rotation that is paged first (oncall.yaml)"
        if rotation
        else f"shifts of {in_words(policy.shift)} from 00:00 UTC on; no rotation is known",
    )


def _rotation(window: Window, rotation: Rotation) -> Iterator[_Stretch]:
    at = window.start
    while at < window.end:
        shift = rotation.shift(at)
        yield _Stretch(shift.person.name, max(shift.starts_at, window.start), min(shift.ends_at, window.end))
        at = shift.ends_at


def _fixed(window: Window, policy: AlertQualityPolicy) -> Iterator[_Stretch]:
    start = window.start - (window.start - _EPOCH) % policy.shift
    while start < window.end:
        yield _Stretch(None, max(start, window.start), min(start + policy.shift, window.end))
        start += policy.shift
