"""How OpenSLO documents refer to each other, and which alerts they ask for."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from tests.catalog.test_slo_openslo import annotated, document, only, policy, read

REFERRING = """\
apiVersion: openslo/v1
kind: SLO
metadata: { name: shop-answers }
spec:
  service: shop
  budgetingMethod: Occurrences
  timeWindow: [{ duration: 30d }]
  objectives: [{ target: 0.999 }]
  indicatorRef: answers
  alertPolicies: [{ alertPolicyRef: wake }]
---
apiVersion: openslo/v1
kind: Service
metadata: { name: shop, displayName: The shop }
---
apiVersion: openslo/v1
kind: DataSource
metadata: { name: metrics }
spec: { type: Prometheus, connectionDetails: { token: secret-word } }
---
apiVersion: openslo/v1
kind: SLI
metadata: { name: answers }
spec:
  ratioMetric:
    counter: true
    bad: { metricSource: { metricSourceRef: metrics, spec: { query: 'requests_total{code="500"}' } } }
    total: { metricSource: { metricSourceRef: metrics, spec: { query: requests_total } } }
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: { name: wake, annotations: { release-watch.io/runbook: https://runbooks/shop } }
spec:
  alertWhenBreaching: true
  conditions: [{ conditionRef: fast }]
  notificationTargets: [{ targetRef: on-call }]
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: { name: fast }
spec:
  severity: page
  condition: { kind: burnrate, op: gt, threshold: 14.4, lookbackWindow: 1h }
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: { name: on-call }
spec: { target: slack }
"""


def test_all_seven_kinds_refer_to_each_other() -> None:
    found = read(REFERRING)
    ((slo, _),) = found.slos

    assert found.problems == []
    assert (slo.bad, slo.total) == ('requests_total{code="500"}', "requests_total")
    assert (slo.page, slo.ticket) == (True, False)
    assert slo.annotations == {
        "runbook_url": "https://runbooks/shop",
        "notification_targets": "on-call (slack)",
    }
    (warning,) = found.warnings
    assert "spec.connectionDetails" in warning
    assert "secret-word" not in warning


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ("indicatorRef: answers", "indicatorRef: anwsers", "indicatorRef", "did you mean 'answers'"),
        ("alertPolicyRef: wake", "alertPolicyRef: woke", "alertPolicyRef", "no AlertPolicy of that name"),
        ("conditionRef: fast", "conditionRef: slow", "conditionRef", "known are fast"),
        ("targetRef: on-call", "targetRef: nobody", "targetRef", "known are on-call"),
        ("Ref: metrics, spec: { query: req", "Ref: logs, spec: { query: req", "metricSourceRef", "metrics"),
        ("type: Prometheus", "type: Datadog", "spec.type", "must be Prometheus"),
        (
            "kind: Service\nmetadata: { name: shop,",
            "kind: Service\nmetadata: { name: s_,",
            "name",
            "RFC 1123",
        ),
    ],
)
def test_a_reference_to_nothing_is_refused_with_the_known_names(
    old: str, new: str, field: str, said: str
) -> None:
    assert old in REFERRING
    text = REFERRING.replace(old, new, 1)

    (problem,) = read(text).problems

    line = REFERRING[: REFERRING.index(old) + len(old)].count("\n") + 1
    assert problem.startswith(f"slo.yaml:{line}:")
    assert field in problem
    assert said in problem


def test_a_condition_that_says_something_else_is_not_used_silently() -> None:
    found = read(document(more=policy("threshold: 2, lookbackWindow: 1h, alertAfter: 5m")))

    assert found.problems == []
    other, after = found.warnings
    assert (
        "'2 over 1h': not used: the page fires at burn rate 14.4 over 1h and 5m or 6 over 6h and 30m" in other
    )
    assert "alertAfter: '5m': not used" in after


@pytest.mark.parametrize(
    ("policies", "annotations", "page", "ticket"),
    [
        pytest.param("", "", True, True, id="none"),
        pytest.param(policy("threshold: 3, lookbackWindow: 1d", "ticket"), "", False, True, id="ticket"),
        pytest.param(policy("threshold: 6, lookbackWindow: 6h", "critical"), "", True, False, id="critical"),
        pytest.param(
            policy("threshold: 6, lookbackWindow: 6h", more="alertWhenBreaching: false"),
            "",
            False,
            False,
            id="switched off",
        ),
        pytest.param("", annotated(page='"false"'), False, True, id="annotation"),
        pytest.param("", annotated(ticket="false"), True, False, id="annotation without quotes"),
    ],
)
def test_policies_and_annotations_decide_which_alerts_are_wanted(
    policies: str, annotations: str, page: bool, ticket: bool
) -> None:
    slo = only(document(more=annotations or policies))

    assert (slo.page, slo.ticket) == (page, ticket)


def test_only_the_alerts_that_are_wanted_must_be_able_to_fire() -> None:
    objectives = "objectives: [{ target: 0.7 }]"

    slo = only(document(objectives=objectives, more=annotated(page="false")))
    problems = read(document(objectives=objectives)).problems

    assert (slo.objective, slo.page) == (Decimal("0.7"), False)
    assert [re.findall(r"factor (\d+\S*) .* above (\S+) ", one)[0] for one in problems] == [
        ("14.4", "0.9305555556"),
        ("6", "0.8333333333"),
    ]


def test_labels_go_to_the_alerts_unless_they_are_ours() -> None:
    found = read(document(more="  labels: { team: [identity, rbac], app.io/tier: 1, severity: high }"))

    assert found.slos[0][0].labels == {"team": "identity,rbac", "app_io_tier": "1"}
    (warning,) = found.warnings
    assert "severity: 'high': not used" in warning


def test_grouping_is_read_from_an_annotation() -> None:
    slo = only(document(more=annotated(group_by='"http_route, method"')))

    assert slo.group_by == ("http_route", "method")


def test_an_object_that_nothing_refers_to_is_told() -> None:
    unused = REFERRING.replace("  alertPolicies: [{ alertPolicyRef: wake }]\n", "")

    assert any("'wake': nothing refers to this AlertPolicy" in warning for warning in read(unused).warnings)
