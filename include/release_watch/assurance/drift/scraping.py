"""Drift around the rules: what keeps a release's series, or its alerts, from where they are needed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import lru_cache

from release_watch.assurance.drift.model import NOBODY_NAMED, Drift, Expected, WatchedRule
from release_watch.assurance.drift.scraping_config import LiveScraping, Relabelling, holds
from release_watch.catalog.models import Service
from release_watch.catalog.selectors import Matcher, parse_selector
from release_watch.clock import in_words
from release_watch.slo.rulefile import parse_prometheus_duration
from release_watch.telemetry.promql import SeriesSelector, selectors_of
from release_watch.telemetry.promql_meaning import REMEMBERED
from release_watch.verdict import Verdict

_RANGE = re.compile(r"\[((?:\d+(?:ms|[smhdwy]))+)[\]:]")
_NAMED = 3


def scraping_drifts(expected: Expected, live: LiveScraping) -> Iterator[Drift]:
    """Yield what Prometheus' own configuration takes from one release."""
    if not live.tells and any(rule.alerting for rule in expected.rules):
        yield _around("alertmanagers", "muted", "Prometheus sends alerts to no Alertmanager", "add alerting")
    yield from _alerts(expected, live)
    yield from _retention(expected, live)
    for service in expected.services:
        if service.signals.metrics is not None:
            yield from _targets(service, parse_selector(service.signals.metrics.selector), live)
    yield from _series(expected, live)


def _around(key: str, kind: str, what: str, remedy: str) -> Drift:
    return Drift.model_validate(
        {
            "key": f"prometheus:{key}",
            "kind": kind,
            "what": what,
            "owner": NOBODY_NAMED,
            "verdict": Verdict.NO_GO,
            "to_do": f"{remedy} in prometheus.yml and reload",
        }
    )


def _alerts(expected: Expected, live: LiveScraping) -> Iterator[Drift]:
    for step in live.alert_relabelling:
        gone = [
            rule
            for rule in expected.rules
            if rule.alerting and step.drops({**live.external_labels, **_lone(rule), "alertname": rule.name})
        ]
        if gone:
            names = _some(dict.fromkeys(rule.name for rule in gone))
            what = f"alert_relabel_configs drop {names} before Alertmanager sees them ({step})"
            yield _around(f"alerts:{step}", "muted", what, "narrow this step of alerting")


def _lone(rule: WatchedRule) -> dict[str, str]:
    return {name: value for name, value in rule.labels.items() if "{{" not in value}


def _retention(expected: Expected, live: LiveScraping) -> Iterator[Drift]:
    needed = expected.retention or max(
        (_look_back(rule.expr) for rule in expected.rules), default=timedelta(0)
    )
    if live.retention is not None and live.retention < needed:
        yield Drift(
            key="prometheus:retention",
            kind="edited",
            what=f"Prometheus keeps samples for {in_words(live.retention)}, and rules look back "
            f"{in_words(needed)}: what is older is missing in them",
            owner=NOBODY_NAMED,
            verdict=Verdict.NO_GO,
            expected=in_words(needed),
            live=in_words(live.retention),
            diff=f"[-{in_words(needed)}-]{{+{in_words(live.retention)}+}}",
            to_do="raise --storage.tsdb.retention.time, and see that retention.size does not cut it",
        )


@lru_cache(maxsize=REMEMBERED)
def _look_back(expr: str) -> timedelta:
    return max((parse_prometheus_duration(span) for span in _RANGE.findall(expr)), default=timedelta(0))


def _targets(service: Service, matchers: tuple[Matcher, ...], live: LiveScraping) -> Iterator[Drift]:
    """Yield if the service's targets are found, and relabelling takes none of them.

    That there is no target at all is no drift by itself: its metrics may be pushed.
    """
    if live.jobs(matchers):
        return
    wanted = [one for one in matchers if one.operator == "="]
    for target in live.dropped:
        known = [one for one in wanted if one.label in target]
        if known and all(holds(one, target) for one in known):
            address = target.get("__address__", "a target")
            yield Drift(
                key=f"targets:{service.name}",
                kind="missing",
                what=f"every target of {service.name} is dropped by relabel_configs, such as {address}",
                owner=service.owner,
                service=service.name,
                verdict=Verdict.NO_GO,
                expected=f"targets with {', '.join(map(str, matchers))}",
                live="found by service discovery, and dropped",
                to_do="narrow the step of relabel_configs that drops them (Prometheus: /service-discovery)",
            )
            return


def _series(expected: Expected, live: LiveScraping) -> Iterator[Drift]:
    if not any(step.action != "replace" for steps in live.relabelling.values() for step in steps):
        return
    for service in expected.services:
        if service.signals.metrics is None:
            continue
        jobs = live.jobs(parse_selector(service.signals.metrics.selector))
        read = dict.fromkeys(
            selector
            for rule in expected.rules
            if rule.service == service.name
            for selector in _selectors(rule.expr)
            if selector.metric and ":" not in selector.metric
        )
        for job, target in jobs.items():
            for step in live.relabelling.get(job, ()):
                yield from _taken(service, job, target, step, read)


def _taken(
    service: Service,
    job: str,
    target: Mapping[str, str],
    step: Relabelling,
    read: Iterable[SeriesSelector],
) -> Iterator[Drift]:
    gone: dict[str, None] = {}
    for selector in read:
        asked = {one.label: one.value for one in selector.matchers if one.operator == "="}
        if step.drops({**target, **asked, "__name__": selector.metric}):
            gone[selector.metric] = None
        for label in (one.label for one in selector.matchers if one.label not in target):
            if step.takes(label):
                gone[f"label {label} of {selector.metric}"] = None
    if gone:
        yield Drift(
            key=f"series:{service.name}:{job}:{step}",
            kind="missing",
            what=f"metric_relabel_configs of job {job} drop {_some(gone)}, "
            f"which rules of {service.name} read",
            owner=service.owner,
            service=service.name,
            verdict=Verdict.NO_GO,
            expected=", ".join(gone),
            live=str(step),
            to_do=f"narrow this step of job {job} in prometheus.yml ({step}) and reload",
        )


@lru_cache(maxsize=REMEMBERED)
def _selectors(expr: str) -> tuple[SeriesSelector, ...]:
    try:
        return tuple(dict.fromkeys(one.bare for one in selectors_of(expr)))
    except ValueError:
        return ()


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return f"{', '.join(listed[:_NAMED])}{more}"
