"""``.sandbox/run/endpoints.json``: what runs where, for the shop, the tests and ``make run``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError
from sandbox.layout import Layout
from sandbox.locks import locked
from sandbox.processes import replace
from sandbox.servers.server import Site
from sandbox.servers.tickets import credentials_file


def endpoints(site: Site, names: Iterable[str]) -> dict[str, Any]:
    """Return what the file holds: URLs (None for what does not run), programs, folders, files."""
    urls = {name: site.url(name) for name in names}
    store = urls.get("telemetry_store")
    layout = site.layout
    return {
        **{name: urls.get(name) for name in ("prometheus", "alertmanager", "blackbox", "node_exporter")},
        "loki": store,
        "tempo": store,
        "tickets": urls.get("tickets"),
        "mailbox": urls.get("mailbox"),
        "smtp": f"smtp://{site.address('smtp')}" if "mailbox" in urls else None,
        "receiver": urls.get("receiver"),
        "programs": {name: str(site.programs[name]) for name in ("promtool", "amtool")},
        "directories": {
            "rules": str(layout.rules),
            "dashboards": str(layout.dashboards),
            "targets_services": str(layout.service_targets),
            "targets_probes": str(layout.probe_targets),
            "logs": str(layout.logs),
        },
        "files": {"tickets_credentials": str(credentials_file(layout)) if "tickets" in urls else None},
    }


def write_endpoints(layout: Layout, content: Mapping[str, Any]) -> None:
    """Write the file; readers see the old or the new content, never a part."""
    replace(layout.endpoints, json.dumps(content, indent=2) + "\n")


def read_endpoints(root: Path) -> dict[str, Any]:
    """Return the endpoints of the sandbox in ``root``.

    Raises:
        SandboxError: none is up there.
    """
    path = Layout.at(root).endpoints
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SandboxError(f"No sandbox is up in {root} ({error}). Start it: python -m sandbox up") from error
    return content


def add_endpoints(root: Path, additions: Mapping[str, Any]) -> None:
    """Add top-level keys, or replace them; callers at the same time do not lose each other's.

    Raises:
        SandboxError: no sandbox is up in ``root``.
    """
    layout = Layout.at(root)
    with locked(layout.state / ".endpoints.lock"):
        write_endpoints(layout, {**read_endpoints(root), **additions})
