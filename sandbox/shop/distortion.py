"""What faults make of a service's telemetry on its way out: what was recorded stays as it is."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from opentelemetry.sdk.resources import SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan
from prometheus_client import Metric
from prometheus_client.samples import Sample

DURATION = "http_server_request_duration_seconds"
TARGET = "target"
ROUTE, STATUS, REQUEST_ID = "http_route", "http_response_status_code", "request_id"
EARLIER = "earlier"
"""The id under which the requests are counted that are not among the newest."""
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Distortion:
    """How the telemetry of a service differs from what the service recorded.

    Attributes:
        version: The version that it names instead of its own.
        ahead_seconds: How far in the future log lines and spans are stamped.
        uncounted: Routes whose requests are missing from the metrics.
        buckets: Whether the request durations have their buckets.
        status: Whether the request metrics say how a request ended.
        summed: Whether the sum of the request durations is a number.
        request_ids: How many of the newest requests are counted under an id of their own.
    """

    version: str | None = None
    ahead_seconds: float = 0.0
    uncounted: frozenset[str] = frozenset()
    buckets: bool = True
    status: bool = True
    summed: bool = True
    request_ids: int = 0

    @property
    def ahead_nanoseconds(self) -> int:
        """How far in the future log lines and spans are stamped."""
        return round(self.ahead_seconds * NANOSECONDS)

    def collect(self, collected: Iterable[Metric]) -> Iterator[Metric]:
        """Yields the metrics as the page shows them."""
        for metric in collected:
            samples = list(metric.samples)
            if metric.name == TARGET and self.version:
                samples = [_relabelled(s, service_version=self.version) for s in samples]
            elif metric.name == DURATION:
                samples = self._durations(samples)
            shown = Metric(metric.name, metric.documentation, metric.type, metric.unit)
            shown.samples = samples
            yield shown

    def span(self, span: ReadableSpan) -> ReadableSpan:
        """Returns a finished span as it is exported."""
        if not self.version and not self.ahead_seconds:
            return span
        resource = span.resource
        if self.version:
            resource = resource.merge(Resource({SERVICE_VERSION: self.version}))
        return ReadableSpan(
            name=span.name,
            context=span.context,
            parent=span.parent,
            resource=resource,
            attributes=span.attributes,
            events=span.events,
            links=span.links,
            kind=span.kind,
            status=span.status,
            start_time=(span.start_time or 0) + self.ahead_nanoseconds,
            end_time=(span.end_time or 0) + self.ahead_nanoseconds,
            instrumentation_scope=span.instrumentation_scope,
        )

    def _durations(self, samples: list[Sample]) -> list[Sample]:
        shown = [s for s in samples if s.labels.get(ROUTE) not in self.uncounted]
        if not self.buckets:
            shown = [s for s in shown if not s.name.endswith("_bucket")]
        if not self.status:
            shown = _without(STATUS, shown)
        if not self.summed:
            shown = [s._replace(value=math.nan) if s.name.endswith("_sum") else s for s in shown]
        if self.request_ids:
            earlier = [_relabelled(s, **{REQUEST_ID: EARLIER}) for s in shown]
            shown = [*earlier, *self._newest(shown)]
        return shown

    def _newest(self, samples: list[Sample]) -> Iterator[Sample]:
        """Yields the newest requests as series of their own, which give way to newer ones as those come."""
        route = next((s.labels for s in samples if s.name.endswith("_count")), None)
        if route is None:
            return
        newest = int(sum(s.value for s in samples if s.name.endswith("_count")))
        alike = [s for s in samples if {k: v for k, v in s.labels.items() if k != "le"} == route]
        for number in range(newest - self.request_ids, newest):
            for sample in alike:
                value = math.nan if math.isnan(sample.value) else 1.0
                yield _relabelled(sample, **{REQUEST_ID: f"r-{number:08d}"})._replace(value=value)


def _relabelled(sample: Sample, **labels: str) -> Sample:
    return sample._replace(labels={**sample.labels, **labels})


def _without(label: str, samples: Iterable[Sample]) -> list[Sample]:
    """Returns the samples without a label; those that only it told apart become one, their sum."""
    totals: dict[tuple[str, tuple[tuple[str, str], ...]], list[Sample]] = defaultdict(list)
    for sample in samples:
        kept = {name: value for name, value in sample.labels.items() if name != label}
        totals[sample.name, tuple(kept.items())].append(sample._replace(labels=kept))
    return [same[0]._replace(value=sum(s.value for s in same)) for same in totals.values()]


HONEST = Distortion()
"""Telemetry as it was recorded."""
