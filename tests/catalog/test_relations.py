from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from release_watch.catalog.documents import parse_documents
from release_watch.catalog.relations import relation_problems


def problems_of(*services: dict[str, Any]) -> list[str]:
    (document,), problems = parse_documents(yaml.safe_dump({"services": list(services)}), "s.yaml")
    assert not problems
    return relation_problems(document)


def service(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, **fields}


def metrics(selector: str, **fields: Any) -> dict[str, Any]:
    return {"metrics": {"selector": selector, **fields}}


@pytest.mark.parametrize(
    ("services", "said"),
    [
        pytest.param([service("a"), service("a")], "services.1.name: 'a': written twice", id="name twice"),
        pytest.param(
            [service("payments"), service("b", dependencies=["paymnets"])],
            "services.1.dependencies.0: 'paymnets': is no service here; did you mean 'payments'?",
            id="misspelt callee",
        ),
        pytest.param([service("a", dependencies=["a"])], "the service itself", id="calls itself"),
        pytest.param(
            [service("a", dependencies=["b", "b"]), service("b")],
            "services.0.dependencies.1: 'b': the same as 'b'",
            id="callee twice",
        ),
        pytest.param(
            [service("a", endpoints=["GET /x/{id}", "GET /x/:key"])],
            "services.0.endpoints.1: 'GET /x/:key': the same as 'GET /x/{id}'",
            id="endpoint twice",
        ),
        pytest.param(
            [service("a", business_metrics=[{"name": "m", "query": "x"}, {"name": "m", "query": "y"}])],
            "services.0.business_metrics.1.name: 'm': also the name",
            id="business metric twice",
        ),
        pytest.param(
            [service("a", business_metrics=[{"name": "m", "query": "x"}, {"name": "n", "query": "x "}])],
            "services.0.business_metrics.1.query: 'x ': also the query",
            id="business query twice",
        ),
        pytest.param(
            [
                service("a", signals=metrics('job="x",zone="1"')),
                service("b", signals=metrics("{zone='1', job='x'}", connection="prometheus_default")),
            ],
            "services.1.signals.metrics.selector: ",
            id="one selector written in two ways",
        ),
        pytest.param(
            [
                service("a", signals={"traces": {"service_name": "x"}}),
                service("b", signals={"traces": {"service_name": "x"}}),
            ],
            "services.1.signals.traces.service_name: 'x': also that of 'a'",
            id="one trace service",
        ),
    ],
)
def test_a_mistake_between_services_is_shown_once(services: list[dict[str, Any]], said: str) -> None:
    (problem,) = problems_of(*services)

    assert said in problem


@pytest.mark.parametrize(
    "services",
    [
        pytest.param(
            [service("a", signals=metrics('job="x"')), service("b", signals=metrics('job="y"'))],
            id="selectors",
        ),
        pytest.param(
            [
                service("a", signals=metrics('job="x"', connection="prometheus_eu")),
                service("b", signals=metrics('job="x"', connection="prometheus_us")),
            ],
            id="one selector of two servers",
        ),
        pytest.param(
            [
                service("a", signals=metrics('job="x"', counter="orders_total")),
                service("b", signals=metrics('job="x"', counter="mails_total")),
            ],
            id="two counters of one process",
        ),
        pytest.param(
            [service("a", signals={**metrics('job="x"'), "synthetics": {"selector": 'job="x"'}})],
            id="one selector for two signals",
        ),
        pytest.param(
            [
                service("a", business_metrics=[{"name": "m", "query": "x"}]),
                service("b", business_metrics=[{"name": "m", "query": "x"}]),
            ],
            id="one business metric of two services",
        ),
        pytest.param([service("a", endpoints=["GET /x", "POST /x"])], id="two methods"),
    ],
)
def test_what_differs_is_no_mistake(services: list[dict[str, Any]]) -> None:
    assert problems_of(*services) == []


def test_every_circle_is_shown_where_it_begins() -> None:
    problems = problems_of(
        service("a", dependencies=["x", "b"]),
        service("b", dependencies=["a"]),
        service("c", dependencies=["d"]),
        service("d", dependencies=["c"]),
        service("x"),
    )

    assert ["services.0.dependencies.1: 'a -> b -> a'" in p for p in problems] == [True, False]
    assert "services.2.dependencies.0: 'c -> d -> c'" in problems[1]


def test_a_long_circle_is_shown_short() -> None:
    names = [f"service-{n}" for n in range(50)]

    (problem,) = problems_of(
        *(service(name, dependencies=[names[(n + 1) % 50]]) for n, name in enumerate(names))
    )

    assert "service-0 -> service-1 -> " in problem
    assert len(problem) < 300


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "name",
                        "dependencies",
                        "endpoints",
                        "signals",
                        "metrics",
                        "selector",
                        "business_metrics",
                        "query",
                    ]
                ),
                x,
            )
        ),
        max_leaves=20,
    )
)
def test_no_form_of_services_breaks_the_search(anything: object) -> None:
    (document,), _ = parse_documents(yaml.safe_dump({"services": [anything, {"name": "a"}]}), "s.yaml")

    assert isinstance(relation_problems(document), list)
