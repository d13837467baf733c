"""What is left of an SLO's error budget, asked in one query, whatever form the SLO has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from release_watch.assurance.attainment import attainment, attainment_over, attainment_query, moments_of
from release_watch.catalog.models import Service, Signals, Tier
from release_watch.catalog.slos import WINDOW, Slo
from release_watch.errors import BackendError
from release_watch.telemetry.metrics import Sample
from release_watch.telemetry.promql import parsed
from tests.assurance.fakes import QUESTION, FakeMetrics, GoodEvents

AT = datetime(2026, 1, 1, tzinfo=UTC)
SERVICE = Service(name="checkout", tier=Tier.CRITICAL, owner="x", signals=Signals())


def slo(**fields: Any) -> Slo:
    given: dict[str, Any] = {
        "name": "availability",
        "service": "checkout",
        "description": "",
        "objective": Decimal("0.99"),
        "window_days": 30,
        "kind": "ratio",
        "good": None,
        "bad": 'requests_total{code=~"5.."}',
        "total": "requests_total",
    }
    return Slo(**{**given, **fields})


class Answers:
    """Stands in for the server: gives these values, by group."""

    base_url = "http://prometheus"

    def __init__(self, *values: tuple[str, float], error: BackendError | None = None) -> None:
        self._samples = [Sample({"http_route": route}, AT, value) for route, value in values]
        self._error = error

    def metrics(self, *_: object) -> Answers:
        return self

    def instant(self, query: str, *_: object) -> list[Sample]:
        if self._error:
            raise self._error
        return [
            sample._replace(labels={**sample.labels, "release_watch_question": number})
            for _, number in QUESTION.findall(query)
            for sample in self._samples
        ]


FORMS = {
    "bad events": (slo(), '1 - (sum (increase(requests_total{code=~"5.."}[30d])) or 0 * sum'),
    "good events": (slo(bad=None, good="good_total"), "sum (increase(good_total[30d])) / (sum"),
    "expressions": (
        slo(total=f"rate(all[{WINDOW}])", bad=f"rate(bad[{WINDOW}])"),
        "1 - (sum ((rate(bad[30d])) >= 0) or 0 * sum ((rate(all[30d])) >= 0)) / (",
    ),
    "groups": (slo(group_by=("http_route",)), "1 - (sum by (http_route) (increase("),
    "slices": (
        slo(budgeting="Timeslices", slice=timedelta(minutes=1), slice_target=Decimal("0.9")),
        '1 - max (slo:events_bad:rate30d{slo="availability",environment="production"} / (',
    ),
}


@pytest.mark.parametrize(("form", "query"), FORMS.values(), ids=FORMS)
def test_every_form_has_a_query_over_its_window(form: Slo, query: str) -> None:
    found = attainment_query(form, "production")
    assert found.startswith(query)
    assert parsed(found)


def test_the_budget_that_is_worst_off_speaks_for_the_slo() -> None:
    answers = Answers(("/orders", 0.995), ("/refunds", 0.9), ("/health", 1.0))
    (found,) = attainment([slo(group_by=("http_route",))], [SERVICE], answers, AT)  # type: ignore[arg-type]
    assert found.good_ratio == 0.9
    assert found.budget_left == pytest.approx(-9)
    assert found.reason == "measured; the worst of 3: http_route=/refunds"


@pytest.mark.parametrize(
    ("of", "answers", "words"),
    [
        (slo(), Answers(), "no events"),
        (slo(budgeting="RatioTimeslices", slice=timedelta(minutes=1)), Answers(), "no slices of this SLO"),
        (slo(), Answers(error=BackendError("Prometheus", "is away")), "is away"),
    ],
    ids=["no events", "no slices", "no answer"],
)
def test_without_an_answer_the_reason_is_said(of: Slo, answers: Answers, words: str) -> None:
    (found,) = attainment([of], [SERVICE], answers, AT)  # type: ignore[arg-type]
    assert found.good_ratio is found.budget_left is None
    assert words in found.reason


class OneServer(FakeMetrics):
    """The server of all services; ``refuses`` is the part of a query that is too much for it."""

    def __init__(self, refuses: str | None = None, away: bool = False) -> None:
        super().__init__(instants={"increase": GoodEvents(0.999)})
        self.refuses, self.away = refuses, away

    def metrics(self, *_: object) -> OneServer:
        return self

    def instant(self, query: str, at: datetime | None = None) -> list[Sample]:
        if self.away or (self.refuses and self.refuses in query):
            self.queries.append(query)
            raise BackendError("Prometheus", "says no", status=None if self.away else 422)
        return super().instant(query, at)


SLOS = [
    slo(
        name=f"slo-{number}",
        bad=f'requests_total{{job="{number}",code=~"5.."}}',
        total=f'all{{job="{number}"}}',
    )
    for number in range(250)
]


def test_slos_over_the_same_metrics_are_asked_for_together() -> None:
    server = OneServer()
    found = attainment(SLOS, [SERVICE], server, AT)  # type: ignore[arg-type]
    assert len(server.queries) == 1
    assert [one.good_ratio for one in found] == [pytest.approx(0.999)] * len(SLOS)


def test_what_is_too_much_together_is_asked_for_by_itself() -> None:
    server = OneServer(refuses='=~"0|1|')
    found = attainment(SLOS, [SERVICE], server, AT)  # type: ignore[arg-type]
    assert [one.good_ratio for one in found] == [pytest.approx(0.999)] * len(SLOS)
    assert {one.reason for one in found} == {"measured"}


def test_a_server_that_is_away_is_not_asked_for_every_moment() -> None:
    server = OneServer(away=True)
    moments = attainment_over(SLOS, [SERVICE], server, moments_of(AT))  # type: ignore[arg-type]
    assert len(server.queries) == 2
    assert {one.reason for moment in moments for one in moment} == {"Prometheus: says no"}


def test_a_server_that_is_away_hides_no_other() -> None:
    class Two(OneServer):
        def metrics(self, of: Service) -> OneServer:  # type: ignore[override]
            return other if of.name == "payments" else self

    here, other = Two(), OneServer(away=True)
    other.base_url = "http://other"
    paying = slo(name="paying", service="payments")
    services = [SERVICE, SERVICE.model_copy(update={"name": "payments"})]
    found = attainment([*SLOS[:2], paying], services, here, AT)  # type: ignore[arg-type]
    assert [one.reason for one in found] == ["measured", "measured", "Prometheus: says no"]


@pytest.mark.parametrize("values", [[float("nan")], [1.0, float("nan")]], ids=["alone", "among-groups"])
def test_what_is_no_number_is_not_measured_and_never_a_full_budget(values: list[float]) -> None:
    answers = Answers(*((f"/{number}", value) for number, value in enumerate(values)))
    alone = slo(group_by=("http_route",), total=f"rate(all[{WINDOW}])", bad=f"rate(bad[{WINDOW}])")
    (found,) = attainment([alone], [SERVICE], answers, AT)  # type: ignore[arg-type]
    assert found.good_ratio is found.budget_left is None
    assert "no number" in found.reason


class Counters(FakeMetrics):
    """Counts of each region, good and in all, where they are asked for together."""

    def __init__(self, good: dict[str, float], total: dict[str, float]) -> None:
        super().__init__()
        self.good, self.total = good, total

    def metrics(self, *_: object) -> Counters:
        return self

    def _samples(self, query: str, at: datetime | None) -> list[Sample]:
        counts = self.good if "good_total" in query else self.total
        labels = {"job": "shop"}
        return [Sample({**labels, "region": region}, at or AT, count) for region, count in counts.items()]


def test_a_group_in_which_nothing_was_ever_good_is_the_worst_and_not_left_out() -> None:
    of = slo(bad=None, good='good_total{job="shop"}', total='all_total{job="shop"}', group_by=("region",))
    server = Counters({"eu": 100.0}, {"eu": 100.0, "us": 50.0})
    (found,) = attainment([of], [SERVICE], server, AT)  # type: ignore[arg-type]
    assert found.good_ratio == 0.0
    assert found.reason == "measured; the worst of 2: region=us"
    renamed = Counters({}, {"eu": 100.0, "us": 50.0})
    (found,) = attainment([of], [SERVICE], renamed, AT)  # type: ignore[arg-type]
    assert found.good_ratio is None


def test_a_group_without_good_events_is_in_the_query_where_another_group_has_some() -> None:
    of = slo(bad=None, good="good_total", total="all_total", group_by=("region",))
    good, total = (f"sum by (region) (increase({name}_total[30d]))" for name in ("good", "all"))
    found = attainment_query(of)
    assert found == f"({good} or 0 * {total} and on () {good}) / ({total} > 0)"
    assert parsed(found)
