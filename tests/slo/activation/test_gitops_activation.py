"""Rules as files for others to bring: pending until the live Prometheus runs them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from release_watch.slo.activation import ActivationError, activate, read_back
from release_watch.slo.rulefile import from_yaml, to_yaml
from release_watch.slo.targets.gitops import resource_name
from release_watch.telemetry.backends import ToolMissingError
from tests.slo.activation.stand_ins import PrometheusStandIn, Queries
from tests.slo.activation.worlds import SHORT, group, in_git


def test_a_manifest_waits_for_adoption_and_is_never_active_before(
    prometheus: PrometheusStandIn, tmp_path: Path, promtool: Path
) -> None:
    settings = {"namespace": "monitoring", "labels": {"release": "stack"}}
    world = in_git(prometheus, tmp_path / "git", promtool, **settings)
    text = to_yaml([group("checkout")])

    activation = activate(text, "production-R_1", world, timeout=SHORT)

    assert activation.state == "pending adoption"
    assert "commit, merge and sync it" in " ".join(activation.problems)
    written = yaml.safe_load((tmp_path / "git" / "release-watch-production-R_1.yaml").read_text())
    assert (written["apiVersion"], written["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert written["metadata"]["labels"] == {"release": "stack"}
    assert written["metadata"]["namespace"] == "monitoring"
    assert from_yaml(yaml.safe_dump(written["spec"])) == from_yaml(text)
    assert read_back(text, world) == ["service-checkout/Symptom: is not loaded with these labels"]


def test_it_is_active_once_the_live_prometheus_runs_it(
    prometheus: PrometheusStandIn, tmp_path: Path, promtool: Path
) -> None:
    world = in_git(prometheus, tmp_path / "git", promtool, format="plain")
    text = to_yaml([group("checkout")])
    (prometheus.folder / "as-the-operator-names-it.yaml").write_text(text)
    prometheus.reload()
    assert activate(text, "a", world, timeout=SHORT).state == "active"
    assert (tmp_path / "git" / "release-watch-a.yaml").read_text() == text


def test_a_former_version_that_still_runs_is_waited_out(
    prometheus: PrometheusStandIn, tmp_path: Path, promtool: Path
) -> None:
    (prometheus.folder / "synced.yaml").write_text(to_yaml([group("checkout", "up == 1")]))
    prometheus.reload()
    world = in_git(prometheus, tmp_path / "git", promtool)
    activation = activate(to_yaml([group("checkout")]), "a", world, timeout=SHORT)
    assert activation.state == "pending adoption"
    assert "runs another expression: up == 1" in activation.problems[0]


def test_rules_that_fail_once_they_are_live_are_taken_back(
    prometheus: PrometheusStandIn, tmp_path: Path, promtool: Path
) -> None:
    world = in_git(prometheus, tmp_path / "git", promtool)
    activate(to_yaml([group("checkout", "up == 1")]), "a", world, timeout=SHORT)
    text = to_yaml([group("checkout")])
    (prometheus.folder / "synced.yaml").write_text(text)
    prometheus.health = "unknown"
    prometheus.reload()
    world.queries = Queries(broken="up == 0")

    with pytest.raises(ActivationError, match=r"(?s)cannot be evaluated.*put back"):
        activate(text, "a", world, timeout=SHORT)
    assert "up == 1" in (tmp_path / "git" / "release-watch-a.yaml").read_text()


def test_without_promtool_nothing_is_proposed(
    prometheus: PrometheusStandIn, tmp_path: Path, promtool: Path
) -> None:
    world = in_git(prometheus, tmp_path / "git", promtool)
    world._promtool = None
    with pytest.raises(ToolMissingError):
        activate(to_yaml([group("a")]), "a", world, timeout=SHORT)
    assert list((tmp_path / "git").glob("*.yaml")) == []


@pytest.mark.parametrize("name", ["production-r1", "Production_R1", "p" * 120, "a.-b"])
def test_a_resource_name_is_one_that_kubernetes_takes(name: str) -> None:
    found = resource_name(name)
    assert len(found) <= 253
    assert all(part and part[0].isalnum() and part[-1].isalnum() for part in found.split("."))
    assert found == found.lower()
    assert found != resource_name(f"{name}x")
