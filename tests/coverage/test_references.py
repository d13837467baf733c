from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from release_watch.artifacts.models import CoverageCheck
from release_watch.catalog.config import config_folder, load_config
from release_watch.catalog.policies import CoveragePolicy
from release_watch.coverage.bulk import MOST_CHARACTERS
from release_watch.coverage.questions import Question
from release_watch.coverage.reads import (
    Reads,
    reads_of_boards,
    reads_of_rules,
    reads_of_slos,
    recorded_names,
)
from release_watch.coverage.references import check_references, undecided
from release_watch.dashboards.build import dashboards
from release_watch.errors import BackendError
from release_watch.release import Release
from release_watch.slo.rules import rule_groups
from tests.coverage.conftest import AT
from tests.coverage.counted_series import CountedSeries

COUNT = "http_server_request_duration_seconds_count"
BUCKET = "http_server_request_duration_seconds_bucket"
TOTAL = f'{COUNT}{{job="shop/checkout"}}'
ERRORS = f'{COUNT}{{job="shop/checkout",http_response_status_code=~"5.."}}'
RECORDED = "slo:error_ratio:rate5m"

Check = Callable[..., CoverageCheck | None]


@pytest.fixture
def question(make_release: Callable[..., Release]) -> Question:
    return Question(make_release("checkout"), AT, CoveragePolicy(), {})


@pytest.fixture
def server() -> CountedSeries:
    """A shop in which nothing has failed yet."""
    server = CountedSeries(AT)
    for service in ("checkout", "payments"):
        ends = f'job="shop/{service}",http_response_status_code="200",http_route="/orders"'
        server.have(f"{COUNT}{{{ends}}}", f'up{{job="shop/{service}"}}')
        server.have(*(f'{BUCKET}{{{ends},le="{le}"}}' for le in ("0.1", "0.25", "2.5", "+Inf")))
    server.have('db_calls_total{job="shop/checkout"}')
    return server


@pytest.fixture
def check(server: CountedSeries, question: Question) -> Check:
    def run(expression: str) -> CoverageCheck | None:
        reads = Reads("panel", "it", "checkout", expression, frozenset({RECORDED}))
        found = check_references([reads], server, question)
        return found[0].check if found else None

    return run


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param(f"sum(rate({TOTAL}[5m]))", id="rate"),
        pytest.param(f'rate({COUNT}{{job=~"shop/.+",http_route!="/health"}}[5m])', id="patterns"),
        pytest.param('{__name__=~".+_count",job="shop/checkout"}', id="pattern of names"),
        pytest.param('up{job="shop/checkout"} == 0', id="up"),
        pytest.param('up{job="shop/checkout"} * on (job) ALERTS{alertname="x"}', id="what Prometheus writes"),
        pytest.param(f"{RECORDED} * {TOTAL}", id="beside what the rules record"),
        pytest.param(f"{TOTAL} offset 1w", id="a time when it was not there"),
    ],
)
def test_series_that_are_there_pass(check: Check, expression: str) -> None:
    found = check(expression)
    assert found is not None
    assert found.status == "PASS"
    assert "1 of 1 selectors find series" in found.observed


