from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus

import pytest

from release_watch.artifacts.models import CoverageCheck
from release_watch.catalog.policies import CoveragePolicy
from release_watch.coverage import traces
from release_watch.coverage.questions import Question
from release_watch.coverage.traces import check_traces
from release_watch.errors import BackendError
from release_watch.release import Release
from release_watch.telemetry.traces import Tempo
from tests.coverage.conftest import AT, DEPLOYED
from tests.coverage.fake_tempo import FakeTempo

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
FRESH = AT - SECOND
REFUND = "POST /orders/{id}/refund"

Audit = Callable[..., dict[str, dict[str, CoverageCheck]]]


@pytest.fixture
def tempo() -> FakeTempo:
    return FakeTempo()


@pytest.fixture
def audit(tempo: FakeTempo, make_release: Callable[..., Release], monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.setattr(traces, "now", lambda: AT)

    def audited(
        *services: str, released: Any = None, names: Any = None, at: Any = AT, **endpoints: list[str]
    ) -> dict[str, dict[str, CoverageCheck]]:
        release = make_release(*(services if released is None else released))
        question = Question(release, at, CoveragePolicy(), endpoints)
        found = check_traces(names or {name: name for name in services}, Tempo(tempo), question)
        return {service: {check.name: check for check in checks} for service, checks in found.items()}

    return audited


def statuses(checks: dict[str, CoverageCheck]) -> dict[str, str]:
    return {name: str(check.status) for name, check in checks.items()}


def test_services_with_fresh_traces_of_the_release_pass_with_two_searches(
    tempo: FakeTempo, audit: Audit
) -> None:
    tempo.send("checkout", FRESH, trace="one")
    tempo.send("payments", FRESH, trace="one")

    found = audit("checkout", "payments")

    assert statuses(found["checkout"]) == {"live": "PASS", "release": "PASS", "clock": "PASS"}
    assert statuses(found["payments"]) == statuses(found["checkout"])
    assert len(tempo.asked) == 2
    assert found["checkout"]["release"].query == (
        '{ resource.service.name = "checkout" && resource.service.version = "1.1.0" }'
        " | select(.service.name, .peer.service)"
    )


def test_a_service_without_traces_fails_next_to_one_that_has_some(tempo: FakeTempo, audit: Audit) -> None:
    tempo.send("payments", FRESH)

    found = audit("checkout", "payments")

    assert statuses(found["checkout"]) == {"live": "FAIL", "release": "FAIL"}
    assert found["payments"]["live"].status == "PASS"


def test_right_after_the_deployment_a_missing_trace_is_no_gap_yet(tempo: FakeTempo, audit: Audit) -> None:
    found = audit("checkout", at=DEPLOYED + 14 * SECOND)["checkout"]

    assert statuses(found) == {"live": "INCONCLUSIVE", "release": "INCONCLUSIVE"}
    assert statuses(audit("checkout", at=DEPLOYED + 15 * SECOND)["checkout"])["live"] == "FAIL"


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(DEPLOYED - SECOND, id="before the deployment"),
        pytest.param(AT - 6 * MINUTE, id="too old"),
        pytest.param(AT + MINUTE, id="in the future"),
    ],
)
@pytest.mark.parametrize("traceql", [True, False], ids=["TraceQL", "tags"])
def test_a_span_of_another_time_proves_nothing(
    tempo: FakeTempo, audit: Audit, at: Any, traceql: bool
) -> None:
    tempo.traceql = traceql
    tempo.send("checkout", at)

    found = audit("checkout")["checkout"]

    assert (found["live"].status, found["release"].status) == ("FAIL", "FAIL")


def test_traces_of_the_old_version_alone_are_live_but_not_of_the_release(
    tempo: FakeTempo, audit: Audit
) -> None:
    tempo.send("checkout", FRESH, version="1.0.0")

    found = audit("checkout")["checkout"]

    assert statuses(found) == {"live": "PASS", "release": "FAIL", "clock": "PASS"}
    assert found["release"].observed == "no trace of it"


