"""Which server a panel asks: that of the environment, or the one that a service names for itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from release_watch.catalog.models import MetricsSignal, Service, Signals, SyntheticsSignal
from release_watch.telemetry.backends import Backends
from release_watch.telemetry.metrics import Metrics

_DEFAULT = "prometheus_default"


def connection_of(signal: MetricsSignal | SyntheticsSignal | None) -> str:
    """Return the Airflow connection that a signal names for itself; empty for that of the environment."""
    return "" if signal is None or signal.connection == _DEFAULT else signal.connection


def servers(services: Sequence[Service], backends: Backends) -> dict[str, Metrics]:
    """Return the metrics servers that the panels of ``services`` ask, by connection; empty is the default.

    Raises:
        NotConfiguredError: if a connection is not there.
    """
    named = {
        connection_of(signal): service
        for service in services
        for signal in (service.signals.metrics, service.signals.synthetics)
    }
    own = {name: _reached_by(name, service) for name, service in named.items() if name}
    return {"": backends.metrics(), **{name: backends.metrics(service) for name, service in own.items()}}


def variable(connection: str) -> str:
    """Return the name of the dashboard's variable by which the data source of a connection is chosen."""
    return f"datasource_{re.sub(r'[^A-Za-z0-9]', '_', connection)}" if connection else "datasource"


def _reached_by(connection: str, service: Service) -> Service:
    # A probe may be kept elsewhere than the service's own metrics; backends go by the latter.
    metrics = MetricsSignal(selector='job="any"', connection=connection)
    return service.model_copy(update={"signals": Signals(metrics=metrics)})
