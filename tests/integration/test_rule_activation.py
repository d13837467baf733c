"""Rules put into force in a real Prometheus with a real Alertmanager beside it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path

import pytest
import yaml

from release_watch.catalog.models import MetricsSignal, Service, Signals, Tier
from release_watch.catalog.slos import Slo
from release_watch.dashboards.build import dashboards
from release_watch.dashboards.validation import check_panels
from release_watch.errors import InvalidInputError, NotConfiguredError
from release_watch.release import Release
from release_watch.slo import proof
from release_watch.slo.activation import ActivationError, activate, deactivate, read_back
from release_watch.slo.red import find_metric_names
from release_watch.slo.rulefile import Rule, RuleGroup, from_yaml, to_yaml
from release_watch.slo.rules import rule_groups, rule_set_name
from release_watch.slo.rules_directory import RulesDirectory
from release_watch.telemetry import prometheus_api
from release_watch.telemetry.backends import RuleExtra
from sandbox.stack import Stack
from tests.integration.direct import DirectBackends, DirectTransport
from tests.slo.activation.stand_ins import RulerStandIn, RuleWorld

TIMEOUT = timedelta(seconds=20)


class InGit(DirectBackends):
    """The same servers; rules are files in a working copy."""

    def __init__(self, backends: DirectBackends, folder: Path) -> None:
        super().__init__(backends._endpoints)
        self._rules = {"target": "gitops", "directory": str(folder), "within_seconds": 0.1}

    def rule_extra(self) -> RuleExtra:
        return RuleExtra("prometheus_default", self._rules)

    def ruler(self, conn_id: str) -> DirectTransport:
        raise AssertionError(f"no ruler {conn_id}")


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
def patient() -> None:
    """Asked for by the test that waits for the Alertmanager."""


@pytest.fixture(autouse=True)
def hurried(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait the 5 s for which Prometheus knows no Alertmanager after each reload."""
    if "patient" not in request.fixturenames:
        monkeypatch.setattr(proof, "alertmanagers", lambda _: ("known",))
        monkeypatch.setattr(proof, "SLOW_POLL_SECONDS", 0.2)


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
def lenient(tmp_path: Path) -> Path:
    """A promtool that lets everything pass, as a newer one does what the server is too old for."""
    program = tmp_path / "promtool"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    return program


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


def group(service: str, expr: str = "vector(1) > 0", name: str = "") -> RuleGroup:
    rule = Rule(alert="Symptom", expr=expr, hold="5m", labels={"service": service, "severity": "ticket"})
    return RuleGroup(name=name or f"service-{service}", interval="1s", rules=(rule,))


def loaded(backends: DirectBackends) -> set[str]:
    return {rule.labels.get("service", "") for rule in prometheus_api.rules(backends.prometheus())}


def test_all_rules_of_a_release_run_once_they_are_activated(
    watched: tuple[Service, Slo, Release], backends: DirectBackends, patient: None
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
    expr = "sum   by(job)(rate(process_cpu_seconds_total{job = 'prometheus', }[300s]))>(1)"
    text = to_yaml([group("a", expr)])
    activate(text, "a", backends, timeout=TIMEOUT)
    assert read_back(text, backends) == []


def test_a_rule_that_was_changed_behind_our_back_is_named(backends: DirectBackends, folder: Path) -> None:
    text = to_yaml([group("a", "up == 0")])
    activate(text, "a", backends, timeout=TIMEOUT)
    (folder / "release-watch-a.yaml").write_text(text.replace("up == 0", "up == 2"))
    prometheus_api.reload(backends.prometheus())
    assert read_back(text, backends) == ["service-a/Symptom: runs another expression: up == 2"]


def test_how_long_an_alert_fires_on_is_in_force_and_read_back(backends: DirectBackends) -> None:
    (rule,) = group("a").rules
    kept = group("a").model_copy(update={"rules": (rule.model_copy(update={"keep_firing_for": "90s"}),)})
    activate(to_yaml([kept]), "kept", backends, timeout=TIMEOUT)
    assert [one.keep_firing_seconds for one in prometheus_api.rules(backends.prometheus())] == [90.0]
    assert read_back(to_yaml([kept]).replace("90s", "1m30s"), backends) == []
    assert read_back(to_yaml([group("a")]), backends) == [
        "service-a/Symptom: fires on for 90 s after its condition ends, not 0 s"
    ]


def test_a_rule_that_vanished_is_named(backends: DirectBackends) -> None:
    text = to_yaml([group("a")])
    activate(text, "a", backends, timeout=TIMEOUT)
    deactivate("a", backends)
    assert read_back(text, backends) == ["service-a/Symptom: is not loaded with these labels"]


def test_a_file_that_promtool_refuses_never_reaches_prometheus(
    backends: DirectBackends, folder: Path
) -> None:
    old = to_yaml([group("a", "up == 0")])
    activate(old, "a", backends, timeout=TIMEOUT)
    with pytest.raises(InvalidInputError, match="promtool refuses"):
        activate(to_yaml([group("a", "sum(")]), "a", backends, timeout=TIMEOUT)
    assert [file.read_text() for file in folder.glob("*.yaml")] == [old]
    assert read_back(old, backends) == []


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        ("sum(", "reload failed"),
        ("of_a_newer_server(up) > 0", "reload failed"),
        ("up + on () up > 0", "many-to-many|multiple matches|many matches"),
    ],
    ids=["refused at reload", "not known to this server", "fails in evaluation"],
)
def test_a_broken_file_leaves_the_old_rules_running(
    expr: str, words: str, backends: DirectBackends, folder: Path, lenient: Path
) -> None:
    old = to_yaml([group("a", "up == 0")])
    activate(old, "a", backends, timeout=TIMEOUT)

    with pytest.raises(ActivationError, match=words) as refused:
        activate(to_yaml([group("a", expr)]), "a", Elsewhere(backends, folder, lenient), timeout=TIMEOUT)

    assert "The former rules are in force again." in str(refused.value)
    assert (folder / "release-watch-a.yaml").read_text() == old
    assert read_back(old, backends) == []


