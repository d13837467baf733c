"""The rules MET of the Instrumentation Score, from what Prometheus has of each service."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from release_watch.catalog.models import Service
from release_watch.coverage.batches import batches
from release_watch.coverage.conventions import VERSION_LABELS
from release_watch.coverage.questions import Question
from release_watch.coverage.score_attributes import ATTRIBUTE_NAMES
from release_watch.coverage.score_rules import Answers, RuleAnswer, a_few, broken, met, of_release, untold
from release_watch.errors import BackendError, NotConfiguredError
from release_watch.identifiers import promql_string
from release_watch.telemetry.answers import get, understood
from release_watch.telemetry.backends import Backends
from release_watch.telemetry.metrics import BACKEND, Metrics

METRIC_RULES = ("MET-001", "MET-002", "MET-003", "MET-004", "MET-005", "MET-006")
MOST_VALUES = 10_000
"""MET-001: the values that an attribute of one metric may have."""
_LOOKED_INTO = 3
_DEFAULT_CONNECTION = "prometheus_default"
# What Prometheus or its rules add to a target is not the service's own.
_FOREIGN = "up|scrape_.+|ALERTS|ALERTS_FOR_STATE|.*:.*|target_info|otel_scope_info"
_OF_ONE_FAMILY = re.compile(r"_(bucket|sum|count|total|created|info)$")
_UNITS = re.compile(
    r"_(seconds|milliseconds|microseconds|nanoseconds|minutes|hours|days|weeks|bytes|bits"
    r"|(kibi|mebi|gibi|tebi|kilo|mega|giga|tera)bytes|meters|volts|amperes|joules|watts|grams"
    r"|celsius|hertz|percent|ratio|per_second)$"
)
"""The units that OpenTelemetry's translation to Prometheus ends a name with."""
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_NOT_LOOKED_INTO = frozenset({"__name__", "le", "job", "instance", *VERSION_LABELS})


