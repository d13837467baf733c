"""Panel queries run before anyone relies on the panel."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from release_watch.catalog.models import Service
from release_watch.dashboards.connections import servers
from release_watch.dashboards.models import Dashboard, Mark, PanelQuery
from release_watch.dashboards.validation import TOGETHER, check_panels
from release_watch.errors import BackendError
from release_watch.telemetry.metrics import Sample
from release_watch.verdict import Verdict
from tests.dashboards.conftest import MetricsStandIn

NAN = float("nan")
FOUND = "count(last_over_time({}[300s]))"


def board(*queries: str, connection: str = "") -> Dashboard:
    asked = tuple(PanelQuery("p", query, "l", connection) for query in queries)
    return Dashboard(uid="u", title="t", kind="slo", json={}, queries=asked)


@pytest.mark.parametrize(
    ("values", "answered", "samples"),
    [([1.0, 2.0], True, 2), ([], False, 0), ([NAN], False, 0), ([NAN, 1.0], True, 1)],
    ids=["values", "nothing", "not a number", "one number"],
)
def test_a_panel_counts_only_with_samples(values: list[float], answered: bool, samples: int) -> None:
    (result,) = check_panels([board("up")], MetricsStandIn({"up": values}))
    assert (result.answered, result.samples) == (answered, samples)


def test_many_panels_are_few_calls_and_equal_queries_one() -> None:
    queries = [f"up{{n='{n}'}}" for n in range(3 * TOGETHER)]
    metrics = MetricsStandIn(dict.fromkeys(queries, (1.0,)))
    results = check_panels([board(*queries, *queries)], metrics)
    assert all(result.answered for result in results)
    assert len(results) == 6 * TOGETHER
    assert len(metrics.asked) == 3


def test_a_refused_query_is_told_in_prometheus_words_and_the_others_are_answered() -> None:
    metrics = MetricsStandIn({"up": [1.0], "down": [0.0]})
    metrics.refused = {"wrong(": 400}
    results = check_panels([board("up", "wrong(", "down")], metrics)
    assert [result.state for result in results] == ["answered", "refused", "answered"]
    assert "does not take wrong(" in str(results[1].problem)
    assert results[1].verdict is Verdict.NO_GO


class OnlyAlone(MetricsStandIn):
    """Refuses ``42`` among others, as a server does that cannot put labels on a scalar."""

    def instant(self, query: str, at: datetime | None = None) -> list[Sample]:
        if "label_replace(42," in query:
            raise BackendError("Prometheus", "expected type instant vector", status=400)
        return super().instant(query, at)


def test_what_cannot_be_asked_among_others_is_asked_alone() -> None:
    results = check_panels([board("up", "42")], OnlyAlone({"up": [1.0], "42": [42.0]}))
    assert [result.answered for result in results] == [True, True]


@pytest.mark.parametrize("status", [None, 503], ids=["no answer", "overloaded"])
def test_a_server_that_is_down_is_no_result(status: int | None) -> None:
    metrics = MetricsStandIn()
    metrics.refused = {"up": status}
    with pytest.raises(BackendError):
        check_panels([board("up")], metrics)


class Slow(MetricsStandIn):
    """Answers at most four questions in time."""

    def instant(self, query: str, at: datetime | None = None) -> list[Sample]:
        if query.count("label_replace") > 4:
            raise BackendError("Prometheus", "did not answer in 10 s")
        return super().instant(query, at)


def test_what_takes_too_long_together_is_asked_in_parts() -> None:
    queries = [f"up{{n='{n}'}}" for n in range(16)]
    results = check_panels([board(*queries)], Slow(dict.fromkeys(queries, (1.0,))))
    assert all(result.answered for result in results)


class LateAnswers(MetricsStandIn):
    """Has a sample only from the third question on, as recording rules do."""

    def instant(self, query: str, at: datetime | None = None) -> list[Sample]:
        self.known = {"slo:x": [1.0]} if len(self.asked) >= 2 else {}
        return super().instant(query, at)


@pytest.mark.parametrize(("seconds", "answered"), [(0, False), (3, False), (6, True), (60, True)])
def test_a_panel_over_a_recording_rule_is_asked_again_with_patience(seconds: int, answered: bool) -> None:
    pauses: list[float] = []
    (result,) = check_panels(
        [board("slo:x")], LateAnswers(), patience=timedelta(seconds=seconds), pause=pauses.append
    )
    assert result.answered is answered
    assert len(pauses) == min(seconds // 3, 2)


def test_what_rules_have_not_recorded_is_said_to_be_that() -> None:
    (result,) = check_panels([board('slo:error_ratio:rate5m{slo="a"} / 0.001')], MetricsStandIn())
    assert (result.state, result.verdict) == ("missing", Verdict.NO_GO)
    assert "have not recorded slo:error_ratio:rate5m" in str(result.problem)
    assert "/rules" in str(result.remedy)


def test_a_series_that_does_not_exist_is_named() -> None:
    (result,) = check_panels([board('sum(rate(requests_total{job="shop"}[5m]))')], MetricsStandIn())
    assert result.state == "missing"
    assert "no series is named requests_total" in str(result.problem)


def test_series_that_are_there_with_nothing_to_show_are_no_fault() -> None:
    query = 'histogram_quantile(0.95, sum by (le) (rate(seconds_bucket{job="shop"}[5m])))'
    known = {query: [NAN], FOUND.format('seconds_bucket{job="shop"}'): [12.0]}
    (result,) = check_panels([board(query)], MetricsStandIn(known))
    assert (result.answered, result.state, result.verdict) == (False, "quiet", Verdict.WARN)
    assert "nothing happened in the window" in str(result.problem)


def test_no_error_yet_is_told_from_errors_that_are_not_seen() -> None:
    asked = "requests_total{code=~'5..'}"
    selector = 'requests_total{code=~"5.."}'
    known = {"count(requests_total)": [3.0], "count by (code) (requests_total)": [3.0]}
    (blind,) = check_panels([board(asked)], MetricsStandIn(known))
    assert (blind.state, selector in str(blind.problem)) == ("missing", True)


def test_a_mark_is_checked_by_what_proves_that_it_can_be_seen() -> None:
    mark = Mark("New versions", "count(up) unless count(up offset 5m)", "new", "count(up)")
    marked = board("up").model_copy(update={"marks": (mark,)})
    results = check_panels([marked], MetricsStandIn({"up": [1.0], "count(up)": [1.0]}))
    assert [(one.panel, one.answered) for one in results] == [("p", True), ("mark: New versions", True)]


def test_a_service_with_a_server_of_its_own_is_asked_there() -> None:
    here, there = MetricsStandIn({"up": [1.0]}), MetricsStandIn({"other_up": [1.0]})
    boards = [board("up"), board("other_up", connection="prometheus_team")]
    results = check_panels(boards, here, servers={"prometheus_team": there})
    assert [result.answered for result in results] == [True, True]
    assert len(here.asked) == len(there.asked) == 1


class BackendsByConnection:
    """Backends that say by which connection they were asked."""

    def metrics(self, service: Service | None = None) -> str:
        signal = service.signals.metrics if service else None
        return signal.connection if signal else "environment"


def test_servers_are_those_that_metrics_and_probes_name(service: Service) -> None:
    plain = service.model_dump()
    plain["signals"]["metrics"]["connection"] = "prometheus_team"
    plain["signals"]["synthetics"] = {"selector": 'job="probe"', "connection": "prometheus_probes"}
    own = Service.model_validate(plain)
    assert servers([service, own], BackendsByConnection()) == {
        "": "environment",
        "prometheus_team": "prometheus_team",
        "prometheus_probes": "prometheus_probes",
    }


def test_results_are_dated() -> None:
    before = datetime.now(UTC)
    (result,) = check_panels([board("up")], MetricsStandIn({"up": [1.0]}))
    assert before <= result.checked_at <= datetime.now(UTC)
