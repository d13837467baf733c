"""Which alerts are worth a back-test: those that cry wolf or keep coming back, and those that saw nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from release_watch.assurance.correlation import Correlation
from release_watch.assurance.tuning.back_test import BackTest, History, back_test
from release_watch.assurance.tuning.inlining import recordings
from release_watch.catalog.slos import Slo
from release_watch.errors import ReleaseWatchError
from release_watch.response.incidents import Incident
from release_watch.slo.rulefile import Rule, RuleGroup, from_yaml
from release_watch.telemetry.metrics import Metrics

MOST = 20
"""So many alerts are replayed at most; each takes some range queries over all of the history."""


class Chosen(NamedTuple):
    """A rule that is worth a back-test, its group, and all groups of its file."""

    rule: Rule
    group: RuleGroup
    groups: tuple[RuleGroup, ...]


class Tested(NamedTuple):
    """The back-tests, and in words what could not be tested."""

    tests: tuple[BackTest, ...]
    problems: tuple[str, ...]


def worth_testing(correlation: Correlation, rules: Sequence[str]) -> list[Chosen]:
    """Return the alert rules of rule files that were noisy, flapping, or of a service with a missed incident.

    Nothing is worth it where alerts were not reviewed against incidents.

    Raises:
        InvalidInputError: if a rule file cannot be read.
    """
    if not correlation.reviewed:
        return []
    restless = {(one.alert, one.service) for one in correlation.alerts if one.noisy or one.flapping}
    blind = {one.service for one in correlation.missed}
    return [
        chosen
        for text in rules
        for chosen in _alerts(tuple(from_yaml(text)))
        if (chosen.rule.alert, chosen.rule.labels.get("service", "")) in restless
        or chosen.rule.labels.get("service") in blind
    ]


def back_tests(
    correlation: Correlation,
    incidents: Sequence[Incident],
    rules: Sequence[str],
    metrics: Metrics,
    slos: Sequence[Slo],
) -> Tested:
    """Replay what is worth it over the window of ``correlation``; one that cannot be replayed hides no other.

    ``incidents`` are those that ``correlation`` was made of, ``rules`` the texts of the rule files in force.

    Raises:
        InvalidInputError: if a rule file cannot be read.
    """
    chosen = worth_testing(correlation, rules)
    by_name = {slo.name: slo for slo in slos}
    refs = {one.ref for one in correlation.missed}
    missed = frozenset(one.id for one in incidents if (one.url or one.id) in refs)
    window = (correlation.window.start, correlation.window.end)
    tests, problems = [], []
    for one in chosen[:MOST]:
        history = History(metrics, window, incidents, recordings(one.groups), missed)
        slo = by_name.get(one.rule.labels.get("slo", ""))
        try:
            tests.append(back_test(one.rule, one.group, history, slo=slo, at=correlation.window.end))
        except ReleaseWatchError as error:
            problems.append(f"{one.rule.alert} of {one.rule.labels.get('service', 'no service')}: {error}")
    if len(chosen) > MOST:
        problems.append(f"{len(chosen) - MOST} more alerts were not replayed; at most {MOST} are")
    return Tested(tuple(tests), tuple(problems))


def _alerts(groups: tuple[RuleGroup, ...]) -> Iterator[Chosen]:
    for group in groups:
        for rule in group.rules:
            if rule.alert is not None and not rule.labels.get("drill"):
                yield Chosen(rule, group, groups)
