"""Alertmanager: everything for on-call goes to one webhook, by severity, at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from sandbox.errors import SandboxError
from sandbox.layout import REPOSITORY, Layout
from sandbox.packages import data_folder
from sandbox.processes import replace
from sandbox.servers.server import Server, Site, post

# The discard port (RFC 863): nothing listens there, which is what a broken alert route looks like.
DEAD_URL = "http://127.0.0.1:9/receipts"
WATCHDOG_REPEAT = "15s"
PAGE_REPEAT = "1h"
TICKET_REPEAT = "4h"


def configuration(receipts_url: str, token_file: Path | None) -> dict[str, Any]:
    """Return alertmanager.yml with on-call reached at ``receipts_url``."""
    webhook: dict[str, Any] = {"url": receipts_url, "send_resolved": True}
    if token_file is not None:
        webhook["http_config"] = {"authorization": {"type": "Bearer", "credentials_file": str(token_file)}}
    return {
        "global": {"resolve_timeout": "5m"},
        "route": {
            "receiver": "oncall",
            "group_by": ["alertname", "service", "slo", "severity", "drill", "drill_id"],
            "group_wait": "0s",
            "group_interval": "1s",
            "repeat_interval": TICKET_REPEAT,
            "routes": [
                _route("alertname", "Watchdog", WATCHDOG_REPEAT),
                _route("drill", "true", PAGE_REPEAT),
                _route("severity", "page", PAGE_REPEAT),
                _route("severity", "ticket", TICKET_REPEAT),
            ],
        },
        # A page silences the ticket of the same SLO; a drill silences nothing.
        "inhibit_rules": [
            {
                "source_matchers": ['severity="page"', 'drill!="true"', 'slo!=""'],
                "target_matchers": ['severity="ticket"', 'drill!="true"', 'slo!=""'],
                "equal": ["environment", "service", "slo"],
            }
        ],
        "receivers": [{"name": "oncall", "webhook_configs": [webhook]}],
    }


def _route(label: str, value: str, repeat_interval: str) -> dict[str, Any]:
    return {"receiver": "oncall", "matchers": [f'{label}="{value}"'], "repeat_interval": repeat_interval}


def server(site: Site) -> Server:
    """Write the configuration and return how to start Alertmanager.

    Raises:
        SandboxError: no receipts URL is known.
    """
    if site.receipts_url is None:
        raise SandboxError("Alertmanager has nobody to tell: start the receiver too, or give an Airflow URL.")
    folder = site.layout.data("alertmanager")
    token = str(site.receiver_token_file) if site.receiver_token_file else None
    replace(folder / "on-call.json", json.dumps({"url": site.receipts_url, "token_file": token}) + "\n")
    _write(folder, broken=False)
    program = site.programs["alertmanager"]
    return Server(
        name="alertmanager",
        arguments=(
            str(program),
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={site.address('alertmanager')}",
            f"--web.external-url={site.url('alertmanager')}/",
            "--cluster.listen-address=",
        ),
        url=site.url("alertmanager"),
        health="/-/ready",
        folder=data_folder(program, "alertmanager"),
    )


def _write(folder: Path, *, broken: bool) -> None:
    on_call = json.loads((folder / "on-call.json").read_text())
    token = Path(on_call["token_file"]) if on_call["token_file"] else None
    config = configuration(DEAD_URL if broken else on_call["url"], token)
    replace(folder / "alertmanager.yml", yaml.safe_dump(config, sort_keys=False))


def reconfigure_route(broken: bool, root: Path = REPOSITORY) -> None:
    """Break or mend the route to on-call of the running sandbox in ``root``, and reload Alertmanager.

    Broken, every notification goes to a port where nobody listens; Alertmanager itself stays healthy.

    Raises:
        SandboxError: no sandbox with an Alertmanager runs there, or it refused the configuration.
    """
    layout = Layout.at(root)
    try:
        url = json.loads(layout.endpoints.read_text())["alertmanager"]
        _write(layout.run / "alertmanager", broken=broken)
        post(f"{url}/-/reload")
    except (OSError, KeyError, ValueError) as error:
        raise SandboxError(
            f"The alert route of the sandbox in {root} cannot be changed ({error}). "
            "Is it up? `python -m sandbox status` tells."
        ) from error
