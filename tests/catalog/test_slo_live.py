"""What a server contradicts: buckets, retention, scrapes, and numbers that cannot be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from release_watch.artifacts.models import CoverageCheck, CoverageStatus, Reference
from release_watch.catalog.objectives import live
from release_watch.catalog.objectives.live import check_live
from release_watch.catalog.slos import Slo
from release_watch.errors import BackendError
from release_watch.telemetry.metrics import Sample
from release_watch.transport import Answer

AT = datetime(2026, 1, 2, 3, tzinfo=UTC)
FAMILY = "http_request_duration_seconds"
FAST = f'{FAMILY}_bucket{{job="shop",le="0.3"}}'
ALL = f'{FAMILY}_count{{job="shop"}}'
BUCKETS = ("0.1", "0.25", "0.5", "1.0", "+Inf")

Found = Sequence[tuple[dict[str, str], float]]


class Server:
    """Answers single questions, however many of them are asked in one query."""

    base_url = "http://prometheus"

    def __init__(self, answers: Mapping[str, Found] | None = None, kept: str = "45d") -> None:
        self.answers = {f"count by (le) ({FAMILY}_bucket": [({"le": le}, 1.0) for le in BUCKETS]}
        self.answers |= dict(answers or {})
        self.kept = kept
        self.refusing = ""
        self.asked: list[str] = []

    def instant(self, query: str, at: datetime | None = None) -> list[Sample]:
        self.asked.append(query)
        if self.refusing and self.refusing in query:
            raise BackendError("Prometheus", "answered 400: unknown function", status=400)
        questions = re.findall(
            r'label_replace\((.*?), "release_watch_question", "(\d+)", "", ""\)(?: or |$)', query
        )
        return [
            Sample({**labels, "release_watch_question": number}, at or AT, value)
            for question, number in questions
            for start, found in self.answers.items()
            if question.startswith(start)
            for labels, value in found
        ]

    def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> pd.DataFrame:
        raise AssertionError(f"not to be asked: {query} {start} {end} {step}")

    def request(self, method: str, path: str, **_: Any) -> Answer:
        assert (method, path) == ("GET", "/api/v1/status/runtimeinfo")
        return Answer(200, {"status": "success", "data": {"storageRetention": self.kept}})


@pytest.fixture(autouse=True)
def audited(monkeypatch: pytest.MonkeyPatch) -> list[Reference]:
    """What the audit of coverage says of counters; nothing unless a test adds it."""
    found: list[Reference] = []
    monkeypatch.setattr(live, "check_plausibility", lambda slos, *_: tuple(found) if slos else ())
    return found


def slo(**fields: Any) -> Slo:
    given = {"good": FAST, "bad": None, "total": ALL, "kind": "latency", "threshold_seconds": Decimal("0.3")}
    given |= {"name": "fast", "service": "shop", "description": "", "window_days": 30}
    return Slo(**{**given, "objective": Decimal("0.99"), "source": "slos/shop.yaml:4", **fields})


def with_le(le: str, operator: str = "=") -> Slo:
    return slo(good=f'{FAMILY}_bucket{{job="shop",le{operator}"{le}"}}')


def expressions(good: str, total: str, **fields: Any) -> Slo:
    return slo(good=good, total=total, kind="ratio", threshold_seconds=None, **fields)


def check(server: Server, *slos: Slo) -> list[str]:
    return check_live(slos, server, server, AT)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(with_le("0.25"), None, id="a bucket"),
        pytest.param(with_le("1|1\\\\.0", "=~"), None, id="either spelling"),
        pytest.param(with_le("0.3"), "is no bucket of", id="none"),
        pytest.param(with_le("250"), "250 would be 0.25, if another unit", id="milliseconds"),
        pytest.param(with_le("1"), 'the server has it as 1.0; write le="1.0"', id="other spelling"),
        pytest.param(
            expressions(f'rate({FAMILY}_bucket{{le="0.3"}}[{{{{.window}}}}])', "rate(x[{{.window}}])"),
            "is no bucket of",
            id="in an expression",
        ),
    ],
)
def test_a_threshold_must_be_a_bucket_that_exists(given: Slo, said: str | None) -> None:
    problems = check(Server({"sum(rate(x": [({}, 1.0)]}), given)

    assert len(problems) == (0 if said is None else 1)
    if said:
        assert problems[0].startswith("slos/shop.yaml:4: fast: le: ")
        assert said in problems[0]
        assert "no bucket" not in said or "0.1, 0.25, 0.5, 1.0, +Inf" in problems[0]


def test_a_native_histogram_has_no_bucket_to_name() -> None:
    server = Server({f"count(histogram_count({FAMILY}": [({}, 3.0)]})
    server.answers[f"count by (le) ({FAMILY}_bucket"] = []

    (problem,) = check(server, slo())

    assert "is a native histogram, without buckets by le" in problem


def test_a_server_that_knows_no_native_histograms_is_asked_all_the_same() -> None:
    server = Server()
    server.refusing = "histogram_count"

    (problem,) = check(server, slo())

    assert "is no bucket" in problem


@pytest.mark.parametrize(("kept", "told"), [("15d", True), ("30d", False), ("15d or 1GB", True), ("", False)])
def test_samples_must_be_kept_for_the_whole_window(kept: str, told: bool) -> None:
    problems = check(Server(kept=kept), with_le("0.25"))

    assert bool(problems) is told
    assert not told or "window: 30d: http://prometheus keeps samples for 15 d" in problems[0]


@pytest.mark.parametrize(
    ("samples", "fields", "told"),
    [
        pytest.param(40, {}, None, id="every 15 s"),
        pytest.param(10, {}, None, id="every minute"),
        pytest.param(5, {}, "scrape interval: 2 min: 5 min hold 2.5 samples", id="every two minutes"),
        pytest.param(20, {"slice": timedelta(minutes=2)}, None, id="slices of four scrapes"),
        pytest.param(
            20, {"slice": timedelta(minutes=1)}, "timeSliceWindow: 30 s: 1 min hold 2.0", id="short"
        ),
    ],
)
def test_a_rate_needs_four_scrapes(samples: float, fields: dict[str, Any], told: str | None) -> None:
    server = Server({f"max(count_over_time({ALL}": [({}, samples)]})

    problems = check(server, with_le("0.25").model_copy(update=fields))

    assert [told in problem for problem in problems if told] == ([True] if told else [])
    assert bool(problems) is (told is not None)


GOOD, TOTAL = "sum(rate(good[{{.window}}]))", "sum(rate(total[{{.window}}]))"


@pytest.mark.parametrize(
    ("good", "total", "told"),
    [
        pytest.param(90.0, 100.0, None, id="plausible"),
        pytest.param(101.0, 100.0, None, id="within the tolerance"),
        pytest.param(120.0, 100.0, "120 good events of 100 in 1 h", id="more good than all"),
        pytest.param(None, 100.0, None, id="none good"),
        pytest.param(None, None, "finds no series", id="nothing"),
    ],
)
def test_expressions_count_no_more_good_events_than_all(
    good: float | None, total: float | None, told: str | None
) -> None:
    answers = {
        f"sum({expression.replace('{{.window}}', '3600s')}) * 3600": [({}, value)]
        for expression, value in ((GOOD, good), (TOTAL, total))
        if value is not None
    }

    problems = check(Server(answers), expressions(GOOD, TOTAL))

    assert len(problems) == (1 if told else 0)
    assert not told or told in problems[0]


def test_an_expression_that_the_server_refuses_is_told_in_its_words() -> None:
    server = Server({"sum(sum(rate(total": [({}, 1.0)]})
    server.refusing = "rate(good"

    (problem,) = check(server, expressions(GOOD, TOTAL))

    assert "good: sum(sum(rate(good[3600s]))) * 3600: the server refuses it" in problem
    assert "unknown function" in problem


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        pytest.param({"count(queue{": 1.0}, None, id="gauge"),
        pytest.param({"count(queue_bucket{": 1.0}, "metric-type: histogram", id="histogram"),
        pytest.param(
            {"count(queue{": 1.0, "count(histogram_count(queue{": 1.0}, "is a histogram", id="native"
        ),
        pytest.param({}, "finds no series", id="nothing"),
    ],
)
def test_a_gauge_must_be_one(answers: dict[str, float], told: str | None) -> None:
    gauge = 'queue{job="a"}'
    given = expressions(
        f"sum(count_over_time(({gauge} <= 1)[{{{{.window}}}}:1m]))",
        f"sum(count_over_time(({gauge} >= -Inf)[{{{{.window}}}}:1m]))",
        per_second=False,
    ).model_copy(update={"kind": "threshold"})

    problems = check(Server({key: [({}, value)] for key, value in answers.items()}), given)

    assert len(problems) == (1 if told else 0)
    assert not told or told in problems[0]


def test_what_the_audit_finds_of_counters_is_told_with_its_remedy(audited: list[Reference]) -> None:
    def reference(status: CoverageStatus) -> Reference:
        check = CoverageCheck(
            name="plausible",
            status=status,
            query="q",
            observed="9 good events of 1",
            expected="no more",
            remedy="compare",
        )
        return Reference(kind="slo", name="fast", service="shop", check=check)

    audited += [reference(CoverageStatus.FAIL), reference(CoverageStatus.INCONCLUSIVE)]

    assert check(Server(), with_le("0.25")) == [
        "slos/shop.yaml:4: fast: plausible: 9 good events of 1: compare"
    ]


def test_hundreds_of_slos_are_asked_in_few_queries() -> None:
    server = Server()

    check(server, *(with_le("0.25").model_copy(update={"name": f"slo-{n}"}) for n in range(300)))
    check(server, *(expressions(GOOD, TOTAL.replace("total", f"t{n}"), name=f"e{n}") for n in range(300)))

    assert len(server.asked) <= 20
