"""Rules on a ruler: one request per group, proven by its list of rules. On a stand-in for Mimir."""

from __future__ import annotations

from typing import Any

import pytest

from release_watch.errors import BackendError, NotConfiguredError
from release_watch.slo.activation import ActivationError, activate, read_back
from release_watch.slo.rulefile import to_yaml
from release_watch.telemetry.backends import RuleExtra
from release_watch.transport import Answer
from tests.slo.activation.stand_ins import PrometheusStandIn, RulerStandIn, RuleWorld
from tests.slo.activation.worlds import SHORT, group, on_ruler


def test_groups_are_set_and_read_back_once_the_ruler_has_them() -> None:
    ruler = RulerStandIn(polls_until_listed=2)
    text = to_yaml([group("checkout"), group("payments")])

    activation = activate(text, "production-r1", on_ruler(ruler), timeout=SHORT)

    assert (activation.target, activation.state, activation.rules) == ("ruler", "active", 2)
    assert activation.file == "namespace release-watch-production-r1 of http://mimir/prometheus"
    assert set(ruler.stored["release-watch-production-r1"]) == {"service-checkout", "service-payments"}
    assert any("drill its alerts" in problem for problem in activation.problems)
    assert read_back(text, on_ruler(ruler)) == []


def test_a_group_that_is_gone_from_the_set_is_deleted_and_one_that_is_the_same_not_sent() -> None:
    ruler, world = RulerStandIn(), on_ruler(RulerStandIn())
    world.server = ruler
    activate(to_yaml([group("checkout"), group("payments")]), "a", world, timeout=SHORT)
    ruler.asked.clear()
    activate(to_yaml([group("checkout")]), "a", world, timeout=SHORT)

    assert list(ruler.stored["release-watch-a"]) == ["service-checkout"]
    assert ("POST", "/config/v1/rules/release-watch-a") not in ruler.asked
    assert ("DELETE", "/config/v1/rules/release-watch-a/service-payments") in ruler.asked


def test_a_refused_group_leaves_the_former_ones() -> None:
    ruler = RulerStandIn()
    world = on_ruler(ruler)
    activate(to_yaml([group("checkout")]), "a", world, timeout=SHORT)
    ruler.most_rules_per_group = 0

    with pytest.raises(ActivationError, match=r"(?s)answered 400 to group .*limit: 0.*former rules"):
        activate(to_yaml([group("checkout", "up == 1")]), "a", world, timeout=SHORT)

    (kept,) = ruler.stored["release-watch-a"].values()
    assert kept["rules"][0]["expr"] == "up == 0"


def test_rules_that_the_ruler_never_runs_are_taken_back() -> None:
    ruler = RulerStandIn(polls_until_listed=10**9)
    with pytest.raises(ActivationError, match=r"(?s)is not loaded.*waited 0 s; does the ruler evaluate"):
        activate(to_yaml([group("checkout")]), "a", on_ruler(ruler), timeout=SHORT)
    assert ruler.stored.get("release-watch-a") == {}


def test_a_missing_tenant_is_named() -> None:
    with pytest.raises(BackendError, match=r"no org id; name the tenant.*X-Scope-OrgID"):
        activate(to_yaml([group("a")]), "a", on_ruler(RulerStandIn(tenant=None)), timeout=SHORT)


def test_an_address_that_is_no_ruler_is_named(prometheus: PrometheusStandIn) -> None:
    class NoRuler(PrometheusStandIn):
        def request(self, *_: Any, **__: Any) -> Answer:
            return Answer(404, "404 page not found")

    world = RuleWorld(NoRuler(prometheus.folder), RuleExtra("prometheus_default", "ruler"))
    with pytest.raises(BackendError, match=r"answered 404.*end in /prometheus"):
        activate(to_yaml([group("a")]), "a", world, timeout=SHORT)


def test_a_character_that_cannot_be_sent_is_named() -> None:
    text = to_yaml([group("a", 'up{emoji="\U0001f600"} == 0')])
    with pytest.raises(ActivationError, match="group service-a holds the character"):
        activate(text, "a", on_ruler(RulerStandIn()), timeout=SHORT)


def test_the_ruler_may_have_a_connection_of_its_own() -> None:
    ruler = RulerStandIn()
    rules = {"target": "ruler", "connection": "mimir_ruler", "within_seconds": 0.2}
    activate(to_yaml([group("a")]), "a", RuleWorld(ruler, RuleExtra("p", rules)), timeout=SHORT)
    assert "release-watch-a" in ruler.stored
    rules["connection"] = "elsewhere"
    with pytest.raises(NotConfiguredError, match="elsewhere"):
        activate(to_yaml([group("a")]), "a", RuleWorld(ruler, RuleExtra("p", rules)), timeout=SHORT)
