"""Rules put into force in a real Prometheus with a real Alertmanager beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from release_watch.catalog.models import MetricsSignal, Service, Signals, Tier
from release_watch.catalog.slos import Slo
from release_watch.dashboards.build import dashboards
from release_watch.dashboards.validation import check_panels
from release_watch.errors import InvalidInputError, NotConfiguredError
from release_watch.release import Release
from release_watch.slo.activation import ActivationError, activate, deactivate, read_back
from release_watch.slo.red import find_metric_names
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml
from release_watch.slo.rules import rule_groups, rule_set_name
from release_watch.slo.rules_directory import RulesDirectory
from release_watch.telemetry import prometheus_api
from sandbox.stack import Stack
from tests.integration.direct import DirectBackends

TIMEOUT = timedelta(seconds=20)


class Elsewhere(DirectBackends):
    """The same servers with another rules folder or another promtool."""

    def __init__(self, backends: DirectBackends, folder: Path | None, promtool: Path) -> None:
        super().__init__(backends._endpoints)
        self._folder = folder
        self._promtool = promtool

    def rules_directory(self) -> Path | None:
        return self._folder

    def promtool(self) -> Path:
        return self._promtool


@pytest.fixture(scope="module")
def small_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("rules"), ["prometheus", "alertmanager"]) as running:
        yield running


@pytest.fixture
def backends(small_stack: Stack) -> Iterator[DirectBackends]:
    reached = DirectBackends(small_stack.endpoints)
    yield reached
    directory = RulesDirectory.of(reached)
    directory.put(dict.fromkeys(directory.names()))
    prometheus_api.reload(reached.prometheus())


@pytest.fixture
def folder(backends: DirectBackends) -> Path:
    found = backends.rules_directory()
    assert found is not None
    return found


@pytest.fixture
def watched() -> tuple[Service, Slo, Release]:
    """Prometheus itself as a service with an SLO, and a release of it."""
    service = Service(
        name="prometheus",
        tier=Tier.CRITICAL,
        owner="sre",
        signals=Signals(metrics=MetricsSignal(selector='job="prometheus"')),
    )
    slo = Slo(
        name="prometheus-availability",
        service="prometheus",
        description="",
        objective=Decimal("0.999"),
        window_days=30,
        kind="ratio",
        good=None,
        bad='prometheus_http_requests_total{job="prometheus",code=~"5.."}',
        total='prometheus_http_requests_total{job="prometheus"}',
    )
    release = Release(
        deployment_id="d-1",
        release_id="r-1",
        version="1.1.0",
        environment="production",
        services=("prometheus",),
        deployed_at=datetime(2026, 1, 1, tzinfo=UTC),
        evidence_uri="file:///evidence",
    )
    return service, slo, release


def group(service: str, expr: str = "vector(1)", name: str = "") -> RuleGroup:
    rule = Rule(alert="Symptom", expr=expr, hold="5m", labels={"service": service, "severity": "ticket"})
    return RuleGroup(name=name or f"service-{service}", interval="1s", rules=(rule,))


def loaded(backends: DirectBackends) -> set[str]:
    return {rule.labels.get("service", "") for rule in prometheus_api.rules(backends.prometheus())}


def test_all_rules_of_a_release_run_once_they_are_activated(
    watched: tuple[Service, Slo, Release], backends: DirectBackends
) -> None:
    service, slo, release = watched
    names = find_metric_names([service], backends)
    groups = rule_groups([slo], [service], release, runbook_url="", dashboard_url="", metric_names=names)
    text = to_yaml(groups)

    activation = activate(text, rule_set_name(release), backends, timeout=TIMEOUT)

    assert Path(activation.file).name == "release-watch-production-r-1.yaml"
    assert (
        activation.rules
        == len(prometheus_api.rules(backends.prometheus()))
        == sum(len(g.rules) for g in groups)
    )
    assert activation.alertmanagers
    assert not activation.replaced
    assert activation.problems == ()
    assert read_back(text, backends) == []


def test_layout_and_notation_make_no_difference(backends: DirectBackends) -> None:
    text = to_yaml([group("a", "sum   by(job)(rate(up{job = 'prometheus', }[300s]))>(1)")])
    activate(text, "a", backends, timeout=TIMEOUT)
    assert read_back(text, backends) == []


def test_a_rule_that_was_changed_behind_our_back_is_named(backends: DirectBackends, folder: Path) -> None:
    text = to_yaml([group("a", "up == 0")])
    activate(text, "a", backends, timeout=TIMEOUT)
    (folder / "release-watch-a.yaml").write_text(text.replace("up == 0", "up == 2"))
    prometheus_api.reload(backends.prometheus())
    assert read_back(text, backends) == ["service-a/Symptom: runs another expression: up == 2"]


def test_a_rule_that_vanished_is_named(backends: DirectBackends) -> None:
    text = to_yaml([group("a")])
    activate(text, "a", backends, timeout=TIMEOUT)
    deactivate("a", backends)
    assert read_back(text, backends) == ["service-a/Symptom: is not loaded with these labels"]


def test_a_file_that_promtool_refuses_never_reaches_prometheus(
    backends: DirectBackends, folder: Path
) -> None:
    with pytest.raises(InvalidInputError, match="promtool refuses"):
        activate(to_yaml([group("a", "sum(")]), "a", backends, timeout=TIMEOUT)
    assert list(folder.glob("*.yaml")) == []


@pytest.mark.parametrize(
    ("expr", "words"),
    [("sum(", "reload failed"), ("up + on () up", "many-to-many|multiple matches|many matches")],
    ids=["refused at reload", "fails in evaluation"],
)
def test_a_broken_file_leaves_the_old_rules_running(
    expr: str, words: str, backends: DirectBackends, folder: Path, tmp_path: Path
) -> None:
    old = to_yaml([group("a", "up == 0")])
    activate(old, "a", backends, timeout=TIMEOUT)
    lenient = tmp_path / "promtool"
    lenient.write_text("#!/bin/sh\nexit 0\n")
    lenient.chmod(0o755)

    with pytest.raises(ActivationError, match=words) as refused:
        activate(to_yaml([group("a", expr)]), "a", Elsewhere(backends, folder, lenient), timeout=TIMEOUT)

    assert "The former rules are in force again." in str(refused.value)
    assert (folder / "release-watch-a.yaml").read_text() == old
    assert read_back(old, backends) == []


def test_a_folder_that_prometheus_does_not_read_is_found_out(
    backends: DirectBackends, tmp_path: Path
) -> None:
    elsewhere = Elsewhere(backends, tmp_path, backends.promtool())
    with pytest.raises(ActivationError, match="rule_files in prometheus"):
        activate(to_yaml([group("a")]), "a", elsewhere, timeout=timedelta(seconds=1))
    assert list(tmp_path.glob("*.yaml")) == []


def test_without_a_rules_folder_the_setting_to_make_is_named(backends: DirectBackends) -> None:
    nowhere = Elsewhere(backends, None, backends.promtool())
    with pytest.raises(NotConfiguredError, match="rules_directory"):
        activate(to_yaml([group("a")]), "a", nowhere, timeout=TIMEOUT)


def test_activating_again_replaces(backends: DirectBackends) -> None:
    activate(to_yaml([group("a", "up == 0")]), "a", backends, timeout=TIMEOUT)
    again = activate(to_yaml([group("a", "up == 2")]), "a", backends, timeout=TIMEOUT)
    assert again.replaced
    assert [rule.query for rule in prometheus_api.rules(backends.prometheus())] == ["up == 2"]


def test_a_later_release_takes_over_its_services_and_leaves_the_others(backends: DirectBackends) -> None:
    activate(to_yaml([group("checkout"), group("payments")]), "production-r1", backends, timeout=TIMEOUT)
    later = activate(
        to_yaml([group("checkout", "up == 0")]),
        "production-r2",
        backends,
        timeout=TIMEOUT,
        supersedes=["production-r1"],
    )
    assert later.superseded == ("production-r1",)
    rules = {rule.labels["service"]: rule.query for rule in prometheus_api.rules(backends.prometheus())}
    assert rules == {"checkout": "up == 0", "payments": "vector(1)"}


def test_a_rule_set_without_services_of_its_own_left_is_removed(
    backends: DirectBackends, folder: Path
) -> None:
    watchdog = RuleGroup(name="watchdog", rules=(Rule(alert="Watchdog", expr="vector(1)"),))
    activate(to_yaml([group("checkout"), watchdog]), "production-r1", backends, timeout=TIMEOUT)
    activate(
        to_yaml([group("checkout")]), "production-r2", backends, timeout=TIMEOUT, supersedes=["production-r1"]
    )
    assert [file.name for file in folder.glob("*.yaml")] == ["release-watch-production-r2.yaml"]


def test_a_failed_takeover_gives_the_services_back(
    backends: DirectBackends, folder: Path, tmp_path: Path
) -> None:
    activate(to_yaml([group("checkout")]), "production-r1", backends, timeout=TIMEOUT)
    broken = to_yaml([group("checkout", "up + on () up")])
    with pytest.raises(ActivationError):
        activate(broken, "production-r2", backends, timeout=TIMEOUT, supersedes=["production-r1"])
    assert [file.name for file in folder.glob("*.yaml")] == ["release-watch-production-r1.yaml"]
    assert loaded(backends) == {"checkout"}


def test_every_panel_of_a_release_is_answered_by_the_live_prometheus(
    watched: tuple[Service, Slo, Release], backends: DirectBackends
) -> None:
    service, slo, release = watched
    names = find_metric_names([service], backends)
    rules = rule_groups(
        [slo],
        [service],
        release,
        runbook_url="",
        dashboard_url="",
        metric_names=names,
        interval=timedelta(seconds=1),
    )
    activate(to_yaml(rules), rule_set_name(release), backends, timeout=TIMEOUT)
    shown = [one for one in dashboards(release, [service], [slo], metric_names=names) if one.kind != "slo"]
    results = check_panels(shown, backends.metrics())
    assert results
    assert [(result.panel, result.problem) for result in results if not result.answered] == []
