"""Which changes may be proposed, and which of them is the best. No incident is ever given up for quiet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import NamedTuple

from release_watch.assurance.tuning.candidates import Candidate
from release_watch.assurance.tuning.scores import Score
from release_watch.clock import in_words
from release_watch.slo.rulefile import Rule

KNOWN_INCIDENTS = 3
"""A page is made quieter only if it caught so many known incidents at least, and still catches them all."""

LATER_PAGE = timedelta(minutes=10)
"""A page may come at most so much later than before, by the median over the incidents."""

ACCEPTABLE = 0.5
"""An alert that catches more may be this imprecise, or as imprecise as it was."""

MORE_REPEATS = 1.25
"""A threshold amid the values of an incident splits one firing into many, each of which counts as true: that
makes precision look better and wakes people more often."""

RULES = (
    "a change is refused if any known incident that the alert told of is lost by it",
    f"a page is made quieter only if at least {KNOWN_INCIDENTS} known incidents that it caught are all still "
    f"caught, and it comes at most {in_words(LATER_PAGE)} later by the median",
    f"a page becomes a ticket only if it told of none of at least {KNOWN_INCIDENTS} known incidents",
    "a change that joins firings (keep_firing_for, grouping) is refused if the alert would then be firing on "
    "from before an incident of which it told anew; what it fires on after its condition ended tells of "
    "nothing",
    "a change is refused if the alert then fires a quarter more often for the same incident: it would flap",
    "a change is refused if precision is lower by it, if it makes no false firing or notification fewer, or "
    "if the alert would never have fired at all",
    "an alert is made more sensitive only if it then tells of incidents that no alert saw, with at most as "
    "many false firings more, and a precision of at least a half or what it was",
    "of the changes that are left: most incidents caught, then fewest false firings, fewest notifications, "
    "earliest detection, and the mildest change",
)


class Trial(NamedTuple):
    """A candidate and what it would have been worth; ``refused`` says why it may not be proposed."""

    candidate: Candidate
    score: Score
    refused: str = ""


def refusal(rule: Rule, before: Score, candidate: Candidate, after: Score, missed: Collection[str]) -> str:
    """Return why a candidate for ``rule`` may not be proposed; nothing if it may."""
    if lost := sorted(set(before.caught) - set(after.caught)):
        return f"loses {len(lost)} of {len(before.caught)} known incidents: {', '.join(lost[:3])}"
    if candidate.kind == "severity":
        return _not_a_ticket(before)
    if not after.firings:
        return "would never have fired; then delete the alert, by hand"
    page = rule.labels.get("severity") == "page"
    if page and not candidate.sooner and (words := _no_evidence(before, after)):
        return words
    gained = set(after.caught) - set(before.caught)
    return _not_worth_it(before, after, gained & set(missed))


def best(trials: Sequence[Trial], before: Score) -> Trial | None:
    """Return the trial that may be proposed and does most good; None if none may."""
    allowed = [(trial, number) for number, trial in enumerate(trials) if not trial.refused]
    return min(allowed, key=lambda one: (*_rank(one[0].score, before), one[1]))[0] if allowed else None


def _rank(after: Score, before: Score) -> tuple[float, ...]:
    return -len(after.caught), after.false, after.notifications, later_seconds(before, after) or 0.0


def later_seconds(before: Score, after: Score) -> float | None:
    """Return by how much later incidents are detected, by the median; None where that is not known."""
    if before.detection_seconds is None or after.detection_seconds is None:
        return None
    return after.detection_seconds - before.detection_seconds


def _not_a_ticket(before: Score) -> str:
    if before.caught:
        return f"it told of {len(before.caught)} known incidents, which would wake nobody"
    if before.incidents < KNOWN_INCIDENTS:
        return f"only {before.incidents} incidents are known; {KNOWN_INCIDENTS} are needed to judge a page"
    return ""


def _no_evidence(before: Score, after: Score) -> str:
    if len(before.caught) < KNOWN_INCIDENTS:
        return (
            f"no recall evidence: this page caught {len(before.caught)} known incidents, and at least "
            f"{KNOWN_INCIDENTS} are needed to make it quieter"
        )
    later = later_seconds(before, after)
    if later is not None and later > LATER_PAGE.total_seconds():
        return f"pages {in_words(timedelta(seconds=later))} later; at most {in_words(LATER_PAGE)}"
    return ""


def _repeats(score: Score) -> float:
    """Return how often the alert fires for an incident that it tells of."""
    return score.true / len(score.caught) if score.caught else 0.0


def _not_worth_it(before: Score, after: Score, gained: Collection[str]) -> str:
    now, then = after.precision, before.precision
    if _repeats(after) > MORE_REPEATS * _repeats(before) > 0:
        return f"flaps: fires {_repeats(after):.1f} times an incident in place of {_repeats(before):.1f}"
    if gained:
        enough = min(ACCEPTABLE, then.share if then else 0.0)
        if after.false - before.false > len(gained):
            return f"{after.false - before.false} more false firings for {len(gained)} incidents"
        return "" if now is not None and now.share >= enough else "precision would be below a half"
    if now is not None and then is not None and now.share < then.share:
        return "its precision would be lower"
    if after.false > before.false or after.notifications >= before.notifications:
        return "no improvement: as many notifications, or more false firings"
    return ""
