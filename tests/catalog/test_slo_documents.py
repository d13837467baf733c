from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from release_watch.catalog.config import load_config

Edit = Callable[[str, str, str], None]
Problems = Callable[[], tuple[str, ...]]

SLI = """apiVersion: openslo/v1
kind: SLI
metadata: { name: orders-ok }
spec:
  ratioMetric:
    counter: true
    bad: { metricSource: { type: Prometheus, spec: { query: 'orders_total{ok="no"}' } } }
    total: { metricSource: { type: Prometheus, spec: { query: orders_total } } }
---
apiVersion: openslo/v1
kind: SLO
metadata: { name: orders }
spec:
  service: checkout
  budgetingMethod: Occurrences
  timeWindow: [{ duration: 4w, isRolling: true }]
  objectives: [{ targetPercent: 99.95 }]
  indicatorRef: orders-ok
"""


def test_an_availability_slo_counts_bad_events_of_all(folder: Path) -> None:
    slo = next(slo for slo in load_config(folder).slos if slo.name == "payments-availability")

    assert (slo.kind, slo.service, slo.window_days) == ("ratio", "payments", 30)
    assert (slo.objective, slo.error_budget) == (Decimal("0.9995"), Decimal("0.0005"))
    assert slo.total == 'http_server_request_duration_seconds_count{job="shop/payments"}'
    assert slo.bad and 'http_response_status_code=~"5.."' in slo.bad
    assert slo.good is None


def test_a_good_histogram_bucket_makes_a_latency_slo_with_its_threshold(folder: Path) -> None:
    slo = next(slo for slo in load_config(folder).slos if slo.name == "checkout-latency")

    assert (slo.kind, slo.threshold_seconds) == ("latency", Decimal("0.25"))
    assert slo.good == 'http_server_request_duration_seconds_bucket{job="shop/checkout",le="0.25"}'


def test_a_threshold_in_milliseconds_is_kept_in_seconds(edit: Edit, folder: Path) -> None:
    bucket = 'http_server_request_duration_seconds_bucket{job="shop/checkout",le="0.25"}'
    edit(
        "slos/checkout.yaml", bucket, 'http_server_duration_milliseconds_bucket{job="shop/checkout",le="250"}'
    )

    slo = next(slo for slo in load_config(folder).slos if slo.name == "checkout-latency")

    assert slo.threshold_seconds == Decimal("0.25")


def test_an_indicator_of_its_own_can_be_referred_to(folder: Path) -> None:
    (folder / "slos" / "orders.yaml").write_text(SLI)

    slo = next(slo for slo in load_config(folder).slos if slo.name == "orders")

    assert (slo.bad, slo.total) == ('orders_total{ok="no"}', "orders_total")
    assert (slo.objective, slo.window_days) == (Decimal("0.9995"), 28)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param("target: 0.999", "target: 1", "leaves no error budget", id="100 %"),
        pytest.param("target: 0.999", "target: 0", "between 0 and 100", id="0 %"),
        pytest.param("target: 0.999", "target: most", "must be a number", id="words"),
        pytest.param("target: 0.999", "target: 0.999\n      targetPercent: 99.9", "either target", id="both"),
        pytest.param("duration: 30d", "duration: 14d", "7d, 28d, 30d, 90d", id="window"),
        pytest.param("isRolling: true", "isRolling: false", "must be true", id="calendar"),
        pytest.param("Occurrences", "Slices", "must be Occurrences or Timeslices", id="method"),
        pytest.param("Occurrences", "Timeslices", "needs the length of a slice", id="slices"),
        pytest.param("openslo/v1", "openslo/v2", "must be openslo/v1", id="version"),
        pytest.param("kind: SLO", "kind: Slo", "must be one of", id="kind"),
        pytest.param("name: checkout-availability", "name: Checkout_A", "RFC 1123", id="name"),
        pytest.param("counter: true", "couter: true", "did you mean 'counter'?", id="gauge"),
        pytest.param("bad:", "worse:", "unknown field; known are bad, counter, good", id="no bad"),
        pytest.param(
            'http_server_request_duration_seconds_count{job="shop/checkout"}\n',
            "sum(rate(x_total[5m]))\n",
            "rate, sum and window are added",
            id="expression",
        ),
        pytest.param("indicator:", "indicatorRef: nothing\n  indicator:", "either indicator", id="both SLIs"),
        pytest.param("name: checkout-availability", "name: checkout-latency", "rename one", id="same name"),
    ],
)
def test_an_unsound_slo_is_refused_with_its_reason(
    edit: Edit, problems: Problems, old: str, new: str, said: str
) -> None:
    edit("slos/checkout.yaml", old, new)

    found = problems()

    assert len(found) == 1
    assert found[0].startswith("slos/checkout.yaml:")
    assert said in found[0]
