"""Alert quality over a window: firings held against tickets, and all numbers that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from release_watch.artifacts.models import Window
from release_watch.assurance.quality import joining, review
from release_watch.assurance.quality.counting import (
    Firing,
    Known,
    alerts_of,
    caught_of,
    incident_of,
    tally_of,
    times_of,
)
from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.assurance.quality.matching import NOBODY, MatchRules, began, neighbours_of
from release_watch.assurance.quality.models import AlertReport
from release_watch.assurance.quality.paging import night_of, paged_rotation, paging_of
from release_watch.assurance.quality.review import Judged, judge_firings
from release_watch.assurance.quality.silences import Silence, silenced
from release_watch.catalog.models import Catalog
from release_watch.catalog.oncall import OnCall
from release_watch.catalog.policies import AlertQualityPolicy
from release_watch.response.incidents import Incident

COUNTING = (
    "what began before the window counts in none of its numbers, but may belong to what began in it",
    "a page is a firing of a page's severity that began in the window, is not excluded and was not silenced, "
    "as far as Alertmanager still knows; what was inhibited is not known",
    "an alert that no ticket and no row tells of was not acted on",
)


class Asked(NamedTuple):
    """Where the history came from: the queries by what they tell, and the source of the incidents.

    ``problem`` is why there are no incidents, ``notes`` say what of the history is not known.
    """

    queries: Mapping[str, str] = {}
    source: str = "given"
    problem: str | None = None
    notes: tuple[str, ...] = ()


def match_rules(policy: AlertQualityPolicy) -> MatchRules:
    """Return the matching rules of a policy."""
    return MatchRules(lead=policy.lead, trail=policy.trail or timedelta(0), dependencies=policy.dependencies)


def measure(
    alerts: Sequence[AlertInterval],
    tickets: Sequence[Incident] | None,
    *,
    window: tuple[datetime, datetime],
    policy: AlertQualityPolicy | None = None,
    catalog: Catalog | None = None,
    oncall: OnCall | None = None,
    silences: Sequence[Silence] | None = None,
    asked: Asked | None = None,
) -> AlertReport:
    """Return how alerts and tickets of ``window`` (start, end) agree.

    ``tickets`` None means that nobody could be asked; an empty list, that there were none. ``catalog`` tells
    of dependencies, ``oncall`` of shifts; ``silences`` None means that they are not known.
    """
    policy, asked = policy or AlertQualityPolicy(), asked or Asked()
    span = Window(start=window[0], end=window[1])
    known = _known(alerts, tickets, span, policy, catalog, silences)
    counted = [one for one in known.firings if one.counted]
    incidents = tuple(
        incident_of(
            known.review.incidents[n], [known.firings[p] for p in known.review.matching.by_incident[n]]
        )
        for n in known.counting
    )
    rotation = paged_rotation(oncall)
    pages = [one.interval.start for one in counted if one.page]
    return AlertReport(
        window=span,
        reviewed=known.tickets_known,
        reason=_reason(known, asked),
        tally=tally_of(counted),
        caught=caught_of(not one.missed for one in incidents) if known.tickets_known else None,
        page_caught=caught_of(one.paged for one in incidents) if known.tickets_known else None,
        times=times_of(incidents),
        alerts=tuple(alerts_of(known, policy, night_of(policy, rotation))),
        incidents=incidents,
        paging=paging_of(pages, span, policy, rotation),
        carried_over_firings=len(known.firings) - len(counted),
        carried_over_incidents=len(known.review.incidents) - len(incidents),
        rules=rules_of(policy),
        queries=dict(asked.queries),
        incident_source=asked.source,
        notes=asked.notes,
    )


def rules_of(policy: AlertQualityPolicy) -> tuple[str, ...]:
    """Return, in words, every rule by which firings are joined, matched, judged and counted."""
    matching = match_rules(policy).in_words()
    return (
        *joining.rules_of(policy.joined_gap),
        *matching,
        review.RULES[policy.review],
        review.EXCLUDING,
        *COUNTING,
    )


def _known(
    alerts: Sequence[AlertInterval],
    tickets: Sequence[Incident] | None,
    span: Window,
    policy: AlertQualityPolicy,
    catalog: Catalog | None,
    silences: Sequence[Silence] | None,
) -> Known:
    judged = judge_firings(
        alerts,
        [one for one in tickets or () if _touches(one, span)],
        until=span.end,
        rules=match_rules(policy),
        neighbours=neighbours_of(catalog) if catalog else NOBODY,
        review="explicit" if tickets is None else policy.review,
    )
    firings = []
    for interval, said, acted_on in zip(alerts, judged.firings, judged.acted_on, strict=True):
        quiet = silenced(interval, silences or ())
        loud = interval.severity in policy.page_severities and not quiet and not interval.begun_before
        firings.append(Firing(interval, said, acted_on, quiet, loud and said is not Judged.EXCLUDED))
    counting = [n for n, one in enumerate(judged.incidents) if span.start <= began(one) <= span.end]
    return Known(firings, judged, counting, tickets is not None, silences is not None)


def _touches(incident: Incident, span: Window) -> bool:
    last = max(incident.opened_at, incident.closed_at or span.end)
    return began(incident) <= span.end and last >= span.start


def _reason(known: Known, asked: Asked) -> str:
    if not known.tickets_known:
        return asked.problem or "no source of incidents was given"
    return f"{len(known.firings)} firings were held against {len(known.review.incidents)} incidents"
