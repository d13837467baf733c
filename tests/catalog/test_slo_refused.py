"""What an OpenSLO document must not say."""

from __future__ import annotations

import pytest

from tests.catalog.test_slo_openslo import RATIO, annotated, document, policy, raw, read, threshold


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(document(objectives="objectives: [{ target: 99.9 }]"), "write 0.999", id="percent"),
        pytest.param(document(objectives="objectives: [{ target: 0.9 }]"), "objective above 0.93", id="dead"),
        pytest.param(document(objectives="objectives: []"), "at least 1", id="no objective"),
        pytest.param(
            document(objectives="objectives: [{ target: 0.99, timeSliceWindow: 5m }]"),
            "belongs to Timeslices",
            id="slice of occurrences",
        ),
        pytest.param(
            document(objectives="objectives: [{ target: 0.99, timeSliceWindow: 5m }]", method="Timeslices"),
            "say what share of its events",
            id="slice without a target",
        ),
        pytest.param(
            document(
                objectives="objectives: [{ target: 0.99, timeSliceWindow: 1d, timeSliceTarget: 0.9 }]",
                method="Timeslices",
            ),
            "between 1m and 1h",
            id="slice of a day",
        ),
        pytest.param(
            document(objectives="objectives: [{ target: 0.99, indicatorRef: other }]"),
            "write an SLO for each",
            id="composite",
        ),
        pytest.param(
            document(objectives="objectives: [{ target: 0.99 }, { target: 0.99 }]"),
            "displayName of its own",
            id="names",
        ),
        pytest.param(
            document(threshold("x_duration_seconds"), "objectives: [{ target: 0.99, value: 1 }]"),
            "needs op and value",
            id="no op",
        ),
        pytest.param(
            document(threshold("x_duration_seconds"), "objectives: [{ target: 0.99, op: gt, value: 1 }]"),
            "must be lte or lt",
            id="slower than",
        ),
        pytest.param(
            document(threshold("x_total"), "objectives: [{ target: 0.99, op: lt, value: 1 }]"),
            "use ratioMetric",
            id="counter",
        ),
        pytest.param(
            document(
                threshold("histogram_quantile(0.9, rate(x[{{.window}}]))"),
                "objectives: [{ target: 0.99, op: lt, value: 1 }]",
            ),
            "name the histogram",
            id="quantile",
        ),
        pytest.param(document(raw("x", "fail")), "must be success or failure", id="raw type"),
        pytest.param(document(more=annotated(group_by="le")), "cannot be grouped by", id="le"),
        pytest.param(document(more=annotated(group_by="a-b")), "no label name", id="no label"),
        pytest.param(document(more=annotated(pages='"false"')), "did you mean 'page'", id="annotation"),
        pytest.param(document(more=annotated(page='"no"')), "must be true or false", id="answer"),
        pytest.param(document(more=policy("threshold: 1", "page")), "lookbackWindow: missing", id="window"),
        pytest.param(
            document(more=policy("threshold: 1, lookbackWindow: 1h", "sev1")), "page or ticket", id="severity"
        ),
        pytest.param(
            document(more="  labels: { a: '{{ $value }}' }"), "must be a fixed text", id="changing label"
        ),
    ],
)  # fmt: skip
def test_what_is_unsound_is_refused(text: str, said: str) -> None:
    (problem,) = read(text).problems
    assert problem.startswith("slo.yaml:")
    assert said in problem


def test_one_report_holds_all_mistakes_of_a_document() -> None:
    text = document(
        RATIO.replace("query: requests_total", "query: sum(x)"),
        "objectives: [{ target: 1 }]",
        method="Sometimes",
        more="  owner: me\n",
    ).replace("30d", "3d")

    problems = read(text).problems

    assert [problem.split(": ")[1] for problem in problems] == [
        "spec.owner",
        "spec.indicator.spec.ratioMetric.total.metricSource.spec.query",
        "spec.timeWindow.0.duration",
        "spec.budgetingMethod",
        "spec.objectives.0.target",
    ]


def test_two_slos_of_one_name_are_refused_even_in_two_services() -> None:
    other = document().replace("service: shop", "service: other")
    sloth = """\
version: prometheus/v1
service: shop
slos:
  - name: answers
    objective: 99.9
    sli: { events: { error_query: 'x{a="b"}', total_query: x } }
"""

    (same_kind,) = read(f"{document()}---\n{other}").problems
    (other_form,) = read(f"{sloth}---\n{document()}").problems

    assert "two objects of kind SLO have this name, the other at slo.yaml:4" in same_kind
    assert "two SLOs have this name, the other at slo.yaml:4; rename one" in other_form