@pytest.mark.parametrize("expression", ["vector(1)", RECORDED, 'count(ALERTS{alertstate="firing"})'])
def test_what_reads_nothing_that_is_expected_yet_has_no_check(check: Check, expression: str) -> None:
    assert check(expression) is None


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        pytest.param(
            TOTAL.replace("_count", "_cuont"),
            [f"no series is named {COUNT.replace('_count', '_cuont')}", COUNT],
            id="metric",
        ),
        pytest.param('nothing{job="shop/chekout"}', ["nothing", "nor has any series"], id="whole selector"),
        pytest.param(
            f'{COUNT}{{job="shop/chekout"}}',
            ['job="shop/chekout" matches none of the values there are: shop/checkout, shop/payments'],
            id="value",
        ),
        pytest.param(f'{COUNT}{{jib="shop/checkout"}}', ['label jib of jib="shop/checkout"'], id="label"),
        pytest.param(
            f'{BUCKET}{{job="shop/checkout",le="0.3"}}',
            ['le="0.3" matches none of the values there are: 0.1, 0.25, 2.5, +Inf'],
            id="bucket",
        ),
        pytest.param(
            f'{COUNT}{{jib="x",http_rute="/orders"}}',
            ["label http_rute", "label jib"],
            id="two matchers",
        ),
        pytest.param(
            f'{COUNT}{{job="shop/chekout",http_response_status_code=~"5.."}}',
            ['job="shop/chekout" matches none of the values there are: shop/checkout, shop/payments'],
            id="errors of nobody",
        ),
        pytest.param(
            f'{COUNT}{{job="shop/checkout",code=~"5.."}}',
            ["label code", "it will find no failure either"],
            id="errors by no label",
        ),
        pytest.param(
            f'{COUNT}{{job="shop/checkout",http_response_status_code=~"3.."}}',
            ['http_response_status_code=~"3.." matches none of the values there are: 200'],
            id="no failure, but missing",
        ),
        pytest.param(
            '{__name__=~"shp_.*",job="shop/checkout"}',
            ['__name__=~"shp_.*" matches none', COUNT],
            id="pattern of names",
        ),
    ],
)
def test_what_no_series_matches_fails_and_says_why(check: Check, expression: str, words: list[str]) -> None:
    found = check(f"sum(rate({expression}[1m]))")
    assert found is not None
    assert found.status == "FAIL"
    assert [word for word in words if word not in found.observed] == []
    assert found.remedy
    assert found.query is not None
    assert found.query.startswith("count(last_over_time(")


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param(f"sum(increase({ERRORS}[5m])) >= 5", id="status pattern"),
        pytest.param(ERRORS.replace("=~", "=").replace("5..", "503"), id="one status"),
        pytest.param(ERRORS.replace("=~", "!~").replace("5..", "[123].."), id="what is not good"),
        pytest.param('db_calls_total{job="shop/checkout",error_type!=""}', id="label of failures only"),
        pytest.param(f"sum(rate({ERRORS}[5m])) or 0 * sum(rate({TOTAL}[5m]))", id="with zero beside it"),
    ],
)
def test_no_error_yet_is_no_gap(check: Check, expression: str) -> None:
    found = check(expression)
    assert found is not None
    assert (found.status, "no error yet" in found.observed) == ("PASS", True)


@pytest.mark.parametrize(
    ("expression", "status"),
    [
        pytest.param(f'http_requests_total{{job="shop/checkout"}} or {TOTAL}', "PASS", id="first missing"),
        pytest.param(f'{TOTAL} or http_requests_total{{job="shop/checkout"}}', "PASS", id="second missing"),
        pytest.param("a_total or b_total", "FAIL", id="both missing"),
        pytest.param("a_total or (b_total or c_total)", "FAIL", id="all missing"),
        pytest.param("a_total or vector(0)", "PASS", id="a constant stands in"),
        pytest.param(f"a_total or {RECORDED}", "PASS", id="a recorded series stands in"),
        pytest.param(f"(a_total or {TOTAL}) / b_total", "FAIL", id="beside what is missing"),
    ],
)
def test_one_branch_of_an_or_is_enough(check: Check, expression: str, status: str) -> None:
    found = check(expression)
    assert found is not None
    assert found.status == status


def test_a_zero_beside_it_does_not_hide_errors_that_can_never_be_seen(check: Check) -> None:
    found = check(f'sum(rate({COUNT}{{job="shop/checkout",code=~"5.."}}[5m])) or 0 * sum(rate({TOTAL}[5m]))')
    assert found is not None
    assert (found.status, "label code" in found.observed) == ("FAIL", True)


def test_errors_under_the_label_of_another_convention_stand_in(check: Check) -> None:
    found = check(f'{COUNT}{{job="shop/checkout",code=~"5.."}} or {ERRORS}')
    assert found is not None
    assert found.status == "PASS"


