from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sandbox.faults import clear_faults, set_fault
from sandbox.shop.context import ServiceContext
from sandbox.shop.fault import faults_file
from sandbox.shop.logs import LogShipper, push_body
from sandbox.shop.service import build_app
from sandbox.shop.state import Instance, ShopState, write_json, write_state
from sandbox.shop.switches import Switches
from sandbox.shop.targets import target_files
from sandbox.shop.telemetry import start_telemetry
from sandbox.shop.topology import SHOP

COUNT = "http_server_request_duration_seconds_count"
Client = TestClient[web.Request, web.Application]


@pytest.fixture(autouse=True)
def no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = {name: replace(service, background_errors=0.0) for name, service in SHOP.items()}
    monkeypatch.setattr("sandbox.shop.service.SHOP", calm)


@asynccontextmanager
async def running(
    root: Path,
    service: str,
    version: str = "1.1.0",
    *,
    loki: str | None = None,
    traced: float = 1.0,
    instance: Instance | None = None,
) -> AsyncIterator[Client]:
    switches = Switches(root, service, version)
    telemetry = start_telemetry(
        service, version, tempo_url=None, sample_ratio=traced, traces_enabled=lambda: True
    )
    logs = LogShipper(
        service,
        version,
        loki_url=loki,
        enabled=lambda: switches.exports("logs"),
        distortion=switches.distortion,
    )
    context = ServiceContext(root, service, version, telemetry, logs, switches)
    app = build_app(context, instance or Instance(service, version, 0, "test", ""))
    async with TestClient(TestServer(app)) as client:
        yield client


@asynccontextmanager
async def answering(
    handler: Callable[[web.Request], Awaitable[web.Response]],
) -> AsyncIterator[TestServer[Any]]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    async with TestServer(app) as server:
        yield server


def where(root: Path, **ports: int) -> None:
    instances = {name: Instance(name, "1.1.0", port, name, "") for name, port in ports.items()}
    write_state(root, ShopState("1.1.0", "1.1.0", instances))


async def page(client: Client) -> str:
    return await (await client.get("/metrics")).text()


async def test_a_request_is_counted_under_its_route_method_and_status(tmp_path: Path) -> None:
    async with running(tmp_path, "payments") as client:
        response = await client.post("/charges", json={"order_id": "o-1", "amount_euros": 1})
        assert response.status == 200
        line = (
            f'{COUNT}{{http_request_method="POST",http_response_status_code="200",http_route="/charges"}} 1.0'
        )
        assert line in await page(client)


async def test_the_metrics_page_names_service_version_and_process(tmp_path: Path) -> None:
    async with running(tmp_path, "payments") as client:
        await client.post("/charges", json={"order_id": "o-1"})
        text = await page(client)
    info = next(line for line in text.splitlines() if line.startswith("target_info{"))
    assert 'service_name="payments"' in info
    assert 'service_namespace="shop"' in info
    assert 'service_version="1.1.0"' in info
    assert "process_resident_memory_bytes " in text
    assert "process_cpu_seconds_total " in text


async def test_no_error_series_exists_before_the_first_error(tmp_path: Path) -> None:
    async with running(tmp_path, "payments") as client:
        await client.post("/charges", json={"order_id": "o-1"})
        assert 'http_response_status_code="500"' not in await page(client)


@pytest.mark.parametrize(("version", "status"), [("1.0.0", 404), ("1.1.0", 200)])
async def test_refunds_came_with_version_1_1_0(tmp_path: Path, version: str, status: int) -> None:
    async with running(tmp_path, "payments", version) as client:
        assert (await client.post("/refunds", json={"order_id": "o-1"})).status == status


async def test_an_errors_fault_makes_requests_fail_and_counts_them(tmp_path: Path) -> None:
    set_fault(tmp_path, "errors", service="payments", value=1, version="1.1.0")
    async with running(tmp_path, "payments") as client:
        assert (await client.post("/charges", json={"order_id": "o-1"})).status == 500
        assert 'http_response_status_code="500",http_route="/charges"} 1.0' in await page(client)


async def test_a_rolled_back_version_is_free_of_the_releases_fault(tmp_path: Path) -> None:
    set_fault(tmp_path, "errors", service="payments", value=1, version="1.1.0")
    async with running(tmp_path, "payments", "1.0.0") as client:
        assert (await client.post("/charges", json={"order_id": "o-1"})).status == 200


async def test_a_service_without_its_metrics_is_still_up(tmp_path: Path) -> None:
    set_fault(tmp_path, "signal-off", service="payments", value="metrics")
    async with running(tmp_path, "payments") as client:
        await client.post("/charges", json={"order_id": "o-1"})
        text = await page(client)
    assert COUNT not in text
    assert "process_cpu_seconds_total" in text


