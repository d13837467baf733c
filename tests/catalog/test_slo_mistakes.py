"""Sound documents are read as they were written; of unsound ones every mistake is told at its line."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from release_watch.catalog.documents import parse_documents
from release_watch.catalog.selectors import Matcher, joined
from release_watch.catalog.slos import SlosFound, slos_in

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=("C",)), max_size=30)
MATCHERS = st.lists(
    st.builds(Matcher, st.sampled_from(["job", "code", "path"]), st.sampled_from(["=", "!="]), TEXTS),
    max_size=3,
    unique_by=lambda matcher: matcher.label,
)


def read(text: str) -> SlosFound:
    return slos_in(*parse_documents(text, "slo.yaml"))


@st.composite
def slos(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A sound OpenSLO document, and what its SLO must be."""
    matchers = draw(MATCHERS)
    total = f"requests_total{{{joined(matchers)}}}" if matchers else "requests_total"
    part = f"requests_total{{{joined([*matchers, Matcher('outcome', '=~', draw(TEXTS.map(re.escape)))])}}}"
    grouped = draw(st.lists(st.sampled_from(["route", "method", "zone"]), unique=True, max_size=2))
    templated = draw(st.booleans())
    if templated:
        by = f"by ({', '.join(sorted(grouped))}) " if grouped else ""
        part, total = (f"sum {by}(rate({one}[{{{{.window}}}}]))" for one in (part, total))
    side = draw(st.sampled_from(["good", "bad"]))
    target = Decimal(draw(st.integers(9307, 9999))) / 10000
    days = draw(st.sampled_from([7, 28, 30]))
    objective: dict[str, Any] = {"target": float(target)}
    if draw(st.booleans()):
        objective = {"targetPercent": float(target * 100)}
    expected: dict[str, Any] = {"objective": target, "window_days": days, "group_by": tuple(grouped)}
    expected |= {"name": draw(NAMES), "service": draw(NAMES), "templated": templated, "per_second": True}
    method = draw(st.sampled_from(["Occurrences", "Timeslices", "RatioTimeslices"]))
    if method != "Occurrences":
        minutes = draw(st.integers(1, 60))
        objective["timeSliceWindow"] = f"{minutes}m"
        expected["slice"] = timedelta(minutes=minutes)
    if method == "Timeslices":
        objective["timeSliceTarget"] = 0.95
        expected["slice_target"] = Decimal("0.95")
    page = draw(st.booleans())
    annotations = {"release-watch.io/page": page}
    if grouped:
        annotations |= {"release-watch.io/group-by": ",".join(grouped)}
    expected |= {"budgeting": method, "page": page, "ticket": True}
    expected["description"] = draw(TEXTS).strip()
    source = {"type": "Prometheus"}
    document = {
        "apiVersion": "openslo/v1",
        "kind": "SLO",
        "metadata": {"name": expected["name"], "annotations": annotations},
        "spec": {
            "description": expected["description"],
            "service": expected["service"],
            "budgetingMethod": method,
            "timeWindow": [{"duration": f"{days}d", "isRolling": True}],
            "objectives": [objective],
            "indicator": {
                "spec": {
                    "ratioMetric": {
                        "counter": True,
                        side: {"metricSource": source | {"spec": {"query": part}}},
                        "total": {"metricSource": source | {"spec": {"query": total}}},
                    }
                }
            },
        },
    }
    return document, expected


@settings(max_examples=30, deadline=None)
@given(st.lists(slos(), min_size=1, max_size=4, unique_by=lambda pair: pair[1]["name"]))
def test_a_sound_document_is_read_as_it_was_written(
    pairs: list[tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    text = yaml.safe_dump_all((document for document, _ in pairs), allow_unicode=True)

    found = read(text)

    assert found.problems == []
    assert len(found.slos) == len(pairs)
    for (slo, _), (document, expected) in zip(found.slos, pairs, strict=True):
        assert {key: getattr(slo, key) for key in expected} == expected
        assert ((slo.good is None), (slo.bad is None)).count(True) == 1
        again = document["spec"]["indicator"]["spec"]["ratioMetric"]
        again["total"]["metricSource"]["spec"]["query"] = slo.total
        again["good" if slo.good else "bad"]["metricSource"]["spec"]["query"] = slo.good or slo.bad
        ((twice, _),) = read(yaml.safe_dump(document, allow_unicode=True)).slos
        assert twice.model_copy(update={"source": slo.source}) == slo


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("x_total{}=\"'`~5.[]()+-/ m{.window}\\nsumrateby,le"), max_size=60))
def test_no_query_ends_in_anything_but_an_slo_or_a_problem(query: str) -> None:
    document = {
        "version": "prometheus/v1",
        "service": "s",
        "slos": [
            {
                "name": "n",
                "objective": 99,
                "sli": {"events": {"error_query": query, "total_query": f"{query} or z"}},
            },
            {"name": "raw", "objective": 99, "sli": {"raw": {"error_ratio_query": query}}},
        ],
    }

    found = read(yaml.safe_dump(document))

    assert len(found.slos) <= 2
    assert found.problems or len(found.slos) == 2
    assert all(re.match(r"slo\.yaml:\d+: slos", problem) for problem in found.problems)


