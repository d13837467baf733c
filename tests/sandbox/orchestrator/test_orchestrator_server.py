from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sandbox.orchestrator.records import OWNERS, Records
from sandbox.orchestrator.server import build_app
from sandbox.shop.state import Instance, ShopState, write_state
from sandbox.shop.topology import SHOP

DEPLOYMENT = "dep-20261122-103000-ab12"
AUTHORIZED = {"Authorization": "Bearer secret"}
EVENT = {"specversion": "1.0", "id": "e-1", "source": "/release-watch", "type": "monitoring.active"}
STRUCTURED = {"Content-Type": "application/cloudevents+json"}
Client = TestClient[web.Request, web.Application]


def record(root: Path, **changes: Any) -> None:
    content = {"deployment_id": DEPLOYMENT, "version": "1.1.0", "previous_version": "1.0.0", **changes}
    Records(root).write(DEPLOYMENT, "deployment", content)


def running(version: str, **others: str) -> ShopState:
    """The shop in one version, but for the services named."""
    versions = dict.fromkeys(SHOP, version) | others
    instances = {name: Instance(name, own, 1, f"shop-{name}", "-") for name, own in versions.items()}
    return ShopState(version, "1.1.0", instances)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    record(tmp_path)
    write_state(tmp_path, running("1.1.0"))
    server = TestServer(build_app(tmp_path, "secret"))
    async with TestClient(server, headers=AUTHORIZED) as opened:
        yield opened


