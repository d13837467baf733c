from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_watch.catalog.documents import parse_documents
from release_watch.catalog.models import (
    BusinessMetric,
    Catalog,
    LogsSignal,
    MetricsSignal,
    Service,
    Signals,
    SyntheticsSignal,
    Tier,
    TracesSignal,
)
from release_watch.catalog.selectors import Matcher, joined
from release_watch.catalog.writing import Addition, extended, written
from release_watch.errors import InvalidInputError

NAMES = st.text("abcXYZ019_-", min_size=1, max_size=8).map(lambda text: f"n{text}")
SELECTORS = st.lists(
    st.builds(Matcher, st.sampled_from(["job", "zone"]), st.just("="), st.text(min_size=1, max_size=6)),
    min_size=1,
    max_size=2,
).map(joined)
LINES = st.text(
    st.characters(categories=["L", "N", "P", "S"], include_characters=" "), min_size=1, max_size=20
)
COUNTED = st.builds(
    MetricsSignal, selector=SELECTORS, counter=st.just("jobs_total"), errors=st.none() | SELECTORS
)
SIGNALS = st.builds(
    Signals,
    metrics=st.none() | st.builds(MetricsSignal, selector=SELECTORS) | COUNTED,
    logs=st.none() | st.builds(LogsSignal, selector=SELECTORS, connection=NAMES),
    traces=st.none() | st.builds(TracesSignal, service_name=NAMES),
    synthetics=st.none() | st.builds(SyntheticsSignal, selector=SELECTORS),
)
ORDERS = st.builds(
    BusinessMetric,
    name=NAMES,
    query=st.just('sum(rate(orders_total{job="x"}[1m]))'),
    unit=st.text(min_size=1, max_size=20),
    direction=st.sampled_from(["up", "down", "both"]),
)
SERVICES = st.builds(
    Service,
    name=NAMES,
    tier=st.sampled_from(Tier),
    owner=LINES,
    description=st.text(max_size=150),
    dependencies=st.sampled_from([(), ("yes",), ("a", "b-1")]),
    endpoints=st.sampled_from([(), ("GET /",), ("POST /orders/{id}", "GET /a:b")]),
    signals=SIGNALS,
    runbook=st.sampled_from([None, "https://wiki/x#y:z", "a/b.md"]),
    business_metrics=st.lists(ORDERS, max_size=1).map(tuple),
)
CATALOGS = st.builds(
    Catalog,
    environments=st.lists(NAMES, min_size=1, max_size=2).map(tuple),
    services=st.lists(SERVICES, min_size=1, max_size=2).map(tuple),
)
LACKING = st.sets(st.sampled_from(["owner", "tier", "dependencies", "endpoints", "runbook"]))


def plain(catalog: Catalog) -> dict[str, Any]:
    data: dict[str, Any] = catalog.model_dump(mode="json", exclude_defaults=True)
    return data


def read(text: str) -> Any:
    documents, problems = parse_documents(text, "services.yaml")
    assert problems == []
    return documents[0].data


@settings(max_examples=60, deadline=None)
@given(CATALOGS)
def test_any_catalogue_that_is_written_and_read_again_is_the_same(catalog: Catalog) -> None:
    data = plain(catalog)

    assert Catalog.model_validate(read(written(data["environments"], data["services"]))) == catalog


@settings(max_examples=40, deadline=None)
@given(CATALOGS, SERVICES, LACKING)
def test_what_is_added_to_a_file_is_there_and_every_line_that_was_there_too(
    catalog: Catalog, more: Service, lacking: set[str]
) -> None:
    whole = plain(catalog)
    new = [more.model_dump(mode="json", exclude_defaults=True)]
    has = [{k: v for k, v in service.items() if k not in lacking} for service in whole["services"]]
    lines = written(whole["environments"], has).splitlines()
    text = "\n".join(line + "  # by hand" if line.startswith("environments") else line for line in lines)
    additions = [
        Addition(place, None, fields)
        for place, service in enumerate(whole["services"])
        if (fields := {k: v for k, v in service.items() if k in lacking})
    ]

    result = extended(text, "services.yaml", additions, new)

    assert read(result)["services"] == [*whole["services"], *new]
    remaining = iter(result.splitlines())
    assert all(line in remaining for line in lines if "environments" not in line)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "services:\n- name: a # mine\n  signals:\n    # why\n    logs: {x: 1}\n# end\n",
            "services:\n- name: a # mine\n  signals:\n    # why\n"
            "    traces: {y: 2}\n    logs: {x: 1}\n# end\n",
            id="block",
        ),
        pytest.param(
            "services:\n  - {name: a, signals: {logs: {x: 1}}}",
            "services:\n  - {name: a, signals: {traces: {y: 2}, logs: {x: 1}}}",
            id="braces",
        ),
        pytest.param(
            "services:\r\n  - name: a\r\n    signals: {}\r\n",
            "services:\r\n  - name: a\r\n    signals: {traces: {y: 2}}\r\n",
            id="lines of Windows",
        ),
    ],
)
def test_a_signal_is_added_in_the_way_the_file_is_written(text: str, expected: str) -> None:
    assert extended(text, "s.yaml", [Addition(0, "signals", {"traces": {"y": 2}})], []) == expected


def test_new_services_go_behind_the_last_one_and_before_what_follows() -> None:
    text = "services:\n  - name: a\n    description: |\n      long\n\n# about places\nenvironments: [p]\n"

    result = extended(text, "s.yaml", [], [{"name": "b", "tier": "standard"}])

    assert result == (
        "services:\n  - name: a\n    description: |\n      long\n\n  - name: b\n    tier: standard\n"
        "\n# about places\nenvironments: [p]\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("services: []\n", id="empty list"),
        pytest.param("services: [{name: a, signals: {}}]\n", id="list in brackets"),
        pytest.param("other: 1\nservices:\n", id="nothing"),
    ],
)
def test_a_list_that_cannot_be_added_to_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="use --out"):
        extended(text, "s.yaml", [], [{"name": "b"}])


def test_an_addition_that_would_change_another_service_through_an_alias_is_refused() -> None:
    text = "services:\n- name: a\n  signals: &s {logs: {x: 1}}\n- name: b\n  signals: *s\n"

    with pytest.raises(InvalidInputError, match="aliases"):
        extended(text, "s.yaml", [Addition(0, "signals", {"traces": {"y": 2}})], [])


def test_a_service_without_a_tier_is_marked_for_the_person_who_has_to_decide() -> None:
    assert "  - name: a\n    # tier: critical or standard\n" in written(["p"], [{"name": "a", "signals": {}}])
