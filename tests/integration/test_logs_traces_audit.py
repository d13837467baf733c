"""Logs and traces of many services in the real servers, some with a fault, audited in a few calls."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from release_watch.artifacts.models import CoverageCheck
from release_watch.catalog.policies import CoveragePolicy
from release_watch.coverage.logs import check_logs
from release_watch.coverage.questions import Question
from release_watch.coverage.traces import check_traces
from release_watch.release import Release
from release_watch.telemetry.logs import Loki
from release_watch.telemetry.traces import Tempo
from release_watch.transport import Answer
from tests.integration.direct import DirectBackends, DirectTransport

NEW, OLD = "1.1.0", "1.0.0"
HEALTHY = 120
ROUTE = "POST /orders/{id}/refund"
Checks = dict[str, dict[str, CoverageCheck]]


class CountingTransport(DirectTransport):
    """Counts the requests and knows the longest address."""

    calls = 0
    longest = 0

    def request(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, **options: Any
    ) -> Answer:
        self.calls += 1
        address = requests.Request(method, self.base_url + path, params=params).prepare().url or ""
        self.longest = max(self.longest, len(address))
        return super().request(method, path, params=params, **options)


@dataclass(frozen=True)
class Fleet:
    """Services that were fed to the servers, under names that no other test uses."""

    prefix: str
    deployed_at: datetime
    healthy: tuple[str, ...]

    def name(self, fault: str) -> str:
        return f"{self.prefix}-{fault}"

    @property
    def names(self) -> tuple[str, ...]:
        faults = ("silent", "old", "field", "early", "ahead", "broken", "busy")
        return (*self.healthy, *map(self.name, faults))

    def question(self) -> Question:
        release = Release(
            deployment_id="dep-1",
            release_id=f"shop-{NEW}",
            version=NEW,
            environment="production",
            services=self.names,
            deployed_at=self.deployed_at,
            evidence_uri="file:///evidence",
        )
        endpoints = {self.healthy[0]: [ROUTE], self.healthy[1]: [ROUTE]}
        return Question(release, datetime.now(UTC), CoveragePolicy(), endpoints)


@pytest.fixture(scope="module")
def transport(backends: DirectBackends) -> CountingTransport:
    return CountingTransport(backends.transport("loki").base_url, timeout_seconds=30)


@pytest.fixture(scope="module")
def fleet(transport: CountingTransport) -> Fleet:
    """Healthy services and faulty ones, in servers that have taken all of it in."""
    now = datetime.now(UTC)
    prefix = f"audit-{secrets.token_hex(3)}"
    fed = Fleet(
        prefix, now - timedelta(seconds=90), tuple(f"{prefix}-ok-{number:03}" for number in range(HEALTHY))
    )
    _push_lines(transport.base_url, list(_streams(fed, now)))
    _push_spans(transport.base_url, list(_spans(fed, now)))
    tempo, query = (
        Tempo(transport),
        f'{{ resource.service.name = "{fed.healthy[-1]}" }} | select(.service.name)',
    )
    deadline = time.monotonic() + 30
    while not tempo.spans(query, fed.deployed_at, now, 1).spans:
        assert time.monotonic() < deadline, "the spans never arrived"
        time.sleep(0.5)
    return fed


@pytest.fixture(scope="module")
def logs(fleet: Fleet, transport: CountingTransport) -> Checks:
    transport.calls = transport.longest = 0
    selectors = {name: f'{{service_name="{name}"}}' for name in fleet.names}
    return _by_name(check_logs(selectors, Loki(transport), fleet.question()))


@pytest.fixture(scope="module")
def traces(fleet: Fleet, transport: CountingTransport) -> Checks:
    transport.calls = transport.longest = 0
    return _by_name(check_traces({name: name for name in fleet.names}, Tempo(transport), fleet.question()))


def test_the_logs_of_healthy_services_pass_and_each_fault_is_found(fleet: Fleet, logs: Checks) -> None:
    assert _not_passed(logs) == {
        (fleet.name("silent"), "live"): "FAIL",
        (fleet.name("silent"), "release"): "INCONCLUSIVE",
        (fleet.name("early"), "live"): "FAIL",
        (fleet.name("early"), "release"): "INCONCLUSIVE",
        (fleet.name("old"), "release"): "FAIL",
        (fleet.name("ahead"), "clock"): "FAIL",
        (fleet.name("broken"), "values"): "FAIL",
    }
    assert logs[fleet.name("field")]["release"].observed == f"version {NEW}"


def test_the_traces_of_healthy_services_pass_and_each_fault_is_found(fleet: Fleet, traces: Checks) -> None:
    assert _not_passed(traces) == {
        (fleet.name("silent"), "live"): "FAIL",
        (fleet.name("silent"), "release"): "FAIL",
        (fleet.name("early"), "live"): "FAIL",
        (fleet.name("early"), "release"): "FAIL",
        (fleet.name("old"), "release"): "FAIL",
        (fleet.name("ahead"), "clock"): "FAIL",
    }
    assert traces[fleet.healthy[0]]["endpoints"].status == "PASS"
    assert "endpoints" not in traces[fleet.healthy[1]]  # sampled away, perhaps: nothing is said


@pytest.mark.parametrize("signal", ["logs", "traces"])
def test_calls_do_not_grow_with_the_services_and_their_addresses_fit(
    fleet: Fleet, transport: CountingTransport, signal: str
) -> None:
    few = {name: name for name in (*fleet.healthy[2:5], *fleet.names[HEALTHY:])}
    many = {name: name for name in fleet.names if name not in fleet.healthy[:2]}

    def calls(names: Mapping[str, str]) -> int:
        transport.calls = transport.longest = 0
        if signal == "logs":
            check_logs({n: f'{{service_name="{n}"}}' for n in names}, Loki(transport), fleet.question())
        else:
            check_traces(names, Tempo(transport), fleet.question())
        return transport.calls

    # One more where the server reads only short patterns, and one more round behind the busy service.
    assert calls(many) <= calls(few) + 2
    assert transport.longest < 8_192


def _streams(fleet: Fleet, now: datetime) -> Iterator[dict[str, Any]]:
    fresh = [now - timedelta(seconds=2 * number + 2) for number in range(30)]
    for name in fleet.names:
        fault = name.removeprefix(f"{fleet.prefix}-")
        if fault == "silent":
            continue
        labels = {"service_name": name} if fault == "field" else {"service_name": name, "version": NEW}
        if fault == "old":
            labels["version"] = OLD
        line = {"message": "served", **({"version": NEW} if fault == "field" else {})}
        times = [fleet.deployed_at - timedelta(milliseconds=300)] if fault == "early" else fresh
        values = [[_nanoseconds(at), json.dumps(line)] for at in times]
        if fault == "ahead":
            values.append([_nanoseconds(now + timedelta(minutes=5)), json.dumps(line)])
        if fault == "broken":
            values += [[_nanoseconds(at), '{"message": "cut o'] for at in fresh[::3]]
        yield {"stream": labels, "values": values}


def _spans(fleet: Fleet, now: datetime) -> Iterator[tuple[str, str, str, datetime]]:
    """Yield service, version, span name and time of each span."""
    fresh = now - timedelta(seconds=5)
    for name in fleet.names:
        fault = name.removeprefix(f"{fleet.prefix}-")
        if fault == "silent":
            continue
        at = fleet.deployed_at - timedelta(milliseconds=300) if fault == "early" else fresh
        yield name, OLD if fault == "old" else NEW, "GET /", at
        if fault == "ahead":
            yield name, NEW, "GET /", now + timedelta(minutes=5)
        if fault == "busy":
            for number in range(1_500):
                yield name, NEW, "GET /", now - timedelta(seconds=number / 400)
    yield fleet.healthy[0], NEW, ROUTE, fresh


def _push_lines(url: str, streams: list[dict[str, Any]]) -> None:
    answer = requests.post(f"{url}/loki/api/v1/push", json={"streams": streams}, timeout=30)
    assert answer.status_code < 300, answer.text


def _push_spans(url: str, spans: list[tuple[str, str, str, datetime]]) -> None:
    message = ExportTraceServiceRequest()
    for service, version, name, at in spans:
        resource = message.resource_spans.add()
        resource.resource.attributes.extend(
            KeyValue(key=key, value=AnyValue(string_value=value))
            for key, value in (("service.name", service), ("service.version", version))
        )
        start = int(_nanoseconds(at))
        resource.scope_spans.add().spans.add(
            trace_id=secrets.token_bytes(16),
            span_id=secrets.token_bytes(8),
            name=name,
            kind=2,
            start_time_unix_nano=start,
            end_time_unix_nano=start + 5_000_000,
        )
    headers = {"Content-Type": "application/x-protobuf"}
    answer = requests.post(f"{url}/v1/traces", data=message.SerializeToString(), headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text


def _nanoseconds(at: datetime) -> str:
    return str(int(at.timestamp() * 1_000_000) * 1_000)


def _by_name(found: Mapping[str, list[CoverageCheck]]) -> Checks:
    return {service: {check.name: check for check in checks} for service, checks in found.items()}


def _not_passed(found: Checks) -> dict[tuple[str, str], str]:
    return {
        (service, name): str(check.status)
        for service, checks in found.items()
        for name, check in checks.items()
        if check.status != "PASS"
    }
