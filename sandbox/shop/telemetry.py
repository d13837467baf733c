"""Metrics and traces of one service, through the OpenTelemetry SDK, under the names of its conventions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Histogram, Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry, Metric, ProcessCollector, generate_latest
from prometheus_client.registry import Collector

from sandbox.shop.distortion import HONEST, Distortion
from sandbox.shop.topology import ENVIRONMENT, NAMESPACE

DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
SPAN_DELAY_MS = 2000


@dataclass(frozen=True)
class Instruments:
    """The HTTP instruments that every service has; the others are made from `meter` by who needs them."""

    meter: Meter
    server_duration: Histogram
    client_duration: Histogram


@dataclass(frozen=True)
class Telemetry:
    """What a service records with, and the page that Prometheus scrapes."""

    instruments: Instruments
    tracer: Tracer
    tracer_provider: TracerProvider
    application_registry: CollectorRegistry
    process_registry: CollectorRegistry

    def metrics_page(self, *, application: bool, distortion: Distortion = HONEST) -> bytes:
        """Returns the page in Prometheus' text format; without `application` only the process metrics."""
        page: bytes = generate_latest(self.process_registry)
        if application:
            page += generate_latest(_Distorted(self.application_registry, distortion))
        return page


class _Distorted(Collector):
    """The metrics of a registry, distorted."""

    def __init__(self, registry: CollectorRegistry, distortion: Distortion) -> None:
        self._registry = registry
        self._distortion = distortion

    def collect(self) -> Iterator[Metric]:
        return self._distortion.collect(self._registry.collect())


class SwitchableExporter(SpanExporter):
    """Passes spans on, distorted, while `enabled()` is true, and drops them silently while it is not."""

    def __init__(
        self, exporter: SpanExporter, enabled: Callable[[], bool], distortion: Callable[[], Distortion]
    ) -> None:
        self._exporter = exporter
        self._enabled = enabled
        self._distortion = distortion

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Exports the spans, or drops them."""
        if not self._enabled():
            return SpanExportResult.SUCCESS
        distortion = self._distortion()
        return self._exporter.export([distortion.span(span) for span in spans])

    def shutdown(self) -> None:
        """Shuts the exporter behind this one down."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flushes the exporter behind this one."""
        return self._exporter.force_flush(timeout_millis)


def start_telemetry(
    service: str,
    version: str,
    *,
    tempo_url: str | None,
    sample_ratio: float,
    traces_enabled: Callable[[], bool],
    distortion: Callable[[], Distortion] = lambda: HONEST,
) -> Telemetry:
    """Returns the telemetry of a service.

    Args:
        service: Name of the service.
        version: Its version.
        tempo_url: Base URL of the OTLP/HTTP receiver; `None` exports no trace.
        sample_ratio: Share of the requests without a traced parent that are traced, 0 to 1.
        traces_enabled: Asked before each export.
        distortion: Asked then too.
    """
    resource = Resource.create(
        {
            "service.name": service,
            "service.namespace": NAMESPACE,
            "service.version": version,
            "deployment.environment.name": ENVIRONMENT,
        }
    )
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(scope_info_enabled=False, registry=registry)
    meter = MeterProvider(resource=resource, metric_readers=[reader]).get_meter("shop")
    tracer_provider = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(sample_ratio)))
    if tempo_url:
        exporter = SwitchableExporter(
            OTLPSpanExporter(endpoint=f"{tempo_url}/v1/traces", timeout=3), traces_enabled, distortion
        )
        tracer_provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=SPAN_DELAY_MS))
    process_registry = CollectorRegistry()
    ProcessCollector(registry=process_registry)
    return Telemetry(
        instruments=Instruments(
            meter=meter,
            server_duration=duration_histogram(
                meter, "http.server.request.duration", "Duration of HTTP requests"
            ),
            client_duration=duration_histogram(
                meter, "http.client.request.duration", "Duration of HTTP calls"
            ),
        ),
        tracer=tracer_provider.get_tracer("shop"),
        tracer_provider=tracer_provider,
        application_registry=registry,
        process_registry=process_registry,
    )


def duration_histogram(meter: Meter, name: str, description: str) -> Histogram:
    """Returns a histogram of durations in seconds with the shop's buckets."""
    return meter.create_histogram(
        name, unit="s", description=description, explicit_bucket_boundaries_advisory=DURATION_BUCKETS
    )
