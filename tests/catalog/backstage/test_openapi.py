from __future__ import annotations

from typing import Any

import pytest

from release_watch.catalog.backstage.openapi import parse_definition, routes

PATHS = {"/orders/{id}": {"get": {}, "parameters": [], "x-internal": 1, "delete": {}}}


@pytest.mark.parametrize(
    ("head", "base"),
    [
        pytest.param({"openapi": "3.1.0"}, "", id="no server"),
        pytest.param({"openapi": "3.0.0", "servers": [{"url": "https://shop/v1/"}]}, "/v1", id="server"),
        pytest.param({"openapi": "3.0.0", "servers": [{"url": "/v1"}]}, "/v1", id="relative"),
        pytest.param(
            {
                "openapi": "3.0.0",
                "servers": [{"url": "https://{host}/{v}", "variables": {"v": {"default": "v2"}}}],
            },
            "/v2",
            id="variable",
        ),
        pytest.param({"swagger": "2.0", "basePath": "/v1/"}, "/v1", id="version 2"),
    ],
)
def test_routes_have_the_path_of_the_server(head: dict[str, Any], base: str) -> None:
    assert routes({**head, "paths": PATHS}) == (
        [f"GET {base}/orders/{{id}}", f"DELETE {base}/orders/{{id}}"],
        [],
    )


def test_servers_that_differ_are_said_and_left_out() -> None:
    endpoints, (remark,) = routes(
        {"openapi": "3.0.0", "servers": [{"url": "http://a/v1"}, {"url": "http://a/v2"}], "paths": PATHS}
    )

    assert endpoints[0] == "GET /orders/{id}"
    assert "(/v1, /v2)" in remark


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        pytest.param({"orders": {"get": {}}}, "not METHOD /route", id="no slash"),
        pytest.param({"/a b": {"get": {}}}, "not METHOD /route", id="space"),
        pytest.param(None, "has no paths", id="nothing"),
        pytest.param([1], "has no paths", id="list"),
    ],
)
def test_what_is_no_route_is_said(paths: object, said: str) -> None:
    endpoints, (remark,) = routes({"openapi": "3.0.0", "paths": paths})

    assert endpoints == []
    assert said in remark


@pytest.mark.parametrize("text", ['{"openapi": "3.0.0"}', "openapi: 3.0.0\n"], ids=["JSON", "YAML"])
def test_a_definition_is_json_or_yaml(text: str) -> None:
    assert parse_definition(text, "d") == {"openapi": "3.0.0"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("type Query { a: Int }", id="GraphQL"),
        pytest.param("asyncapi: 3.0.0", id="AsyncAPI"),
        pytest.param("openapi: 3\n---\nopenapi: 3", id="two"),
        pytest.param("openapi: &x [*x]", id="endless"),
        pytest.param("[" * 1_000_000, id="deep"),
        pytest.param("openapi: !!python/object/apply:os.system [id]", id="code"),
    ],
)
def test_anything_else_is_refused_and_never_run(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_definition(text, "d")