@pytest.mark.parametrize("expression", ["absent({})", "absent_over_time({}[5m])", "up unless {}"])
def test_what_may_be_missing_passes_if_its_metric_exists(check: Check, expression: str) -> None:
    found = check(expression.format(f'{COUNT}{{job="shop/basket"}}'))
    assert found is not None
    assert (found.status, "which the expression expects" in found.observed) == ("PASS", True)


@pytest.mark.parametrize("expression", ["absent({})", "absent_over_time({}[5m])", "up unless {}"])
def test_what_may_be_missing_fails_if_no_metric_has_its_name(check: Check, expression: str) -> None:
    found = check(expression.format('requests_totl{job="shop/basket"}'))
    assert found is not None
    assert (found.status, "no series is named requests_totl" in found.observed) == ("FAIL", True)


@pytest.mark.parametrize(
    ("expression", "status"),
    [
        pytest.param("sum(rate(jobs_total[1h]))", "PASS", id="within its range"),
        pytest.param("max_over_time(rate(jobs_total[5m])[1h:])", "PASS", id="within the subquery"),
        pytest.param("sum(rate(jobs_total[5m]))", "FAIL", id="before its range"),
        pytest.param("jobs_total", "FAIL", id="before the look-back"),
    ],
)
def test_series_that_ceased_count_for_as_long_as_they_are_read(
    server: CountedSeries, check: Check, expression: str, status: str
) -> None:
    server.have("jobs_total", age=timedelta(minutes=40))
    found = check(expression)
    assert found is not None
    assert found.status == status


def test_series_that_ceased_a_moment_ago_are_found(server: CountedSeries, check: Check) -> None:
    server.have("jobs_total", age=timedelta(minutes=3))
    found = check("jobs_total")
    assert found is not None
    assert found.status == "PASS"


def test_a_service_that_is_not_scraped_has_no_up_and_that_is_not_held_against_it(
    server: CountedSeries, check: Check
) -> None:
    server.have(f'{COUNT}{{job="shop/pushed"}}')
    found = check('max(up{job="shop/pushed"}) == 0')
    assert found is not None
    assert (found.status, "not scraped" in found.observed) == ("INCONCLUSIVE", True)


@pytest.mark.parametrize(
    "matchers", ['job="shop/nobody"', 'job="shop/checkout",http_route="/orders"'], ids=["value", "label"]
)
def test_an_up_that_no_target_can_have_fails(check: Check, matchers: str) -> None:
    found = check(f"up{{{matchers}}}")
    assert found is not None
    assert found.status == "FAIL"


def test_an_expression_that_the_server_refuses_fails_in_its_words(check: Check) -> None:
    found = check("sum(rate(a[5m])")
    assert found is not None
    assert (found.status, "answered 400: unclosed" in found.observed) == ("FAIL", True)


def test_an_expression_that_only_the_server_can_read_is_inconclusive(
    server: CountedSeries, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "instant", lambda *_: [])
    found = check("rate(a[5m] anchored)")
    assert found is not None
    assert (found.status, "cannot be told" in found.observed) == ("INCONCLUSIVE", True)


def test_a_selector_that_the_server_refuses_is_inconclusive_and_alone(
    server: CountedSeries, question: Question
) -> None:
    server.refusing = "heavy_total"
    reads = [Reads("alert", name, None, name) for name in ("up", "heavy_total", COUNT, "missing_total")]
    found = check_references(reads, server, question)
    assert [reference.check.status for reference in found] == ["PASS", "INCONCLUSIVE", "PASS", "FAIL"]
    assert "would load too much" in found[1].check.observed


def test_a_server_that_does_not_answer_is_an_error(server: CountedSeries, question: Question) -> None:
    server.error = BackendError("Prometheus", "did not answer")
    with pytest.raises(BackendError, match="did not answer"):
        check_references([Reads("alert", "it", None, "up")], server, question)


