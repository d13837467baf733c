from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from release_watch.catalog.policies import CoveragePolicy
from release_watch.catalog.slos import WINDOW, Slo
from release_watch.coverage.plausibility import check_plausibility
from release_watch.coverage.questions import Question
from release_watch.errors import BackendError
from release_watch.release import Release
from release_watch.telemetry.metrics import Sample
from tests.coverage.conftest import AT
from tests.coverage.counted_series import CountedSeries

REQUESTS = "http_server_request_duration_seconds"
TOTAL = f'{REQUESTS}_count{{job="shop/checkout"}}'
BAD = f'{REQUESTS}_count{{job="shop/checkout",http_response_status_code=~"5.."}}'
GOOD = BAD.replace("5..", "2..")
FAST = f'{REQUESTS}_bucket{{job="shop/checkout",le="0.25"}}'


class Events(CountedSeries):
    """The series of checkout, and what of them was counted: in which query stands which number."""

    def __init__(self, at: datetime) -> None:
        super().__init__(at)
        self.numbers: dict[str, float] = {}
        labels = 'job="shop/checkout",http_response_status_code="200"'
        self.have(f"{REQUESTS}_count{{{labels}}}")
        self.have(*(f'{REQUESTS}_bucket{{{labels},le="{le}"}}' for le in ("0.1", "0.25", "+Inf")))

    def rose(self, counted: float, total: float | None, born: float | None = None) -> None:
        """Say by how much the counters rose since the deployment, and with what new series began."""
        self.numbers = {"resets(": counted}
        self.numbers |= {} if total is None else {"increase(": total}
        self.numbers |= {} if born is None else {" offset ": born}

    def instant(self, query: str, at: datetime | None = None) -> list[Sample]:
        if "sum(" not in query:
            return super().instant(query, at)
        self.asked.append(query)
        if self.refusing and self.refusing in query:
            raise BackendError("Prometheus", "answered 422: it would load too much", status=422)
        return list(self._numbered(query))

    def _numbered(self, query: str) -> Any:
        for part in query.split(" or label_replace("):
            _, label, number, *_ = re.findall(r'(.*), "(\w+)", "(\d+)", "", ""\)$', part, re.DOTALL)[0] + (
                "",
            )
            for sign, value in self.numbers.items():
                if sign in part:
                    yield Sample({label: number}, AT, value)


@pytest.fixture
def events() -> Events:
    return Events(AT)


@pytest.fixture
def question(make_release: Callable[..., Release]) -> Question:
    return Question(make_release("checkout"), AT, CoveragePolicy(), {})


def slo(*, good: str | None = None, bad: str | None = None, total: str = TOTAL) -> Slo:
    return Slo(
        name="checkout-slo",
        service="checkout",
        description="",
        objective=Decimal("0.99"),
        window_days=30,
        kind="latency" if good == FAST else "ratio",
        good=good,
        bad=bad,
        total=total,
    )


@pytest.mark.parametrize(
    ("given", "counted", "total", "status", "words"),
    [
        pytest.param({"good": GOOD}, 100, 100, "PASS", "100 good events of 100 in 5 min", id="all good"),
        pytest.param({"good": FAST}, 90, 100, "PASS", "90 good events of 100", id="some fast"),
        pytest.param({"bad": BAD}, 0, 100, "PASS", "0 bad events of 100", id="no error yet"),
        pytest.param({"good": GOOD}, 0, 100, "PASS", "0 good events of 100", id="none good"),
        pytest.param({"good": GOOD}, 120, 100, "FAIL", "120 good events of 100", id="good above total"),
        pytest.param({"good": FAST}, 120, 100, "FAIL", "120 good events of 100", id="fast above total"),
        pytest.param({"bad": BAD}, 120, 100, "FAIL", "120 bad events of 100", id="bad above total"),
        pytest.param({"good": GOOD}, 120, 0, "FAIL", "120 good events of 0", id="good of nothing"),
        pytest.param({"good": GOOD}, 101, 100, "PASS", "101 good", id="within the tolerance"),
        pytest.param({"good": GOOD}, 4, 1, "INCONCLUSIVE", "too few to tell", id="few requests in flight"),
        pytest.param({"good": GOOD}, 0, 0, "INCONCLUSIVE", "no traffic in 5 min", id="no traffic"),
        pytest.param({"good": GOOD}, 0, None, "INCONCLUSIVE", "two samples", id="no two samples"),
    ],
)
def test_an_slo_is_plausible_if_its_events_are_among_all(
    events: Events,
    question: Question,
    given: dict[str, str],
    counted: float,
    total: float | None,
    status: str,
    words: str,
) -> None:
    events.rose(counted, total)
    (found,) = check_plausibility([slo(**given)], events, question)
    assert (found.kind, found.name, found.service) == ("slo", "checkout-slo", "checkout")
    assert (found.check.name, found.check.status) == ("plausible", status)
    assert words in found.check.observed
    assert (found.check.remedy is None) == (status == "PASS")


