"""Whether a change, once in force, does what its back-test said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from release_watch.artifacts.models import Window
from release_watch.assurance.proportion import Proportion, in_words
from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.assurance.quality.matching import MatchRules
from release_watch.assurance.tuning.proposal import TuningProposal
from release_watch.assurance.tuning.replay import without_tail
from release_watch.assurance.tuning.scores import Score, score
from release_watch.errors import InvalidInputError
from release_watch.response.incidents import Incident


class Outcome(StrEnum):
    """How a share that followed lies to the 95 % interval that was expected.

    ``CHANCE``: outside of it, but so few were seen that their own interval reaches into it.
    """

    AS_EXPECTED = "within the interval"
    CHANCE = "outside of the interval, by no more than chance"
    BETTER = "better than expected"
    WORSE = "worse than expected"
    UNKNOWN = "nothing to judge by"


class Measured(BaseModel):
    """What followed a change, held against its back-test."""

    model_config = ConfigDict(frozen=True)

    proposal_id: str
    digest: str
    window: Window
    expected: Score
    followed: Score
    precision: Outcome
    recall: Outcome

    @property
    def held(self) -> bool:
        """Whether precision and recall both came out within their intervals."""
        return self.precision is Outcome.AS_EXPECTED and self.recall is Outcome.AS_EXPECTED

    @property
    def refuted(self) -> bool:
        """Whether one of them is worse than expected, beyond chance; then the change should be taken back."""
        return Outcome.WORSE in (self.precision, self.recall)

    def in_words(self) -> tuple[str, ...]:
        """Return expected and seen, a line each."""
        pairs = (
            ("precision", self.expected.precision, self.followed.precision, self.precision),
            ("recall", self.expected.recall, self.followed.recall, self.recall),
        )
        return tuple(
            f"{name}: expected {in_words(expected)}, then {in_words(seen)}: {outcome.value}"
            for name, expected, seen, outcome in pairs
        )


def measure(
    proposal: TuningProposal,
    firings: Sequence[AlertInterval],
    incidents: Sequence[Incident],
    *,
    window: tuple[datetime, datetime],
    matching: MatchRules | None = None,
) -> Measured:
    """Return whether what followed a change is within the interval that its back-test gave.

    Args:
        proposal: the change.
        firings: of its alert in ``window``: from the history of alerts, or replayed.
        incidents: of its service in ``window``, with the verdicts that people gave.
        window: (start, end), after the window of the back-test.
        matching: how firings and incidents belong together; the same as in the back-test.

    Raises:
        InvalidInputError: if the window began before that of the back-test ended: it would prove itself.
    """
    if window[0] < proposal.window.end:
        raise InvalidInputError(
            [
                f"{proposal.proposal_id}: was tested on history until {proposal.window.end.isoformat()}; "
                f"measure it on what followed, not from {window[0].isoformat()}"
            ]
        )
    step = timedelta(seconds=proposal.step_seconds)
    own = [one for one in firings if (one.alert, one.service) == (proposal.alert, proposal.service)]
    own = without_tail(own, proposal.proposed, step)
    theirs = [one for one in incidents if one.service in (proposal.service, None)]
    followed = score(own, theirs, until=window[1], rules=matching, review=proposal.review)
    return Measured(
        proposal_id=proposal.proposal_id,
        digest=proposal.digest,
        window=Window(start=window[0], end=window[1]),
        expected=proposal.expected,
        followed=followed,
        precision=_outcome(proposal.expected.precision, followed.precision),
        recall=_outcome(proposal.expected.recall, followed.recall),
    )


def _outcome(expected: Proportion | None, seen: Proportion | None) -> Outcome:
    if expected is None or seen is None:
        return Outcome.UNKNOWN
    if expected.low <= seen.share <= expected.high:
        return Outcome.AS_EXPECTED
    if seen.low <= expected.high and seen.high >= expected.low:
        return Outcome.CHANCE
    return Outcome.BETTER if seen.share > expected.high else Outcome.WORSE
