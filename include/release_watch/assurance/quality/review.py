"""What people said of each firing: true, a false alarm, nothing yet, or that it does not count.

A person says so with a label of a ticket, with ``[false-alarm]`` in its title where tickets have no labels,
or with the column ``verdict`` of a CSV file: see :data:`RULES`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.assurance.quality.matching import NOBODY, Matching, MatchRules, Neighbours, match
from release_watch.response.incidents import Incident

FALSE_ALARM, DRILL, MAINTENANCE = "false-alarm", "drill", "maintenance"
VERDICTS = (FALSE_ALARM, DRILL, MAINTENANCE)

_MARK = re.compile(r"\[([^\[\]]{1,40})\]")

Reviewing = Literal["explicit", "tracker"]

RULES = {
    "explicit": (
        "a firing is true if it belongs to an incident, and false only if a ticket or row with the verdict "
        "false-alarm says so; all others are not reviewed and stand in no denominator"
    ),
    "tracker": (
        "every incident has its ticket: a firing is true if it belongs to an incident, and false if it does "
        "not"
    ),
}
EXCLUDING = (
    "drills do not count: alerts with the label drill, and firings that began during a ticket or row with "
    "the verdict drill; nor do firings of no incident that began during one with the verdict maintenance"
)


class Judged(StrEnum):
    """What a firing was worth."""

    TRUE = "true"
    FALSE = "false"
    UNREVIEWED = "unreviewed"
    EXCLUDED = "excluded"


class Review(NamedTuple):
    """What each firing was worth, the real incidents, and which true firings belong to which of them.

    ``acted_on``: whether any ticket or row tells of the firing.
    """

    firings: tuple[Judged, ...]
    incidents: tuple[Incident, ...]
    matching: Matching
    acted_on: tuple[bool, ...]


def verdict_of(incident: Incident) -> str | None:
    """Return the verdict that a ticket has as a label, or in brackets in its title; None for an incident."""
    written = (*incident.labels, *_MARK.findall(incident.title))
    labels = {"-".join(label.lower().replace("_", "-").split()) for label in written}
    return next((one for one in VERDICTS if one in labels), None)


def judge_firings(
    alerts: Sequence[AlertInterval],
    tickets: Sequence[Incident],
    *,
    until: datetime,
    rules: MatchRules | None = None,
    neighbours: Neighbours = NOBODY,
    review: Reviewing = "explicit",
) -> Review:
    """Return what each of ``alerts`` was worth by what ``tickets`` say; open ones last ``until``.

    Where tickets disagree: a drill excludes; then a false alarm that names the alert holds, then an incident,
    then maintenance, then a false alarm of the whole service.
    """
    by_verdict: dict[str | None, list[Incident]] = {}
    for ticket in tickets:
        by_verdict.setdefault(verdict_of(ticket), []).append(ticket)
    real = by_verdict.get(None, [])
    matched = match(alerts, real, until=until, rules=rules, neighbours=neighbours)
    false_alarms = by_verdict.get(FALSE_ALARM, [])
    named = _told(alerts, [one for one in false_alarms if one.alert], until, rules)
    of_service = _told(alerts, [one for one in false_alarms if not one.alert], until, rules)
    drills = _begun_during(alerts, by_verdict.get(DRILL, []), until)
    maintenance = _begun_during(alerts, by_verdict.get(MAINTENANCE, []), until)
    unmatched = Judged.FALSE if review == "tracker" else Judged.UNREVIEWED

    def judged(position: int) -> Judged:
        reasons = (
            (position in drills, Judged.EXCLUDED),
            (position in named, Judged.FALSE),
            (bool(matched.by_alert[position]), Judged.TRUE),
            (position in maintenance, Judged.EXCLUDED),
            (position in of_service, Judged.FALSE),
        )
        return next((said for holds, said in reasons if holds), unmatched)

    firings = tuple(judged(position) for position in range(len(alerts)))
    told = drills | named | maintenance | of_service
    acted_on = tuple(position in told or bool(theirs) for position, theirs in enumerate(matched.by_alert))
    return Review(firings, tuple(real), _only_true(matched, firings), acted_on)


def _told(
    alerts: Sequence[AlertInterval], tickets: Sequence[Incident], until: datetime, rules: MatchRules | None
) -> set[int]:
    found = match(
        alerts, tickets, until=until, rules=rules and rules.model_copy(update={"dependencies": False})
    )
    return {position for position, theirs in enumerate(found.by_alert) if theirs}


def _begun_during(alerts: Sequence[AlertInterval], windows: Iterable[Incident], until: datetime) -> set[int]:
    """Return the firings that began in a window of their service, or of all: one without a service."""
    spans = [(one, one.opened_at, one.closed_at or until) for one in windows]
    return {
        position
        for position, alert in enumerate(alerts)
        for one, start, end in spans
        if one.service in (None, alert.service)
        and one.alert in (None, alert.alert)
        and start <= alert.start <= end
    }


def _only_true(matching: Matching, firings: Sequence[Judged]) -> Matching:
    true = {position for position, said in enumerate(firings) if said is Judged.TRUE}
    return Matching(
        tuple(theirs if position in true else () for position, theirs in enumerate(matching.by_alert)),
        tuple(tuple(p for p in theirs if p in true) for theirs in matching.by_incident),
    )
