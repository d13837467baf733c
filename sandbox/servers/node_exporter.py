"""Node exporter: the machine's own resources."""

from __future__ import annotations

from sandbox.servers.server import Server, Site

# Scraped every second, so only what a release can visibly change.
COLLECTORS = ("cpu", "meminfo", "loadavg", "filesystem", "diskstats", "netdev", "time", "uname")


def server(site: Site) -> Server:
    """Return how to start the node exporter."""
    return Server(
        name="node_exporter",
        arguments=(
            str(site.programs["node_exporter"]),
            f"--web.listen-address={site.address('node_exporter')}",
            "--collector.disable-defaults",
            *(f"--collector.{collector}" for collector in COLLECTORS),
        ),
        url=site.url("node_exporter"),
        health="/",
        folder=site.layout.data("node_exporter"),
    )
