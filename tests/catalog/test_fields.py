from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from release_watch.catalog.fields import Endpoint, Expression, Runbook, endpoint_shape
from release_watch.catalog.models import MetricsSignal

ENDPOINT: TypeAdapter[str] = TypeAdapter(Endpoint)
RUNBOOK: TypeAdapter[str] = TypeAdapter(Runbook)
EXPRESSION: TypeAdapter[str] = TypeAdapter(Expression)


@pytest.mark.parametrize("text", ["GET /", "POST /orders", "GET /orders/{id}", "POST /pkg.Service/Method"])
def test_an_endpoint_is_a_method_and_a_route(text: str) -> None:
    assert ENDPOINT.validate_python(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("/orders", "not METHOD /route", id="no method"),
        pytest.param("GET orders", "not METHOD /route", id="no slash"),
        pytest.param("GET  /orders", "not METHOD /route", id="two spaces"),
        pytest.param("GET https://shop/orders", "not METHOD /route", id="host"),
        pytest.param("GET /orders?id=1", "not METHOD /route", id="query"),
        pytest.param("GET /orders\n", "not METHOD /route", id="line end"),
        pytest.param("get /orders", "did you mean 'GET'", id="small letters"),
        pytest.param("DELET /orders", "did you mean 'DELETE'", id="misspelt"),
    ],
)
def test_anything_else_is_refused_with_the_right_form(text: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ENDPOINT.validate_python(text)


def test_the_name_of_a_parameter_makes_no_other_endpoint() -> None:
    shapes = {endpoint_shape(f"GET /orders/{p}") for p in ("{id}", ":order", "<int:id>", "{x}/")}

    assert shapes == {"GET /orders/{}"}


@pytest.mark.parametrize(
    "text", ["https://runbooks.example.com/a?b#c", "http://x/y", "runbooks/checkout.md", "checkout.md"]
)
def test_a_runbook_is_an_address_or_a_path_below(text: str) -> None:
    assert RUNBOOK.validate_python(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "ftp://x/y",
        "https://",
        "https://a b/c",
        "/etc/passwd",
        "../secret.md",
        "a/../../b.md",
        "a b.md",
        "",
        "http://[broken/",
    ],
)
def test_another_runbook_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        RUNBOOK.validate_python(text)


def test_a_runbook_holds_no_credentials() -> None:
    with pytest.raises(ValidationError, match="credentials"):
        RUNBOOK.validate_python("https://me:secret@wiki/x")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param("sum(rate(a[1m])", "no complete PromQL", id="bracket"),
        pytest.param("rate(a)", "no complete PromQL", id="type"),
        pytest.param("", "no complete PromQL", id="nothing"),
        pytest.param("rate(a[$__rate_interval])", "no complete PromQL", id="Grafana variable"),
        pytest.param("orders_total[5m]", "gives no number", id="range"),
        pytest.param('"orders"', "gives no number", id="text"),
    ],
)
def test_a_query_that_gives_no_number_is_refused(query: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        EXPRESSION.validate_python(query)


@given(st.text(alphabet="ab{}[]()\"'=~!,:015smh$@ +-*/<>\n#sumratebyon", max_size=40))
def test_any_text_is_a_query_or_refused(text: str) -> None:
    try:
        assert EXPRESSION.validate_python(text) == text.strip()
    except ValidationError as error:
        assert error.error_count() == 1


def test_conventions_are_detected_unless_a_counter_is_named() -> None:
    assert MetricsSignal(selector='job="a"').counter is None
    assert MetricsSignal(selector='job="a"').errors is None


@pytest.mark.parametrize(
    ("errors", "as_read"),
    [
        pytest.param('outcome="failed"', 'outcome="failed"', id="equal"),
        pytest.param('{ outcome =~ "failed|dead" }', 'outcome=~"failed|dead"', id="pattern in braces"),
        pytest.param('grpc_code!="OK"', 'grpc_code!="OK"', id="all but one"),
    ],
)
def test_errors_of_a_counter_are_label_matchers(errors: str, as_read: str) -> None:
    signal = MetricsSignal(selector='job="a"', counter="jobs_processed_total", errors=errors)

    assert signal.errors == as_read


@pytest.mark.parametrize(
    ("counter", "errors", "said"),
    [
        pytest.param('jobs_total{job="a"}', None, "no bare metric name", id="with matchers"),
        pytest.param("rate(jobs_total[1m])", None, "no bare metric name", id="expression"),
        pytest.param("jobs-total", None, "no bare metric name", id="dash"),
        pytest.param("", None, "no bare metric name", id="nothing"),
        pytest.param("jobs_total", "", "at least one matcher", id="no matcher"),
        pytest.param("jobs_total", "failed", "cannot be read", id="no label"),
        pytest.param("jobs_total", 'a="b"} or vector(1', "cannot be read", id="PromQL"),
        pytest.param(None, 'outcome="failed"', "add counter", id="errors of nothing"),
    ],
)
def test_a_counter_that_cannot_be_counted_is_refused(
    counter: str | None, errors: str | None, said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        MetricsSignal(selector='job="a"', counter=counter, errors=errors)