def test_a_service_that_the_release_does_not_change_may_have_any_version(
    tempo: FakeTempo, audit: Audit
) -> None:
    tempo.send("checkout", FRESH)
    tempo.send("payments", FRESH, version="0.9.0")

    found = audit("checkout", "payments", released=["checkout"])

    assert statuses(found["payments"]) == {"live": "PASS", "clock": "PASS"}


def test_two_services_may_send_under_one_name(tempo: FakeTempo, audit: Audit) -> None:
    tempo.send("shop", FRESH)

    found = audit("checkout", "payments", names={"checkout": "shop", "payments": "shop"})

    assert {str(checks["live"].status) for checks in found.values()} == {"PASS"}


def test_a_span_that_may_be_of_the_caller_does_not_prove_the_called_service(
    tempo: FakeTempo, audit: Audit
) -> None:
    tempo.send("payments", FRESH, peer_service="payments")

    assert audit("payments")["payments"]["live"].status == "FAIL"


def test_a_span_that_begins_in_the_future_fails_the_clock_of_its_service_alone(
    tempo: FakeTempo, audit: Audit
) -> None:
    for service in ("checkout", "payments"):
        tempo.send(service, FRESH)
    tempo.send("checkout", AT + 5 * MINUTE)

    found = audit("checkout", "payments")

    assert found["checkout"]["clock"].observed == "a span that begins 5 min in the future"
    assert (found["checkout"]["clock"].status, found["payments"]["clock"].status) == ("FAIL", "PASS")


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("POST /orders/:order_id/refund", {}),
        ("POST", {"http_route": "/orders/{id}/refund", "http_request_method": "POST"}),
        ("refund", {"http_route": "/orders/<int:id>/refund", "http_method": "POST"}),
    ],
)
def test_an_endpoint_is_seen_by_the_name_or_the_route_of_its_span(
    tempo: FakeTempo, audit: Audit, name: str, attributes: dict[str, str]
) -> None:
    tempo.spans.clear()
    tempo.send("checkout", FRESH)
    key = {
        "http_request_method": "http.request.method",
        "http_method": "http.method",
        "http_route": "http.route",
    }
    tempo.send("checkout", FRESH, name=name)
    tempo.spans[-1] = tempo.spans[-1]._replace(attributes={key[k]: v for k, v in attributes.items()})

    assert audit("checkout", checkout=[REFUND])["checkout"]["endpoints"].status == "PASS"


@pytest.mark.parametrize(
    ("service", "name", "version"),
    [
        pytest.param("checkout", "GET /orders/{id}/refund", "1.1.0", id="another method"),
        pytest.param("checkout", "POST /orders/{id}", "1.1.0", id="another route"),
        pytest.param("payments", REFUND, "1.1.0", id="another service"),
        pytest.param("checkout", REFUND, "1.0.0", id="another version"),
    ],
)
def test_an_endpoint_without_a_span_says_nothing_since_traces_are_sampled(
    tempo: FakeTempo, audit: Audit, service: str, name: str, version: str
) -> None:
    tempo.send("checkout", FRESH)
    tempo.send(service, FRESH, version=version, name=name)

    assert "endpoints" not in audit("checkout", checkout=[REFUND])["checkout"]


def test_the_rare_endpoint_is_found_behind_the_busy_one(tempo: FakeTempo, audit: Audit) -> None:
    for number in range(600):
        tempo.send("checkout", FRESH - number * SECOND / 10, name="POST /orders")
    tempo.send("checkout", AT - 4 * MINUTE, name=REFUND)

    check = audit("checkout", checkout=["POST /orders", REFUND])["checkout"]["endpoints"]

    assert check.status == "PASS"


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_server_without_traceql_is_searched_by_tags(tempo: FakeTempo, audit: Audit, status: int) -> None:
    tempo.status["select("] = status
    tempo.send("checkout", FRESH)
    tempo.send("payments", FRESH, version="1.0.0")

    found = audit("checkout", "payments", checkout=[REFUND])

    assert statuses(found["checkout"]) == {"live": "PASS", "release": "PASS"}
    assert statuses(found["payments"]) == {"live": "PASS", "release": "FAIL"}
    assert found["checkout"]["release"].query == 'service.name="checkout" service.version="1.1.0"'


