from __future__ import annotations

import base64
import json
import traceback

import pytest

from release_watch.errors import BackendError, NotConfiguredError
from release_watch.orchestration.hooks.transport import ConnectionTransport
from tests.orchestration.server import Server

SECRET = "the-token-of-the-pager"


@pytest.fixture
def transport(server: Server, monkeypatch: pytest.MonkeyPatch) -> ConnectionTransport:
    return connect(server, monkeypatch)


def connect(server: Server, monkeypatch: pytest.MonkeyPatch, **fields: object) -> ConnectionTransport:
    monkeypatch.setenv("AIRFLOW_CONN_PAGER", server.connection(**fields))
    return ConnectionTransport("pager", "paging")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_what_may_be_repeated_is_repeated_until_the_server_recovers(method, transport, server, pauses):
    server.answer((503, "busy"), (500, "busy"), (200, {}))

    answer = transport.request(method, "/x")

    assert answer.status == 200
    assert [asked.method for asked in server.asked] == [method] * 3


def test_the_pauses_between_attempts_grow(transport, server, pauses):
    server.answer((503, "busy"))

    with pytest.raises(BackendError):
        transport.request("GET", "/x")

    assert len(pauses) == 3
    assert pauses == sorted(set(pauses))


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_may_not_be_repeated_is_sent_once(method, transport, server, pauses):
    server.answer((503, "busy"), (200, {}))

    with pytest.raises(BackendError, match="answered 503"):
        transport.request(method, "/x", json={})

    assert len(server.asked) == 1


def test_a_post_with_an_idempotency_key_is_repeated_with_the_same_key(transport, server, pauses):
    server.answer((502, "busy"), (201, {"id": 1}))

    answer = transport.request("POST", "/x", json={"a": 1}, headers={"Idempotency-Key": "r-1"})

    assert answer == (201, {"id": 1})
    assert [asked.headers["Idempotency-Key"] for asked in server.asked] == ["r-1", "r-1"]
    assert [json.loads(asked.body) for asked in server.asked] == [{"a": 1}, {"a": 1}]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429])
def test_a_client_error_is_an_answer_and_is_not_repeated(status, transport, server, pauses):
    server.answer((status, {"error": "no"}))

    assert transport.request("GET", "/x") == (status, {"error": "no"})
    assert len(server.asked) == 1


def test_a_body_that_is_not_json_comes_as_text(transport, server):
    server.answer((200, "<html>"))

    assert transport.request("GET", "/x").body == "<html>"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_params_go_into_the_query(method, transport, server):
    transport.request(method, "/x", params={"match[]": ["a", "b&c"]})

    assert server.asked[0].path == "/x?match%5B%5D=a&match%5B%5D=b%26c"


def test_a_password_without_a_login_is_a_bearer_token(server, monkeypatch):
    connect(server, monkeypatch, password=SECRET).request("GET", "/x")

    assert server.asked[0].headers["Authorization"] == f"Bearer {SECRET}"


def test_a_login_is_basic_authentication(server, monkeypatch):
    connect(server, monkeypatch, login="ada", password=SECRET).request("GET", "/x")

    shown = server.asked[0].headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(shown).decode() == f"ada:{SECRET}"


@pytest.mark.parametrize("credentials", [{}, {"login": "ada", "password": SECRET}], ids=["none", "basic"])
def test_only_the_headers_of_the_extra_are_sent(server, monkeypatch, credentials):
    extra = {
        "headers": {"X-Scope-OrgID": "shop"},
        "rules_directory": "/etc/rules",
        "token": SECRET,
        "timeout": 3,
        "verify": False,
    }
    connect(server, monkeypatch, extra=extra, **credentials).request("GET", "/x")

    sent = server.asked[0].headers
    assert sent["X-Scope-OrgID"] == "shop"
    assert {name.lower() for name in sent} & {
        "rules_directory",
        "token",
        "timeout",
        "verify",
        "headers",
    } == set()
    assert "/etc/rules" not in str(sent)


def test_the_headers_of_a_request_are_sent_too(server, monkeypatch):
    there = connect(server, monkeypatch, extra={"headers": {"X-Scope-OrgID": "shop"}})
    there.request("POST", "/x", json={}, headers={"X-Request": "1"})

    assert (server.asked[0].headers["X-Scope-OrgID"], server.asked[0].headers["X-Request"]) == ("shop", "1")


def test_a_refused_connection_is_a_backend_error_that_names_the_connection(closed_port, monkeypatch, pauses):
    fields = {"conn_type": "http", "host": "127.0.0.1", "port": closed_port, "password": SECRET}
    monkeypatch.setenv("AIRFLOW_CONN_PAGER", json.dumps(fields))

    with pytest.raises(BackendError, match=f"pager: GET http://127.0.0.1:{closed_port}/x: ") as refused:
        ConnectionTransport("pager", "paging").request("GET", "/x")

    assert len(pauses) == 3
    assert SECRET not in str(refused.value)


def test_a_missing_connection_names_itself_and_where_to_add_it():
    with pytest.raises(NotConfiguredError, match=r"'pager'.*needed for paging.*AIRFLOW_CONN_PAGER"):
        ConnectionTransport("pager", "paging")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"password": SECRET}, id="bearer"),
        pytest.param({"login": "ada", "password": SECRET}, id="basic"),
        pytest.param({"extra": {"headers": {"X-Api-Key": SECRET}}}, id="header"),
    ],
)
def test_no_secret_stands_in_an_error_or_the_log(fields, server, monkeypatch, pauses, caplog):
    caplog.set_level("DEBUG")
    server.answer((500, "broken"))
    there = connect(server, monkeypatch, **fields)

    with pytest.raises(BackendError) as failed:
        there.request("GET", "/x")

    assert SECRET not in "".join(traceback.format_exception(failed.value))
    assert SECRET not in caplog.text
    assert SECRET not in there.base_url


def test_credentials_in_the_host_stay_out_of_the_base_url_and_of_errors(server, monkeypatch, pauses):
    server.answer((500, "broken"))
    there = connect(server, monkeypatch, host=f"http://ada:{SECRET}@127.0.0.1")

    with pytest.raises(BackendError) as failed:
        there.request("GET", "/x")

    assert SECRET not in there.base_url
    assert SECRET not in str(failed.value)


def test_the_timeout_of_the_connection_holds(server, monkeypatch, pauses):
    server.going_on.clear()
    there = connect(server, monkeypatch, extra={"timeout": 0.05})

    with pytest.raises(BackendError, match="timed out"):
        there.request("GET", "/x")

    assert len(pauses) == 3


def test_a_path_below_the_host_is_kept(server, monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_PAGER",
        json.dumps({"conn_type": "http", "host": f"http://127.0.0.1:{server.port}/tracker/"}),
    )
    there = ConnectionTransport("pager", "paging")

    there.request("GET", "/x")

    assert there.base_url == f"http://127.0.0.1:{server.port}/tracker"
    assert server.asked[0].path == "/tracker/x"
