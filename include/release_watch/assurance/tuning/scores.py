"""What the firings of one rule were worth against known incidents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import median

from pydantic import BaseModel, ConfigDict, Field

from release_watch.assurance.proportion import Proportion
from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.assurance.quality.matching import MatchRules, began
from release_watch.assurance.quality.review import Judged, Reviewing, judge_firings
from release_watch.response.incidents import Incident


class Score(BaseModel):
    """Precision and recall of one alert over a window.

    ``caught`` are the ids of the incidents that it told of, of ``incidents`` in all. ``detection_seconds`` is
    the median time from when an incident began to the first firing; negative where that came earlier.
    ``notifications`` counts each series of a firing on its own.
    """

    model_config = ConfigDict(frozen=True)

    firings: int = Field(ge=0)
    true: int = Field(ge=0)
    false: int = Field(ge=0)
    incidents: int = Field(ge=0)
    caught: tuple[str, ...]
    detection_seconds: float | None = None
    notifications: int = Field(ge=0)

    @property
    def precision(self) -> Proportion | None:
        """The share of the reviewed firings that belonged to an incident."""
        return Proportion.of(self.true, self.true + self.false)

    @property
    def recall(self) -> Proportion | None:
        """The share of the incidents that the alert told of."""
        return Proportion.of(len(self.caught), self.incidents)


def score(
    firings: Sequence[AlertInterval],
    incidents: Sequence[Incident],
    *,
    until: datetime,
    rules: MatchRules | None = None,
    review: Reviewing = "tracker",
) -> Score:
    """Return what ``firings`` were worth; drills, and what was marked as such, do not count.

    Args:
        firings: of one rule.
        incidents: of its service, with the verdicts that people gave; one of no service belongs to no
            firing, and so is no evidence of what the rule catches or misses.
        until: when the window ends.
        rules: how firings and incidents belong together.
        review: whether a firing without an incident was false, or is not reviewed.
    """
    incidents = [one for one in incidents if one.service is not None]
    judged = judge_firings(firings, incidents, until=until, rules=rules, review=review)
    counted = [one for one, said in zip(firings, judged.firings, strict=True) if said is not Judged.EXCLUDED]
    told = [
        (i, theirs) for i, theirs in zip(judged.incidents, judged.matching.by_incident, strict=True) if theirs
    ]
    delays = [
        (min(firings[position].start for position in theirs) - began(incident)).total_seconds()
        for incident, theirs in told
    ]
    return Score(
        firings=len(counted),
        true=judged.firings.count(Judged.TRUE),
        false=judged.firings.count(Judged.FALSE),
        incidents=len(judged.incidents),
        caught=tuple(incident.id for incident, _ in told),
        detection_seconds=median(delays) if delays else None,
        notifications=sum(one.copies for one in counted),
    )
