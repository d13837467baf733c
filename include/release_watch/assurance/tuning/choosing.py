"""Which alerts are worth a back-test: those that cry wolf or keep coming back, and those that saw nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from release_watch.assurance.correlation import Correlation
from release_watch.assurance.quality.measures import match_rules
from release_watch.assurance.tuning.back_test import BackTest, Progress, back_test, unheard
from release_watch.assurance.tuning.history import History
from release_watch.assurance.tuning.inlining import HistoryTooShortError, recordings
from release_watch.catalog.policies import AlertQualityPolicy
from release_watch.catalog.slos import Slo
from release_watch.errors import ReleaseWatchError
from release_watch.response.incidents import Incident
from release_watch.slo.rulefile import Rule, RuleGroup, from_yaml
from release_watch.telemetry.metrics import Metrics

MOST = 20
"""So many alerts are replayed at most; each takes some range queries over all of the history."""

SHORTEST = timedelta(days=1)
"""A window that had to be shortened, as recordings do not reach farther back, is this long at least."""


class Chosen(NamedTuple):
    """A rule that is worth a back-test, its group, and all groups of its file."""

    rule: Rule
    group: RuleGroup
    groups: tuple[RuleGroup, ...]

    @property
    def title(self) -> str:
        """What people call it."""
        return self.rule.title


class Tested(NamedTuple):
    """The back-tests, and in words what could not be tested."""

    tests: tuple[BackTest, ...]
    problems: tuple[str, ...]


class Past(NamedTuple):
    """What alerts are replayed over; ``correlation`` was made with the same ``incidents`` and ``policy``."""

    correlation: Correlation
    incidents: Sequence[Incident]
    metrics: Metrics
    slos: Sequence[Slo]
    policy: AlertQualityPolicy | None = None

    def test(self, one: Chosen, *, anyway: bool = False, progress: Progress = unheard) -> BackTest:
        """Replay a rule and changes of it over the window of the correlation; see :func:`.back_test`.

        Where the recordings that it reads do not reach as far back, over the part that they do.

        Raises:
            BackendError: if the server does not answer.
            InvalidInputError: if the rule cannot be replayed.
        """
        window = (self.correlation.window.start, self.correlation.window.end)
        refs = {missed.ref for missed in self.correlation.missed}
        missed = frozenset(known.id for known in self.incidents if (known.url or known.id) in refs)
        history = History(self.metrics, window, self.incidents, recordings(one.groups), missed)
        if self.policy is not None:  # the same rules as those of the correlation
            history = history._replace(matching=match_rules(self.policy), review=self.policy.review)
        slo = next((slo for slo in self.slos if slo.name == one.rule.labels.get("slo")), None)
        try:
            return _tested(one, history, slo, window[1], anyway=anyway, progress=progress)
        except HistoryTooShortError as error:
            if error.held is None or error.held < SHORTEST:
                raise
            held = history.since(max(window[0], window[1] - error.held))
            return _tested(one, held, slo, window[1], anyway=anyway, progress=progress)


def _tested(
    one: Chosen, history: History, slo: Slo | None, at: datetime, *, anyway: bool, progress: Progress
) -> BackTest:
    return back_test(one.rule, one.group, history, slo=slo, at=at, anyway=anyway, progress=progress)


def worth_testing(correlation: Correlation, rules: Sequence[str]) -> list[Chosen]:
    """Return the alert rules of rule files that were noisy, flapping, or of a service with a missed incident.

    Nothing is worth it where alerts were not reviewed against incidents.

    Raises:
        InvalidInputError: if a rule file cannot be read.
    """
    wanted = worth(correlation)
    return [chosen for text in rules for chosen in alerts_of(text) if wanted(chosen.rule)]


def worth(correlation: Correlation) -> Callable[[Rule], bool]:
    """Return what says of a rule whether it is worth a back-test; see :func:`worth_testing`."""
    restless = {(one.alert, one.service) for one in correlation.alerts if one.noisy or one.flapping}
    blind = {one.service for one in correlation.missed}

    def wanted(rule: Rule) -> bool:
        return correlation.reviewed and ((rule.name, rule.service or "") in restless or rule.service in blind)

    return wanted


def alerts_of(text: str) -> Iterator[Chosen]:
    """Yield the alerts of a rule file that may be tuned: all but drills.

    Raises:
        InvalidInputError: if it cannot be read.
    """
    groups = tuple(from_yaml(text))
    for group in groups:
        for rule in group.rules:
            if rule.alert is not None and not rule.labels.get("drill"):
                yield Chosen(rule, group, groups)


def back_tests(
    correlation: Correlation,
    incidents: Sequence[Incident],
    rules: Sequence[str],
    metrics: Metrics,
    slos: Sequence[Slo],
    policy: AlertQualityPolicy | None = None,
) -> Tested:
    """Replay what is worth it over the window of ``correlation``; one that cannot be replayed hides no other.

    ``incidents`` are those that ``correlation`` was made of, ``rules`` the texts of the rule files in force.

    Raises:
        InvalidInputError: if a rule file cannot be read.
    """
    chosen = worth_testing(correlation, rules)
    past = Past(correlation, incidents, metrics, slos, policy)
    tests, problems = [], []
    for one in chosen[:MOST]:
        try:
            tests.append(past.test(one))
        except ReleaseWatchError as error:
            problems.append(f"{one.title}: {error}")
    if len(chosen) > MOST:
        problems.append(f"{len(chosen) - MOST} more alerts were not replayed; at most {MOST} are")
    return Tested(tuple(tests), tuple(problems))