class Fleet:
    """Rolls back when it is let go."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rolled_back_to: list[str] = []
        self.services: tuple[str, ...] = ()
        self.let_go = threading.Event()
        self.error: Exception | None = None

    def __call__(self, root: Path, to_version: str, services: tuple[str, ...]) -> None:
        self.rolled_back_to.append(to_version)
        self.services = services
        assert self.let_go.wait(5)
        if self.error:
            raise self.error
        write_state(root, running(to_version))


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    made = Fleet(tmp_path)
    monkeypatch.setattr("sandbox.shop.fleet.rollback", made)
    return made


async def roll_back(client: Client, key: str = "k-1") -> tuple[int, dict[str, Any]]:
    response = await client.post(f"/deployments/{DEPLOYMENT}/rollback", headers={"Idempotency-Key": key})
    return response.status, await response.json()


async def finished(client: Client) -> dict[str, Any]:
    while True:
        rollback: dict[str, Any] = await (await client.get(f"/deployments/{DEPLOYMENT}/rollback")).json()
        if rollback["status"] != "running":
            return rollback
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}])
@pytest.mark.parametrize("path", ["/deployments", f"/deployments/{DEPLOYMENT}", "/notices", "/nothing"])
async def test_nothing_is_answered_without_the_token(
    tmp_path: Path, header: dict[str, str], path: str
) -> None:
    record(tmp_path)
    async with TestClient(TestServer(build_app(tmp_path, "secret"))) as anonymous:
        assert (await anonymous.get(path, headers=header)).status == 401


async def test_health_needs_no_token(tmp_path: Path) -> None:
    async with TestClient(TestServer(build_app(tmp_path, "secret"))) as anonymous:
        assert (await anonymous.get("/healthz")).status == 200


@pytest.mark.parametrize(
    "deployment", ["dep-20261122-103000-ffff", "..%2F..%2Fsecrets", "dep-1", "%2Fetc%2Fpasswd"]
)
async def test_an_unknown_deployment_is_not_found(client: Client, deployment: str) -> None:
    assert (await client.get(f"/deployments/{deployment}")).status == 404


async def test_the_monitoring_status_is_kept_with_the_deployment(client: Client) -> None:
    status = {"status": "active", "package_uri": "file:///package"}
    sent = await client.put(f"/deployments/{DEPLOYMENT}/monitoring-status", json=status)
    assert sent.status == 200
    deployment = await (await client.get(f"/deployments/{DEPLOYMENT}")).json()
    assert status.items() <= deployment["monitoring_status"].items()


@pytest.mark.parametrize(("body", "status"), [(b"no json", 400), (b"[]", 400), (b"{}", 422)])
async def test_a_monitoring_status_that_says_nothing_is_refused(
    client: Client, body: bytes, status: int
) -> None:
    sent = await client.put(f"/deployments/{DEPLOYMENT}/monitoring-status", data=body)
    assert sent.status == status


async def test_a_rollback_runs_and_succeeds(client: Client, fleet: Fleet, tmp_path: Path) -> None:
    status, begun = await roll_back(client)
    assert (status, begun["status"]) == (202, "running")
    fleet.let_go.set()
    ended = await finished(client)
    assert (ended["status"], ended["from_version"], ended["to_version"]) == ("succeeded", "1.1.0", "1.0.0")
    assert Records(tmp_path).read(DEPLOYMENT, "deployment")["status"] == "rolled_back"


async def test_the_reason_of_a_rollback_is_kept(client: Client, fleet: Fleet) -> None:
    fleet.let_go.set()
    headers = {"Idempotency-Key": "k-1"}
    path = f"/deployments/{DEPLOYMENT}/rollback"
    await client.post(path, headers=headers, json={"reason": "checkout is slow"})
    assert (await finished(client))["reason"] == "checkout is slow"


async def test_the_same_key_gets_the_same_rollback_and_rolls_back_once(client: Client, fleet: Fleet) -> None:
    _, first = await roll_back(client)
    _, second = await roll_back(client)
    fleet.let_go.set()
    await finished(client)
    status, third = await roll_back(client)
    assert status == 202
    assert first["rollback_id"] == second["rollback_id"] == third["rollback_id"]
    assert fleet.rolled_back_to == ["1.0.0"]


async def test_another_key_does_not_begin_a_second_rollback(client: Client, fleet: Fleet) -> None:
    await roll_back(client)
    status, _ = await roll_back(client, "k-2")
    fleet.let_go.set()
    await finished(client)
    assert status == 409
    assert fleet.rolled_back_to == ["1.0.0"]


async def test_a_rollback_that_fails_says_why_and_can_be_tried_again(client: Client, fleet: Fleet) -> None:
    fleet.error = RuntimeError("checkout does not answer")
    fleet.let_go.set()
    await roll_back(client)
    ended = await finished(client)
    assert (ended["status"], ended["detail"]) == ("failed", "RuntimeError: checkout does not answer")

    fleet.error = None
    await roll_back(client, "k-2")
    assert (await finished(client))["status"] == "succeeded"


async def test_a_rollback_needs_an_idempotency_key(client: Client) -> None:
    assert (await client.post(f"/deployments/{DEPLOYMENT}/rollback")).status == 400


async def test_a_deployment_that_no_longer_runs_is_not_rolled_back(client: Client, tmp_path: Path) -> None:
    write_state(tmp_path, running("1.2.0"))
    assert (await roll_back(client))[0] == 409


async def test_of_a_release_of_some_services_only_those_are_rolled_back(
    client: Client, fleet: Fleet, tmp_path: Path
) -> None:
    record(tmp_path, services=["payments", "checkout"])
    write_state(tmp_path, running("1.0.0", payments="1.1.0", checkout="1.1.0"))
    fleet.let_go.set()
    assert (await roll_back(client))[0] == 202
    assert (await finished(client))["status"] == "succeeded"
    assert fleet.services == ("payments", "checkout")


async def test_a_rollback_cut_short_by_a_restart_has_failed(tmp_path: Path) -> None:
    record(tmp_path)
    Records(tmp_path).write(DEPLOYMENT, "rollback", {"deployment_id": DEPLOYMENT, "status": "running"})
    build_app(tmp_path, "secret")
    assert Records(tmp_path).read(DEPLOYMENT, "rollback")["status"] == "failed"


@pytest.mark.parametrize("owner", OWNERS)
async def test_each_owner_takes_a_notice_once(client: Client, owner: str) -> None:
    answers = [
        (await client.post(f"/notices/{owner}", data=json.dumps(EVENT), headers=STRUCTURED)).status
        for _ in range(2)
    ]
    notices = (await (await client.get("/notices")).json())["notices"]
    assert answers == [202, 200]
    assert [(notice["owner"], notice["event"]) for notice in notices] == [(owner, EVENT)]


@pytest.mark.parametrize(
    ("owner", "event", "headers", "status"),
    [
        pytest.param("nobody", EVENT, STRUCTURED, 404, id="unknown owner"),
        pytest.param(OWNERS[0], EVENT, {"Content-Type": "application/json"}, 415, id="not structured mode"),
        pytest.param(OWNERS[0], {**EVENT, "specversion": "0.3"}, STRUCTURED, 400, id="other specification"),
        pytest.param(OWNERS[0], {"id": "e-1"}, STRUCTURED, 400, id="attributes missing"),
        pytest.param(OWNERS[0], [EVENT], STRUCTURED, 400, id="a batch"),
    ],
)
async def test_what_is_no_notice_is_refused(
    client: Client, owner: str, event: object, headers: dict[str, str], status: int
) -> None:
    sent = await client.post(f"/notices/{owner}", data=json.dumps(event), headers=headers)
    assert sent.status == status
    assert (await (await client.get("/notices")).json())["notices"] == []
