"""Runs one service of the shop.

python -m sandbox.shop.service --root . --name checkout --version 1.0.0 --port 18080 --process shop-checkout
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import random
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Middleware
from opentelemetry.propagate import extract
from opentelemetry.trace import Span, SpanKind, StatusCode

from sandbox.endpoints import read_endpoints
from sandbox.shop import targets
from sandbox.shop.catalogue import DatabaseError
from sandbox.shop.context import DownstreamError, ServiceContext
from sandbox.shop.handlers import HANDLERS, Handler
from sandbox.shop.logs import LogShipper
from sandbox.shop.state import Instance
from sandbox.shop.switches import Switches
from sandbox.shop.telemetry import start_telemetry
from sandbox.shop.topology import SHOP, TRACED_SHARE, Endpoint, endpoints_of

LATENCY_SPREAD = 0.35
"""Sigma of the lognormal latency: the 95th percentile is 1.8 times the median."""
HOUSEKEEPING_SECONDS = 1.0


class InjectedError(Exception):
    """A request that fails because a switch, or chance, says so."""


def build_app(context: ServiceContext, instance: Instance) -> web.Application:
    """Returns the service as a web application: its endpoints, `/healthz` and `/metrics`."""
    app = web.Application(middlewares=[cutting(context)])
    handlers = HANDLERS[context.name](context)
    for endpoint in endpoints_of(context.name, context.version):
        handler = observed(context, endpoint, handlers[(endpoint.method, endpoint.path)])
        app.router.add_route(endpoint.method, endpoint.path, handler)

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "service": context.name, "version": context.version})

    async def metrics(_: web.Request) -> web.Response:
        if context.switches.scrape_fails():
            raise web.HTTPServiceUnavailable(text="the metrics cannot be had now")
        page = context.telemetry.metrics_page(
            application=context.switches.exports("metrics"), distortion=context.switches.distortion()
        )
        return web.Response(body=page, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def background(_: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            context.session = session
            tasks = [
                asyncio.create_task(context.logs.run(session)),
                asyncio.create_task(keep_house(context, instance)),
            ]
            context.logs.write("info", f"{context.name} {context.version} started", port=instance.port)
            yield
            for task in tasks:
                task.cancel()
            context.logs.write("info", f"{context.name} {context.version} stops")
            await context.logs.flush(session)
        await asyncio.to_thread(context.telemetry.tracer_provider.shutdown)

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/metrics", metrics)
    app.cleanup_ctx.append(background)
    return app


def cutting(context: ServiceContext) -> Middleware:
    """Returns a middleware that cuts the connection of every request while the service is not to answer.

    Nothing is recorded of such a request, as of one to a process that is gone.
    """

    @web.middleware
    async def answer_or_cut(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not context.switches.answers() and request.transport is not None:
            request.transport.abort()
            return web.Response()  # aiohttp wants one; nobody gets it
        return await handler(request)

    return answer_or_cut


def observed(context: ServiceContext, endpoint: Endpoint, handler: Handler) -> Handler:
    """Returns the handler with its latency, its faults, and everything that is recorded about a request."""

    async def handle(request: web.Request) -> web.StreamResponse:
        started = time.perf_counter()
        with context.telemetry.tracer.start_as_current_span(
            f"{endpoint.method} {endpoint.path}",
            context=extract(request.headers),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": endpoint.method, "http.route": endpoint.path},
        ) as span:
            response, problem = await answer(context, endpoint, handler, request)
            record(context, endpoint, span, response.status, time.perf_counter() - started, problem)
            return response

    return handle


async def answer(
    context: ServiceContext, endpoint: Endpoint, handler: Handler, request: web.Request
) -> tuple[web.StreamResponse, str]:
    """Returns the response to a request, and what went wrong with it: empty where nothing did."""
    try:
        await work(context, endpoint)
        return await handler(request), ""
    except web.HTTPException as problem:
        return web.json_response(
            {"error": problem.text}, status=problem.status
        ), problem.text or problem.reason
    except (ValueError, KeyError) as problem:
        return web.json_response({"error": "bad request"}, status=400), f"bad request: {problem!r}"
    except DownstreamError as problem:
        return web.json_response({"error": "a service that is needed failed"}, status=502), str(problem)
    except (InjectedError, DatabaseError) as problem:
        return web.json_response({"error": "internal error"}, status=500), str(problem)


async def work(context: ServiceContext, endpoint: Endpoint) -> None:
    """Takes the time that the endpoint's own work takes, and fails as often as it fails.

    Raises:
        InjectedError: This request is one of those that fail.
    """
    seconds = random.lognormvariate(math.log(endpoint.base_ms / 1000), LATENCY_SPREAD)
    await asyncio.sleep(seconds + context.switches.added_latency_seconds(endpoint.path))
    if random.random() < context.switches.error_rate(endpoint.path):
        raise InjectedError(
            f"unhandled exception in {endpoint.path}: 'NoneType' object has no attribute 'currency'"
        )
    if random.random() < SHOP[context.name].background_errors:
        raise InjectedError("connection reset by peer")


def record(
    context: ServiceContext, endpoint: Endpoint, span: Span, status: int, seconds: float, problem: str
) -> None:
    """Records a request that has been answered: metric, span and log line."""
    context.telemetry.instruments.server_duration.record(
        seconds,
        {
            "http.request.method": endpoint.method,
            "http.route": endpoint.path,
            "http.response.status_code": status,
        },
    )
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(StatusCode.ERROR, problem)
    level = "error" if status >= 500 else "warning" if status >= 400 else "info"
    context.logs.write(
        level,
        problem or f"{endpoint.method} {endpoint.path} {status}",
        route=endpoint.path,
        method=endpoint.method,
        status=status,
        duration_ms=round(seconds * 1000, 1),
    )


async def keep_house(context: ServiceContext, instance: Instance) -> None:
    """Once a second: leaks memory where that is switched on, and keeps the targets as the faults say."""
    known: tuple[bool, bool, str] | None = None
    while True:
        await asyncio.sleep(HOUSEKEEPING_SECONDS)
        context.switches.leak(HOUSEKEEPING_SECONDS)
        if context.where.content().instances.get(context.name) != instance:
            known = None  # another instance of this service is the one that is registered
            continue
        version = context.switches.distortion().version or instance.version
        wanted = (context.switches.target_is_dead(), context.switches.exports("probe"), version)
        if wanted != known:
            known = wanted
            address = targets.DEAD_ADDRESS if wanted[0] else instance.address
            labelled = replace(instance, version=version)
            with contextlib.suppress(OSError):
                targets.register(context.root, labelled, scraped_at=address, probed=wanted[1])


def main() -> None:
    """Runs a service until it is told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.shop.service", description="One service of the shop."
    )
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--name", choices=sorted(SHOP), required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--process", required=True, help="name under which the process is supervised")
    parser.add_argument("--started-at", default=datetime.now(UTC).isoformat(timespec="milliseconds"))
    options = parser.parse_args()
    root: Path = options.root.resolve()
    servers = read_endpoints(root)
    switches = Switches(root, options.name, options.version)
    telemetry = start_telemetry(
        options.name,
        options.version,
        tempo_url=servers.get("tempo"),
        sample_ratio=TRACED_SHARE,
        traces_enabled=lambda: switches.exports("traces"),
        distortion=switches.distortion,
    )
    logs = LogShipper(
        options.name,
        options.version,
        loki_url=servers.get("loki"),
        enabled=lambda: switches.exports("logs"),
        distortion=switches.distortion,
    )
    context = ServiceContext(root, options.name, options.version, telemetry, logs, switches)
    instance = Instance(options.name, options.version, options.port, options.process, options.started_at)
    app = build_app(context, instance)
    web.run_app(app, host="127.0.0.1", port=options.port, access_log=None, print=None, shutdown_timeout=3)


if __name__ == "__main__":
    main()
