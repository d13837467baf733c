"""What the expressions that readers make count, as Prometheus' own evaluator sees it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from release_watch.catalog.documents import parse_documents
from release_watch.catalog.slos import Slo, slos_in
from sandbox.layout import default_tools
from sandbox.packages import fetch_programs

QUEUE = {
    # ten minutes: four good samples, two that are no number, four bad ones
    'queue{job="a"}': "1 1 1 1 NaN NaN 200 200 200 200",
    'queue{job="b"}': "_ _ _ _ _ _ _ _ 1 1",
}
RATIO = {"error_ratio": "0 0 0 NaN 0.5 0.5 1 1 0 0"}
EVENTS = {"errors_total": "0 0 0 0 0 0 60 120 180 240", "all_total": "0+120x9"}


@pytest.fixture(scope="module")
def promtool() -> Path:
    return fetch_programs(default_tools(), print)["promtool"]


def slo(metric: str, objective: str, annotations: str = "{}") -> Slo:
    text = f"""\
apiVersion: openslo/v1
kind: SLO
metadata: {{ name: s, annotations: {annotations} }}
spec:
  service: shop
  budgetingMethod: Occurrences
  timeWindow: [{{ duration: 30d }}]
  objectives: [{{ target: 0.99{objective} }}]
  indicator: {{ spec: {{ {metric} }} }}
"""
    ((found, _),) = slos_in(*parse_documents(text, "slo.yaml")).slos
    return found


def source(query: str) -> str:
    return f"{{ metricSource: {{ type: Prometheus, spec: {{ query: '{query}' }} }} }}"


def evaluate(
    promtool: Path, folder: Path, series: dict[str, str], expected: dict[str, list[tuple[str, float]]]
) -> None:
    """Assert what each expression gives over the last ten minutes, at the tenth minute."""
    tests = {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {
                        "expr": expression.replace("{{.window}}", "10m"),
                        "eval_time": "9m",
                        "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
                    }
                    for expression, samples in expected.items()
                ],
            }
        ],
    }
    file = folder / "tests.yaml"
    file.write_text(yaml.safe_dump(tests))
    run = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_gauge_counts_samples_and_leaves_out_what_is_no_number(promtool: Path, tmp_path: Path) -> None:
    metric = f"thresholdMetric: {source('queue')}"
    whole = slo(metric, ", op: lte, value: 100")
    grouped = slo(metric, ", op: lte, value: 100", "{ release-watch.io/group-by: job }")
    assert whole.good and grouped.good

    evaluate(
        promtool,
        tmp_path,
        QUEUE,
        {
            whole.good: [("{}", 6)],
            whole.total: [("{}", 10)],
            grouped.good: [('{job="a"}', 4), ('{job="b"}', 2)],
            grouped.total: [('{job="a"}', 8), ('{job="b"}', 2)],
        },
    )


def test_a_ready_made_ratio_weighs_each_sample_once(promtool: Path, tmp_path: Path) -> None:
    found = slo(f"ratioMetric: {{ rawType: failure, raw: {source('error_ratio')} }}", "")
    assert found.bad

    evaluate(promtool, tmp_path, RATIO, {found.bad: [("{}", 3)], found.total: [("{}", 9)]})


def test_a_ratio_over_the_window_keeps_its_value(promtool: Path, tmp_path: Path) -> None:
    ratio = "sum(rate(errors_total[{{.window}}])) / sum(rate(all_total[{{.window}}]))"
    found = slo(f"ratioMetric: {{ rawType: failure, raw: {source(ratio)} }}", "")
    assert found.bad

    evaluate(
        promtool,
        tmp_path,
        EVENTS,
        {
            f"round(({found.bad}) / ({found.total}), 0.0001)": [("{}", 0.2222)],
            found.total: [("{}", 9)],
        },
    )
