"""What keeps alerts or series from people although every rule runs as it was activated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from release_watch.assurance.drift import drift_of
from release_watch.assurance.drift.boards import board_drifts
from release_watch.assurance.drift.live import Away, Live, LiveDashboards, LiveRules
from release_watch.assurance.drift.model import Board, Drift, Expected
from release_watch.assurance.drift.reading import rule_set
from release_watch.assurance.drift.rotation import rotation_drifts
from release_watch.assurance.drift.rules import rule_drifts
from release_watch.assurance.drift.scraping import scraping_drifts
from release_watch.assurance.drift.scraping_config import LiveScraping, Relabelling
from release_watch.assurance.drift.since import carried, seen
from release_watch.catalog.models import Service
from release_watch.catalog.selectors import parse_selector
from release_watch.errors import InvalidInputError
from release_watch.verdict import Verdict
from tests.assurance.fakes import CONFIG, NOW

RULES = """
groups:
  - name: service-checkout
    rules:
      - alert: Errors
        expr: sum(rate(errors_total{job="shop",code="500"}[30d])) > 1
        for: 5m
        labels: {severity: page, service: checkout}
"""


def expected(text: str = RULES, **more: Any) -> Expected:
    checkout = Service.model_validate(
        {
            "name": "checkout",
            "tier": "critical",
            "owner": "shop team",
            "signals": {"metrics": {"selector": 'job="shop"'}},
        }
    )
    given = {"services": (checkout,), "rule_sets": (rule_set("r-1", text, listed_as="r-1.yaml"),), **more}
    return Expected("r-1", "production", **given)


def scraping(**more: Any) -> LiveScraping:
    given = {
        "evaluation_interval": 15.0,
        "external_labels": {"cluster": "a"},
        "active": {"shop": ({"job": "shop", "instance": "one"},)},
        "dropped": (),
        "relabelling": {},
        "alert_relabelling": (),
        "tells": True,
        "retention": timedelta(days=45),
        **more,
    }
    return LiveScraping(**given)


def test_nothing_around_the_rules_is_no_drift() -> None:
    assert list(scraping_drifts(expected(), scraping())) == []


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"tells": False}, "muted", "sends alerts to no Alertmanager"),
        ({"retention": timedelta(days=7)}, "edited", "keeps samples for"),
        (
            {"alert_relabelling": (Relabelling("drop", ("severity", "cluster"), ";", "page;a"),)},
            "muted",
            "alert_relabel_configs drop Errors",
        ),
        ({"active": {}, "dropped": ({"job": "shop"},)}, "missing", "dropped by relabel_configs"),
        (
            {"relabelling": {"shop": (Relabelling("keep", ("__name__",), ";", "go_.*"),)}},
            "missing",
            "errors_total",
        ),
        (
            {"relabelling": {"shop": (Relabelling("labeldrop", (), ";", "code"),)}},
            "missing",
            "label code of errors_total",
        ),
    ],
    ids=["no Alertmanager", "retention", "alerts dropped", "targets dropped", "series", "label"],
)
def test_what_the_configuration_takes_is_drift(change: dict[str, Any], kind: str, words: str) -> None:
    (drift,) = scraping_drifts(expected(), scraping(**change))
    assert drift.kind == kind
    assert words in drift.what
    assert drift.verdict is Verdict.NO_GO


@pytest.mark.parametrize(
    ("selector", "jobs"),
    [
        ('job="shop"', {"shop": "one"}),
        ('job=~"shop|bank"', {"shop": "one", "bank": "three"}),
        ('job="shop",instance="two"', {"shop": "two"}),
        ('job!="shop",instance=~".+"', {"bank": "three"}),
        ('job="shop",zone=""', {"shop": "two"}),
        ('job="none"', {}),
    ],
)
def test_the_jobs_of_a_selector_are_those_with_such_targets(selector: str, jobs: dict[str, str]) -> None:
    shop = ({"job": "shop", "instance": "one", "zone": "a"}, {"job": "shop", "instance": "two"})
    live = scraping(active={"shop": shop, "bank": ({"job": "bank", "instance": "three"},)})
    found = live.jobs(parse_selector(selector))
    assert {job: target["instance"] for job, target in found.items()} == jobs


@pytest.mark.parametrize(
    "change",
    [
        {"active": {}},
        {"active": {}, "dropped": ({"job": "another"},)},
        {"relabelling": {"shop": (Relabelling("drop", ("__name__",), ";", "go_.*"),)}},
        {"relabelling": {"another": (Relabelling("drop", ("__name__",), ";", "errors_total"),)}},
        {"relabelling": {"shop": (Relabelling("drop", ("unknown",), ";", ".*"),)}},
        {"retention": None},
    ],
    ids=["metrics are pushed", "other targets", "other series", "another job", "not known", "not said"],
)
def test_what_takes_nothing_of_the_release_is_no_drift(change: dict[str, Any]) -> None:
    assert list(scraping_drifts(expected(), scraping(**change))) == []


class TestRules:
    def found(self, live: str, *, listed_as: str = "r-1.yaml", **more: Any) -> list[Drift]:
        running = rule_set("live", live, listed_as=listed_as).rules
        return list(rule_drifts(expected(**more), LiveRules(running, interval=15.0)))

    def test_an_unreadable_live_expression_is_edited_with_the_reason(self) -> None:
        (drift,) = self.found(RULES.replace("sum(", "of_tomorrow("))
        assert drift.kind == "edited"
        assert "the live expression cannot be read" in drift.diff

    def test_other_words_alone_need_no_person_at_night(self) -> None:
        (drift,) = self.found(RULES.replace("for: 5m", "for: 5m\n        annotations: {summary: new}"))
        assert (drift.kind, drift.verdict) == ("edited", Verdict.WARN)
        assert drift.diff == "annotation summary: {+new+}"

    def test_what_was_handed_over_and_is_not_live_is_pending(self) -> None:
        handed = expected().rule_sets[0]._replace(handed_over=True)
        (drift,) = self.found("groups: []", rule_sets=(handed,))
        assert (drift.kind, drift.verdict) == ("pending adoption", Verdict.INCONCLUSIVE)

    def test_rules_of_others_are_nobody_elses_drift(self) -> None:
        others = RULES.replace("service: checkout", "service: payments").replace("groups:", "", 1)
        assert self.found(RULES + others.strip("\n").replace("service-checkout", "service-payments")) == []

    def test_a_release_without_a_registered_rule_file_is_not_known(self) -> None:
        (drift,) = self.found("groups: []", rule_sets=())
        assert drift.verdict is Verdict.INCONCLUSIVE

    def test_a_failed_reload_is_drift_although_the_old_rules_run(self) -> None:
        (drift,) = rule_drifts(expected(), LiveRules(expected().rules, reloaded=False))
        assert "last reload" in drift.what

    def test_what_is_no_rule_file_is_refused(self) -> None:
        with pytest.raises(InvalidInputError, match="rule set r-1: is no rule file"):
            expected("groups: [{name: a, rules: [{alert: x}]}]")


MODEL: dict[str, Any] = {
    "title": "Health",
    "panels": [{"id": 1, "type": "stat", "title": "Up", "targets": [{"expr": 'sum by(a) (x{b="1",c="2"})'}]}],
}


class TestBoards:
    def found(self, live: Any) -> list[Drift]:
        return list(board_drifts((Board("u", "Health", MODEL),), LiveDashboards({"u": live})))

    def test_what_grafana_adds_and_where_panels_stand_is_no_drift(self) -> None:
        panel = {
            "id": 9,
            "type": "stat",
            "title": "Up",
            "gridPos": {"x": 3},
            "links": [],
            "targets": [{"expr": 'sum(x{c="2", b="1"}) by (a)', "hide": False}],
        }
        row = {"type": "row", "title": "", "panels": [panel]}
        assert self.found({"title": "Health", "version": 7, "id": 3, "panels": [panel]}) == []
        assert "added" in self.found({"title": "Health", "panels": [row]})[0].diff

    def test_another_query_is_drift(self) -> None:
        panel = {**MODEL["panels"][0], "targets": [{"expr": "sum by (a) (y)"}]}
        (drift,) = self.found({"title": "Health", "panels": [panel]})
        assert drift.kind == "edited"
        assert "query A" in drift.diff

    @pytest.mark.parametrize(
        ("live", "kind"), [(None, "missing"), (Away("403"), "unknown")], ids=["gone", "not shown"]
    )
    def test_a_dashboard_that_is_not_seen_is_never_fine(self, live: Any, kind: str) -> None:
        assert [drift.kind for drift in self.found(live)] == [kind]


def test_a_rotation_points_to_nobody_if_its_user_is_gone() -> None:
    users = {person.user for person in CONFIG.oncall.responders()}
    assert list(rotation_drifts(CONFIG.oncall, NOW, users)) == []
    assert list(rotation_drifts(CONFIG.oncall, NOW)) == []
    (drift,) = rotation_drifts(CONFIG.oncall, NOW, {"somebody"})
    assert (drift.kind, drift.verdict) == ("missing", Verdict.NO_GO)


def test_drift_is_as_old_as_the_first_night_that_saw_it() -> None:
    nights = [datetime(2026, 11, day, tzinfo=UTC) for day in (1, 2, 3)]
    reload = tuple(rule_drifts(expected(), LiveRules(expected().rules, reloaded=False)))
    first = carried(reload, {}, nights[0])
    assert first[0].since == nights[0]
    away = drift_of(expected(), Live(nights[1], Away("down"), None, Away("down"), LiveDashboards({})))
    second = carried(away, seen(first), nights[1])
    third = carried(reload, seen(second, seen(first)), nights[2])
    assert third[0].since == nights[0], "an outage starts no drift anew"
    assert seen(carried((), seen(third), nights[2]), seen(third)) == {}