def test_what_could_not_be_asked_is_inconclusive_with_the_remedy() -> None:
    (reference,) = undecided([Reads("slo", "it", "checkout", "up")], "did not answer", "start it")
    assert (reference.kind, reference.name, reference.service) == ("slo", "it", "checkout")
    assert (reference.check.status, reference.check.remedy) == ("INCONCLUSIVE", "start it")


def test_nothing_to_read_asks_nothing(server: CountedSeries, question: Question) -> None:
    assert check_references([], server, question) == ()
    assert server.asked == []


@pytest.mark.parametrize("services", [10, 400])
def test_queries_do_not_grow_with_the_number_of_services(question: Question, services: int) -> None:
    server = CountedSeries(AT)
    names = [f"shop/{number}" for number in range(services)]
    server.have(*(f'{COUNT}{{job="{name}",http_response_status_code="200"}}' for name in names))
    reads = [
        Reads(
            "panel",
            name,
            name,
            f'{COUNT}{{job="{name}",http_response_status_code=~"5.."}} / {COUNT}{{job="{name}"}}',
        )
        for name in names
    ]
    found = check_references(reads, server, question)
    assert {reference.check.status for reference in found} == {"PASS"}
    assert len(server.asked) == 3


def test_where_very_much_is_missing_not_all_of_it_is_explained(question: Question) -> None:
    server = CountedSeries(AT)
    server.have('up{job="shop/0"}')
    reads = [Reads("alert", str(n), None, f'absent(up{{job="a{n}"}}) or b{n}_total') for n in range(500)]
    reads += [Reads("alert", f"c{n}", None, f"c{n}_total") for n in range(500)]
    found = {reference.name: reference.check for reference in check_references(reads, server, question)}
    assert {str(check.status) for name, check in found.items() if "c" not in name} == {"PASS"}
    assert {str(check.status) for name, check in found.items() if "c" in name} == {"FAIL"}
    assert "c499_total finds no series" in found["c499"].observed


def test_no_query_is_longer_than_what_proxies_take(question: Question) -> None:
    server = CountedSeries(AT)
    reads = [Reads("panel", str(n), None, f'requests_{n}_total{{job=~"a{"b" * 900}.*"}}') for n in range(80)]
    check_references(reads, server, question)
    assert max(map(len, server.asked)) <= MOST_CHARACTERS


def test_a_label_of_the_same_name_as_a_reserved_one_is_kept_apart(
    check: Check, server: CountedSeries
) -> None:
    server.have('odd_total{ref="17",job="a"}')
    found = check('odd_total{ref="18"}')
    assert found is not None
    assert 'ref="18" matches none of the values there are: 17' in found.observed


# -- what reads ------------------------------------------------------------------------------------------


def test_every_alert_panel_and_slo_of_the_shipped_configuration_is_read(
    make_release: Callable[..., Release],
) -> None:
    config = load_config(config_folder())
    services = config.catalog.services
    release = make_release(*(service.name for service in services))
    groups = rule_groups(config.slos, services, release, runbook_url="http://r", dashboard_url="http://d")
    boards = dashboards(release, services, config.slos)
    recorded = recorded_names(groups)
    alerts = reads_of_rules(groups)
    panels = reads_of_boards(boards, recorded, release.services)
    slos = reads_of_slos(config.slos)
    assert len(alerts) == sum(len(group.alerts) for group in groups)
    assert len(panels) == sum(len(board.queries) for board in boards)
    assert [reads.name for reads in slos] == [slo.name for slo in config.slos]
    names = [(reads.kind, reads.name) for reads in (*alerts, *panels, *slos)]
    assert len(names) == len(set(names))


def test_a_panel_belongs_to_the_service_in_its_title(make_release: Callable[..., Release]) -> None:
    config = load_config(config_folder())
    release = make_release("checkout")
    boards = dashboards(release, config.catalog.select(["checkout"]), config.slos)
    panels = reads_of_boards(boards, services=["checkout"])
    found = {reads.name: reads.service for reads in panels}
    assert found["performance: checkout: response time (p95)"] == "checkout"
    assert found["performance: checkout: requests"] == "checkout"
    assert found["slo: checkout-latency: error budget left"] is None
