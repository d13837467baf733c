"""Counts and times of the firings of a window, per alert and per incident."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from release_watch.assurance.proportion import Proportion
from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.assurance.quality.matching import began
from release_watch.assurance.quality.models import (
    AlertMeasures,
    Caught,
    IncidentMeasures,
    Spread,
    Tally,
    Times,
)
from release_watch.assurance.quality.review import Judged, Review
from release_watch.catalog.policies import AlertQualityPolicy
from release_watch.catalog.quiet_hours import QuietHours
from release_watch.identifiers import promql_string
from release_watch.response.incidents import Incident

Kind = tuple[str, str, str]


class Firing(NamedTuple):
    """A firing with all that is known of it; ``page``: somebody was paged by it in the window."""

    interval: AlertInterval
    judged: Judged
    acted_on: bool
    silenced: bool
    page: bool

    @property
    def kind(self) -> Kind:
        """The alert's name, service and severity."""
        return self.interval.alert, self.interval.service, self.interval.severity

    @property
    def counted(self) -> bool:
        """Whether it is a firing of the window, and not of the one before."""
        return not self.interval.begun_before


class Known(NamedTuple):
    """Firings and tickets of a window; ``counting`` are the positions of the incidents that began in it."""

    firings: Sequence[Firing]
    review: Review
    counting: Sequence[int]
    tickets_known: bool
    silences_known: bool

    def incidents(self, service: str, alert: str) -> Iterator[int]:
        """Yield the counted incidents that this alert of this service should have told of."""
        for number in self.counting:
            incident = self.review.incidents[number]
            if incident.service == service and incident.alert in (None, alert):
                yield number


def tally_of(firings: Sequence[Firing]) -> Tally:
    """Return how these firings were judged."""
    said = [one.judged for one in firings]
    true, false, unreviewed, excluded = (
        said.count(one) for one in (Judged.TRUE, Judged.FALSE, Judged.UNREVIEWED, Judged.EXCLUDED)
    )
    every = true + false + unreviewed
    return Tally(
        firings=len(firings),
        true_positives=true,
        false_positives=false,
        unreviewed=unreviewed,
        excluded=excluded,
        precision=Proportion.of(true, true + false),
        lowest=true / every if every else None,
        highest=(true + unreviewed) / every if every else None,
    )


def caught_of(told: Iterable[bool]) -> Caught:
    """Return how many incidents were told of."""
    found = list(told)
    return Caught(incidents=len(found), detected=sum(found), recall=Proportion.of(sum(found), len(found)))


def incident_of(incident: Incident, theirs: Sequence[Firing]) -> IncidentMeasures:
    """Return what the firings that belong to an incident told of it."""
    ordered = sorted(theirs, key=lambda one: one.interval.start)
    first = ordered[0].interval.start if ordered else None
    ongoing = any(one.interval.ongoing for one in ordered)
    last = None if ongoing else max((one.interval.end for one in ordered), default=None)
    acknowledged = _seconds(first, incident.acknowledged_at)
    return IncidentMeasures(
        ref=incident.url or incident.id,
        service=incident.service or "",
        title=incident.title,
        began_at=began(incident),
        opened_at=incident.opened_at,
        alerts=tuple(dict.fromkeys(one.interval.alert for one in ordered)),
        firings=len(ordered),
        paged=any(one.page for one in ordered),
        detection_seconds=_seconds(incident.began_at, first),
        reset_seconds=_seconds(incident.ended_at, last),
        lead_seconds=_seconds(first, incident.opened_at),
        acknowledge_seconds=acknowledged if acknowledged is not None and acknowledged >= 0 else None,
    )


def times_of(incidents: Sequence[IncidentMeasures]) -> Times:
    """Return the times of alerting over several incidents."""
    return Times(
        detection=_spread(one.detection_seconds for one in incidents),
        reset=_spread(one.reset_seconds for one in incidents),
        lead=_spread(one.lead_seconds for one in incidents),
        acknowledge=_spread(one.acknowledge_seconds for one in incidents),
    )


def alerts_of(known: Known, policy: AlertQualityPolicy, night: QuietHours) -> Iterator[AlertMeasures]:
    """Yield the measures of each alert that fired in the window, in order of name, service and severity."""
    kinds: dict[Kind, list[int]] = {}
    for position, firing in enumerate(known.firings):
        if firing.counted:
            kinds.setdefault(firing.kind, []).append(position)
    for kind in sorted(kinds):
        yield _alert(kind, [known.firings[n] for n in kinds[kind]], known, policy, night)


def _alert(
    kind: Kind, firings: Sequence[Firing], known: Known, policy: AlertQualityPolicy, night: QuietHours
) -> AlertMeasures:
    alert, service, severity = kind
    held = [
        incident_of(known.review.incidents[n], _firings_of(n, kind, known))
        for n in known.incidents(service, alert)
    ]
    real = [one for one in firings if one.judged is not Judged.EXCLUDED]
    tally, flaps = tally_of(firings), _flaps(real, policy)
    pages = [one.interval.start for one in firings if one.page]
    return AlertMeasures(
        alert=alert,
        service=service,
        severity=severity,
        tally=tally,
        caught=caught_of(not one.missed for one in held) if known.tickets_known else None,
        times=times_of(held),
        fired_seconds=sum((one.interval.end - one.interval.start).total_seconds() for one in firings),
        duplicates=sum(one.interval.copies - 1 for one in real),
        flaps=flaps,
        flapping=flaps >= policy.flapping_from,
        noisy=_noisy(tally, policy),
        pages=len(pages),
        night_pages=sum(1 for at in pages if night.end(at)),
        silenced=sum(one.silenced for one in firings) if known.silences_known else None,
        not_acted_on=sum(not one.acted_on for one in real) if known.tickets_known else None,
        query=f'ALERTS{{alertstate="firing",drill="",alertname={promql_string(alert)},'
        f"service={promql_string(service)},severity={promql_string(severity)}}}",
    )


def _firings_of(incident: int, kind: Kind, known: Known) -> list[Firing]:
    theirs = (known.firings[n] for n in known.review.matching.by_incident[incident])
    return [one for one in theirs if one.kind == kind]


def _noisy(tally: Tally, policy: AlertQualityPolicy) -> bool:
    precision = tally.precision
    enough = precision is not None and precision.total >= policy.fewest_firings
    return enough and precision is not None and precision.share < policy.noisy_below


def _flaps(firings: Sequence[Firing], policy: AlertQualityPolicy) -> int:
    ordered = sorted((one.interval for one in firings), key=lambda one: one.start)
    return sum(1 for before, after in pairwise(ordered) if after.start - before.end <= policy.flap_within)


def _seconds(earlier: datetime | None, later: datetime | None) -> float | None:
    return None if earlier is None or later is None else (later - earlier).total_seconds()


def _spread(seconds: Iterable[float | None]) -> Spread | None:
    return Spread.of(one for one in seconds if one is not None)