BLOCK = """\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: s{n}
  annotations: {{ release-watch.io/group-by: route }}
spec:
  service: shop
  budgetingMethod: Occurrences
  timeWindow:
    - {{ duration: 30d, isRolling: true }}
  objectives:
    - target: 0.999
  indicator:
    spec:
      ratioMetric:
        counter: true
        bad: {{ metricSource: {{ type: Prometheus, spec: {{ query: 'requests_total{{code="500"}}' }} }} }}
        total: {{ metricSource: {{ type: Prometheus, spec: {{ query: 'requests_total' }} }} }}
---
"""

# what is written, what is written instead, the line in the block, and the words that name the mistake
MISTAKES = [
    ("openslo/v1", "openslo/v1alpha", 1, "apiVersion: 'openslo/v1alpha': must be openslo/v1"),
    ("kind: SLO", "kind: SLOs", 2, "kind: 'SLOs': must be one of"),
    ("name: s{n}", "name: S_{n}", 4, r"metadata\.name: 'S_{n}': must be lower-case"),
    ("group-by: route", "group-by: slo", 5, "group-by: 'slo': slo cannot be grouped by"),
    ("group-by: route", "group-by: code", 17, "is grouped by code, which it fixes to '500'"),
    ("service: shop", "servce: shop", 7, r"servce: 'shop': unknown field; did you mean 'service'"),
    ("Occurrences", "Ocurrences", 8, "budgetingMethod: 'Ocurrences': must be Occurrences or"),
    ("duration: 30d", "duration: 14d", 10, "'14d': must be one of 7d, 28d, 30d, 90d"),
    ("isRolling: true", "isRolling: false", 10, "isRolling: False: must be true"),
    ("target: 0.999", "target: 1.0", 12, "leaves no error budget"),
    ("target: 0.999", "target: 0", 12, "leaves no error budget"),
    ("target: 0.999", "target: 0.93", 12, "objectives.0.target: '0.93': .* can never fire"),
    ("target: 0.999", "targt: 0.999", 12, "did you mean 'target'"),
    ("counter: true", "counter: perhaps", 16, "counter: 'perhaps'"),
    ("type: Prometheus", "type: CloudWatch", 17, "type: 'CloudWatch': must be Prometheus"),
    ("'requests_total'", "'rate(requests_total[5m])'", 18, "has a range of its own"),
    ("'requests_total'", "'requests_total{{code=\"500\",a=\"b\"}}'", 17, "bad and total look swapped"),
]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.integers(0, 5), st.sampled_from(MISTAKES), min_size=1))
def test_every_mistake_is_told_at_its_line(seeded: dict[int, tuple[str, str, int, str]]) -> None:
    blocks = []
    for n in range(6):
        block = BLOCK
        if n in seeded:
            old, new, *_ = seeded[n]
            assert old in block
            block = block.replace(old, new, 1)
        blocks.append(block.replace("{n}", str(n)).replace("{{", "{").replace("}}", "}"))

    found = read("".join(blocks))

    assert {slo.name for slo, _ in found.slos} >= {f"s{n}" for n in range(6) if n not in seeded}
    for n, (_, _, line, words) in seeded.items():
        here = [p for p in found.problems if p.startswith(f"slo.yaml:{n * BLOCK.count(chr(10)) + line}: ")]
        assert any(re.search(words.replace("{n}", str(n)), problem) for problem in here), found.problems
