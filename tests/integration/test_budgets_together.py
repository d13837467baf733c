"""The budgets of many SLOs, counted together by a real Prometheus, are those that their own queries give."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from release_watch.assurance.attainment import attainment, attainment_query
from release_watch.assurance.event_counts import ratios
from release_watch.catalog.models import MetricsSignal, Service, Signals, Tier
from release_watch.catalog.slos import WINDOW, Slo
from release_watch.coverage.bulk import Bulk
from release_watch.telemetry.metrics import Prometheus, Sample
from sandbox.backfill import backfill
from sandbox.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

STEP = 60
STEPS = 90
MANY = [f"many/s-{number}" for number in range(120)]
FAILED = 'code=~"5.."'


def slo(name: str, **fields: Any) -> Slo:
    given: dict[str, Any] = {
        "name": name,
        "service": "shop",
        "description": "",
        "objective": Decimal("0.99"),
        "window_days": 1,
        "kind": "ratio",
        "good": None,
        "bad": f'requests_total{{job="{name}",{FAILED}}}',
        "total": f'requests_total{{job="{name}"}}',
    }
    return Slo(**{**given, **fields})


def expression(function: str, job: str) -> Slo:
    counter = f'requests_total{{job="{job}"'
    return slo(
        f"{function}-{job}",
        bad=f"sum({function}({counter},{FAILED}}}[{WINDOW}]))",
        total=f"sum( {function}({counter}}}[{WINDOW}]) )",
    )


def good(name: str) -> Slo:
    return slo(
        f"good-{name}", bad=None, good=f'fast_total{{job="{name}"}}', total=f'requests_total{{job="{name}"}}'
    )


TOGETHER = [
    slo("fails"),
    slo("never-fails"),
    slo("no-traffic"),
    slo("is-not-there"),
    slo("routes", group_by=("route",)),
    slo(
        "by-two", bad=f'requests_total{{job="routes",{FAILED}}}', total='requests_total{job="routes"}'
    ).model_copy(update={"group_by": ("route", "instance")}),
    slo(
        "both",
        bad=f'requests_total{{job=~"fails|routes",{FAILED}}}',
        total='requests_total{job=~"fails|routes"}',
    ),
    slo("not", bad='requests_total{job="fails",code!="200"}', total='requests_total{job="fails",code!=""}'),
    slo("like", bad=f'requests_total{{job=~"fai.+",{FAILED}}}', total='requests_total{job=~"fai.+"}'),
    good("fails"),
    good("routes"),
    good("no-traffic"),
    expression("rate", "fails"),
    expression("increase", "routes"),
    *(slo(name) for name in MANY),
]
SILENT = {"no-traffic", "is-not-there", "good-no-traffic"}
ALONE = [
    slo("whole", bad="bad_total", total="requests_total"),
    slo(
        "expression",
        bad=f'sum(increase(requests_total{{job="fails",{FAILED}}}[{WINDOW}]))',
        total=f'sum(rate(requests_total{{job="fails"}}[{WINDOW}])) * 60',
    ),
]  # fmt: skip


def past(begin: int) -> Iterator[str]:
    series = {
        'job="fails",instance="a",code="200",route="/"': 30,
        'job="fails",instance="b",code="200",route="/"': 20,
        'job="fails",instance="a",code="500",route="/"': 3,
        'job="never-fails",code="200"': 10,
        'job="no-traffic",code="200"': 0,
        'job="routes",instance="a",code="200",route="/x"': 10,
        'job="routes",instance="a",code="500",route="/x"': 1,
        'job="routes",instance="b",code="200",route="/y"': 10,
        'job="routes",instance="b",code="200"': 5,
    }
    for number, name in enumerate(MANY):
        series[f'job="{name}",code="200"'] = 10 + number
        series[f'job="{name}",code="503"'] = number % 3
    fast = {'job="fails"': 40, 'job="routes"': 7}
    for metric, found in (("fast_total", fast), ("requests_total", series)):
        for labels, each in found.items():
            for step in range(STEPS):
                yield f"{metric}{{{labels}}} {each * step} {begin + step * STEP}"


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    stack = Stack(tmp_path_factory.mktemp("budgets"), ["prometheus"])
    stack.layout.make()
    backfill(stack.layout, past(int(time.time()) - STEPS * STEP))
    with stack:
        yield Prometheus(stack.endpoints["prometheus"])


class Counted:
    """Counts the queries of one server."""

    def __init__(self, metrics: Prometheus) -> None:
        self.base_url, self._metrics, self.queries = metrics.base_url, metrics, 0

    def metrics(self, _: Service) -> Counted:
        return self

    def instant(self, query: str, at: datetime | None = None) -> list[Sample]:
        self.queries += 1
        return self._metrics.instant(query, at)


def by_group(samples: Any) -> dict[tuple[tuple[str, str], ...], float]:
    return {tuple(sorted(sample.labels.items())): sample.value for sample in samples}


@pytest.mark.parametrize("of", TOGETHER[:14], ids=lambda of: f"{of.name}-{'good' if of.good else 'bad'}")
def test_together_they_are_what_they_are_alone(of: Slo, metrics: Prometheus) -> None:
    at = datetime.now(UTC)
    alone = by_group(metrics.instant(attainment_query(of), at))
    assert bool(alone) is not (of.name in SILENT)

    assert by_group(ratios([of], metrics, at)[of.name]) == pytest.approx(alone)
    others = [one for one in TOGETHER if one.name != of.name]
    assert by_group(ratios([of, *others], metrics, at)[of.name]) == pytest.approx(alone)


def test_what_cannot_be_counted_together_is_left_to_its_own_query(metrics: Prometheus) -> None:
    assert ratios(ALONE, metrics, datetime.now(UTC)) == {}


def test_many_slos_take_few_queries_and_have_the_same_budgets(metrics: Prometheus) -> None:
    server, at = Counted(metrics), datetime.now(UTC)
    many = [one for one in TOGETHER if one.name in MANY]
    shop = Service(
        name="shop", tier=Tier.CRITICAL, owner="x", signals=Signals(metrics=MetricsSignal(selector='job="a"'))
    )

    found = attainment(many, [shop], server, at)  # type: ignore[arg-type]

    assert server.queries <= 2
    bulk = Bulk(metrics, at)
    bulk.ask(attainment_query(one) for one in many)
    for one, reached in zip(many, found, strict=True):
        assert reached.good_ratio == pytest.approx(bulk.value(attainment_query(one)))
        assert reached.reason == "measured"