def test_without_traceql_a_bounded_number_of_services_is_asked_and_the_others_are_open(
    tempo: FakeTempo, audit: Audit
) -> None:
    tempo.traceql = False
    names = [f"s-{number:02}" for number in range(60)]
    for name in names:
        tempo.send(name, FRESH)

    found = audit(*names)

    live = [str(found[name]["live"].status) for name in names]
    assert live == ["PASS"] * 60
    assert [str(found[name]["release"].status) for name in names] == ["PASS"] * 50 + ["INCONCLUSIVE"] * 10
    assert len(tempo.asked) == 1 + 50 + 10


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_a_server_that_refuses_whoever_asks_is_an_error(tempo: FakeTempo, audit: Audit, status: int) -> None:
    tempo.status["checkout"] = status

    with pytest.raises(BackendError, match=str(status)):
        audit("checkout")


def test_a_server_that_reads_only_short_queries_is_asked_with_short_ones(
    tempo: FakeTempo, audit: Audit
) -> None:
    tempo.longest = 1_500
    names = [f"team-{number % 7}-service-{number:03}" for number in range(200)]
    for name in names[1:]:
        tempo.send(name, FRESH)

    found = audit(*names)

    assert {name for name in names if found[name]["live"].status != "PASS"} == {names[0]}
    assert found[names[0]]["live"].status == "FAIL"
    assert len(tempo.asked) <= 6


def busy(tempo: FakeTempo, name: str, traces: int) -> None:
    for number in range(traces):
        tempo.send(name, AT - MINUTE + number * MINUTE / traces)


def test_quiet_services_are_found_behind_busy_ones_in_rounds(tempo: FakeTempo, audit: Audit) -> None:
    for number in range(8):
        busy(tempo, f"busy-{number}", 400)
    for number in range(12):
        tempo.send(f"quiet-{number}", AT - 4 * MINUTE)
    names = [
        *(f"busy-{number}" for number in range(8)),
        *(f"quiet-{number}" for number in range(12)),
        "silent",
    ]

    found = audit(*names)

    assert {name for name in names if found[name]["live"].status != "PASS"} == {"silent"}
    assert found["silent"]["live"].status == "FAIL"
    assert len(tempo.asked) < 10


def test_services_of_others_that_begin_alike_are_left_out_of_the_next_round(
    tempo: FakeTempo, audit: Audit
) -> None:
    names = [f"team-service-{number:04}" for number in range(600)]
    for name in names:
        tempo.send(name, AT - 4 * MINUTE)
    busy(tempo, "team-service-0000-of-others", 3_000)

    found = audit(*names)

    assert {str(checks["live"].status) for checks in found.values()} == {"PASS"}
    assert len(tempo.asked) <= 4


def test_services_that_no_search_tells_apart_are_open_and_no_gap(tempo: FakeTempo, audit: Audit) -> None:
    tempo.deaf = True
    names = [f"s-{number:02}" for number in range(30)]
    for number in range(200):
        tempo.send("another", FRESH - number * SECOND / 100)

    found = audit(*names)

    assert {str(check.status) for checks in found.values() for check in checks.values()} == {"INCONCLUSIVE"}
    assert "busier services" in found["s-29"]["live"].observed
    assert len(tempo.asked) <= 3 * (6 + 20)


@pytest.mark.parametrize("count", [10, 100, 1_000])
def test_the_number_of_searches_does_not_grow_and_each_fits_into_an_address(
    tempo: FakeTempo, audit: Audit, count: int
) -> None:
    names = [f"team-{number % 17}-service-{number:04}" for number in range(count)]
    silent = set(names[::97])
    for number, name in enumerate(names):
        if name not in silent:
            tempo.send(name, FRESH - number % 200 * SECOND, trace=f"trace-{number // 3}")

    found = audit(*names)

    assert {name for name in names if found[name]["live"].status == "FAIL"} == silent
    assert {str(found[name]["live"].status) for name in set(names) - silent} == {"PASS"}
    assert len(tempo.asked) <= 5
    assert max(len(quote_plus(query)) for query in tempo.asked) < 6_000
    assert max(tempo.limits) <= 1_000
