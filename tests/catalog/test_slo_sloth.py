"""Sloth's specifications, written in every form that its own examples have."""

from __future__ import annotations

from decimal import Decimal

import pytest

from release_watch.catalog.config import inspect_config
from release_watch.catalog.documents import parse_documents
from release_watch.catalog.slos import SlosFound, slos_in
from tests.catalog.conftest import Edit

PLAIN = """\
version: prometheus/v1
service: orders
labels:
  owner: team-orders
  tier: 2
slos:
  # One request of a thousand may fail.
  - name: requests-availability
    objective: 99.9
    description: Orders are answered.
    sli:
      events:
        error_query: sum(rate(http_requests_total{job="orders",code=~"(5..|429)"}[{{.window}}]))
        total_query: sum(rate(http_requests_total{job="orders"}[{{.window}}]))
    alerting:
      name: OrdersHighErrorRate
      labels:
        category: availability
      annotations:
        summary: Orders fail
      page_alert:
        labels:
          severity: pageteam
          routing_key: orders
      ticket_alert:
        disable: true
  - name: requests-latency
    objective: 99
    labels: { category: latency }
    sli:
      events:
        error_query: |
          (
            sum(rate(http_request_duration_seconds_count{verb!="WATCH"}[{{ .window }}]))
            -
            sum(rate(http_request_duration_seconds_bucket{le="0.4",verb!="WATCH"}[{{ .window }}]))
          )
        total_query: sum(rate(http_request_duration_seconds_count{verb!="WATCH"}[{{.window}}]))
    alerting:
      page_alert: { disable: true }
"""

GAUGE = """\
version: prometheus/v1
service: home
slos:
  - name: good-signal
    objective: 95
    sli:
      events:
        error_query: sum_over_time((count(signal_ratio < 0.75))[{{.window}}:]) OR on() vector(0)
        total_query: sum_over_time((count(signal_ratio))[{{.window}}:])
  - name: mean-signal
    objective: 95
    sli:
      raw:
        error_ratio_query: |
          1 - (
            sum(sum_over_time(signal_ratio[{{.window}}])) / sum(count_over_time(signal_ratio[{{.window}}]))
          )
"""

MANIFEST = """\
apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata:
  name: orders
  namespace: monitoring
  labels: { prometheus: main }
spec:
  service: orders
  labels: { owner: team-orders }
  slos:
    - name: requests-availability
      objective: 99.9
      sli:
        events:
          errorQuery: sum(rate(http_requests_total{code=~"5.."}[{{.window}}]))
          totalQuery: sum(rate(http_requests_total[{{.window}}]))
      alerting:
        pageAlert: { labels: { severity: home } }
        ticketAlert: { disable: true }
---
apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata: { name: payments }
spec:
  service: payments
  slos:
    - name: requests-availability
      objective: 99.99
      sli:
        raw: { errorRatioQuery: 'error_ratio{job="payments"}' }
"""


def read(text: str) -> SlosFound:
    return slos_in(*parse_documents(text, "sloth.yaml"))


def test_events_become_bad_and_total() -> None:
    found = read(PLAIN)
    slo, latency = (one for one, _ in found.slos)

    assert found.problems == []
    assert (slo.name, slo.service, slo.source) == ("orders-requests-availability", "orders", "sloth.yaml:8")
    assert (slo.objective, slo.window_days, slo.good) == (Decimal("0.999"), 30, None)
    assert slo.bad == 'sum(rate(http_requests_total{code=~"(5..|429)",job="orders"}[{{.window}}]))'
    assert slo.total == 'sum(rate(http_requests_total{job="orders"}[{{.window}}]))'
    assert slo.labels == {"owner": "team-orders", "tier": "2", "category": "availability"}
    assert slo.annotations == {"summary": "Orders fail"}
    assert (slo.page, slo.ticket, latency.page, latency.ticket) == (True, False, False, True)
    assert latency.bad and " - sum(rate(http_request_duration_seconds_bucket" in latency.bad
    assert "\n" not in latency.bad


