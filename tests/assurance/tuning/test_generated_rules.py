"""Changes of the alerts that a release really generates: what is tried, what is said, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from release_watch.assurance.quality.matching import MatchRules
from release_watch.assurance.registry import ActiveRelease
from release_watch.assurance.tuning.back_test import back_test
from release_watch.assurance.tuning.candidates import louder, quieter
from release_watch.assurance.tuning.history import History
from release_watch.assurance.tuning.standing import namesakes
from release_watch.catalog.config import load_config
from release_watch.release import Release
from release_watch.response.incidents import Incident
from release_watch.slo.lint import errors, lint
from release_watch.slo.red import ASSUMED
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml
from release_watch.slo.rules import rule_groups
from release_watch.telemetry.metrics import Sample
from tests.assurance.tuning.past import START, STEP, at
from tests.assurance.tuning.tuned import proposal

CONFIG = load_config(Path(__file__).parents[3] / "include" / "config")
RELEASE = Release(
    deployment_id="d-1",
    release_id="r-1",
    version="1.1.0",
    environment="production",
    services=tuple(service.name for service in CONFIG.catalog.services),
    deployed_at=datetime(2026, 1, 1, tzinfo=UTC),
    evidence_uri="file:///evidence",
)
GROUPS = rule_groups(
    CONFIG.slos,
    CONFIG.catalog.services,
    RELEASE,
    runbook_url="file:///runbook",
    dashboard_url="https://grafana",
    metric_names={service.name: ASSUMED for service in CONFIG.catalog.services},
)
ALERTS = [(group, rule) for group in GROUPS for rule in group.rules if rule.alert]
LENGTH = 600
GONE = [(100, 130), (200, 203), (300, 330), (400, 430), (500, 530)]
"""Minutes at which the telemetry was gone; the second time without an incident."""


def generated(alert: str) -> tuple[RuleGroup, Rule]:
    return next(one for one in ALERTS if one[1].alert == alert)


class GoneNowAndThen:
    """Any expression has a sample while the telemetry is gone."""

    base_url = "http://prometheus"

    def instant(self, _query: str, moment: datetime | None = None) -> list[Sample]:
        return [Sample({}, moment or START, 1.0)]

    def range(self, _query: str, start: datetime, end: datetime, step: timedelta) -> pd.DataFrame:
        moments = pd.date_range(start, end, freq=step)
        held = [
            one
            for one in moments
            if any(at(first) <= one.to_pydatetime() <= at(last) for first, last in GONE)
        ]
        return pd.DataFrame({"x{}": [1.0] * len(held)}, index=pd.DatetimeIndex(held))


def replayed(alert: str):
    group, rule = generated(alert)
    incidents = [
        Incident(f"I-{first}", "", "down", rule.service, at(first), at(last))
        for first, last in GONE
        if last - first > 10
    ]
    past = History(GoneNowAndThen(), (at(0), at(LENGTH)), incidents)
    return back_test(rule, group, past, at=at(LENGTH) + STEP, anyway=True)


def test_what_reads_its_own_firings_is_not_made_quieter_on_those_of_the_rule_in_force():
    """With a longer ``for`` it would keep itself alive later, or never; history cannot say."""
    found = replayed("ServiceTelemetryAbsent")
    assert found.before.caught
    assert {trial.candidate.kind for trial in found.trials} >= {"for", "keep_firing_for"}
    assert [one.candidate.change for one in found.trials if not one.refused] == []
    assert {one.refused for one in found.trials if "own firings" in one.refused}
    assert found.proposal is None


def test_the_same_alert_without_that_may_be_made_quieter():
    assert replayed("ServiceDown").proposal is not None


@pytest.mark.parametrize("lower", [True, False], ids=["quieter", "louder"])
def test_another_objective_is_told_as_people_write_it_and_promises_nothing_wrong(lower):
    _, rule = generated("SloBurnRatePage")
    slo = next(one for one in CONFIG.slos if one.name == rule.labels["slo"])
    made = quieter(rule, slo=slo) if lower else louder(rule, slo=slo)
    (found,) = (one for one in made if one.kind == "objective class")
    target = "99 %" if lower else "99.9 %"
    assert found.change.startswith(f"burn rates as of an objective of {target} in place of 99.5 %")
    assert "next release" not in found.change, "an approved change is carried over into it"
    assert slo.name in found.change


def test_every_change_of_every_generated_alert_passes_the_lint():
    first = {rule.alert: (group, rule) for group, rule in reversed(ALERTS)}
    before = {str(one) for one in errors(lint(GROUPS))}
    changed = []
    for group, rule in first.values():
        slo = next((one for one in CONFIG.slos if one.name == rule.labels.get("slo")), None)
        options = {"slo": slo, "derived": [Decimal("0.0731")]}
        candidates = [*quieter(rule, copies=True, **options), *louder(rule, **options)]
        for number, one in enumerate(candidates):
            variant = f"{len(changed)}-{number}"  # they stand side by side, where one replaces the other
            told_apart = one.rule.model_copy(update={"labels": {**one.rule.labels, "variant": variant}})
            changed.append(group.model_copy(update={"name": variant, "rules": (told_apart,)}))
    recording = [
        group.model_copy(update={"rules": tuple(r for r in group.rules if r.record)}) for group in GROUPS
    ]
    kept = [group for group in recording if group.rules]
    assert len(changed) > 100
    assert {str(one) for one in errors(lint([*kept, *changed]))} - before == set()


@pytest.mark.parametrize(("service", "refused"), [(None, True), ("storefront", False)], ids=str)
def test_a_page_becomes_no_ticket_on_incidents_that_no_alert_of_it_could_have_told_of(service, refused):
    """A ticket without a service belongs to no firing, so it cannot show that the page is of no use."""
    group, rule = generated("ServiceDown")
    outside = [(20, 40), (150, 160), (250, 270), (350, 360)]
    incidents = [
        Incident(f"I-{first}", "", "down", service and rule.service, at(first), at(last))
        for first, last in outside
    ]
    past = History(GoneNowAndThen(), (at(0), at(LENGTH)), incidents, matching=MatchRules(lead=STEP))
    found = back_test(rule, group, past, at=at(LENGTH) + STEP, anyway=True)
    assert found.before.caught == ()
    (ticket,) = (one for one in found.trials if one.candidate.kind == "severity")
    assert bool(ticket.refused) is refused, ticket.refused


def test_alerts_of_several_slos_of_a_service_are_told_to_be_of_one_name():
    rules = {"production-r-1": to_yaml(GROUPS)}
    watched = ActiveRelease(
        release=RELEASE,
        services=RELEASE.services,
        registered_at=START,
        artifacts_uri="file:///artifacts",
        rules=rules,
    )
    for alert, count in (("SloBurnRatePage", 2), ("ServiceDown", 1)):
        group, rule = generated(alert)
        change = proposal(alert=alert, service=rule.service, group=group.name, current=rule, proposed=rule)
        assert namesakes(watched, change) == count
