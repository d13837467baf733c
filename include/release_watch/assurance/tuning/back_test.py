"""Candidate changes of one rule, replayed over recorded telemetry; the best of those that may be proposed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from release_watch.artifacts.models import Window
from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.assurance.tuning.acceptance import Trial, best, refusal
from release_watch.assurance.tuning.candidates import Candidate, louder, quieter, reads_itself
from release_watch.assurance.tuning.derived import derived_thresholds
from release_watch.assurance.tuning.history import History, RecordedHistory
from release_watch.assurance.tuning.masking import masked
from release_watch.assurance.tuning.proposal import TuningProposal, proposal_id
from release_watch.assurance.tuning.replay import Activity, activity, replay, without_tail
from release_watch.assurance.tuning.scores import Score, score
from release_watch.catalog.policies import AlertQualityPolicy
from release_watch.catalog.slos import Slo
from release_watch.clock import now
from release_watch.errors import InvalidInputError
from release_watch.response.incidents import Incident
from release_watch.slo.rulefile import Rule, RuleGroup, parse_prometheus_duration

DEFAULT_INTERVAL = timedelta(minutes=1)
"""Prometheus' own, where a group names none."""

JUDGED_BY = AlertQualityPolicy()
"""From when on an alert is called noisy or flapping here: the defaults of ``policies.yaml``."""


READS_ITSELF = "reads its own firings, and history has only those of the rule in force; it cannot be replayed"


class BackTest(NamedTuple):
    """What was tried for one rule, and the ``reason``. ``after`` are the firings of the proposed one.

    ``step`` is how far evaluations are apart.
    """

    rule: Rule
    group: str
    reason: str
    window: tuple[datetime, datetime]
    incidents: Sequence[Incident]
    before: Score
    firings: Sequence[AlertInterval]
    trials: Sequence[Trial] = ()
    proposal: TuningProposal | None = None
    after: Sequence[AlertInterval] = ()
    step: timedelta = DEFAULT_INTERVAL

    @property
    def key(self) -> str:
        """Names the rule among others, safe in a file name."""
        return proposal_id(self.rule, "for").replace("tune-", "rule-")


Progress = Callable[[int, int], None]


def unheard(_done: int, _of: int) -> None:
    """Nobody listens."""


def back_test(
    rule: Rule,
    group: RuleGroup,
    history: History,
    *,
    slo: Slo | None = None,
    at: datetime | None = None,
    anyway: bool = False,
    progress: Progress = unheard,
) -> BackTest:
    """Return what the rule was worth over ``history``, what was tried, and the best change that is allowed.

    ``slo`` is the one whose budget it watches, ``at`` the time of the proposal (now). ``anyway`` tries
    to make it quieter also where it is neither noisy nor blind. ``progress`` hears before each change how
    many were tried, and of how many. A drill's rule is never tuned.

    Raises:
        BackendError: if the server does not answer.
        HistoryTooShortError: if a shorter window can be replayed.
        InvalidInputError: if the rule cannot be replayed.
    """
    if rule.alert is None or rule.labels.get("drill"):
        raise InvalidInputError([f"{rule.name}: only alerts that are no drills are tuned"])
    laboratory = _Laboratory(rule, group, history)
    before, firings = laboratory.run(rule)
    reason, tried = _wanted(rule, before, firings, laboratory, slo, anyway=anyway)
    incidents = history.of(laboratory.service)
    result = BackTest(
        rule, group.name, reason, history.window, incidents, before, firings, step=laboratory.step
    )
    unknowable = READS_ITSELF if reads_itself(rule) else ""
    trials = []
    for number, candidate in enumerate(tried):
        progress(number, len(tried))
        after, _ = laboratory.run(candidate.rule)
        refused = refusal(rule, before, candidate, after, history.missed)
        refused = refused or laboratory.masked(candidate, firings) or unknowable
        trials.append(Trial(candidate, after, refused))
    chosen = best(trials, before)
    if chosen is None:
        return result._replace(trials=tuple(trials))
    proposal = laboratory.proposal(before, chosen, len(trials), at or now())
    return result._replace(
        trials=tuple(trials), proposal=proposal, after=laboratory.run(chosen.candidate.rule)[1]
    )


def replayed(
    rule: Rule, group: RuleGroup, history: History
) -> tuple[Score, Sequence[AlertInterval], tuple[str, ...]]:
    """Return what ``rule`` was worth over ``history``, its firings, and the recordings calculated for it.

    Raises:
        BackendError: if the server does not answer.
        InvalidInputError: if the rule cannot be replayed.
    """
    laboratory = _Laboratory(rule, group, history)
    found, firings = laboratory.run(rule)
    return found, firings, laboratory.readable(rule.expr).names