def test_what_new_series_of_the_total_began_with_counts(events: Events, question: Question) -> None:
    events.rose(counted=100, total=0, born=100)
    (found,) = check_plausibility([slo(good=GOOD)], events, question)
    assert found.check.status == "PASS"


def test_one_instance_that_counted_more_good_than_all_fails(events: Events, question: Question) -> None:
    events.rose(counted=0, total=0)
    events.numbers |= {f"sum({GOOD} > ": 500.0, f"sum({TOTAL} and ": 300.0}
    (found,) = check_plausibility([slo(good=GOOD)], events, question)
    assert found.check.status == "FAIL"
    assert found.check.observed == "500 good events of 300 since the counters began"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"good": GOOD.replace("2..", "3..")}, 'code=~"3.."', id="good"),
        pytest.param({"good": GOOD, "total": "requests_total"}, "named requests_total", id="total"),
        pytest.param({"bad": BAD.replace("http_response_status_code", "code")}, "label code", id="bad"),
        pytest.param({"good": FAST.replace("0.25", "0.3")}, "there are: 0.1, 0.25, +Inf", id="bucket"),
    ],
)
def test_an_slo_whose_series_is_missing_fails_and_says_why(
    events: Events, question: Question, given: dict[str, str], words: str
) -> None:
    (found,) = check_plausibility([slo(**given)], events, question)
    assert (found.check.name, found.check.status) == ("series", "FAIL")
    assert words in found.check.observed


def test_only_what_was_counted_after_the_deployment_is_looked_at(
    events: Events, make_release: Callable[..., Release]
) -> None:
    release = make_release("checkout").model_copy(update={"deployed_at": AT - timedelta(seconds=40)})
    events.rose(counted=10, total=10)
    (found,) = check_plausibility([slo(good=GOOD)], events, Question(release, AT, CoveragePolicy(), {}))
    assert found.check.observed == "10 good events of 10 in 40 s"
    assert {span for query in events.asked[-1:] for span in re.findall(r"\[(\w+)\]", query)} == {"40s"}


def test_numbers_that_the_server_refuses_are_inconclusive(events: Events, question: Question) -> None:
    events.rose(counted=10, total=10)
    events.refusing = "increase("
    (found,) = check_plausibility([slo(good=GOOD)], events, question)
    assert (found.check.status, "would load too much" in found.check.observed) == ("INCONCLUSIVE", True)


def expression(counter: str, per_second: bool, span: str = WINDOW) -> str:
    return f"sum({'rate' if per_second else 'increase'}({counter}[{span}]))"


@pytest.mark.parametrize("per_second", [True, False], ids=["rate", "increase"])
@pytest.mark.parametrize(
    ("counted", "total", "status", "words"),
    [
        pytest.param(90, 100, "PASS", "90 good events of 100 in 5 min", id="some good"),
        pytest.param(120, 100, "FAIL", "120 good events of 100 in 5 min", id="good above total"),
        pytest.param(0, None, "INCONCLUSIVE", "two samples", id="no number"),
    ],
)
def test_expressions_are_asked_over_the_time_that_is_looked_at(
    events: Events,
    question: Question,
    per_second: bool,
    counted: float,
    total: float | None,
    status: str,
    words: str,
) -> None:
    written = slo(good=expression(GOOD, per_second), total=expression(TOTAL, per_second))
    number = " * 300" if per_second else ""
    part, everything = (
        f"sum(({expression(one, per_second, '300s')}) >= 0){number}," for one in (GOOD, TOTAL)
    )
    events.numbers = {part: counted} | ({} if total is None else {everything: total})
    (found,) = check_plausibility([written.model_copy(update={"per_second": per_second})], events, question)
    assert (found.check.name, found.check.status) == ("plausible", status)
    assert words in found.check.observed
    assert not [query for query in events.asked if "{{" in query]


def test_an_expression_whose_series_is_missing_fails_and_says_which(
    events: Events, question: Question
) -> None:
    written = slo(good=expression(GOOD, True), total=expression("requests_total", True))
    (found,) = check_plausibility([written], events, question)
    assert (found.check.name, found.check.status) == ("series", "FAIL")
    assert "named requests_total" in found.check.observed


def test_many_slos_take_few_queries(events: Events, question: Question) -> None:
    events.rose(counted=10, total=10)
    slos = [slo(good=GOOD).model_copy(update={"name": f"slo-{number}"}) for number in range(30)]
    found = check_plausibility(slos, events, question)
    assert [reference.name for reference in found] == [slo.name for slo in slos]
    assert len(events.asked) <= 3
