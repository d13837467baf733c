"""Incidents that nobody would be told of any more, because the alert would be firing on from before them.

An alert that fires on, and one for all instances, join firings into one. Only the first begin of it is a
notification: an incident amid a joined firing counts as caught, and may yet have woken nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.assurance.quality.matching import MatchRules, began, match
from release_watch.assurance.quality.review import verdict_of
from release_watch.assurance.tuning.proposal import Kind
from release_watch.response.incidents import Incident

JOINING: tuple[Kind, ...] = ("keep_firing_for", "grouping")
"""The kinds of changes that join firings."""


def announced(
    firings: Sequence[AlertInterval],
    incidents: Sequence[Incident],
    *,
    until: datetime,
    rules: MatchRules | None = None,
) -> frozenset[str]:
    """Return the ids of the incidents for which a firing began, and did not only go on."""
    real = [one for one in incidents if verdict_of(one) is None]
    lead = (rules or MatchRules()).lead
    told = match(firings, real, until=until, rules=rules).by_incident
    return frozenset(
        one.id
        for one, theirs in zip(real, told, strict=True)
        if any(firings[position].start >= min(one.opened_at - lead, began(one)) for position in theirs)
    )


def masked(
    kind: Kind,
    before: Sequence[AlertInterval],
    after: Sequence[AlertInterval],
    incidents: Sequence[Incident],
    *,
    until: datetime,
    rules: MatchRules | None = None,
) -> str:
    """Return why a change that joins firings may not be proposed: in words, nothing if it may.

    Args:
        kind: what is changed; other kinds join nothing.
        before: firings of the rule in force.
        after: firings with the change.
        incidents: of the service.
        until: when the window ends.
        rules: how firings and incidents belong together.
    """
    if kind not in JOINING:
        return ""
    once, then = (announced(firings, incidents, until=until, rules=rules) for firings in (before, after))
    if not (lost := sorted(once - then)):
        return ""
    return (
        f"would be firing on from before {len(lost)} known incidents, of which it told anew: "
        f"{', '.join(lost[:3])}"
    )