class _Laboratory:
    """Replays variants of one rule; each expression is asked for once."""

    def __init__(self, rule: Rule, group: RuleGroup, history: History) -> None:
        self.service = rule.service or ""
        self._rule, self._group, self._history = rule, group, history
        self.step = parse_prometheus_duration(group.interval) if group.interval else DEFAULT_INTERVAL
        self.step = max(self.step, timedelta(seconds=1))
        self._activities: dict[str, Activity] = {}
        self.readable = RecordedHistory(history, self.step).readable

    def run(self, rule: Rule) -> tuple[Score, list[AlertInterval]]:
        """Return what a variant was worth, and its firings."""
        if rule.expr not in self._activities:
            expr = self.readable(rule.expr).expr
            self._activities[rule.expr] = activity(
                self._history.metrics, expr, self._history.window, self.step
            )
        firings = replay(self._activities[rule.expr], rule)
        return self._scored(rule, firings), firings

    def masked(self, candidate: Candidate, before: Sequence[AlertInterval]) -> str:
        """Return why a candidate would leave incidents untold that the firings ``before`` told of."""
        history = self._history
        return masked(
            candidate.kind,
            without_tail(before, self._rule, self.step),
            without_tail(self.run(candidate.rule)[1], candidate.rule, self.step),
            history.of(self.service),
            until=history.window[1],
            rules=history.matching,
        )

    def _scored(self, rule: Rule, firings: Sequence[AlertInterval]) -> Score:
        history = self._history
        return score(
            without_tail(firings, rule, self.step),
            history.of(self.service),
            until=history.window[1],
            rules=history.matching,
            review=history.review,
        )

    def blind(self, before: Score) -> list[str]:
        """Return the incidents of the service that no alert saw, this one included."""
        of_service = {one.id for one in self._history.of(self.service)}
        return sorted((self._history.missed & of_service) - set(before.caught))

    def derived(self) -> list[Decimal]:
        """Return thresholds that history suggests."""
        history = self._history
        expr = self.readable(self._rule.expr).expr
        if expr != self._rule.expr:
            return []
        return derived_thresholds(
            history.metrics,
            self._rule,
            expr,
            history.window,
            self.step,
            history.of(self.service),
            history.matching,
        )

    def proposal(self, before: Score, chosen: Trial, tried: int, at: datetime) -> TuningProposal:
        """Return the proposal of a candidate, with its change among the rule's annotations."""
        candidate, rule = chosen.candidate, self._rule
        tuned = {**candidate.rule.annotations, "tuned": candidate.change.replace("{{", "{ {")}
        return TuningProposal(
            proposal_id=proposal_id(rule, candidate.kind),
            alert=rule.name,
            service=self.service,
            group=self._group.name,
            kind=candidate.kind,
            change=candidate.change,
            current=rule,
            proposed=candidate.rule.model_copy(update={"annotations": tuned}),
            before=before,
            expected=chosen.score,
            window=Window(start=self._history.window[0], end=self._history.window[1]),
            step_seconds=self.step.total_seconds(),
            review=self._history.review,
            tried=tried,
            inlined=self.readable(candidate.rule.expr).names,
            generated_at=at,
        )


def _wanted(
    rule: Rule,
    before: Score,
    firings: Sequence[AlertInterval],
    laboratory: _Laboratory,
    slo: Slo | None,
    *,
    anyway: bool,
) -> tuple[str, list[Candidate]]:
    """Return what is wrong with a rule, in words, and the changes to try; nothing where all is well."""
    precision, least, below = before.precision, JUDGED_BY.fewest_firings, JUDGED_BY.noisy_below
    copies = before.notifications > before.firings
    if precision is not None and precision.total >= least and precision.share < below:
        reason = f"only {precision} of its firings belonged to an incident"
    elif (flaps := _flaps(firings)) >= JUDGED_BY.flapping_from:
        reason = f"came back within an hour {flaps} times"
    elif copies:
        reason = f"{before.notifications} series fired in {before.firings} firings"
    elif blind := laboratory.blind(before):
        derived = laboratory.derived()
        return f"did not see {', '.join(blind)}, nor did any other alert", [
            *louder(rule, slo=slo, derived=derived)
        ]
    elif anyway and before.firings:
        reason = "neither noisy nor blind; changes were tried as it was asked for"
    else:
        return "", []
    return reason, [*quieter(rule, slo=slo, derived=laboratory.derived(), copies=copies)]


def _flaps(firings: Sequence[AlertInterval]) -> int:
    return sum(1 for one, other in pairwise(firings) if other.start - one.end <= JUDGED_BY.flap_within)
