"""Environments whose rules get into force in each of the three ways, and rules for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from release_watch.slo.ownership import RuleOwner
from release_watch.slo.rulefile import Rule, RuleGroup, from_yaml
from release_watch.telemetry.backends import RuleExtra
from tests.slo.activation.stand_ins import PrometheusStandIn, RulerStandIn, RuleWorld

SHORT = timedelta(seconds=0.1)


def in_directory(prometheus: PrometheusStandIn, **fields: Any) -> RuleWorld:
    return RuleWorld(prometheus, RuleExtra("prometheus_default", None, prometheus.folder), **fields)


def in_git(prometheus: PrometheusStandIn, repository: Path, promtool: Path, **settings: Any) -> RuleWorld:
    repository.mkdir(exist_ok=True)
    rules = {"target": "gitops", "directory": str(repository), "within_seconds": 0.2, **settings}
    return RuleWorld(prometheus, RuleExtra("prometheus_default", rules), promtool=promtool)


def on_ruler(ruler: RulerStandIn, **fields: Any) -> RuleWorld:
    rules = {"target": "ruler", "within_seconds": 0.2}
    return RuleWorld(ruler, RuleExtra("prometheus_default", rules), **fields)


def group(service: str, expr: str = "up == 0", name: str = "") -> RuleGroup:
    labels = {"service": service, "environment": "production", "severity": "ticket"}
    rule = Rule(alert="Symptom", expr=expr, hold="5m", keep_firing_for="10m", labels=labels)
    return RuleGroup(name=name or f"service-{service}", interval="30s", rules=(rule,))


def owner(release: str, hour: int) -> RuleOwner:
    return RuleOwner(release_id=release, deployed_at=datetime(2026, 1, 1, hour, tzinfo=UTC))


def services(text: str | None) -> set[str]:
    return {service for one in from_yaml(text or "groups: []") for service in one.services}
