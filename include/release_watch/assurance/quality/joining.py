"""One firing of an alert, from the samples of its series: gaps of a restart are joined, real ones are not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from release_watch.clock import in_words

JOINED_GAP = timedelta(minutes=5)
"""Gaps up to this long are no end, where nothing tells since when the alert's condition held."""

LONGEST_RESTART = timedelta(hours=1)
"""Prometheus itself gives alerts their state back for as long (``--rules.alert.for-outage-tolerance``)."""

AROUND_RESTART = timedelta(minutes=2)
"""How near to a restart an alert must have fired of which nothing tells how often it is evaluated."""

_MISSED = 1.5
"""Times the usual distance: samples further apart have missed at least one evaluation."""

Span = tuple[datetime, datetime]


class Silence(NamedTuple):
    """When a server evaluated nothing, between two beats that usually are ``beat`` apart."""

    stopped: datetime
    returned: datetime
    beat: timedelta


def rules_of(joined_gap: timedelta = JOINED_GAP) -> tuple[str, ...]:
    """Return in words by which rules samples are one firing."""
    return (
        "samples with the same activeAt (ALERTS_FOR_STATE) are one firing, however far apart they are",
        "samples with another activeAt are another firing, unless no evaluation can have been in between, or "
        "the server was silent meanwhile (its dead man's switch has a gap of at most "
        f"{in_words(LONGEST_RESTART)}), the alert fired until then, and its condition held again afterwards; "
        "both to two evaluations",
        f"where activeAt is not known, samples at most {in_words(joined_gap)} apart are one firing",
    )


class Seen(NamedTuple):
    """A moment at which a series fired; ``active_at`` is since when its condition held, None if not known."""

    at: datetime
    active_at: datetime | None = None


class Run(NamedTuple):
    """One firing of one series, from its first sample to its last."""

    start: datetime
    end: datetime
    active_at: datetime | None = None


def join(
    seen: Iterable[Seen], *, joined_gap: timedelta = JOINED_GAP, silences: Sequence[Silence] = ()
) -> list[Run]:
    """Return the firings of one series by :func:`rules_of`, oldest first.

    Args:
        seen: the samples, in any order.
        joined_gap: how far apart samples without activeAt may be.
        silences: when the server evaluated nothing; see :func:`silences_of`.
    """
    ordered = sorted(seen, key=lambda one: one.at)
    beat = _evaluation_distance(ordered)
    runs: list[Run] = []
    for before, after in pairwise([None, *ordered]):
        if after is None:
            continue
        if before is not None and _one_firing(before, after, beat, joined_gap, silences):
            runs[-1] = runs[-1]._replace(end=after.at)
        else:
            runs.append(Run(after.at, after.at, after.active_at))
    return runs


def silences_of(beats: Iterable[datetime]) -> list[Silence]:
    """Return the gaps of a heartbeat: when the server evaluated no rules, for at most an hour each.

    A gap is longer than one and a half times the shortest distance of two beats.
    """
    ordered = sorted(set(beats))
    gaps = [(before, after) for before, after in pairwise(ordered)]
    usual = min((after - before for before, after in gaps), default=timedelta(0))
    return [Silence(a, b, usual) for a, b in gaps if _MISSED * usual < b - a <= LONGEST_RESTART]


def _evaluation_distance(ordered: Sequence[Seen]) -> timedelta:
    """Return how far apart two evaluations of the alert are at least; nothing, where that cannot be told."""
    same = (
        b.at - a.at for a, b in pairwise(ordered) if a.active_at is not None and a.active_at == b.active_at
    )
    return min(same, default=timedelta(0))


def _one_firing(
    before: Seen, after: Seen, beat: timedelta, joined_gap: timedelta, silences: Sequence[Silence]
) -> bool:
    if before.active_at is None or after.active_at is None:
        return after.at - before.at <= joined_gap
    if before.active_at == after.active_at:
        return True
    # A restart between two evaluations that follow each other: there was none at which it could have ended.
    if after.at - before.at < _MISSED * beat:
        return True
    return any(_restarted(before, after.at, after.active_at, beat, silence) for silence in silences)


def _restarted(
    before: Seen, seen_again: datetime, active_again: datetime, beat: timedelta, silence: Silence
) -> bool:
    near = max(2 * beat or AROUND_RESTART, 2 * silence.beat)
    return (
        abs(before.at - silence.stopped) <= near
        and seen_again >= silence.returned - near
        and active_again <= silence.returned + near
    )
