from __future__ import annotations

import base64

import pytest

from release_watch.orchestration.hooks.async_transport import AsyncServerHook

SECRET = "the-token-of-the-pager"


async def get(server, monkeypatch, path="/x", **fields):
    monkeypatch.setenv("AIRFLOW_CONN_PAGER", server.connection(**fields))
    return await AsyncServerHook("GET", "pager", retry_limit=1).get(path)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((200, {"a": 1}), (200, {"a": 1})),
        ((200, "text"), (200, "text")),
        ((404, {"error": "no"}), (404, {"error": "no"})),
        ((503, "busy"), (503, "busy")),
    ],
    ids=["json", "text", "client error", "server error"],
)
async def test_every_answer_comes_back(given, expected, server, monkeypatch):
    server.answer(given)

    assert await get(server, monkeypatch) == expected


async def test_a_body_that_comes_after_the_headers_is_read(server, monkeypatch):
    server.body_comes_later = True
    server.answer((200, {"status": "passed"}))

    assert await get(server, monkeypatch) == (200, {"status": "passed"})


async def test_a_password_without_a_login_is_a_bearer_token(server, monkeypatch):
    await get(server, monkeypatch, password=SECRET)

    assert server.asked[0].headers["Authorization"] == f"Bearer {SECRET}"


async def test_a_login_is_basic_authentication(server, monkeypatch):
    await get(server, monkeypatch, login="ada", password=SECRET)

    shown = server.asked[0].headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(shown).decode() == f"ada:{SECRET}"


async def test_only_the_headers_of_the_extra_are_sent(server, monkeypatch):
    extra = {"headers": {"X-Scope-OrgID": "shop"}, "rules_directory": "/etc/rules", "timeout": 3}
    await get(server, monkeypatch, extra=extra)

    sent = server.asked[0].headers
    assert sent["X-Scope-OrgID"] == "shop"
    assert {name.lower() for name in sent} & {"rules_directory", "timeout", "headers"} == set()


async def test_the_timeout_of_the_connection_holds(server, monkeypatch):
    server.going_on.clear()

    with pytest.raises(TimeoutError):
        await get(server, monkeypatch, extra={"timeout": 0.05})


async def test_the_connection_is_read_once(server, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_PAGER", server.connection())
    hook = AsyncServerHook("GET", "pager", retry_limit=1)
    await hook.get("/x")
    monkeypatch.delenv("AIRFLOW_CONN_PAGER")

    assert (await hook.get("/y")).status == 200
