from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from sandbox.shop.distortion import HONEST, Distortion
from sandbox.shop.telemetry import SwitchableExporter, Telemetry, start_telemetry

DURATION = "http_server_request_duration_seconds"
REQUESTS = (("/charges", 200), ("/charges", 200), ("/charges", 500), ("/refunds", 200))


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """A service that has answered four requests."""
    started = start_telemetry(
        "payments", "1.1.0", tempo_url=None, sample_ratio=1.0, traces_enabled=lambda: True
    )
    for route, status in REQUESTS:
        attributes = {"http.request.method": "POST", "http.route": route, "http.response.status_code": status}
        started.instruments.server_duration.record(0.03, attributes)
    yield started
    started.tracer_provider.shutdown()


def page(telemetry: Telemetry, distortion: Distortion) -> dict[str, Metric]:
    """What Prometheus would read."""
    text = telemetry.metrics_page(application=True, distortion=distortion).decode()
    return {metric.name: metric for metric in text_string_to_metric_families(text)}


def samples(telemetry: Telemetry, distortion: Distortion, suffix: str) -> list[Sample]:
    return [s for s in page(telemetry, distortion)[DURATION].samples if s.name == f"{DURATION}_{suffix}"]


def test_without_a_fault_the_page_is_what_was_recorded(telemetry: Telemetry) -> None:
    honest = samples(telemetry, HONEST, "count")
    assert sum(s.value for s in honest) == len(REQUESTS)
    assert {s.labels["http_route"] for s in honest} == {"/charges", "/refunds"}


def test_an_older_version_is_named_and_nothing_else_changes(telemetry: Telemetry) -> None:
    (info,) = page(telemetry, Distortion(version="1.0.0"))["target_info"].samples
    assert (info.labels["service_version"], info.labels["service_name"]) == ("1.0.0", "payments")


def test_an_uncounted_route_is_missing_and_the_others_are_not(telemetry: Telemetry) -> None:
    counted = samples(telemetry, Distortion(uncounted=frozenset({"/refunds"})), "count")
    assert {s.labels["http_route"] for s in counted} == {"/charges"}


def test_without_buckets_count_and_sum_remain(telemetry: Telemetry) -> None:
    flat = Distortion(buckets=False)
    assert samples(telemetry, flat, "bucket") == []
    assert sum(s.value for s in samples(telemetry, flat, "count")) == len(REQUESTS)
    assert sum(s.value for s in samples(telemetry, flat, "sum")) == pytest.approx(0.03 * len(REQUESTS))


def test_without_the_status_requests_of_a_route_are_counted_together(telemetry: Telemetry) -> None:
    blind = Distortion(status=False)
    counts = {s.labels["http_route"]: s for s in samples(telemetry, blind, "count")}
    assert {route: s.value for route, s in counts.items()} == {"/charges": 3, "/refunds": 1}
    assert all("http_response_status_code" not in s.labels for s in counts.values())
    bounds = [s.labels["le"] for s in samples(telemetry, blind, "bucket")]
    assert len(bounds) == 2 * len(set(bounds))


def test_a_spoilt_sum_is_no_number_while_requests_are_still_counted(telemetry: Telemetry) -> None:
    spoilt = Distortion(summed=False)
    assert all(math.isnan(s.value) for s in samples(telemetry, spoilt, "sum"))
    assert sum(s.value for s in samples(telemetry, spoilt, "count")) == len(REQUESTS)


def test_each_of_the_newest_requests_is_a_whole_histogram_of_its_own(telemetry: Telemetry) -> None:
    exploded = Distortion(request_ids=50)
    ids = {s.labels["request_id"] for s in samples(telemetry, exploded, "count")}
    assert len(ids) == 50 + 1  # and what came before them
    for suffix in ("sum", "bucket"):
        assert {s.labels["request_id"] for s in samples(telemetry, exploded, suffix)} == ids


def test_new_requests_bring_new_ids(telemetry: Telemetry) -> None:
    exploded = Distortion(request_ids=5)
    before = {s.labels["request_id"] for s in samples(telemetry, exploded, "count")}
    telemetry.instruments.server_duration.record(0.03, {"http.route": "/charges"})
    assert {s.labels["request_id"] for s in samples(telemetry, exploded, "count")} - before


def test_a_service_that_has_answered_nothing_has_no_request_ids() -> None:
    idle = start_telemetry("payments", "1.1.0", tempo_url=None, sample_ratio=1.0, traces_enabled=lambda: True)
    assert DURATION not in page(idle, Distortion(request_ids=5))


class Collected(SpanExporter):
    """Keeps what is exported."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


def finished_span(telemetry: Telemetry) -> Any:
    span = telemetry.tracer.start_span("POST /charges", kind=SpanKind.SERVER)
    span.set_attribute("http.route", "/charges")
    span.end()
    return span


def test_an_exported_span_names_the_older_version_and_the_later_time(telemetry: Telemetry) -> None:
    span, kept = finished_span(telemetry), Collected()
    exporter = SwitchableExporter(kept, lambda: True, lambda: Distortion(version="1.0.0", ahead_seconds=20))
    exporter.export([span])
    (told,) = kept.spans
    assert told.resource.attributes["service.version"] == "1.0.0"
    assert told.resource.attributes["service.name"] == "payments"
    assert told.start_time - span.start_time == told.end_time - span.end_time == 20_000_000_000
    assert (told.context, told.kind, told.attributes) == (span.context, span.kind, span.attributes)
    assert span.resource.attributes["service.version"] == "1.1.0"


def test_a_span_without_a_fault_is_exported_as_it_is(telemetry: Telemetry) -> None:
    span, kept = finished_span(telemetry), Collected()
    SwitchableExporter(kept, lambda: True, lambda: HONEST).export([span])
    assert kept.spans == [span]
