"""Dashboards as files: what Grafana provisions from where its API cannot be used."""

from __future__ import annotations

import json
from collections.abc import Sequence

from release_watch.dashboards.models import Dashboard

PROVIDER = "release-watch.yaml"
"""The file that tells Grafana to read the others; it belongs into Grafana's ``provisioning/dashboards``."""


def dashboard_file(dashboard: Dashboard) -> tuple[str, bytes]:
    """Return name and content of the file of a dashboard."""
    text = json.dumps(dashboard.json_model, indent=2, sort_keys=True) + "\n"
    return f"{dashboard.uid}.json", text.encode()


def provider_file(folder: str, directory: str) -> bytes:
    """Return the provider: dashboards of ``folder`` are read from ``directory`` and edited there only."""
    import yaml

    provider = {
        "name": "release-watch",
        "orgId": 1,
        "type": "file",
        "folder": folder,
        "disableDeletion": False,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 30,
        "options": {"path": directory, "foldersFromFilesStructure": False},
    }
    text = yaml.safe_dump({"apiVersion": 1, "providers": [provider]}, sort_keys=False, allow_unicode=True)
    return text.encode()


def provisioning_files(dashboards: Sequence[Dashboard], folder: str, directory: str) -> dict[str, bytes]:
    """Return all files by name: the provider, and one per dashboard, to be laid into ``directory``."""
    return {PROVIDER: provider_file(folder, directory), **dict(map(dashboard_file, dashboards))}
