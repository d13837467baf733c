"""The catalogue's database of products: SQLite behind a small pool, measured by OpenTelemetry's names."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.trace import SpanKind, StatusCode

from sandbox.layout import Layout
from sandbox.shop.context import ServiceContext
from sandbox.shop.telemetry import duration_histogram

POOL_SIZE = 8
PRODUCTS = 200
MEDIAN_QUERY_SECONDS = 0.002
SYSTEM = {"db.system.name": "sqlite", "db.namespace": "products"}


class DatabaseError(Exception):
    """The database did not answer a query."""


class ProductDatabase:
    """A pool of connections to the products."""

    def __init__(self, context: ServiceContext) -> None:
        self._context = context
        self._path = Layout.at(context.root).run / "shop" / "products.db"
        create_products(self._path)
        self._idle: asyncio.Queue[sqlite3.Connection] = asyncio.Queue()
        for _ in range(POOL_SIZE):
            self._idle.put_nowait(connect(self._path))
        meter = context.telemetry.instruments.meter
        self._duration = duration_histogram(
            meter, "db.client.operation.duration", "Duration of database queries"
        )
        meter.create_observable_gauge(
            "db.client.connections.usage", [self._usage], description="Connections by their state"
        )
        meter.create_observable_gauge(
            "db.client.connections.max",
            [lambda _: [Observation(POOL_SIZE, SYSTEM)]],
            description="Size of the pool",
        )

    async def query(self, operation: str, statement: str, *values: object) -> list[dict[str, Any]]:
        """Returns the rows of a query.

        Raises:
            DatabaseError: The query failed.
        """
        started = time.perf_counter()
        attributes: dict[str, str] = {**SYSTEM, "db.operation.name": operation}
        connection = await self._idle.get()
        with self._context.telemetry.tracer.start_as_current_span(
            f"{operation} products", kind=SpanKind.CLIENT, attributes=attributes
        ) as span:
            try:
                await asyncio.sleep(MEDIAN_QUERY_SECONDS * random.lognormvariate(0.0, 0.3))
                return [dict(row) for row in self._usable(connection).execute(statement, values)]
            except sqlite3.Error as error:
                attributes["error.type"] = type(error).__name__
                span.set_status(StatusCode.ERROR)
                raise DatabaseError(f"database: {error}") from error
            finally:
                self._idle.put_nowait(connection)
                self._duration.record(time.perf_counter() - started, attributes)

    def _usable(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        dead = self._context.switches.dependency_is_dead()
        return connect(self._path.with_name("gone") / self._path.name) if dead else connection

    def _usage(self, _: CallbackOptions) -> Iterable[Observation]:
        idle = self._idle.qsize()
        yield Observation(idle, {**SYSTEM, "state": "idle"})
        yield Observation(POOL_SIZE - idle, {**SYSTEM, "state": "used"})


def connect(path: Path) -> sqlite3.Connection:
    """Returns a read-only connection to the products, usable from any thread."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    return connection


def create_products(path: Path) -> None:
    """Makes the database where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS products"
            " (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_euros REAL NOT NULL)"
        )
        connection.executemany(
            "INSERT OR IGNORE INTO products VALUES (?, ?, ?)",
            [(i, f"Article {i}", round(4.99 + (i * 37) % 90, 2)) for i in range(1, PRODUCTS + 1)],
        )
    connection.close()
