"""What a Prometheus says of its scraping: targets, relabelling, where alerts go, how long samples stay."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, NamedTuple

import yaml

from release_watch.catalog.selectors import Matcher
from release_watch.slo.rulefile import parse_prometheus_duration
from release_watch.telemetry import prometheus_api
from release_watch.telemetry.answers import get, understood
from release_watch.transport import Transport

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEFAULT_INTERVAL = "1m"


class Relabelling(NamedTuple):
    """One step that may drop a series, a label or an alert."""

    action: str
    labels: tuple[str, ...]
    separator: str
    pattern: str

    def drops(self, known: Mapping[str, str]) -> bool:
        """Return whether the step surely drops what has these labels; what is not known decides nothing."""
        if self.action not in ("drop", "keep") or not all(name in known for name in self.labels):
            return False
        hit = matches(self.pattern, self.separator.join(known[name] for name in self.labels))
        return hit is not None and hit is (self.action == "drop")

    def takes(self, label: str) -> bool:
        """Return whether the step surely takes ``label`` away."""
        if self.action not in ("labeldrop", "labelkeep"):
            return False
        hit = matches(self.pattern, label)
        return hit is not None and hit is (self.action == "labeldrop")

    def __str__(self) -> str:
        """Return the step as people write it."""
        source = f"[{', '.join(self.labels)}] " if self.labels else ""
        return f"action: {self.action}, {source}regex: {self.pattern}"


@dataclass(frozen=True)
class LiveScraping:
    """One Prometheus. ``active`` are the labels of its targets by job, ``dropped`` those found and not taken.

    ``relabelling`` are the steps that change scraped series, by job, ``alert_relabelling`` those that change
    alerts on their way to Alertmanager, ``tells`` whether there is one; ``retention`` is None where unknown.
    """

    evaluation_interval: float
    external_labels: Mapping[str, str]
    active: Mapping[str, tuple[Mapping[str, str], ...]]
    dropped: tuple[Mapping[str, str], ...]
    relabelling: Mapping[str, tuple[Relabelling, ...]]
    alert_relabelling: tuple[Relabelling, ...]
    tells: bool
    retention: timedelta | None

    def jobs(self, matchers: Iterable[Matcher]) -> dict[str, Mapping[str, str]]:
        """Return the jobs that have targets of these labels, with one such target each."""
        wanted = tuple(matchers)
        values = [(one.label, one.value) for one in wanted if one.operator == "=" and one.value]
        few = min((self._by_value.get(value, ()) for value in values), key=len, default=self._targets)
        found: dict[str, Mapping[str, str]] = {}
        for job, target in few:
            if job not in found and all(holds(matcher, target) for matcher in wanted):
                found[job] = target
        return found

    @cached_property
    def _targets(self) -> Sequence[tuple[str, Mapping[str, str]]]:
        return [(job, target) for job, targets in self.active.items() for target in targets]

    @cached_property
    def _by_value(self) -> Mapping[tuple[str, str], Sequence[tuple[str, Mapping[str, str]]]]:
        """The targets by each label's value: one server may have as many targets as there are questions."""
        found: dict[tuple[str, str], list[tuple[str, Mapping[str, str]]]] = defaultdict(list)
        for job, target in self._targets:
            for value in target.items():
                found[value].append((job, target))
        return found


def matches(pattern: str, value: str) -> bool | None:
    """Return whether a pattern of the server matches a whole value; None if it cannot be read here."""
    try:
        return re.fullmatch(pattern, value, re.DOTALL) is not None
    except re.error:
        return None


def holds(matcher: Matcher, labels: Mapping[str, str]) -> bool:
    """Return whether labels have what a matcher asks for."""
    value = labels.get(matcher.label, "")
    if matcher.operator in ("=", "!="):
        return (value == matcher.value) is (matcher.operator == "=")
    return matches(matcher.value, value) is (matcher.operator == "=~")


def read_scraping(transport: Transport) -> LiveScraping:
    """Return what the server says of itself.

    Raises:
        BackendError: if it does not answer, or not as Prometheus does.
    """
    status = get(transport, "Prometheus", "/api/v1/status/config")
    config = understood("Prometheus", "its configuration", lambda: _mapping(status["data"]["yaml"]))
    targets = get(transport, "Prometheus", "/api/v1/targets", {"state": "any"})
    retention = prometheus_api.retention(transport)
    return understood("Prometheus", "scraping", lambda: _scraping(config, targets["data"], retention))


def _mapping(text: str) -> dict[str, Any]:
    try:
        return dict(yaml.load(text, Loader=_LOADER) or {})  # noqa: S506 - CSafeLoader, where libyaml is there
    except yaml.YAMLError as error:
        raise ValueError("is no YAML") from error


def _scraping(config: Mapping[str, Any], targets: Any, retention: timedelta | None) -> LiveScraping:
    common = config.get("global") or {}
    alerting = config.get("alerting") or {}
    active: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for one in targets.get("activeTargets") or []:
        active[str(one.get("scrapePool") or one["labels"].get("job", ""))].append(dict(one["labels"]))
    interval = str(common.get("evaluation_interval") or _DEFAULT_INTERVAL)
    return LiveScraping(
        evaluation_interval=parse_prometheus_duration(interval).total_seconds(),
        external_labels={str(k): str(v) for k, v in (common.get("external_labels") or {}).items()},
        active={job: tuple(found) for job, found in active.items()},
        dropped=tuple(dict(one["discoveredLabels"]) for one in targets.get("droppedTargets") or []),
        relabelling={
            str(job["job_name"]): tuple(_steps(job.get("metric_relabel_configs")))
            for job in config.get("scrape_configs") or []
        },
        alert_relabelling=tuple(_steps(alerting.get("alert_relabel_configs"))),
        tells=bool(alerting.get("alertmanagers")),
        retention=retention,
    )


def _steps(configured: Any) -> Iterator[Relabelling]:
    for step in configured or []:
        yield Relabelling(
            action=str(step.get("action") or "replace").lower(),
            labels=tuple(map(str, step.get("source_labels") or ())),
            separator=str(step.get("separator", ";")),
            pattern=str(step.get("regex", "(.*)")),
        )