def test_what_one_alert_alone_would_have_is_told() -> None:
    warnings = read(PLAIN).warnings

    assert [warning.split(": ")[0:2] for warning in warnings] == [
        ["sloth.yaml:23", "slos.0.alerting.page_alert.labels.severity"],
        ["sloth.yaml:24", "slos.0.alerting.page_alert.labels.routing_key"],
    ]
    assert "the alert has the label severity: page" in warnings[0]


def test_samples_and_ready_made_ratios_count_events_in_the_window() -> None:
    found = read(GAUGE)
    samples, mean = (one for one, _ in found.slos)

    assert found.problems == []
    assert samples.per_second is mean.per_second is False
    assert samples.total == "sum_over_time(count(signal_ratio)[{{.window}}:])"
    assert mean.bad and mean.bad.startswith("sum(((1 - sum(sum_over_time(signal_ratio[{{.window}}])) / ")
    assert "sum_over_time(signal_ratio[5m])" in mean.total
    assert mean.templated


def test_a_manifest_for_kubernetes_says_the_same_in_camel_case() -> None:
    found = read(MANIFEST)
    orders, payments = (one for one, _ in found.slos)

    assert found.problems == []
    assert (orders.name, orders.ticket, orders.labels) == (
        "orders-requests-availability",
        False,
        {"owner": "team-orders"},
    )
    assert (payments.name, payments.source) == ("payments-requests-availability", "sloth.yaml:27")
    assert "spec.slos.0.alerting.pageAlert.labels.severity" in found.warnings[0]


def test_annotations_may_group() -> None:
    text = PLAIN.replace("summary: Orders fail", "release-watch.io/group-by: route")
    text = text.replace("sum(rate(http_requests", "sum by (route) (rate(http_requests")

    found = read(text)

    assert found.problems == []
    assert found.slos[0][0].group_by == ("route",)
    assert found.slos[0][0].annotations == {}


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("prometheus/v1", "prometheus/v2", 1, "must be prometheus/v1"),
        ("objective: 99.9", "objective: 100", 9, "leaves no error budget"),
        ("objective: 99.9", "objective: 90", 9, "can never fire"),
        ("error_query:", "errorQuery:", 13, "did you mean 'error_query'"),
        ("requests-availability", "Requests_Availability", 8, "RFC 1123"),
        ("requests-latency", "requests-availability", 27, "two SLOs have this name"),
        ('orders"}[{{.window}}]))\n    al', 'orders"}[5m]))\n    al', 14, "has a range of its own"),
        ("    sli:\n      events:", "    sli:\n      plugin: { id: a }\n      other:", 13, "unknown field"),
        ("disable: true\n  -", "disabled: true\n  -", 26, "did you mean 'disable'"),
        ("tier: 2", "tier: '{{ $labels.x }}'", 5, "must be a fixed text"),
        ("service: orders\n", "", 1, "service: missing"),
    ],
)
def test_what_is_unsound_is_refused_at_its_line(old: str, new: str, line: int, said: str) -> None:
    assert old in PLAIN

    problems = read(PLAIN.replace(old, new, 1)).problems

    assert any(problem.startswith(f"sloth.yaml:{line}: ") and said in problem for problem in problems), (
        problems
    )


def test_a_plugin_is_refused_with_what_to_write_instead() -> None:
    text = PLAIN[: PLAIN.index("      events:")] + "      plugin: { id: availability }\n"

    (problem,) = read(text).problems

    assert "plugins of Sloth are Go programs and are not run; write the queries that it makes" in problem


def test_a_file_of_sloth_lies_beside_those_of_openslo(edit: Edit, folder: object) -> None:
    from pathlib import Path

    assert isinstance(folder, Path)
    text = PLAIN.replace("service: orders", "service: checkout")
    (folder / "slos" / "sloth.yaml").write_text(text)

    found = inspect_config(folder)
    assert found.problems == ()
    assert found.config and "checkout-requests-latency" in {slo.name for slo in found.config.slos}

    edit("slos/sloth.yaml", "service: checkout", "service: chekcout")
    problems = inspect_config(folder).problems
    assert all(problem.startswith("slos/sloth.yaml:2: ") for problem in problems)
    assert "did you mean 'checkout'" in problems[0]
