"""Blackbox exporter: the synthetic checks of the shop's services."""

from __future__ import annotations

from typing import Any

import yaml

from sandbox.servers.server import Server, Site

# Subtracted from the scrape timeout of one second; the default of half a second would leave half a second.
TIMEOUT_OFFSET_SECONDS = 0.1


def configuration() -> dict[str, Any]:
    """Return blackbox.yml: one module, an HTTP GET that must be answered with a 2xx status."""
    return {
        "modules": {
            "http_2xx": {
                "prober": "http",
                "timeout": "5s",
                "http": {"method": "GET", "preferred_ip_protocol": "ip4"},
            }
        }
    }


def server(site: Site) -> Server:
    """Write the configuration and return how to start the blackbox exporter."""
    folder = site.layout.data("blackbox")
    config = folder / "blackbox.yml"
    config.write_text(yaml.safe_dump(configuration(), sort_keys=False))
    return Server(
        name="blackbox",
        arguments=(
            str(site.programs["blackbox"]),
            f"--config.file={config}",
            f"--web.listen-address={site.address('blackbox')}",
            f"--timeout-offset={TIMEOUT_OFFSET_SECONDS}",
        ),
        url=site.url("blackbox"),
        health="/-/healthy",
        folder=folder,
    )
