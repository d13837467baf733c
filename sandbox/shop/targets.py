"""What Prometheus scrapes and probes: one file of its file-based service discovery per service."""

from __future__ import annotations

from pathlib import Path

from sandbox.layout import Layout
from sandbox.shop.state import Instance, write_json
from sandbox.shop.topology import ENVIRONMENT, NAMESPACE

DEAD_ADDRESS = "127.0.0.1:9"  # the discard port: nobody listens


def register(root: Path, instance: Instance, *, scraped_at: str, probed: bool) -> None:
    """Writes the scrape target of a service, and its probe target or takes that away.

    Args:
        root: Root of the sandbox.
        instance: The instance that serves.
        scraped_at: Host and port to scrape.
        probed: Whether the blackbox exporter is to probe its `/healthz`.
    """
    scrape, probe = target_files(root, instance.service)
    labels = {"service": instance.service, "version": instance.version, "environment": ENVIRONMENT}
    job = f"{NAMESPACE}/{instance.service}"
    write_json(scrape, [{"targets": [scraped_at], "labels": {"job": job, **labels}}])
    if probed:
        write_json(probe, [{"targets": [f"{instance.url}/healthz"], "labels": labels}])
    else:
        probe.unlink(missing_ok=True)


def forget(root: Path, service: str) -> None:
    """Takes the targets of a service away."""
    for path in target_files(root, service):
        path.unlink(missing_ok=True)


def target_files(root: Path, service: str) -> tuple[Path, Path]:
    """Returns the files of the scrape target and of the probe target of a service."""
    layout = Layout.at(root)
    return layout.service_targets / f"{service}.json", layout.probe_targets / f"{service}.json"
