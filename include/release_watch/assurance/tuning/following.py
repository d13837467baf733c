"""What followed an approved change: each night it is held against what its back-test said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.assurance.tuning.kept import KeptTuning
from release_watch.assurance.tuning.measuring import Measured, measure
from release_watch.clock import in_words
from release_watch.response.incidents import Incident

LONGEST = timedelta(days=31)
"""So far back what followed is looked at, at most."""
LEAST = timedelta(days=3)
"""So long a change has been in force before anything is said of it."""
FEWEST = 3
"""So many firings and incidents together have to be there before anything is said."""


class Followed(NamedTuple):
    """What followed a change, in ``words``; ``measured`` is None where there is nothing to judge by yet."""

    measured: Measured | None
    words: str

    @property
    def refuted(self) -> bool:
        """Whether the change does worse than its back-test said, beyond chance."""
        return self.measured is not None and self.measured.refuted


def followed_since(tuning: KeptTuning, at: datetime) -> datetime:
    """Return since when what followed is looked at."""
    return max(tuning.last.applied_at if tuning.last else at, at - LONGEST)


def followed(
    tuning: KeptTuning,
    firings: Sequence[AlertInterval],
    incidents: Sequence[Incident],
    at: datetime,
    namesakes: int = 1,
) -> Followed:
    """Return what followed the last change of ``tuning`` until ``at``.

    ``firings`` and ``incidents`` may be more than those of its service, and begin earlier. ``namesakes`` is
    how many alerts have its name and service, as those of several SLOs do: firings do not tell them apart.
    """
    last = tuning.last
    if last is None:
        return Followed(None, "it was taken back")
    if namesakes > 1:
        many = f"{namesakes} alerts of {last.proposal.service} are called {last.proposal.alert}"
        return Followed(None, f"nothing to judge by: {many}, and firings do not tell them apart")
    since = followed_since(tuning, at)
    if at - since < LEAST:
        young = f"in force for {in_words(at - since)}; at least {in_words(LEAST)} say something"
        return Followed(None, f"nothing to judge by: {young}")
    proposal = last.proposal
    theirs = [one for one in incidents if one.service in (proposal.service, None) and one.opened_at >= since]
    own = [
        one
        for one in firings
        if (one.alert, one.service) == (proposal.alert, proposal.service) and one.start >= since
    ]
    if len(own) + len(theirs) < FEWEST:
        few = f"{len(own)} firings and {len(theirs)} incidents in {in_words(at - since)}"
        return Followed(None, f"nothing to judge by: {few}; at least {FEWEST} say something")
    found = measure(proposal, own, theirs, window=(since, at))
    return Followed(found, "; ".join(found.in_words()))
