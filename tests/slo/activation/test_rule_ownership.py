"""Two releases of one service do not fight: the one deployed later owns its rules."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from release_watch.slo.activation import activate, deactivate, read_back
from release_watch.slo.change import still_owned
from release_watch.slo.ownership import OwnershipError
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml
from release_watch.slo.targets.choice import target_of
from tests.slo.activation.stand_ins import PrometheusStandIn, RulerStandIn
from tests.slo.activation.worlds import SHORT, group, in_directory, in_git, on_ruler, owner, services


def test_the_later_release_takes_its_services_from_the_earlier_one(prometheus: PrometheusStandIn) -> None:
    world = in_directory(prometheus)
    both = to_yaml([group("checkout"), group("payments")])
    activate(both, "r1", world, timeout=SHORT, owner=owner("r1", 10))
    later = activate(
        to_yaml([group("checkout", "up == 1")]), "r2", world, timeout=SHORT, owner=owner("r2", 11)
    )
    target = target_of(world)
    assert later.superseded == ("r1",)
    assert (services(target.read("r1")), services(target.read("r2"))) == ({"payments"}, {"checkout"})


@pytest.mark.parametrize("kind", ["directory", "ruler", "gitops"])
def test_a_late_retry_of_the_earlier_release_takes_nothing_back(
    kind: str, prometheus: PrometheusStandIn, tmp_path: Path, promtool: Path
) -> None:
    world = {
        "directory": lambda: in_directory(prometheus),
        "ruler": lambda: on_ruler(RulerStandIn()),
        "gitops": lambda: in_git(prometheus, tmp_path / "git", promtool),
    }[kind]()
    first = to_yaml([group("checkout"), group("payments")])
    activate(
        to_yaml([group("checkout", "up == 1"), group("cart")]),
        "r2",
        world,
        timeout=SHORT,
        owner=owner("r2", 11),
    )
    late = activate(first, "r1", world, timeout=SHORT, owner=owner("r1", 10))

    target = target_of(world)
    assert late.yielded == ("production/checkout: r2",)
    assert late.rules == 1
    assert services(target.read("r1")) == {"payments"}
    assert services(target.read("r2")) == {"checkout", "cart"}
    assert target.ownership().rule_sets["r2"].scopes == ("production/cart", "production/checkout")


def test_what_a_later_release_took_is_not_read_back_for_the_earlier_one(
    prometheus: PrometheusStandIn,
) -> None:
    world = in_directory(prometheus)
    both = to_yaml([group("checkout"), group("payments")])
    activate(both, "r1", world, timeout=SHORT, owner=owner("r1", 10))
    assert still_owned(both, "r1", world) == both
    activate(to_yaml([group("checkout", "up == 1")]), "r2", world, timeout=SHORT, owner=owner("r2", 11))

    assert "runs another expression" in " ".join(read_back(both, world))
    assert services(still_owned(both, "r1", world)) == {"payments"}
    assert read_back(still_owned(both, "r1", world), world) == []


def test_a_named_set_of_an_unknown_release_is_superseded_too(prometheus: PrometheusStandIn) -> None:
    world = in_directory(prometheus)
    watchdog = RuleGroup(name="watchdog", rules=(Rule(alert="Watchdog", expr="vector(1)"),))
    activate(to_yaml([group("checkout"), watchdog]), "r1", world, timeout=SHORT)
    later = activate(to_yaml([group("checkout")]), "r2", world, timeout=SHORT, supersedes=["r1", "gone"])
    assert later.superseded == ("r1",)
    assert target_of(world).names() == ["r2"]


def test_a_release_that_has_lost_everything_puts_nothing(prometheus: PrometheusStandIn) -> None:
    world = in_directory(prometheus)
    watchdog = RuleGroup(name="watchdog", rules=(Rule(alert="Watchdog", expr="vector(1)"),))
    activate(to_yaml([group("checkout")]), "r2", world, timeout=SHORT, owner=owner("r2", 11))
    late = activate(to_yaml([group("checkout"), watchdog]), "r1", world, timeout=SHORT, owner=owner("r1", 10))
    assert (late.rules, late.yielded) == (0, ("production/checkout: r2",))
    assert target_of(world).names() == ["r2"]


def test_the_sets_of_one_release_live_beside_each_other(prometheus: PrometheusStandIn) -> None:
    world = in_directory(prometheus)
    activate(to_yaml([group("checkout")]), "r1", world, timeout=SHORT, owner=owner("r1", 10))
    text = to_yaml([group("checkout", name="baseline-checkout")])
    more = activate(text, "r1-baseline", world, timeout=SHORT, owner=owner("r1", 10))
    assert (more.superseded, more.yielded) == ((), ())
    assert target_of(world).names() == ["r1", "r1-baseline"]


def test_other_environments_are_left_alone(prometheus: PrometheusStandIn) -> None:
    world = in_directory(prometheus)
    activate(to_yaml([group("checkout")]), "r1", world, timeout=SHORT, owner=owner("r1", 10))
    staging = to_yaml([group("checkout")]).replace("production", "staging")
    assert activate(staging, "r2", world, timeout=SHORT, owner=owner("r2", 11)).superseded == ()


def test_a_rolled_back_release_gives_back_what_it_took_and_no_more(prometheus: PrometheusStandIn) -> None:
    world = in_directory(prometheus)
    both = to_yaml([group("checkout"), group("payments")])
    activate(both, "r1", world, timeout=SHORT, owner=owner("r1", 10))
    activate(to_yaml([group("checkout")]), "r2", world, timeout=SHORT, owner=owner("r2", 11))
    activate(to_yaml([group("payments")]), "r3", world, timeout=SHORT, owner=owner("r3", 12))

    deactivate("r2", world)
    restored = activate(both, "r1", world, timeout=SHORT)  # who restores need not know its age

    assert restored.yielded == ("production/payments: r3",)
    assert services(target_of(world).read("r1")) == {"checkout"}


def test_a_set_that_was_removed_by_hand_owns_nothing(prometheus: PrometheusStandIn) -> None:
    world = in_directory(prometheus)
    activate(to_yaml([group("checkout")]), "r2", world, timeout=SHORT, owner=owner("r2", 11))
    (prometheus.folder / "release-watch-r2.yaml").unlink()
    late = activate(to_yaml([group("checkout")]), "r1", world, timeout=SHORT, owner=owner("r1", 10))
    assert (late.rules, late.yielded) == (1, ())


def test_a_damaged_record_stops_the_activation(prometheus: PrometheusStandIn) -> None:
    (prometheus.folder / ".release-watch-owners").write_text("{")
    with pytest.raises(OwnershipError, match=r"record of which release owns which rules.*Repair it"):
        activate(to_yaml([group("a")]), "a", in_directory(prometheus), timeout=SHORT)
    assert list(prometheus.folder.glob("*.yaml")) == []


def test_the_record_is_no_file_that_prometheus_or_a_git_operator_reads(prometheus: PrometheusStandIn) -> None:
    activate(to_yaml([group("a")]), "a", in_directory(prometheus), timeout=SHORT, owner=owner("r1", 10))
    record = prometheus.folder / ".release-watch-owners"
    assert json.loads(record.read_text())["rule_sets"]["a"]["scopes"] == ["production/a"]
    assert [path.name for path in prometheus.folder.glob("*.*ml")] == ["release-watch-a.yaml"]


def test_releases_that_are_activated_at_once_end_with_the_latest_as_the_owner(
    prometheus: PrometheusStandIn,
) -> None:
    world = in_directory(prometheus)
    text = to_yaml([group("checkout")])

    def activate_release(hour: int) -> None:
        activate(text, f"r{hour}", world, timeout=SHORT, owner=owner(f"r{hour}", hour))

    with ThreadPoolExecutor(max_workers=6) as pool:
        list(pool.map(activate_release, [14, 10, 15, 12, 11, 13]))

    assert target_of(world).names() == ["r15"]
    assert target_of(world).ownership().rule_sets["r15"].scopes == ("production/checkout",)
