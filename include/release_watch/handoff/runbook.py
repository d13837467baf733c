"""``RUNBOOKS/monitoring-runbook.md``: amended, never overwritten.

Every generated part lies between two marks and is written anew; what people write outside of them stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from release_watch.catalog.models import Service
from release_watch.catalog.oncall import OnCall
from release_watch.catalog.slos import Slo
from release_watch.dashboards.models import DashboardActivation
from release_watch.errors import InvalidInputError
from release_watch.handoff.alert_advice import advice
from release_watch.markdown import Written, code, header, link, render
from release_watch.release import Release
from release_watch.slo.annotations import anchor
from release_watch.slo.rulefile import Rule, RuleGroup

_MARK = re.compile(r"<!-- release-watch:(begin|end) (\S+) -->")


def amend_runbook(
    existing: str | None,
    release: Release,
    services: Sequence[Service],
    slos: Sequence[Slo],
    rules: Sequence[RuleGroup],
    dashboards: Sequence[DashboardActivation],
    oncall: OnCall,
    at: datetime,
) -> str:
    """Return the runbook: a part per service (alerts, checks, mitigation, people), one for the alert path.

    Args:
        existing: the runbook so far; None if there is none.
        release: the release whose alerts these are.
        services: its services.
        slos: SLOs; those of other services are left out.
        rules: the rules in force.
        dashboards: where the dashboards are.
        oncall: who is called.
        at: time of writing, which decides who is on duty.

    Raises:
        InvalidInputError: if marks of the existing runbook were damaged, so that it cannot be told what
            people wrote.
    """
    text = existing or ""
    _check_marks(text)
    parts = {"header": header("Monitoring runbook", release.release_id, release.environment, at).strip()}
    shared: dict[str, Any] = {
        "release": release,
        "at": at,
        "people": _people(oncall, at),
        "dashboards": [_dashboard_row(one) for one in dashboards],
    }
    for service in services:
        parts[f"{release.environment}/{service.name}"] = render(
            __package__ or "",
            "runbook.md.j2",
            service=service,
            runbook=link("the service's own runbook", service.runbook) if service.runbook else None,
            slos=_objectives(service, slos),
            alerts=_alerts(service, rules),
            **shared,
        ).strip()
    if path := [rule for group in rules for rule in group.alerts if rule.service is None]:
        content = render(__package__ or "", "watchdog.md.j2", release=release, alerts=path)
        parts[f"{release.environment}/alert-path"] = content.strip()
    for name, content in parts.items():
        text = _put(text, name, content, first=name == "header")
    return text.strip() + "\n"


def _put(text: str, name: str, content: str, *, first: bool) -> str:
    begin, end = f"<!-- release-watch:begin {name} -->", f"<!-- release-watch:end {name} -->"
    block = f"{begin}\n{content}\n{end}"
    if begin in text:
        before, _, rest = text.partition(begin)
        return f"{before}{block}{rest.partition(end)[2]}"
    return f"{block}\n\n{text.lstrip()}" if first else f"{text.rstrip()}\n\n{block}\n"


def _check_marks(text: str) -> None:
    opened: str | None = None
    seen: set[str] = set()
    for mark in _MARK.finditer(text):
        kind, name = mark.groups()
        if (
            (kind == "begin") != (opened is None)
            or (kind == "end" and name != opened)
            or (kind == "begin" and name in seen)
        ):
            line = text.count("\n", 0, mark.start()) + 1
            raise InvalidInputError(
                [
                    f"monitoring-runbook.md:{line}: mark {kind} {name!r} has no partner in its place or is "
                    "there twice; restore the pair, or remove both to have the part written at the end"
                ]
            )
        opened = name if kind == "begin" else None
        seen.add(name)
    if opened is not None:
        raise InvalidInputError(
            [f"monitoring-runbook.md: mark begin {opened!r} has no end; write it below its part"]
        )


def _alerts(service: Service, groups: Sequence[RuleGroup]) -> list[dict[str, Any]]:
    by_name: dict[str, list[Rule]] = {}
    for group in groups:
        for rule in group.alerts:
            if rule.service == service.name:
                by_name.setdefault(rule.name, []).append(rule)
    return [
        {
            "title": f"{name}: {service.name}",
            "anchor": anchor(name, service.name),
            "advice": advice(name, service),
            "rules": [_rule_row(rule) for rule in rules],
        }
        for name, rules in by_name.items()
    ]


def _rule_row(rule: Rule) -> tuple[object, ...]:
    about = rule.labels.get("slo") or rule.labels.get("metric") or rule.service
    return about, rule.labels.get("severity"), rule.annotations.get("threshold"), rule.hold


def _objectives(service: Service, slos: Sequence[Slo]) -> list[tuple[object, ...]]:
    return [
        (slo.name, _percent(slo), f"{slo.window_days} days", slo.description)
        for slo in slos
        if slo.service == service.name
    ]


def _people(oncall: OnCall, at: datetime) -> list[tuple[object, ...]]:
    return [
        (role, oncall.on_duty(role, at).name, ", ".join(person.name for person in oncall.people(role)))
        for role in oncall.roles
    ]


def _dashboard_row(one: DashboardActivation) -> tuple[object, ...]:
    where: Written = link("open", one.url) if one.url else code(one.file or "")
    return one.title, where, "active" if one.activated else "not activated"


def _percent(slo: Slo) -> str:
    return f"{(slo.objective * 100).normalize():f} %"
