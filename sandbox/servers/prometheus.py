"""Prometheus: scrapes and evaluates every second, loads rules and targets from the run folder."""

from __future__ import annotations

from typing import Any

import yaml

from sandbox.packages import data_folder
from sandbox.servers.server import Server, Site, get_json

INTERVAL = "1s"
RETENTION = "45d"  # more than the 30 days of the longest SLO period
# How far back samples may be written, so that a history can be seeded by remote write.
OUT_OF_ORDER_WINDOW = "31d"
# Prometheus re-sends a firing alert after this long; its default of a minute makes tests wait.
RESEND_DELAY = "2s"


def configuration(site: Site) -> dict[str, Any]:
    """Return prometheus.yml for the servers that run."""
    layout = site.layout
    jobs: list[dict[str, Any]] = [
        {"job_name": name, "static_configs": [{"targets": [site.address(server)]}]}
        for name, server in (
            ("prometheus", "prometheus"),
            ("alertmanager", "alertmanager"),
            ("node", "node_exporter"),
            ("blackbox-exporter", "blackbox"),
        )
        if server in site.ports
    ]
    # The files give job, service, version and environment; a job label in a file wins over job_name.
    jobs.append({"job_name": "shop", **_discovered(f"{layout.service_targets}/*.json")})
    if "blackbox" in site.ports:
        jobs.append(_probes(f"{layout.probe_targets}/*.json", site.address("blackbox")))
    config: dict[str, Any] = {
        "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL},
        "storage": {"tsdb": {"out_of_order_time_window": OUT_OF_ORDER_WINDOW}},
        "rule_files": [f"{layout.rules}/*.yaml"],
        "scrape_configs": jobs,
    }
    if "alertmanager" in site.ports:
        config["alerting"] = {
            "alertmanagers": [{"static_configs": [{"targets": [site.address("alertmanager")]}]}]
        }
    return config


def _discovered(pattern: str) -> dict[str, Any]:
    return {"file_sd_configs": [{"files": [pattern], "refresh_interval": "5s"}]}


def _probes(pattern: str, exporter: str) -> dict[str, Any]:
    return {
        "job_name": "blackbox",
        "metrics_path": "/probe",
        "params": {"module": ["http_2xx"]},
        **_discovered(pattern),
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "target_label": "instance"},
            {"target_label": "job", "replacement": "blackbox"},
            {"target_label": "__address__", "replacement": exporter},
        ],
    }


def server(site: Site) -> Server:
    """Write the configuration and return how to start Prometheus.

    It counts as ready only when it knows its Alertmanager: for the first seconds after a start it knows none,
    and alerts that fire then are dropped.
    """
    folder = site.layout.data("prometheus")
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(configuration(site), sort_keys=False))
    program = site.programs["prometheus"]
    url = site.url("prometheus")

    def knows_alertmanager() -> bool:
        known = get_json(f"{url}/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
        return bool(known) or "alertmanager" not in site.ports

    return Server(
        name="prometheus",
        arguments=(
            str(program),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--storage.tsdb.retention.time={RETENTION}",
            f"--web.listen-address={site.address('prometheus')}",
            f"--web.external-url={url}/",
            "--web.enable-lifecycle",
            "--web.enable-remote-write-receiver",
            f"--rules.alert.resend-delay={RESEND_DELAY}",
        ),
        url=url,
        health="/-/ready",
        folder=data_folder(program, "prometheus"),
        ready=knows_alertmanager,
    )
