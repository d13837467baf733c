"""What each service of the shop does."""

from __future__ import annotations

import random
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from aiohttp import web

from sandbox.shop.catalogue import ProductDatabase
from sandbox.shop.context import ServiceContext

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Handlers = dict[tuple[str, str], Handler]
REMEMBERED_ORDERS = 5000
SHOWN_PRODUCTS = 12


def storefront(context: ServiceContext) -> Handlers:
    """Returns the handlers of the pages that customers see."""

    async def home(_: web.Request) -> web.Response:
        answer = await context.call("catalogue", "GET", f"/products?limit={SHOWN_PRODUCTS}")
        return web.json_response({"page": "home", "offers": answer["products"]})

    async def products(request: web.Request) -> web.Response:
        wanted = int(request.query.get("id", "1"))
        return web.json_response(await context.call("catalogue", "GET", f"/products/{wanted}"))

    async def cart_checkout(request: web.Request) -> web.Response:
        return web.json_response(await context.call("checkout", "POST", "/orders", body=await request.json()))

    return {("GET", "/"): home, ("GET", "/products"): products, ("POST", "/cart/checkout"): cart_checkout}


def checkout(context: ServiceContext) -> Handlers:
    """Returns the handlers that take orders, have them paid and give the money back."""
    meter = context.telemetry.instruments.meter
    orders = meter.create_counter("shop.orders", description="Orders that were paid")
    value = meter.create_counter("shop.order.value", unit="euros", description="Value of the paid orders")
    refunded = meter.create_counter("shop.refunds", description="Orders that were refunded")
    paid: OrderedDict[str, float] = OrderedDict()

    async def order(request: web.Request) -> web.Response:
        amount = float((await request.json())["amount_euros"])
        order_id = f"o-{uuid.uuid4().hex[:12]}"
        await context.call(
            "payments", "POST", "/charges", body={"order_id": order_id, "amount_euros": amount}
        )
        orders.add(1)
        value.add(amount)
        paid[order_id] = amount
        while len(paid) > REMEMBERED_ORDERS:
            paid.popitem(last=False)
        return web.json_response({"order_id": order_id, "amount_euros": amount})

    async def refund(request: web.Request) -> web.Response:
        order_id = request.match_info["id"]
        if order_id not in paid:
            raise web.HTTPNotFound(text="no such order")
        body = {"order_id": order_id, "amount_euros": paid[order_id]}
        answer = await context.call("payments", "POST", "/refunds", body=body)
        del paid[order_id]
        refunded.add(1)
        return web.json_response(answer)

    return {("POST", "/orders"): order, ("POST", "/orders/{id}/refund"): refund}


def payments(_: ServiceContext) -> Handlers:
    """Returns the handlers that charge and refund customers."""

    async def charge(request: web.Request) -> web.Response:
        order_id = (await request.json())["order_id"]
        return web.json_response({"charge_id": f"c-{uuid.uuid4().hex[:12]}", "order_id": order_id})

    async def refund(request: web.Request) -> web.Response:
        order_id = (await request.json())["order_id"]
        return web.json_response({"refund_id": f"r-{uuid.uuid4().hex[:12]}", "order_id": order_id})

    return {("POST", "/charges"): charge, ("POST", "/refunds"): refund}


def catalogue(context: ServiceContext) -> Handlers:
    """Returns the handlers that answer from the database of products."""
    database = ProductDatabase(context)

    async def products(request: web.Request) -> web.Response:
        limit = min(int(request.query.get("limit", "20")), 100)
        start = random.randrange(1, 100)
        rows = await database.query(
            "SELECT", "SELECT id, name, price_euros FROM products WHERE id >= ? LIMIT ?", start, limit
        )
        return web.json_response({"products": rows})

    async def product(request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        rows = await database.query(
            "SELECT", "SELECT id, name, price_euros FROM products WHERE id = ?", wanted
        )
        if not rows:
            raise web.HTTPNotFound(text="no such product")
        return web.json_response(rows[0])

    return {("GET", "/products"): products, ("GET", "/products/{id}"): product}


HANDLERS: dict[str, Callable[[ServiceContext], Handlers]] = {
    "storefront": storefront,
    "checkout": checkout,
    "payments": payments,
    "catalogue": catalogue,
}
