"""Alert policies of OpenSLO: which alerts an objective wants, who is told, and what is not done as written.

OpenSLO v1 allows one condition with one window per policy, so it cannot say the alerts over two windows that
are right. These are derived from the objective; a condition only says whether a page or a ticket is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from release_watch.catalog.objectives.budgets import read_duration
from release_watch.catalog.objectives.directives import read_directives
from release_watch.catalog.objectives.openslo_schema import ConditionSpec, PolicySpec, TargetSpec
from release_watch.catalog.objectives.places import Findings, Place
from release_watch.catalog.objectives.registry import Entry, Registry
from release_watch.slo.windows import BurnWindow, Severity, plain

SEVERITIES: Mapping[str, Severity] = {
    "page": "page",
    "critical": "page",
    "ticket": "ticket",
    "warning": "ticket",
}


class Wanted(NamedTuple):
    """What the policies of one SLO ask for."""

    page: bool = True
    ticket: bool = True
    annotations: Mapping[str, str] = {}


class _Policy(NamedTuple):
    severity: Severity | None
    targets: tuple[str, ...]
    annotations: Mapping[str, str]


def read_policies(
    place: Place,
    policies: Sequence[Mapping[str, Any]],
    arms: Sequence[BurnWindow],
    registry: Registry,
    findings: Findings,
) -> Wanted:
    """Return which alerts are wanted: both without any policy, otherwise those that policies ask for."""
    read = _Reading(arms, registry, findings)
    found = [policy for index, one in enumerate(policies) for policy in [read.policy(place.at(index), one)]]
    if not policies:
        return Wanted()
    known = [policy for policy in found if policy]
    severities = {policy.severity for policy in known}
    annotations = {key: text for policy in known for key, text in policy.annotations.items()}
    if targets := list(dict.fromkeys(target for policy in known for target in policy.targets)):
        annotations["notification_targets"] = ", ".join(targets)
    wanted = Wanted("page" in severities, "ticket" in severities, annotations)
    if len(known) == len(policies) and not (wanted.page or wanted.ticket):
        words = "no policy wants an alert, so none is made; set alertWhenBreaching: true in one"
        findings.warn(place, None, words)
    return wanted


class _Reading:
    def __init__(self, arms: Sequence[BurnWindow], registry: Registry, findings: Findings) -> None:
        self._arms = arms
        self._registry = registry
        self._findings = findings

    def policy(self, place: Place, found: Mapping[str, Any]) -> _Policy | None:
        """Return one policy; None after adding why it cannot stand."""
        resolved = self._findings.attempt(self._registry.resolve, PolicySpec, found, place, "alertPolicyRef")
        if resolved is None:
            return None
        entry, spec = resolved
        where = entry.place.at("spec")
        severity = self._condition(where.at("conditions"), spec.conditions)
        targets = [
            target
            for index, one in enumerate(spec.notification_targets or ())
            for target in [self._target(where.at("notificationTargets", index), one)]
            if target
        ]
        self._warn_of_switches(where, spec)
        breaching = spec.alert_when_breaching is not False
        return _Policy(severity if breaching else None, tuple(targets), self._annotations(entry))

    def _annotations(self, entry: Entry) -> Mapping[str, str]:
        written = entry.metadata.annotations if entry.metadata else None
        place = entry.place.at("metadata", "annotations")
        return read_directives([(place, written or {})], self._findings).annotations

    def _target(self, place: Place, found: Mapping[str, Any]) -> str | None:
        resolved = self._findings.attempt(self._registry.resolve, TargetSpec, found, place, "targetRef")
        if resolved is None:
            return None
        entry, spec = resolved
        return f"{entry.name} ({spec.target})" if entry.name else spec.target

    def _warn_of_switches(self, place: Place, spec: PolicySpec) -> None:
        if spec.alert_when_no_data is False:
            words = "an SLO without data pages all the same: nobody can tell then whether users are served"
            self._findings.warn(place.at("alertWhenNoData"), spec.alert_when_no_data, words)
        if spec.alert_when_resolved:
            words = "is up to Alertmanager: set send_resolved at the receiver"
            self._findings.warn(place.at("alertWhenResolved"), spec.alert_when_resolved, words)

    def _condition(self, place: Place, conditions: Sequence[Mapping[str, Any]]) -> Severity | None:
        if len(conditions) != 1:
            self._findings.refuse(place, conditions, "give exactly one condition, as OpenSLO v1 has it")
            return None
        resolved = self._findings.attempt(
            self._registry.resolve, ConditionSpec, conditions[0], place.at(0), "conditionRef"
        )
        if resolved is None:
            return None
        entry, spec = resolved
        where = entry.place.at("spec")
        severity = SEVERITIES.get(spec.severity.lower())
        if severity is None:
            remedy = "must be page or ticket (critical and warning are taken for them)"
            self._findings.refuse(where.at("severity"), spec.severity, remedy)
            return None
        self._findings.attempt(self._compare, where.at("condition"), spec, severity)
        return severity

    def _compare(self, place: Place, spec: ConditionSpec, severity: Severity) -> None:
        """Warn of what a condition says other than the alert that is derived."""
        condition = spec.condition
        window = read_duration(place.at("lookbackWindow"), condition.lookback_window)
        arms = [arm for arm in self._arms if arm.severity == severity]
        if condition.op in ("lte", "lt"):
            words = "alerts fire above a burn rate, never below it; write gt"
            self._findings.warn(place.at("op"), condition.op, words)
        if arms and not any(_same(arm, window, condition.threshold) for arm in arms):
            said = f"{condition.threshold:f} over {condition.lookback_window}"
            derived = " or ".join(
                f"{plain(arm.factor)} over {_words(arm.long)} and {_words(arm.short)}" for arm in arms
            )
            words = f"not used: the {severity} fires at burn rate {derived}, derived from the period"
            self._findings.warn(place.at("threshold"), said, words)
        if condition.alert_after and condition.alert_after not in ("0m", "0"):
            words = "not used: the short window keeps brief errors quiet, and resolves the alert soon"
            self._findings.warn(place.at("alertAfter"), condition.alert_after, words)


def _same(arm: BurnWindow, window: timedelta, threshold: Decimal) -> bool:
    return arm.long == window and arm.factor == threshold


def _words(span: timedelta) -> str:
    minutes = span // timedelta(minutes=1)
    for unit, length in (("d", 1440), ("h", 60)):
        if minutes % length == 0:
            return f"{minutes // length}{unit}"
    return f"{minutes}m"
