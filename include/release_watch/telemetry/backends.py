"""The servers that a release is watched with; ``orchestration`` finds them by their Airflow connections."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from release_watch.catalog.models import Service
from release_watch.errors import ReleaseWatchError
from release_watch.telemetry.logs import Loki
from release_watch.telemetry.metrics import Metrics
from release_watch.telemetry.traces import Tempo
from release_watch.transport import Transport


class ToolMissingError(ReleaseWatchError):
    """A program that checks rules or routes is not there."""

    def __init__(self, tool: str, variable: str) -> None:
        super().__init__(
            f"{tool} is not on PATH; install it (it comes with Prometheus or Alertmanager), "
            f"or name it in {variable}"
        )


class Backends(Protocol):
    """Each method raises ``NotConfiguredError`` if the connection it needs is not there.

    With a service, the connection that the catalogue names for it is taken.
    """

    def metrics(self, service: Service | None = None) -> Metrics:
        """Return where metrics are queried."""
        ...

    def prometheus(self) -> Transport:
        """Return the Prometheus that runs the rules."""
        ...

    def rules_directory(self) -> Path | None:
        """Return the folder that Prometheus loads rule files from, or None where there is none."""
        ...

    def logs(self, service: Service | None = None) -> Loki:
        """Return where logs are queried."""
        ...

    def traces(self, service: Service | None = None) -> Tempo:
        """Return where traces are searched."""
        ...

    def alertmanager(self) -> Transport:
        """Return the Alertmanager that routes alerts."""
        ...

    def grafana(self) -> Transport:
        """Return the Grafana that shows dashboards."""
        ...

    def oncall(self) -> Transport:
        """Return the pager."""
        ...

    def tickets(self) -> Transport:
        """Return the ticket system."""
        ...

    def orchestrator(self) -> Transport:
        """Return the release orchestrator."""
        ...

    def promtool(self) -> Path:
        """Return the program that checks rules; see :func:`find_tool`."""
        ...

    def amtool(self) -> Path:
        """Return the program that tests routes; see :func:`find_tool`."""
        ...


class RuleExtra(NamedTuple):
    """What a Prometheus connection says of how rules get into force, not yet validated.

    ``rules`` and ``directory`` are the fields ``rules`` and ``rules_directory`` of the extra of
    ``connection``; None where they are missing.
    """

    connection: str
    rules: Any = None
    directory: Path | None = None


@runtime_checkable
class RuleBackends(Protocol):
    """What :class:`Backends` also have whose rules may get into force in another way than by a folder."""

    def rule_extra(self) -> RuleExtra:
        """Return what the Prometheus connection says of it."""
        ...

    def ruler(self, conn_id: str) -> Transport:
        """Return the ruler behind a connection of its own."""
        ...


def find_tool(name: str) -> Path:
    """Return the program ``promtool`` or ``amtool``: ``RELEASE_WATCH_<NAME>``, else from PATH.

    Raises:
        ToolMissingError: saying where it is looked for.
    """
    variable = f"RELEASE_WATCH_{name.upper()}"
    found = shutil.which(os.environ.get(variable) or name)
    if found is None:
        raise ToolMissingError(name, variable)
    return Path(found)