@dataclass
class SeriesSeen:
    """The metrics of one service: by version and name the series, and the different buckets.

    ``widest`` names, for metrics of very many series, the label with the most values, and how many.
    """

    selector: str
    series: dict[tuple[str, str], int] = field(default_factory=dict)
    buckets: dict[tuple[str, str], int] = field(default_factory=dict)
    widest: dict[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names of its metrics, in order, those of one histogram once."""
        return sorted({_family(name) for _, name in self.series})

    def counts(self) -> dict[str, int]:
        """Return the series of each name, of all versions."""
        counts: dict[str, int] = defaultdict(int)
        for (_, name), count in self.series.items():
            counts[name] += count
        return dict(counts)

    @property
    def query(self) -> str:
        """The query that shows its metrics."""
        return f"count by (__name__) ({{{self.selector}}})"


Units = Mapping[str, frozenset[str]]
"""The units that each metric is exposed with, by its name; empty where none is known."""


def look_at_series(
    services: Sequence[Service], backends: Backends, question: Question
) -> dict[str, SeriesSeen]:
    """Return the metrics of each service, from two queries for all of them and a few for very large ones.

    Raises:
        BackendError: if the server does not answer, or refuses a query.
        NotConfiguredError: if its connection is not there.
    """
    metrics = backends.metrics(services[0])
    selectors = {s.name: s.signals.metrics.selector for s in services if s.signals.metrics}
    seen = {name: SeriesSeen(selector) for name, selector in selectors.items()}
    for batch in batches(selectors):
        by = batch.grouping(*VERSION_LABELS, "__name__")
        inner = batch.grouping(*VERSION_LABELS, "__name__", "le")
        series = f'count{by} ({{{batch.matchers},__name__!~"{_FOREIGN}"}})'
        buckets = f'count{by} (group{inner} ({{{batch.matchers},__name__=~".+_bucket"}}))'
        for query in (series, buckets):
            for sample in metrics.instant(query, question.at):
                for service in batch.services_of(sample.labels):
                    if of_release(sample.labels, service, question.release):
                        counted = seen[service].series if query == series else seen[service].buckets
                        counted[_version(sample.labels), sample.labels["__name__"]] = int(sample.value)
    _look_into_labels(seen, metrics, question)
    return seen


def look_at_units(services: Sequence[Service], backends: Backends) -> Units:
    """Return the units that the default Prometheus knows of; of another it cannot be asked here."""
    connections = {s.signals.metrics.connection for s in services if s.signals.metrics}
    if _DEFAULT_CONNECTION not in connections:
        return {}
    try:
        body = get(backends.prometheus(), BACKEND, "/api/v1/metadata")
        return understood(
            BACKEND,
            "metadata",
            lambda: {
                str(name): frozenset(str(entry.get("unit") or "") for entry in entries) - {""}
                for name, entries in body["data"].items()
            },
        )
    except (BackendError, NotConfiguredError):
        return {}  # units are then read from names alone


def _look_into_labels(seen: Mapping[str, SeriesSeen], metrics: Metrics, question: Question) -> None:
    """Note the widest label of the largest metrics: only one of so many series can have so wide a label."""
    large = [
        (count, service, name)
        for service, one in seen.items()
        for name, count in one.counts().items()
        if count >= MOST_VALUES
    ]
    for _, service, name in sorted(large, reverse=True)[:_LOOKED_INTO]:
        selector = f"{{{seen[service].selector},__name__={promql_string(name)}}}"
        example = metrics.instant(f"topk(1, {selector})", question.at)
        labels = [n for one in example for n in sorted(one.labels) if _LABEL.fullmatch(n)]
        query = " or ".join(
            f'label_replace(count(group by ({label}) ({selector})), "counted", "{label}", "", "")'
            for label in labels
            if label not in _NOT_LOOKED_INTO
        )
        counts = (
            {s.labels["counted"]: int(s.value) for s in metrics.instant(query, question.at)} if query else {}
        )
        if counts:
            label = max(sorted(counts), key=lambda one: counts[one])
            seen[service].widest[name] = label, counts[label]


def metric_rules(seen: SeriesSeen, units: Units) -> Answers:
    """Return the answers of the rules MET for one service."""
    if not seen.series:
        remedy = "see that its metrics are live, and the selector in services.yaml"
        return {rule: untold("no metric of it", seen.query, remedy) for rule in METRIC_RULES}
    return {
        "MET-001": _cardinality(seen),
        "MET-002": _useful_units(seen, units),
        "MET-003": _same_units(seen, units),
        "MET-004": _same_buckets(seen),
        "MET-005": untold("Prometheus writes the unit into every name itself; the name in the code is gone"),
        "MET-006": _not_attributes(seen),
    }


def _cardinality(seen: SeriesSeen) -> RuleAnswer:
    counts = seen.counts()
    for name, count in counts.items():
        label, values = seen.widest.get(name, ("", 0))
        if values >= MOST_VALUES:
            remedy = f"take values without bound, such as ids, out of {label}; put them into traces or logs"
            return broken(f"{name}: {values} values of {label}", seen.query, remedy)
        if count >= MOST_VALUES and not label:
            return untold(f"{name} has {count} series; the values of its labels were not counted", seen.query)
    largest = max(sorted(counts), key=lambda name: counts[name])
    return met(f"{largest} is the largest with {counts[largest]} series", seen.query)


def _useful_units(seen: SeriesSeen, units: Units) -> RuleAnswer:
    without = [name for name in seen.names if not _units_of(name, units)]
    if not without:
        return met(f"all {len(seen.names)} metrics have a unit", seen.query)
    remedy = "expose OpenMetrics, or send OTLP: Prometheus' text format has no units"
    return untold(f"no unit is told of {a_few(without)}", seen.query, remedy)


def _same_units(seen: SeriesSeen, units: Units) -> RuleAnswer:
    for name in seen.names:
        if len(found := _units_of(name, units)) > 1:
            observed = f"{name} in {' and '.join(sorted(found))}"
            remedy = "agree on one unit for this name in all services"
            return broken(observed, f"/api/v1/metadata?metric={name}", remedy)
    without = [name for name in seen.names if not _units_of(name, units)]
    if without:
        return untold(f"no unit is told of {a_few(without)}", seen.query)
    return met(f"one unit for each of {len(seen.names)} metrics", seen.query)


def _same_buckets(seen: SeriesSeen) -> RuleAnswer:
    query = f'count by (__name__, le) ({{{seen.selector},__name__=~".+_bucket"}})'
    uneven, judged = [], 0
    for (version, name), different in seen.buckets.items():
        histogram = name.removesuffix("_bucket")
        histograms = seen.series.get((version, f"{histogram}_count"), 0)
        # Every series has all the different buckets exactly if this many bucket series there are.
        judged += histograms > 0
        if histograms and seen.series.get((version, name), 0) != histograms * different:
            uneven.append(histogram)
    if uneven:
        remedy = "give all series of a histogram the same buckets (a view, or boundaries as advice)"
        return broken(f"different buckets within {a_few(sorted(uneven))}", query, remedy)
    if not judged:
        return untold("no histogram with classic buckets", query)
    return met(f"the same buckets within each of {judged} histograms", query)


def _not_attributes(seen: SeriesSeen) -> RuleAnswer:
    query = seen.query
    for name in seen.names:
        for written in (name, _UNITS.sub("", name)):
            if key := ATTRIBUTE_NAMES.get(written):
                return broken(f"{name} is the attribute {key}", query, "give the metric a name of its own")
    return met(f"none of {len(seen.names)} names is an attribute", query)


def _units_of(family: str, units: Units) -> frozenset[str]:
    known: Iterable[frozenset[str]] = (units.get(name, frozenset()) for name in _exposed(family))
    told = frozenset().union(*known)
    in_name = _UNITS.search(family)
    return told or (frozenset({in_name[1]}) if in_name else frozenset())


def _exposed(family: str) -> Iterator[str]:
    yield family
    yield f"{family}_total"


def _family(name: str) -> str:
    return _OF_ONE_FAMILY.sub("", name)


def _version(labels: Mapping[str, str]) -> str:
    return next((labels[name] for name in VERSION_LABELS if labels.get(name)), "")
