"""SLIs of OpenSLO: the queries of a ratio, of a ready-made ratio, or of a metric with a threshold."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from release_watch.catalog.objectives.directives import Directives
from release_watch.catalog.objectives.events import Events, counted, gauges, ready_made
from release_watch.catalog.objectives.openslo_schema import (
    DataSourceSpec,
    IndicatorSpec,
    Metric,
    Objective,
    RatioMetric,
    SloSpec,
)
from release_watch.catalog.objectives.places import Place, gather
from release_watch.catalog.objectives.queries import Query, read_query
from release_watch.catalog.objectives.registry import Registry
from release_watch.catalog.objectives.thresholds import Bound, bounded

SOURCES = ("prometheus", "mimir", "thanos", "cortex", "victoriametrics")
"""Types of metric sources that are asked in PromQL."""

_ONE = "give either thresholdMetric or ratioMetric"


class Ratio(NamedTuple):
    """Good or bad events (one of them is given) of all; ``counter`` is false for gauges."""

    counter: bool
    good: Query | None
    bad: Query | None
    total: Query


class ReadyMade(NamedTuple):
    """A ratio of good, or of bad, events that something else has computed."""

    query: Query
    of_good: bool


class Threshold(NamedTuple):
    """A histogram or a gauge; the objective says which values are good."""

    query: Query


Indicator = Ratio | ReadyMade | Threshold


def read_indicator(spec: SloSpec, place: Place, registry: Registry) -> Indicator:
    """Return what an SLO measures, from inside of it or from the SLI that it refers to.

    Raises:
        InvalidInputError: with everything that is wrong in it.
    """
    if (spec.indicator is None) == (spec.indicator_ref is None):
        raise place.refusal(None, "give either indicator or indicatorRef")
    if spec.indicator is not None:
        entry, found = registry.resolve(IndicatorSpec, spec.indicator, place.at("indicator"), "indicatorRef")
    else:
        entry, found = registry.find(IndicatorSpec, spec.indicator_ref, place.at("indicatorRef"))
    where = entry.place.at("spec")
    if found.threshold_metric is not None and found.ratio_metric is not None:
        raise where.refusal(None, _ONE)
    if found.ratio_metric is not None:
        return _ratio(where.at("ratioMetric"), found.ratio_metric, registry)
    if found.threshold_metric is None:
        raise where.refusal(None, _ONE)
    return Threshold(_query(where.at("thresholdMetric"), found.threshold_metric, registry))


def read_events(indicator: Indicator, place: Place, objective: Objective, directives: Directives) -> Events:
    """Return the events that an objective at ``place`` is about.

    Raises:
        InvalidInputError: if the queries do not fit each other, the objective or the grouping.
    """
    match indicator:
        case Ratio(counter=True, good=good, bad=bad, total=total):
            return counted(good, bad, total, directives.group_by)
        case Ratio(good=good, bad=bad, total=total):
            return gauges(good, bad, total, directives.group_by)
        case ReadyMade(query=query, of_good=of_good):
            return ready_made(query, of_good=of_good, group_by=directives.group_by)
        case Threshold(query=query):
            bound = _bound(place, objective, directives)
            return bounded(query, bound, directives.group_by, directives.metric_type)


def _bound(place: Place, objective: Objective, directives: Directives) -> Bound:
    if objective.op is None or objective.value is None:
        missing = "op" if objective.op is None else "value"
        raise place.at(missing).refusal(None, "a thresholdMetric needs op and value: {op: lte, value: 0.5}")
    return Bound(place, objective.op, objective.value, directives.unit)


def _ratio(place: Place, ratio: RatioMetric, registry: Registry) -> Ratio | ReadyMade:
    if ratio.raw is not None:
        if ratio.good or ratio.bad or ratio.total:
            raise place.refusal(None, "give either raw with rawType, or total with good or bad")
        if ratio.raw_type is None:
            raise place.at("rawType").refusal(None, "say success (good of all) or failure (bad of all)")
        return ReadyMade(_query(place.at("raw"), ratio.raw, registry), ratio.raw_type == "success")
    if ratio.total is None or (ratio.good is None) == (ratio.bad is None):
        raise place.refusal(None, "give total, and either good or bad")
    if ratio.counter is None:
        raise place.at("counter").refusal(None, "say true for counters, or false for gauges")
    parts = (("good", ratio.good), ("bad", ratio.bad), ("total", ratio.total))
    queries = gather(*(partial(_query, place.at(name), m, registry) for name, m in parts if m is not None))
    part, total = queries
    return Ratio(ratio.counter, part if ratio.good else None, part if ratio.bad else None, total)


def _query(place: Place, metric: Metric, registry: Registry) -> Query:
    source, where = metric.metric_source, place.at("metricSource")
    kind, kind_at = source.type, where.at("type")
    if source.metric_source_ref is not None:
        entry, spec = registry.find(DataSourceSpec, source.metric_source_ref, where.at("metricSourceRef"))
        if kind is None:
            kind, kind_at = spec.type, entry.place.at("spec", "type")
    if kind is not None and kind.lower() not in SOURCES:
        raise kind_at.refusal(kind, "must be Prometheus, or what speaks PromQL as it does")
    return read_query(where.at("spec", "query"), source.spec.get("query"))
