"""``RUNBOOKS/monitoring-runbook.md``: amended, never overwritten.

A part for each alert (what it means, first checks with queries, mitigation, whom to call), for each service,
for people, dashboards and the alert path. Every part is written anew with each release; what people write
outside of them stays, see :mod:`release_watch.handoff.runbook_parts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from release_watch.catalog.models import Service
from release_watch.catalog.oncall import OnCall
from release_watch.catalog.slos import Slo
from release_watch.dashboards.models import DashboardActivation
from release_watch.handoff.alert_advice import ROLLBACKS, Advice, advice
from release_watch.handoff.alert_checks import Check
from release_watch.handoff.alert_seen import Seen
from release_watch.handoff.runbook_parts import Block, Part, amended, inert, read_pieces
from release_watch.handoff.runbook_people import duty_rows, paging_rows, shift_rows
from release_watch.identifiers import promql_string
from release_watch.markdown import Written, code, code_block, escape, header, link, render
from release_watch.release import Release
from release_watch.response.policy import policy_of
from release_watch.slo.annotations import anchor
from release_watch.slo.baseline_rules import ALERT as DEGRADED
from release_watch.slo.rulefile import Rule, RuleGroup

LANGUAGES = {"promql": "PromQL", "logql": "LogQL", "traceql": "TraceQL"}
CONTENTS = "contents"
_LISTED = re.compile(r"<!-- parts: (?P<names>.*) -->")
_ANCHOR = re.compile(r'<a id="(?P<anchor>[^"]+)"></a>')
_HEADING = re.compile(r"^(?P<level>#{2,3}) +(?P<title>.+?) *\r?$", re.MULTILINE)


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
    """Return the runbook: a part for each alert of each service, and those for people and dashboards.

    Parts of other services and environments stay as they are. The part of an alert that is no more goes,
    and a list says so once.

    Args:
        existing: the runbook so far, of this release or of one before; None if there is none.
        release: the release whose alerts these are.
        services: its services.
        slos: SLOs; those of other services are left out.
        rules: the rules in force.
        dashboards: where the dashboards are.
        oncall: who is called.
        at: time of writing, which decides who is on duty.
    """
    text = existing or ""
    blocks = {piece.name: piece for piece in read_pieces(text) or () if isinstance(piece, Block)}
    parts = list(_parts(release, services, slos, rules, dashboards, oncall, at))
    own = {f"{release.environment}/{service.name}" for service in services}
    written = {part.name for part in parts}
    retired = [name for name in blocks if name.rpartition("/")[0] in own and name not in written]
    if note := _retired(blocks, retired, release, at):
        parts.append(note)
    return amended(
        text,
        [Part(name, inert(content)) for name, content in parts],
        retired=retired,
        known=_listed(blocks),
        contents=_contents,
    )


def _parts(
    release: Release,
    services: Sequence[Service],
    slos: Sequence[Slo],
    rules: Sequence[RuleGroup],
    dashboards: Sequence[DashboardActivation],
    oncall: OnCall,
    at: datetime,
) -> Iterator[Part]:
    where = release.environment
    head = header("Monitoring runbook", release.release_id, where, at)
    yield Part("header", f"{head}\n{_render('runbook-header')}")
    alerts = [rule for group in rules for rule in group.alerts]
    yield Part(f"{where}:alerts", _render("runbook-alerts", release=release))
    people = _render(
        "runbook-people",
        at=at,
        duty=duty_rows(oncall, at),
        pages=paging_rows(oncall, at),
        shifts=shift_rows(oncall, at),
    )
    yield Part(f"{where}:people", people)
    shown = [_dashboard_row(one) for one in dashboards]
    yield Part(f"{where}:dashboards", _render("runbook-dashboards", dashboards=shown, release=release))
    for service in services:
        own = [rule for rule in alerts if rule.service == service.name]
        yield from _service_parts(service, release, slos, own, at)
    if path := [rule for rule in alerts if rule.service is None]:
        checks = {rule.name: [_shown(check) for check in _path(rule)] for rule in path}
        yield Part(f"{where}:alert-path", _render("watchdog", release=release, alerts=path, checks=checks))


def _service_parts(
    service: Service, release: Release, slos: Sequence[Slo], rules: Sequence[Rule], at: datetime
) -> Iterator[Part]:
    seen = Seen(service, release.environment, rules, [slo for slo in slos if slo.service == service.name])
    name = f"{release.environment}/{service.name}"
    yield Part(
        name,
        _render(
            "runbook",
            service=service,
            release=release,
            at=at,
            anchor=anchor("service", service.name),
            runbook=link("the service's own runbook", service.runbook) if service.runbook else None,
            slos=_objectives(seen.slos),
            numbers=[_shown(check) for check in _numbers(seen)],
        ),
    )
    alerts = dict.fromkeys(rule.name for rule in rules)
    if service.signals.mapped() or service.business_metrics:
        alerts[DEGRADED] = None  # in force once the release has a baseline
    for alert in alerts:
        yield Part(f"{name}/{quote(alert, safe='')}", _alert(alert, seen, release))


def _alert(alert: str, seen: Seen, release: Release) -> str:
    words: Advice = advice(alert, seen)
    rules = [rule for rule in seen.rules if rule.name == alert]
    return _render(
        "runbook-alert",
        title=f"{alert}: {seen.service.name}",
        anchor=anchor(alert, seen.service.name),
        meaning=words.meaning,
        rules=[_rule_row(rule) for rule in rules],
        pages=any(rule.labels.get("severity") == "page" for rule in rules),
        checks=[_shown(check) for check in words.checks],
        mitigation=words.mitigation,
        rollback=ROLLBACKS[policy_of(seen.service, release)],
        service=seen.service,
        release=release,
    )


def _shown(check: Check) -> tuple[str, str, Written]:
    """Return a check to be shown in a list: question, language, and its query to be copied."""
    block = code_block(check.query, check.language)
    indented = Written("\n".join(f"   {line}" if line else line for line in block.split("\n")))
    return check.question, LANGUAGES.get(check.language, check.language), indented


def _numbers(seen: Seen) -> Iterator[Check]:
    if seen.red is None:
        return
    yield Check("Requests per second: compare with the same time yesterday.", "promql", seen.red.per_second())
    yield Check("Share that fails, 0 to 1: compare with the objective.", "promql", seen.red.error_ratio())
    if p95 := seen.red.latency("0.95"):
        yield Check("Seconds within which 95 % are answered.", "promql", f"{p95} >= 0")


def _path(rule: Rule) -> Iterator[Check]:
    """Yield a look at each hop of an alert that should always arrive."""
    environment = promql_string(rule.labels.get("environment", ""))
    fires = f"ALERTS{{alertname={promql_string(rule.name)},environment={environment}}}"
    yield Check("Does it fire in Prometheus?", "promql", fires)
    known = "prometheus_notifications_alertmanagers_discovered"
    yield Check("How many Alertmanagers does Prometheus know?", "promql", known)
    refused = "increase(alertmanager_notifications_failed_total[10m]) > 0"
    yield Check("Which receivers take no notices?", "promql", refused)


def _retired(blocks: dict[str, Block], retired: Sequence[str], release: Release, at: datetime) -> Part | None:
    """Return the list of alerts that are no more, with ``retired`` added; None if it is empty."""
    name = f"{release.environment}:retired"
    lines = [_retired_line(blocks[one], release, at) for one in retired]
    if not lines and name not in blocks:
        return None
    before = blocks[name].content if name in blocks else _render("runbook-retired", release=release).strip()
    return Part(name, "\n".join([before, *lines]))


def _retired_line(block: Block, release: Release, at: datetime) -> str:
    heading = _HEADING.search(block.content)
    title = Written(heading["title"]) if heading else escape(block.name)
    return f"- {title}: no alert of this name since {escape(release.release_id)}, {at:%Y-%m-%d}"


def _contents(blocks: Sequence[Block]) -> Part:
    lines = ["## Contents", ""]
    for block in blocks:
        heading, found = _HEADING.search(block.content), _ANCHOR.search(block.content)
        if heading and found and block.name != CONTENTS:
            indent = "  " * (len(heading["level"]) - 2)
            lines.append(f"{indent}- [{heading['title']}](#{found['anchor']})")
    names = " ".join(block.name for block in blocks if block.name != CONTENTS)
    return Part(CONTENTS, "\n".join([*lines, "", f"<!-- parts: {names} -->"]))


def _listed(blocks: dict[str, Block]) -> frozenset[str]:
    found = _LISTED.search(blocks[CONTENTS].content) if CONTENTS in blocks else None
    return frozenset(found["names"].split()) if found else frozenset()


def _render(template: str, **values: Any) -> str:
    return render(__package__ or "", f"{template}.md.j2", **values)


def _rule_row(rule: Rule) -> tuple[object, ...]:
    about = rule.labels.get("slo") or rule.labels.get("metric") or rule.service
    return about, rule.labels.get("severity"), rule.annotations.get("threshold"), rule.hold


def _objectives(slos: Sequence[Slo]) -> list[tuple[object, ...]]:
    return [(slo.name, _percent(slo), f"{slo.window_days} days", slo.description) for slo in slos]


def _dashboard_row(one: DashboardActivation) -> tuple[object, ...]:
    where: Written = link("open", one.url) if one.url else code(one.file or "")
    return one.title, where, "active" if one.activated else "not activated"


def _percent(slo: Slo) -> str:
    return f"{(slo.objective * 100).normalize():f} %"
