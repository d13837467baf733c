"""Whole traces, as Tempo and servers that resemble it write them."""

from __future__ import annotations

from typing import Any

import pytest

from release_watch.coverage.score_traces import TraceReader
from release_watch.errors import BackendError
from release_watch.telemetry.traces import Tempo
from release_watch.transport import Answer

SERVER = {
    "traceId": "t",
    "spanId": "b",
    "parentSpanId": "a",
    "name": "POST /orders",
    "kind": "SPAN_KIND_SERVER",
    "startTimeUnixNano": "1000000000",
    "endTimeUnixNano": "1012500000",
    "attributes": [{"key": "http.route", "value": {"stringValue": "/orders"}}],
}
RESOURCE = {"attributes": [{"key": "service.name", "value": {"stringValue": "checkout"}}]}
PART = {"resource": RESOURCE, "scopeSpans": [{"spans": [SERVER]}]}
QRYN = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "collector", "value": {"stringValue": "qryn"}}]},
            "instrumentationLibrarySpans": [
                {
                    "spans": [
                        {
                            **SERVER,
                            "kind": None,
                            "attributes": [
                                *SERVER["attributes"],
                                {"key": "service.name", "value": {"stringValue": "checkout"}},
                            ],
                        }
                    ]
                }
            ],
        }
    ]
}


class Server:
    base_url = "http://tempo.example"

    def __init__(self, **answers: Any) -> None:
        self.answers, self.paths = answers, []

    def request(self, _method: str, path: str, **_: object) -> Answer:
        self.paths.append(path)
        return Answer(200, self.answers["json" if path.endswith("/json") else "plain"])


@pytest.mark.parametrize(
    ("server", "kind", "levels"),
    [
        (Server(plain={"batches": [PART]}), "SERVER", True),
        (Server(plain={"trace": {"resourceSpans": [PART]}}), "SERVER", True),
        (Server(plain="\x00protobuf", json=QRYN), "", False),
    ],
    ids=["Tempo", "Tempo 2", "qryn"],
)
def test_a_trace_is_read_from_each_form(server: Server, kind: str, levels: bool) -> None:
    (span,) = TraceReader(Tempo(server)).read("t")

    assert (span.span_id, span.parent_id, span.milliseconds) == ("b", "a", 12.5)
    assert span.resource["service_name"] == "checkout"
    assert span.attributes["http_route"] == "/orders"
    assert (span.kind, span.levels) == (kind, levels)


def test_the_path_that_answered_is_taken_from_then_on() -> None:
    server = Server(plain="\x00protobuf", json=QRYN)
    reader = TraceReader(Tempo(server))

    for trace in "abc":
        reader.read(trace)

    assert server.paths == ["/api/traces/a", "/api/traces/a/json", "/api/traces/b/json", "/api/traces/c/json"]


@pytest.mark.parametrize("kind", [3, "SPAN_KIND_CLIENT", "client"], ids=["number", "name", "short name"])
def test_a_kind_is_read_in_each_form(kind: object) -> None:
    part = {"resource": RESOURCE, "scopeSpans": [{"spans": [{**SERVER, "kind": kind}]}]}

    (span,) = TraceReader(Tempo(Server(plain={"batches": [part]}))).read("t")

    assert span.kind == "CLIENT"


@pytest.mark.parametrize("parent", [None, "", "0" * 16, "AAAAAAAAAAA="])
def test_a_span_with_no_parent_is_a_root(parent: object) -> None:
    part = {"resource": RESOURCE, "scopeSpans": [{"spans": [{**SERVER, "parentSpanId": parent}]}]}

    (span,) = TraceReader(Tempo(Server(plain={"batches": [part]}))).read("t")

    assert span.parent_id == ""


def test_a_trace_that_is_gone_has_no_span() -> None:
    assert TraceReader(Tempo(Server(plain="404 not found", json="404 not found"))).read("t") == ()


def test_an_answer_of_another_form_is_an_error_and_no_guess() -> None:
    with pytest.raises(BackendError, match="unexpected form"):
        TraceReader(Tempo(Server(plain={"batches": [{"scopeSpans": [{"spans": [{"name": "x"}]}]}]}))).read(
            "t"
        )
