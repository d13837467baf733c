"""Where the sandbox keeps its files: everything under ``<root>/.sandbox``, which git ignores."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def default_tools() -> Path:
    """Return the folder of unpacked programs of this checkout, or that of SANDBOX_TOOLS."""
    return Path(os.environ.get("SANDBOX_TOOLS") or REPOSITORY / ".sandbox" / "tools").resolve()


@dataclass(frozen=True)
class Layout:
    """The folders of one sandbox. ``run`` is wiped at every start, ``tools`` is kept."""

    root: Path
    tools: Path

    @classmethod
    def at(cls, root: Path, tools: Path | None = None) -> Layout:
        """Return the layout of the sandbox whose ``.sandbox`` folder is in ``root``."""
        return cls(root.resolve(), (tools or default_tools()).resolve())

    @property
    def state(self) -> Path:
        """The folder git ignores."""
        return self.root / ".sandbox"

    @property
    def run(self) -> Path:
        """Data, configurations, logs, process records and endpoints of the present run."""
        return self.state / "run"

    @property
    def logs(self) -> Path:
        """One log file per server."""
        return self.run / "logs"

    @property
    def processes(self) -> Path:
        """One record per started process."""
        return self.run / "processes"

    @property
    def endpoints(self) -> Path:
        """What runs where, for everybody else."""
        return self.run / "endpoints.json"

    @property
    def rules(self) -> Path:
        """Alert and recording rules that Prometheus loads (``*.yaml``)."""
        return self.run / "rules"

    @property
    def dashboards(self) -> Path:
        """Dashboards as JSON, as Grafana's file provisioning reads them."""
        return self.run / "dashboards"

    @property
    def service_targets(self) -> Path:
        """Targets of the shop's services (Prometheus file_sd, ``*.json``)."""
        return self.run / "targets" / "services"

    @property
    def probe_targets(self) -> Path:
        """Targets of the blackbox probes (Prometheus file_sd, ``*.json``)."""
        return self.run / "targets" / "probes"

    def data(self, server: str) -> Path:
        """Return the folder for the configuration and data of one server, made if missing."""
        folder = self.run / server
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def make(self) -> None:
        """Make every folder of a run."""
        for folder in (
            self.logs,
            self.processes,
            self.rules,
            self.dashboards,
            self.service_targets,
            self.probe_targets,
        ):
            folder.mkdir(parents=True, exist_ok=True)
