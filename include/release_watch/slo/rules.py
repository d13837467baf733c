"""All rules of a release: its SLOs, the symptoms of its services, and the dead man's switch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256

from release_watch.catalog.models import Service
from release_watch.catalog.slos import Slo
from release_watch.errors import InvalidInputError
from release_watch.release import Release
from release_watch.slo.annotations import AlertText, alert_rule
from release_watch.slo.budget_rules import PAGE_INTERVAL, TICKET_INTERVAL, SloRules
from release_watch.slo.burn_alerts import LEAST_BAD_EVENTS
from release_watch.slo.red import ASSUMED, MetricNames
from release_watch.slo.rulefile import RuleGroup, duration
from release_watch.slo.symptoms import SymptomRules

WATCHDOG = "Watchdog"
_LONGEST_NAME = 120


def rule_groups(
    slos: Sequence[Slo],
    services: Sequence[Service],
    release: Release,
    *,
    runbook_url: str,
    dashboard_url: str,
    metric_names: MetricNames | None = None,
    interval: timedelta = PAGE_INTERVAL,
    ticket_interval: timedelta = TICKET_INTERVAL,
    least_bad_events: int = LEAST_BAD_EVENTS,
) -> list[RuleGroup]:
    """Return every rule of ``release``: SLOs of its services, symptoms, Watchdog.

    Args:
        slos: SLOs; those of other services are left out.
        services: the release's services.
        release: names environment and, in annotations, the release.
        runbook_url: address of the runbook, to which each alert's section is added.
        dashboard_url: address of the dashboard to open first.
        metric_names: what each service exposes (:func:`release_watch.slo.red.find_metric_names`); alerts on
            metrics that a service does not expose are left out. None takes OpenTelemetry's HTTP names.
        interval: how often pages and symptoms are evaluated.
        ticket_interval: how often the slow windows are evaluated; never more often than pages.
        least_bad_events: how many failures the longer window of a burn-rate alert must hold.

    Raises:
        InvalidInputError: with every SLO that cannot be alerted on.
    """
    text = AlertText(runbook_url, dashboard_url, f"{release.release_id} (version {release.version})")
    groups: list[RuleGroup] = []
    problems: list[str] = []
    own = {service.name for service in services}
    for slo in (slo for slo in slos if slo.service in own):
        try:
            groups += SloRules(
                slo, release.environment, text, interval, ticket_interval, least_bad_events
            ).groups()
        except InvalidInputError as error:
            problems += error.problems
    if problems:
        raise InvalidInputError(problems)
    for service in services:
        names = ASSUMED if metric_names is None else metric_names.get(service.name, frozenset())
        symptoms = SymptomRules(service, slos, release.environment, text, names)
        groups += symptoms.groups(interval, ticket_interval)
    return [*groups, _watchdog(release, text, interval)]


def rule_set_name(release: Release) -> str:
    """Return the name under which the rules of ``release`` are activated: ``<environment>-<release_id>``."""
    name = f"{release.environment}-{release.release_id}"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[: _LONGEST_NAME - 13]}-{sha256(name.encode()).hexdigest()[:12]}"


def _watchdog(release: Release, text: AlertText, interval: timedelta) -> RuleGroup:
    rule = alert_rule(
        WATCHDOG,
        "vector(1)",
        labels={"severity": "none", "environment": release.environment},
        text=text,
        summary="Dead man's switch: this alert always fires",
        description="It proves that alerts travel from Prometheus to the receiver. Act when it ceases.",
        threshold="always",
    )
    return RuleGroup(name="watchdog", interval=duration(interval), rules=(rule,))