async def test_a_scrape_can_fail_while_the_service_serves(tmp_path: Path) -> None:
    fault = set_fault(tmp_path, "gaps", service="payments", value=60)
    set_at = (datetime.now(UTC) - timedelta(seconds=70)).isoformat()
    write_json(faults_file(tmp_path), [{**vars(fault), "set_at": set_at}])
    async with running(tmp_path, "payments") as client:
        assert (await client.get("/metrics")).status == 503
        assert (await client.post("/charges", json={"order_id": "o-1"})).status == 200


async def test_a_distorted_page_is_what_prometheus_is_given(tmp_path: Path) -> None:
    set_fault(tmp_path, "route-uncounted", service="payments", route="/charges")
    set_fault(tmp_path, "old-version", service="payments")
    async with running(tmp_path, "payments") as client:
        for path in ("/charges", "/refunds"):
            assert (await client.post(path, json={"order_id": "o-1"})).status == 200
        text = await page(client)
    assert 'http_route="/refunds"' in text
    assert 'http_route="/charges"' not in text
    assert 'service_version="1.0.0"' in text


@pytest.mark.parametrize(
    ("faults", "version"),
    [pytest.param([], "1.1.0", id="its own"), pytest.param(["old-version"], "1.0.0", id="an older one")],
)
async def test_a_service_keeps_its_target_under_the_version_it_names(
    tmp_path: Path, faults: list[str], version: str
) -> None:
    for name in faults:
        set_fault(tmp_path, name, service="payments")
    instance = Instance("payments", "1.1.0", 18080, "test", "")
    write_state(tmp_path, ShopState("1.1.0", "1.1.0", {"payments": instance}))
    async with running(tmp_path, "payments", instance=instance):
        scrape, _ = target_files(tmp_path, "payments")
        async with asyncio.timeout(10):
            while not scrape.exists():
                await asyncio.sleep(0.05)
    (group,) = json.loads(scrape.read_text())
    assert (group["labels"]["version"], group["targets"]) == (version, ["127.0.0.1:18080"])


@pytest.mark.parametrize("body", [b"no json", b"{}"], ids=["no JSON", "no order"])
async def test_a_bad_request_is_answered_with_400(tmp_path: Path, body: bytes) -> None:
    async with running(tmp_path, "payments") as client:
        assert (await client.post("/charges", data=body)).status == 400


async def test_the_catalogue_answers_from_its_database_and_measures_it(tmp_path: Path) -> None:
    async with running(tmp_path, "catalogue") as client:
        listed = await (await client.get("/products?limit=3")).json()
        one = await (await client.get("/products/7")).json()
        missing = await client.get("/products/9999")
        text = await page(client)
    assert len(listed["products"]) == 3
    assert one == {"id": 7, "name": "Article 7", "price_euros": pytest.approx(83.99)}
    assert missing.status == 404
    assert "db_client_operation_duration_seconds_count{" in text
    assert (
        'db_client_connections_usage{db_namespace="products",db_system_name="sqlite",state="idle"} 8.0'
        in text
    )


async def test_a_dead_database_fails_requests_and_shows_as_database_errors(tmp_path: Path) -> None:
    set_fault(tmp_path, "dependency-dead", service="catalogue")
    async with running(tmp_path, "catalogue") as client:
        assert (await client.get("/products/7")).status == 500
        assert 'error_type="OperationalError"' in await page(client)


@pytest.mark.parametrize("path", ["/products/7", "/healthz", "/metrics"])
async def test_a_service_that_answers_nobody_cuts_every_connection(tmp_path: Path, path: str) -> None:
    set_fault(tmp_path, "no-answer", service="catalogue")
    async with running(tmp_path, "catalogue") as client:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await client.get(path)


async def test_a_service_that_answers_again_has_not_counted_whom_it_did_not_answer(tmp_path: Path) -> None:
    set_fault(tmp_path, "no-answer", service="catalogue")
    async with running(tmp_path, "catalogue") as client:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await client.get("/products/7")
        clear_faults(tmp_path)
        await asyncio.sleep(1.1)  # the switches are read again after a second
        assert (await client.get("/healthz")).status == 200
        assert COUNT not in await page(client)


