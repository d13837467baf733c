"""The past that rules look back at: raw counters, and what the rules would have recorded meanwhile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import chain
from typing import NamedTuple

from benchmarks.rule_set import METRIC_NAMES, ROUTES, SCRAPE_SECONDS, metrics_page
from release_watch.slo.rulefile import Rule, RuleGroup, parse_prometheus_duration
from release_watch.telemetry.promql import SeriesSelector, selectors_of

AROUND = timedelta(hours=1)
"""Written besides what is read, so that blocks and chunks are as full as in a Prometheus that has run."""
NEVER_RECORDED = "slo:newborn_"
"""Healthy services that run on have no new series."""
LEVELS = {"events_total": 9.0, "events_bad": 9e-5, "error_ratio": 1e-5}
"""What healthy services record, by quantity; 1 for anything else."""


class Span(NamedTuple):
    """A time that is read, in seconds before now."""

    oldest: float
    newest: float


def history(groups: Sequence[RuleGroup], services: Sequence[str], now: float, begun: float) -> Iterator[str]:
    """Yield the samples that ``groups`` read of the time before ``now``, as lines for a backfill.

    Args:
        groups: the rules.
        services: whose raw counters are read.
        now: until when.
        begun: since when the services run.
    """
    spans = _spans(groups)
    return chain(_raw(services, spans, now, begun), _recorded(groups, spans, now))


def _spans(groups: Sequence[RuleGroup]) -> dict[str, set[Span]]:
    """Return, by metric, which times the rules read that lie before now."""
    found: dict[str, set[Span]] = defaultdict(set)
    for rule in (rule for group in groups for rule in group.rules):
        for selector in selectors_of(rule.expr):
            if span := _span(selector):
                found[selector.metric].add(span)
    return found


def _span(selector: SeriesSelector) -> Span | None:
    if selector.range is None and selector.offset is None:
        return None
    offset = selector.offset or timedelta(0)
    oldest = offset + (selector.range or timedelta(0)) + AROUND
    return Span(oldest.total_seconds(), max(0.0, (offset - AROUND).total_seconds()))


def _raw(services: Sequence[str], spans: Mapping[str, set[Span]], now: float, begun: float) -> Iterator[str]:
    for metric in METRIC_NAMES & set(spans):
        for moment in _moments(spans[metric], now, SCRAPE_SECONDS):
            for service in services:
                labels = f'job="bulk/{service}",instance="{service}",'
                page = metrics_page(moment - begun, labels)
                yield from (f"{line} {moment}" for line in page if line.startswith(metric))


def _recorded(groups: Sequence[RuleGroup], spans: Mapping[str, set[Span]], now: float) -> Iterator[str]:
    for group in groups:
        interval = int(parse_prometheus_duration(group.interval or "1m").total_seconds())
        for rule in group.rules:
            if rule.record and rule.record in spans and not rule.record.startswith(NEVER_RECORDED):
                yield from _samples(rule, _moments(spans[rule.record], now, interval))


def _moments(spans: set[Span], now: float, interval: int) -> list[int]:
    moments = {
        moment * interval
        for span in spans
        for moment in range(int((now - span.oldest) / interval), int((now - span.newest) / interval))
    }
    return sorted(moments)


def _samples(rule: Rule, moments: Sequence[int]) -> Iterator[str]:
    level = next((value for name, value in LEVELS.items() if f":{name}:" in rule.name), 1.0)
    labels = ",".join(f'{name}="{value}"' for name, value in rule.labels.items())
    routes = (
        [f',http_route="{route}"' for route in ROUTES] if rule.labels["slo"].endswith("-routes") else [""]
    )
    for route in routes:
        for moment in moments:
            value = level if level == 1 else level * (1 + moment * 7919 % 97 / 10_000)
            yield f"{rule.record}{{{labels}{route}}} {value:.9g} {moment}"
