from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.catalog.selectors import joined, parse_selector
from release_watch.coverage.batches import batches
from release_watch.coverage.conventions import endpoint_key_of


def test_selectors_of_the_same_form_share_one_query() -> None:
    (batch,) = batches({"a": 'job="shop/a",env="x"', "b": 'env="x",job="shop/b"'})

    assert batch.matchers == 'env="x",job=~"shop/a|shop/b"'
    assert batch.grouping("version") == " by (env, job, version)"
    assert batch.services_of({"env": "x", "job": "shop/b", "other": "y"}) == ("b",)
    assert batch.services_of({"env": "x", "job": "shop/c"}) == ()


def test_a_combination_that_no_service_has_belongs_to_none() -> None:
    (batch,) = batches({"a": 'job="1",zone="1"', "b": 'job="2",zone="2"'})

    assert batch.services_of({"job": "1", "zone": "2"}) == ()


def test_services_with_the_same_selector_are_both_meant() -> None:
    (batch,) = batches({"a": 'job="x"', "b": 'job="x"'})

    assert batch.services_of({"job": "x"}) == ("a", "b")


@pytest.mark.parametrize("selector", ['job=~"a.*"', 'env!="dev",job=~"a.*"', 'job="a",job="a"'])
def test_any_other_selector_has_a_query_of_its_own(selector: str) -> None:
    found = list(batches({"a": selector, "b": 'job="b"'}))

    (own,) = [batch for batch in found if not batch.labels]
    assert own.grouping() == ""
    assert own.services_of({"whatever": "x"}) == ("a",)
    assert len(found) == 2


def test_selectors_that_exclude_the_same_share_one_query() -> None:
    (batch,) = batches({"a": 'job="a",env!="dev"', "b": 'env!="dev",job="b"'})

    assert batch.matchers == 'env!="dev",job=~"a|b"'
    assert batch.services_of({"job": "b"}) == ("b",)


def test_a_list_of_values_is_as_good_as_several_selectors() -> None:
    (batch,) = batches({"a": 'job=~"a|c"', "b": 'job="b"', "both": 'job=~"b|c"'})

    assert batch.matchers == 'job=~"a|b|c"'
    assert batch.services_of({"job": "b"}) == ("b", "both")
    assert batch.services_of({"job": "c"}) == ("a", "both")


def test_lists_that_multiply_too_far_have_a_query_of_their_own() -> None:
    many = "|".join(map(str, range(11)))

    (batch,) = batches({"a": f'job=~"{many}",zone=~"{many}"'})

    assert batch.labels == ()


def test_a_hyphen_stays_as_it_is_for_prometheus_to_look_the_values_up() -> None:
    (batch,) = batches({"a": 'job="shop/check-out"', "b": 'job="shop/v1.pay"'})

    assert batch.matchers == 'job=~"shop/check-out|shop/v1\\\\.pay"'


VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=8)


@given(st.dictionaries(st.sampled_from("abcdef"), VALUES, min_size=1))
def test_the_shared_selector_matches_exactly_the_values_asked_for(jobs: dict[str, str]) -> None:
    (batch,) = batches(
        {service: joined(parse_selector("job=" + f'"{_escaped(job)}"')) for service, job in jobs.items()}
    )

    (matcher,) = parse_selector(batch.matchers)
    for service, job in jobs.items():
        matched = matcher.value == job if matcher.operator == "=" else re.fullmatch(matcher.value, job)
        assert matched
        assert service in batch.services_of({"job": job})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("POST /orders/{id}/refund", "post /orders/:order_id/refund/"),
        ("GET /products/<int:id>", "GET /products/{product}"),
        ("GET /", "GET /"),
        ("/orders", " /orders/ "),
    ],
)
def test_an_endpoint_is_the_same_however_its_parameters_are_written(one: str, other: str) -> None:
    assert endpoint_key_of(one) == endpoint_key_of(other)


@pytest.mark.parametrize(
    ("one", "other"), [("GET /a", "POST /a"), ("GET /a", "GET /a/b"), ("GET /a/{id}", "GET /a/b")]
)
def test_other_endpoints_stay_apart(one: str, other: str) -> None:
    assert endpoint_key_of(one) != endpoint_key_of(other)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
