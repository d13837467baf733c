"""What goes wrong on the way to a live server leaves what ran before, or is healed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from release_watch.errors import InvalidInputError
from release_watch.slo.activation import ActivationError, activate, read_back
from release_watch.slo.rulefile import to_yaml
from release_watch.slo.targets.choice import target_of
from tests.slo.activation.stand_ins import PrometheusStandIn, Queries
from tests.slo.activation.worlds import SHORT, group, in_directory, owner


def test_what_a_failed_activation_took_is_given_back_with_its_owner(prometheus: PrometheusStandIn) -> None:
    world = in_directory(prometheus)
    activate(to_yaml([group("checkout")]), "r1", world, timeout=SHORT, owner=owner("r1", 10))
    prometheus.health = "unknown"
    world.queries = Queries(broken="up == 1")
    with pytest.raises(ActivationError, match="cannot be evaluated"):
        activate(to_yaml([group("checkout", "up == 1")]), "r2", world, timeout=SHORT, owner=owner("r2", 11))
    target = target_of(world)
    assert target.names() == ["r1"]
    assert list(target.ownership().rule_sets) == ["r1"]
    assert not (prometheus.folder / ".release-watch-journal").exists()


@pytest.mark.parametrize("after", ["begin", "put", "own", "load"])
def test_a_crash_at_any_point_is_healed_by_the_next_activation(
    after: str, prometheus: PrometheusStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = in_directory(prometheus)
    activate(to_yaml([group("checkout")]), "r1", world, timeout=SHORT, owner=owner("r1", 10))
    killed(monkeypatch, after)
    with pytest.raises(Killed):
        activate(to_yaml([group("checkout", "up == 1")]), "r2", world, timeout=SHORT, owner=owner("r2", 11))
    monkeypatch.undo()
    assert prometheus.reload().status == 200  # whatever is there now can be loaded

    healed = activate(to_yaml([group("cart")]), "r3", world, timeout=SHORT, owner=owner("r3", 12))

    target = target_of(world)
    assert set(healed.healed) == {"r1", "r2"}
    assert target.names() == ["r1", "r3"]
    assert target.ownership().rule_sets["r1"].scopes == ("production/checkout",)
    assert read_back(to_yaml([group("checkout")]), world) == []


def test_a_broken_file_of_another_release_is_named_and_the_old_rules_stay(
    prometheus: PrometheusStandIn, promtool: Path
) -> None:
    world = in_directory(prometheus, promtool=promtool)
    old = to_yaml([group("checkout")])
    activate(old, "r1", world, timeout=SHORT, owner=owner("r1", 10))
    activate(to_yaml([group("cart")]), "r2", world, timeout=SHORT, owner=owner("r2", 11))
    (prometheus.folder / "release-watch-r2.yaml").write_text(to_yaml([group("cart", "sum(")]))
    (prometheus.folder / "team.yaml").write_text("groups: 7")

    with pytest.raises(ActivationError) as refused:
        activate(to_yaml([group("checkout", "up == 1")]), "r1", world, timeout=SHORT, owner=owner("r1", 10))

    words = str(refused.value)
    assert "release-watch-r2.yaml in the same folder is broken (rule set r2 of release r2, deployed" in words
    assert "team.yaml in the same folder is broken (it was not written by Release Watch" in words
    assert "the former rules still run. But Prometheus refuses to load them, too" in words
    assert (prometheus.folder / "release-watch-r1.yaml").read_text() == old
    assert read_back(old, world) == [
        "Prometheus could not read its configuration at the last reload; its log says which file"
    ]


def test_an_error_of_the_lint_stops_before_anything_is_written(prometheus: PrometheusStandIn) -> None:
    with pytest.raises(InvalidInputError, match=r"the lint refuses the rules.*\n.*no condition"):
        activate(to_yaml([group("a", "up")]), "a", in_directory(prometheus), timeout=SHORT)
    assert list(prometheus.folder.iterdir()) == []


def test_without_promtool_the_server_checks_and_that_is_said(prometheus: PrometheusStandIn) -> None:
    activation = activate(to_yaml([group("a")]), "a", in_directory(prometheus), timeout=SHORT)
    assert "promtool is not on PATH" in activation.problems[0]


def test_alerts_that_reach_nobody_are_not_in_force(prometheus: PrometheusStandIn) -> None:
    prometheus.alertmanagers = []
    with pytest.raises(ActivationError, match="to no Alertmanager"):
        activate(to_yaml([group("a")]), "a", in_directory(prometheus), timeout=SHORT)


class Killed(BaseException):
    """The process ends here: nothing after it is done."""


def killed(monkeypatch: pytest.MonkeyPatch, after: str) -> None:
    """Let an activation end after a step, without any of its clearing up."""
    from release_watch.slo.change import Change
    from release_watch.slo.targets.directory import DirectoryTarget

    step = getattr(DirectoryTarget, after)

    def then_die(self: DirectoryTarget, *arguments: Any) -> None:
        step(self, *arguments)
        raise Killed

    monkeypatch.setattr(DirectoryTarget, after, then_die)
    monkeypatch.setattr(Change, "undo", lambda _: "killed")
