"""The customers of the shop: a daily shape of load compressed into minutes.

python -m sandbox.shop.load --root . --day 600 --peak 8 --port 18090
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from aiohttp import web

from sandbox.shop.catalogue import PRODUCTS
from sandbox.shop.state import ShopState, read_state, state_file
from sandbox.shop.topology import FIRST_VERSION, endpoints_of
from sandbox.shop.watched_file import WatchedFile

DAY_SECONDS = 600.0
PEAK_RATE = 8.0
"""Visits per second at the peak; the services answer about two and a half requests per visit."""
NIGHT_SHARE = 0.45
"""A baseline of a few minutes knows no night: what a night alone takes away must not look like a loss."""
JITTER = 0.15
REFUND_SHARE = 0.08
MOST_OPEN_VISITS = 200
REMEMBERED_ORDERS = 50
KINDS = (("home", 0.35), ("product", 0.3), ("checkout", 0.35 - REFUND_SHARE), ("refund", REFUND_SHARE))


def rate_at(seconds: float, *, day: float, peak: float) -> float:
    """Returns the visits per second at a time: lowest at the start of the day, highest in its middle.

    Args:
        seconds: Time since any midnight.
        day: Length of a day in seconds.
        peak: Visits per second at the peak.
    """
    height = (1 - math.cos(2 * math.pi * (seconds % day) / day)) / 2
    return peak * (NIGHT_SHARE + (1 - NIGHT_SHARE) * math.pow(height, 1.3))


class Customers:
    """Makes visits to the shop that runs under a root."""

    def __init__(self, root: Path, session: aiohttp.ClientSession) -> None:
        self._session = session
        empty = ShopState(FIRST_VERSION, FIRST_VERSION, {})
        self._where = WatchedFile(state_file(root), lambda _: read_state(root), empty)
        self._orders: deque[tuple[str, str]] = deque(maxlen=REMEMBERED_ORDERS)

    async def visit(self) -> None:
        """Makes one visit; what goes wrong is the shop's to record."""
        kind = random.choices([name for name, _ in KINDS], [share for _, share in KINDS])[0]
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, KeyError):
            match kind:
                case "home":
                    await self._request("storefront", "GET", "/")
                case "product":
                    await self._request("storefront", "GET", f"/products?id={random.randint(1, PRODUCTS)}")
                case "checkout":
                    await self._check_out()
                case _:
                    await self._ask_for_refund()

    async def _check_out(self) -> None:
        taker = self._where.content().instances["checkout"].process
        amount = round(random.lognormvariate(3.6, 0.6), 2)
        answer = await self._request("storefront", "POST", "/cart/checkout", {"amount_euros": amount})
        if "order_id" in answer:
            self._orders.append((taker, answer["order_id"]))

    async def _ask_for_refund(self) -> None:
        checkout = self._where.content().instances["checkout"]
        known = any(e.path.endswith("/refund") for e in endpoints_of("checkout", checkout.version))
        # An instance knows the orders that it took itself.
        orders = [order for taker, order in self._orders if taker == checkout.process]
        if not known or not orders:
            await self._check_out()
            return
        order = orders[0]
        self._orders.remove((checkout.process, order))
        await self._request("checkout", "POST", f"/orders/{order}/refund")

    async def _request(
        self, service: str, method: str, path: str, body: dict[str, float] | None = None
    ) -> dict[str, str]:
        url = self._where.content().instances[service].url
        async with self._session.request(method, f"{url}{path}", json=body) as response:
            answer: dict[str, str] = await response.json()
            return answer


async def run(root: Path, *, day: float, peak: float) -> None:
    """Makes visits until cancelled; they arrive by chance (a Poisson process), whatever becomes of others."""
    open_visits: set[asyncio.Task[None]] = set()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        customers = Customers(root, session)
        while True:
            rate = rate_at(time.time(), day=day, peak=peak) * random.uniform(1 - JITTER, 1 + JITTER)
            await asyncio.sleep(random.expovariate(rate))
            if len(open_visits) < MOST_OPEN_VISITS:
                visit = asyncio.create_task(customers.visit())
                open_visits.add(visit)
                visit.add_done_callback(open_visits.discard)


def build_app(root: Path, *, day: float, peak: float) -> web.Application:
    """Returns an application that makes the visits in the background and answers `/healthz` while it does."""
    app = web.Application()
    running: list[asyncio.Task[None]] = []

    async def healthz(_: web.Request) -> web.Response:
        alive = bool(running) and not running[0].done()
        return web.json_response({"status": "ok" if alive else "stopped"}, status=200 if alive else 503)

    async def background(_: web.Application) -> AsyncIterator[None]:
        running.append(asyncio.create_task(run(root, day=day, peak=peak)))
        yield
        running[0].cancel()

    app.router.add_get("/healthz", healthz)
    app.cleanup_ctx.append(background)
    return app


def main() -> None:
    """Runs the load until it is told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.shop.load", description="The customers of the shop."
    )
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--day", type=float, default=DAY_SECONDS, help="seconds that a day takes")
    parser.add_argument("--peak", type=float, default=PEAK_RATE, help="visits per second at the peak")
    parser.add_argument("--port", type=int, required=True, help="where to answer /healthz")
    options = parser.parse_args()
    app = build_app(options.root.resolve(), day=options.day, peak=options.peak)
    web.run_app(app, host="127.0.0.1", port=options.port, access_log=None, print=None, shutdown_timeout=1)


if __name__ == "__main__":
    main()
