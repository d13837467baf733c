"""The Instrumentation Score of services, with servers that answer from memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.artifacts.models import CoverageStatus, InstrumentationScore
from release_watch.catalog.models import Service
from release_watch.catalog.policies import CoveragePolicy
from release_watch.coverage.instrumentation_score import score
from release_watch.coverage.score_rules import IMPACTS, WEIGHTS, RuleAnswer, scored
from release_watch.coverage.score_traces import MOST_TRACES
from release_watch.errors import BackendError, NotConfiguredError
from release_watch.release import Release
from release_watch.telemetry.logs import Loki
from release_watch.telemetry.metrics import Sample
from release_watch.telemetry.traces import Tempo
from release_watch.transport import Answer

DEPLOYED = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
AT = DEPLOYED + timedelta(minutes=10)
SEEN = AT - timedelta(minutes=1)
PASS, FAIL, INCONCLUSIVE = CoverageStatus.PASS, CoverageStatus.FAIL, CoverageStatus.INCONCLUSIVE
COUNTER = "http_server_request_duration_seconds_count"


class Shop:
    """Well-instrumented services, as Prometheus, Loki and Tempo would tell of them; spoil one thing."""

    base_url = "http://server.example"

    def __init__(self, *names: str) -> None:
        self.names = names
        self.asked: list[str] = []
        self.broken: dict[str, Exception] = {}
        self.series = {COUNTER: 4, COUNTER.replace("_count", "_bucket"): 40, "target_info": 1}
        self.buckets = 10
        self.target: dict[str, str] = {"service_instance_id": "a", "instance": "10.0.0.1:80"}
        self.severities = {"info": 7}
        self.older_severities: dict[str, int] = {}
        self.units: dict[str, list[dict[str, str]]] = {}
        self.spans: list[dict[str, Any]] = [span("1", kind="SPAN_KIND_SERVER")]

    # -- Backends
    def metrics(self, _service: Service | None = None) -> Shop:
        return self._reached("metrics")

    def prometheus(self) -> Shop:
        return self._reached("metrics")

    def logs(self, _service: Service | None = None) -> Loki:
        return Loki(self._reached("logs"))

    def traces(self, _service: Service | None = None) -> Tempo:
        return Tempo(self._reached("traces"))

    def _reached(self, backend: str) -> Shop:
        if backend in self.broken:
            raise self.broken[backend]
        return self

    # -- Metrics
    def instant(self, query: str, _at: datetime | None = None) -> list[Sample]:
        self.asked.append(query)
        if query.startswith("target_info"):
            return [self._sample(name, {"service_name": name, **self.target}, 1) for name in self.names]
        if "(group" in query:
            bucket = COUNTER.replace("_count", "_bucket")
            return [self._sample(name, {"__name__": bucket}, self.buckets) for name in self.names]
        return [
            self._sample(name, {"__name__": metric}, count)
            for name in self.names
            for metric, count in self.series.items()
            if metric != "target_info"
        ]

    def _sample(self, name: str, labels: Mapping[str, str], value: float) -> Sample:
        return Sample({"job": f"shop/{name}", "version": "1.1.0", **labels}, AT, value)

    # -- Transport
    def request(self, _method: str, path: str, *, params: Any = None, **_: object) -> Answer:
        self.asked.append(path)
        if path == "/api/v1/metadata":
            return Answer(200, {"status": "success", "data": self.units})
        if path == "/api/search":
            return Answer(200, {"traces": self._found(params["tags"])})
        if path.startswith("/api/traces/"):
            return Answer(200, {"batches": [batch(path.rpartition("-")[2], self.spans)]})
        lines = self.severities if int(params["end"]) / 1e9 > DEPLOYED.timestamp() else self.older_severities
        return Answer(200, {"status": "success", "data": {"result": list(self._streams(lines, params))}})

    def _streams(self, lines: Mapping[str, int], params: Any) -> Any:
        for name in self.names:
            for level, count in lines.items():
                labels = {"service_name": name, "version": "1.1.0", "level": level}
                yield {"metric": labels, "values": [[int(params["end"]) / 1e9, str(count)]]}

    def _found(self, tags: str) -> list[dict[str, Any]]:
        name = re.search(r'service.name="([^"]+)"', tags)
        started = f"{int(SEEN.timestamp())}000000000"
        return [{"traceID": f"t-{name[1] if name else ''}", "startTimeUnixNano": started, "durationMs": 9}]


def span(span_id: str, parent: str = "", kind: str = "", **more: Any) -> dict[str, Any]:
    start = int(SEEN.timestamp() * 1e9)
    return {
        "spanId": span_id,
        "parentSpanId": parent,
        "name": f"span {span_id}",
        "kind": kind,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + more.pop("milliseconds", 20) * 1_000_000),
        "attributes": attributes(more or {"http.request.method": "GET"}),
    }


def batch(service: str, spans: list[dict[str, Any]], **resource: str) -> dict[str, Any]:
    named = {"service.name": service, "service.instance.id": "a", "service.version": "1.1.0", **resource}
    return {"resource": {"attributes": attributes(named)}, "scopeSpans": [{"spans": spans}]}


def attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key.replace("__", "."), "value": {"stringValue": str(v)}} for key, v in values.items()]


@pytest.fixture
def services(make_service: Any) -> list[Service]:
    return [make_service("checkout"), make_service("payments")]


@pytest.fixture
def shop(services: list[Service]) -> Shop:
    return Shop(*(service.name for service in services))


@pytest.fixture
def run(shop: Shop, make_release: Any) -> Any:
    def scored_now(
        services: list[Service], environment: str = "production"
    ) -> dict[str, InstrumentationScore]:
        release: Release = make_release("checkout").model_copy(update={"environment": environment})
        return score(release, services, shop, policy=CoveragePolicy(), at=AT)

    return scored_now


def statuses(found: InstrumentationScore) -> dict[str, CoverageStatus]:
    return {rule.rule_id: rule.status for rule in found.rules}


def test_a_well_instrumented_service_scores_100_and_every_rule_is_listed(run: Any, services: Any) -> None:
    found = run(services)["checkout"]

    assert found.score == 100
    assert [rule.rule_id for rule in found.rules] == list(IMPACTS)
    untold = {rule for rule, status in statuses(found).items() if status is INCONCLUSIVE}
    assert untold == {"RES-003", "SPA-003", "MET-005", "SDK-001"}


def test_each_rule_that_is_not_kept_says_what_was_seen_the_query_and_the_fix(
    run: Any, shop: Shop, services: Any
) -> None:
    shop.severities = {"info": 5, "unknown": 2}

    rules = {rule.rule_id: rule for rule in run(services)["checkout"].rules}

    broken = rules["LOG-002"]
    assert (broken.status, broken.observed) == (FAIL, "2 of 7 lines without a severity")
    assert 'service_name="checkout"' in str(broken.query)
    assert "severityNumber" in str(broken.remedy)


SPOILED: dict[str, tuple[str, Any]] = {
    "MET-001": ("series", {COUNTER: 4, "shop_orders_total": 30_000}),
    "MET-002": ("series", {"shop_orders_total": 1}),
    "MET-003": ("series", {"shop_orders_total": 1}),
    "MET-004": ("buckets", 11),
    "MET-006": ("series", {"http_response_status_code": 2}),
    "LOG-001": ("severities", {"debug": 3, "info": 1}),
    "LOG-002": ("severities", {"": 3}),
    "RES-001": ("target", {"instance": "10.0.0.1:80"}),
    "RES-003": ("target", {"service_instance_id": "a", "k8s_pod_name": "checkout-1"}),
    "RES-004": ("spans", [span("1", kind="SPAN_KIND_SERVER", service__name="checkout")]),
    "SPA-001": ("spans", [span(str(n), kind="SPAN_KIND_INTERNAL") for n in range(11)]),
    "SPA-002": ("spans", [span("1", kind="SPAN_KIND_SERVER"), span("2", parent="9")]),
    "SPA-004": ("spans", [span("1", kind="SPAN_KIND_CLIENT")]),
    "SPA-005": ("spans", [span(str(n), kind="SPAN_KIND_SERVER", milliseconds=1) for n in range(21)]),
}
UNPROVEN = {"MET-001", "MET-002", "MET-003", "LOG-001", "LOG-002"}


@pytest.mark.parametrize(("rule", "spoiled"), SPOILED.items(), ids=list(SPOILED))
def test_what_breaks_a_rule_breaks_it_and_what_proves_nothing_leaves_it_untold(
    run: Any, shop: Shop, services: Any, rule: str, spoiled: tuple[str, Any]
) -> None:
    attribute, value = spoiled
    setattr(shop, attribute, value)

    found = run(services)["checkout"]

    assert statuses(found)[rule] is (INCONCLUSIVE if rule in UNPROVEN else FAIL)


@pytest.mark.parametrize(
    ("before", "status"),
    [({"debug": 1}, FAIL), ({"info": 9}, PASS), ({}, INCONCLUSIVE)],
    ids=["debug lines then too", "none then", "nothing kept of then"],
)
def test_debug_lines_break_the_rule_only_if_they_were_there_14_days_ago(
    run: Any, shop: Shop, services: Any, before: dict[str, int], status: CoverageStatus
) -> None:
    shop.severities, shop.older_severities = {"debug": 3, "info": 1}, before

    assert statuses(run(services)["checkout"])["LOG-001"] is status


def test_debug_lines_outside_production_are_not_judged(run: Any, shop: Shop, services: Any) -> None:
    shop.severities = shop.older_severities = {"debug": 3}

    assert statuses(run(services, "staging")["checkout"])["LOG-001"] is INCONCLUSIVE


@pytest.mark.parametrize(
    "outage",
    [NotConfiguredError("tempo_default", "traces"), BackendError("Tempo", "did not answer")],
    ids=["not configured", "down"],
)
def test_a_backend_that_is_away_leaves_its_rules_untold_with_what_to_do(
    run: Any, shop: Shop, services: Any, outage: Exception
) -> None:
    shop.broken["traces"] = outage

    found = run(services)["checkout"]

    rules = {rule.rule_id: rule for rule in found.rules}
    assert {rules[f"SPA-00{n}"].status for n in range(1, 6)} == {INCONCLUSIVE}
    assert rules["SPA-001"].remedy
    assert rules["RES-001"].status is PASS
    assert found.score == 100


def test_without_any_telemetry_there_is_no_score(run: Any, shop: Shop, services: Any) -> None:
    shop.broken = dict.fromkeys(("metrics", "logs", "traces"), NotConfiguredError("x", "y"))

    found = run(services)["checkout"]

    assert found.score is None
    assert set(statuses(found).values()) == {INCONCLUSIVE}


def test_a_service_without_selectors_is_listed_too(run: Any, make_service: Any) -> None:
    bare = make_service("bare", without=("metrics", "logs", "traces"))

    found = run([bare])["bare"]

    assert found.score is None
    assert any("services.bare.signals.logs" in str(rule.remedy) for rule in found.rules)


def test_telemetry_of_the_old_version_is_not_judged(
    run: Any, shop: Shop, services: Any, monkeypatch: Any
) -> None:
    old = {"version": "1.0.0", "__name__": "http_response_status_code"}
    answers = shop.instant

    def with_old(query: str, at: Any = None) -> list[Sample]:
        more = [Sample({"job": f"shop/{name}", **old}, AT, 1) for name in shop.names]
        return answers(query, at) + (more if "__name__!~" in query else [])

    monkeypatch.setattr(shop, "instant", with_old)
    found = run(services)

    assert statuses(found["checkout"])["MET-006"] is PASS
    assert statuses(found["payments"])["MET-006"] is FAIL  # not released, so every version is its own


@pytest.mark.parametrize("count", [10, 300])
def test_the_number_of_requests_does_not_grow_with_the_services(
    make_service: Any, make_release: Any, count: int
) -> None:
    names = [f"s{number}" for number in range(count)]
    shop = Shop(*names)
    services = [make_service(name) for name in names]

    found = score(make_release(*names), services, shop, policy=CoveragePolicy(), at=AT)

    assert {one.score for one in found.values()} == {100}
    traces = [asked for asked in shop.asked if asked.startswith("/api/traces/")]
    assert len(traces) == min(count, MOST_TRACES)
    assert len(shop.asked) - len(traces) == min(count, MOST_TRACES) + 5


def test_a_label_with_too_many_values_is_named(run: Any, shop: Shop, services: Any, monkeypatch: Any) -> None:
    shop.series = {"shop_orders_total": 30_000}
    answers = shop.instant

    def looked_into(query: str, at: Any = None) -> list[Sample]:
        if query.startswith("topk"):
            return [Sample({"job": "shop/checkout", "customer": "1", "region": "eu"}, AT, 1)]
        if query.startswith("label_replace"):
            return [Sample({"counted": "customer"}, AT, 15_000), Sample({"counted": "region"}, AT, 2)]
        return answers(query, at)

    monkeypatch.setattr(shop, "instant", looked_into)
    rule = next(r for r in run(services)["checkout"].rules if r.rule_id == "MET-001")

    assert (rule.status, rule.observed) == (FAIL, "shop_orders_total: 15000 values of customer")


def test_two_units_of_one_name_break_the_rule(run: Any, shop: Shop, services: Any) -> None:
    shop.series = {"shop_order_value": 1}
    shop.units = {"shop_order_value": [{"unit": "euros"}, {"unit": "cents"}]}

    assert statuses(run(services)["checkout"])["MET-003"] is FAIL


@pytest.mark.parametrize(
    ("places", "status"),
    [
        ([{"instance": "10.0.0.1:80"}, {"instance": "10.0.0.2:80"}], FAIL),
        ([{"instance": "10.0.0.1:80"}, {"instance": "10.0.0.1:81"}], INCONCLUSIVE),
        ([{"instance": "h:1", "k8s_pod_uid": "p"}, {"instance": "h:2", "k8s_pod_uid": "q"}], FAIL),
        ([{"instance": "10.0.0.1:80"}], PASS),
    ],
    ids=["two machines", "two ports of one machine", "two pods", "one place"],
)
def test_one_instance_id_on_two_resources_breaks_the_rule(
    run: Any,
    shop: Shop,
    services: Any,
    monkeypatch: Any,
    places: list[dict[str, str]],
    status: CoverageStatus,
) -> None:
    answers = shop.instant

    def targets(query: str, at: Any = None) -> list[Sample]:
        if not query.startswith("target_info"):
            return answers(query, at)
        named = {"job": "shop/checkout", "service_name": "checkout", "service_instance_id": "a"}
        return [Sample({**named, **place}, AT, 1) for place in places]

    monkeypatch.setattr(shop, "instant", targets)

    assert statuses(run(services)["checkout"])["RES-002"] is status


def test_the_weights_and_impacts_are_those_of_the_specification() -> None:
    assert WEIGHTS == {"critical": 40, "important": 30, "normal": 20, "low": 10}
    by_impact = {impact: sum(one == impact for one in IMPACTS.values()) for impact in WEIGHTS}
    assert by_impact == {"critical": 1, "important": 12, "normal": 5, "low": 1}


def test_the_score_weighs_by_impact() -> None:
    answers = {rule: RuleAnswer(FAIL if rule == "RES-005" else PASS, "") for rule in IMPACTS}

    # (0 * 40 + 12 * 30 + 5 * 20 + 1 * 10) / (1 * 40 + 12 * 30 + 5 * 20 + 1 * 10)
    assert scored(answers).score == 92.16


ANSWERED = st.fixed_dictionaries({rule: st.sampled_from(CoverageStatus) for rule in IMPACTS})


@given(ANSWERED, st.sampled_from(sorted(IMPACTS)))
def test_keeping_a_rule_never_lowers_the_score_and_an_untold_one_never_counts(
    drawn: dict[str, CoverageStatus], rule: str
) -> None:
    def of(status: CoverageStatus) -> float | None:
        return scored({r: RuleAnswer(s, "") for r, s in {**drawn, rule: status}.items()}).score

    others = {s for r, s in drawn.items() if r != rule} - {INCONCLUSIVE}
    kept, broken, untold = of(PASS), of(FAIL), of(INCONCLUSIVE)
    assert kept is not None
    assert broken is not None
    assert 0 <= broken <= kept <= 100
    assert (untold is None) == (not others)
    if untold is not None:
        assert broken <= untold <= kept