async def test_an_order_is_paid_counted_and_can_be_refunded_once(tmp_path: Path) -> None:
    async def pay(_: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async with answering(pay) as payments:
        where(tmp_path, payments=payments.port or 0)
        async with running(tmp_path, "checkout") as client:
            order = await (await client.post("/orders", json={"amount_euros": 12.5})).json()
            first = await client.post(f"/orders/{order['order_id']}/refund")
            second = await client.post(f"/orders/{order['order_id']}/refund")
            text = await page(client)
    assert (first.status, second.status) == (200, 404)
    assert "shop_orders_total 1.0" in text
    assert "shop_order_value_euros_total 12.5" in text


async def test_a_failed_payment_is_no_order(tmp_path: Path) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({}, status=500)

    async with answering(refuse) as payments:
        where(tmp_path, payments=payments.port or 0)
        async with running(tmp_path, "checkout") as client:
            assert (await client.post("/orders", json={"amount_euros": 12.5})).status == 502
            assert "shop_orders_total" not in await page(client)


async def test_dead_dependencies_fail_calls_although_the_other_service_lives(tmp_path: Path) -> None:
    async def pay(_: web.Request) -> web.Response:
        return web.json_response({})

    set_fault(tmp_path, "dependency-dead", service="checkout")
    async with answering(pay) as payments:
        where(tmp_path, payments=payments.port or 0)
        async with running(tmp_path, "checkout") as client:
            assert (await client.post("/orders", json={"amount_euros": 1})).status == 502
            assert 'http_client_request_duration_seconds_count{error_type="' in await page(client)


async def test_the_trace_goes_on_in_the_called_service(tmp_path: Path) -> None:
    seen: list[str] = []

    async def pay(request: web.Request) -> web.Response:
        seen.append(request.headers.get("traceparent", ""))
        return web.json_response({})

    trace = "0af7651916cd43dd8448eb211c80319c"
    async with answering(pay) as payments:
        where(tmp_path, payments=payments.port or 0)
        async with running(tmp_path, "checkout") as client:
            headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
            await client.post("/orders", json={"amount_euros": 1}, headers=headers)
    assert [header.split("-")[1] for header in seen] == [trace]


async def test_logs_are_pushed_with_their_labels_and_trace(tmp_path: Path) -> None:
    pushed: list[dict[str, Any]] = []

    async def loki(request: web.Request) -> web.Response:
        pushed.extend((await request.json())["streams"])
        return web.Response(status=204)

    async with (
        answering(loki) as server,
        running(tmp_path, "payments", loki=f"http://127.0.0.1:{server.port}") as client,
    ):
        await client.post("/charges", json={"order_id": "o-1"})
    stream = next(stream for stream in pushed if stream["stream"]["level"] == "info")
    assert stream["stream"] == {
        "service_name": "payments",
        "version": "1.1.0",
        "environment": "production",
        "level": "info",
    }
    lines = [json.loads(text) for _, text in stream["values"]]
    request = next(line for line in lines if line.get("route") == "/charges")
    assert request["status"] == 200
    assert len(request["trace_id"]) == 32


async def test_logs_name_an_older_version_and_a_later_time_where_faults_say_so(tmp_path: Path) -> None:
    pushed: list[dict[str, Any]] = []

    async def loki(request: web.Request) -> web.Response:
        pushed.extend((await request.json())["streams"])
        return web.Response(status=204)

    set_fault(tmp_path, "old-version", service="payments")
    set_fault(tmp_path, "clock-skew", service="payments", value=3600)
    async with (
        answering(loki) as server,
        running(tmp_path, "payments", loki=f"http://127.0.0.1:{server.port}") as client,
    ):
        await client.post("/charges", json={"order_id": "o-1"})
    assert {stream["stream"]["version"] for stream in pushed} == {"1.0.0"}
    stamps = [int(stamp) / 1e9 for stream in pushed for stamp, _ in stream["values"]]
    assert all(0 < stamp - time.time() <= 3600 for stamp in stamps)


async def test_no_log_is_pushed_while_logs_are_off(tmp_path: Path) -> None:
    pushed: list[str] = []

    async def loki(request: web.Request) -> web.Response:
        pushed.append(request.path)
        return web.Response(status=204)

    set_fault(tmp_path, "signal-off", service="payments", value="logs")
    async with (
        answering(loki) as server,
        running(tmp_path, "payments", loki=f"http://127.0.0.1:{server.port}") as client,
    ):
        assert (await client.post("/charges", json={"order_id": "o-1"})).status == 200
    assert pushed == []


def test_log_lines_are_pushed_as_one_stream_per_level() -> None:
    body = push_body({"service_name": "x"}, [("info", 1, "a"), ("error", 2, "b"), ("info", 3, "c")])
    assert body == {
        "streams": [
            {"stream": {"service_name": "x", "level": "info"}, "values": [["1", "a"], ["3", "c"]]},
            {"stream": {"service_name": "x", "level": "error"}, "values": [["2", "b"]]},
        ]
    }
