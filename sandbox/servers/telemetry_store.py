"""The Loki/Tempo-compatible server: qryn (npm) over the ClickHouse engine (PyPI chdb).

It answers ``/loki/api/v1/{push,query,query_range,labels,label/<name>/values}``, takes OTLP over HTTP
(protobuf) at ``/v1/traces`` and answers ``/api/traces/<id>/json`` and ``/api/search``.
It is neither Loki nor Tempo.
"""

from __future__ import annotations

from pathlib import Path

from sandbox.packages import Node
from sandbox.servers.server import PYTHON_ENVIRONMENT, Server, Site, python_module

DATABASE = "telemetry"
KEPT_DAYS = 31
NODE_HEAP_MEGABYTES = 384


def servers(site: Site, script: Path, node: Node) -> list[Server]:
    """Return how to start the engine's HTTP front and qryn in front of it, in this order."""
    folder = site.layout.data("telemetry_store")
    front = Server(
        name="clickhouse",
        arguments=python_module(
            "sandbox.servers.clickhouse_front",
            *("--port", str(site.ports["clickhouse"])),
            *("--data", str(folder / "clickhouse")),
        ),
        url=site.url("clickhouse"),
        health="/ping",
        folder=folder,
        environment=PYTHON_ENVIRONMENT,
        patience=60,
    )
    host, port = site.address("telemetry_store").split(":")
    qryn = Server(
        name="telemetry_store",
        arguments=(str(node.program), f"--max-old-space-size={NODE_HEAP_MEGABYTES}", str(script)),
        url=site.url("telemetry_store"),
        health="/ready",
        folder=folder,
        environment={
            "HOST": host,
            "PORT": port,
            "CLICKHOUSE_SERVER": host,
            "CLICKHOUSE_PORT": str(site.ports["clickhouse"]),
            "CLICKHOUSE_DB": DATABASE,
            "LABELS_DAYS": str(KEPT_DAYS),
            "SAMPLES_DAYS": str(KEPT_DAYS),
            "LOG_LEVEL": "warn",
        },
        patience=60,
    )
    return [front, qryn]