def test_a_broken_file_of_somebody_else_is_named_and_the_old_rules_run_on(
    backends: DirectBackends, folder: Path
) -> None:
    activate(to_yaml([group("a", "up == 0")]), "a", backends, timeout=TIMEOUT)
    foreign = folder / "team.yaml"
    foreign.write_text(to_yaml([group("b", "sum(")]))
    try:
        with pytest.raises(ActivationError) as refused:
            activate(to_yaml([group("a", "up == 2")]), "a", backends, timeout=TIMEOUT)
    finally:
        foreign.unlink()

    assert "team.yaml in the same folder is broken (it was not written by Release Watch" in str(refused.value)
    assert "the former rules still run" in str(refused.value)
    assert [rule.query for rule in prometheus_api.rules(backends.prometheus())] == ["up == 0"]


def test_whoever_is_killed_before_the_reload_leaves_a_folder_that_the_next_one_heals(
    backends: DirectBackends, folder: Path, lenient: Path
) -> None:
    old = to_yaml([group("a", "up == 0")])
    activate(old, "a", backends, timeout=TIMEOUT)
    broken = to_yaml([group("a", "of_a_newer_server(up) > 0")])
    child = get_context("fork").Process(
        target=activate_and_die, args=(broken, Elsewhere(backends, folder, lenient))
    )
    child.start()
    child.join(timeout=60)
    assert child.exitcode == -signal.SIGKILL
    assert (folder / "release-watch-a.yaml").read_text() == broken  # written, not loaded, not proven

    next_one = activate(to_yaml([group("b", "up == 0")]), "b", backends, timeout=TIMEOUT)

    assert next_one.healed == ("a",)
    assert loaded(backends) == {"a", "b"}
    assert read_back(old, backends) == []


def activate_and_die(text: str, backends: DirectBackends) -> None:
    """Run in a process of its own: killed between writing the file and the reload."""
    prometheus_api.reload = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    activate(text, "a", backends, timeout=TIMEOUT)


def test_files_for_gitops_are_active_once_somebody_brings_them(
    backends: DirectBackends, folder: Path, tmp_path: Path
) -> None:
    text = to_yaml([group("a", "up == 0")])
    world = InGit(backends, tmp_path)

    def bring() -> None:
        manifest = yaml.safe_load((tmp_path / "release-watch-a.yaml").read_text())
        (folder / "release-watch-from-git.yaml").write_text(yaml.safe_dump(manifest["spec"]))
        prometheus_api.reload(backends.prometheus())

    assert activate(text, "a", world, timeout=timedelta(seconds=0.1)).state == "pending adoption"
    bring()
    assert activate(text, "a", world, timeout=TIMEOUT).state == "active"


def test_what_a_ruler_stores_is_what_the_real_prometheus_would_run(
    watched: tuple[Service, Slo, Release], backends: DirectBackends
) -> None:
    """The ruler is a stand-in for Mimir; what it was given is tried on the real Prometheus."""
    service, slo, release = watched
    names = find_metric_names([service], backends)
    text = to_yaml(
        rule_groups([slo], [service], release, runbook_url="", dashboard_url="", metric_names=names)
    )
    ruler = RulerStandIn()
    ruler.most_rules_per_group = 50
    ruler.health = "unknown"
    world = RuleWorld(ruler, RuleExtra("prometheus_default", "ruler"), metrics=backends.metrics())

    assert activate(text, "a", world, timeout=TIMEOUT).state == "active"

    stored = {"groups": list(ruler.stored["release-watch-a"].values())}
    assert from_yaml(yaml.safe_dump(stored)) == from_yaml(text)


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
    assert rules == {"checkout": "up == 0", "payments": "vector(1) > 0"}


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
    broken = to_yaml([group("checkout", "up + on () up > 0")])
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
