"""The backends of one environment, each found through its Airflow connection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from release_watch.errors import InvalidInputError, NotConfiguredError
from release_watch.orchestration.hooks.transport import ConnectionTransport, find_connection, request_headers
from release_watch.slo.targets.settings import DirectorySettings, settings_of
from release_watch.telemetry.backends import RuleExtra, find_tool
from release_watch.telemetry.logs import Loki
from release_watch.telemetry.metrics import Prometheus
from release_watch.telemetry.traces import Tempo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow.sdk import Connection

    from release_watch.catalog.models import Service
    from release_watch.catalog.policies import ReceiverSettings
    from release_watch.drills.receipts import Receipts
    from release_watch.drills.receivers.mailbox import MailboxSettings
    from release_watch.drills.receivers.receiver import Receivers
    from release_watch.telemetry.metrics import Metrics
    from release_watch.transport import Transport

DEFAULT_TIMEOUT_SECONDS = 10.0
FoundT = TypeVar("FoundT")


class AirflowBackends:
    """Implements ``release_watch.telemetry.backends.Backends`` with Airflow connections.

    For an environment ``prometheus_<environment>`` is taken where it exists, else ``prometheus_default``;
    a service of the catalogue may name its own.
    """

    def __init__(self, environment: str = "production") -> None:
        self.environment = environment
        self._transports: dict[str, ConnectionTransport] = {}
        self._metrics: dict[str, Metrics] = {}
        self._conn_ids: dict[str, str] = {}
        self._missing: set[str] = set()

    def metrics(self, service: Service | None = None) -> Metrics:
        """Return the metrics backend of ``service``, or the environment's."""
        signal = service.signals.metrics if service else None
        conn_id = self._conn_id("prometheus", signal.connection if signal else None)
        if conn_id not in self._metrics:
            self._metrics[conn_id] = _prometheus(self._found(conn_id, "metrics"))
        return self._metrics[conn_id]

    def prometheus(self) -> Transport:
        """Return Prometheus' own API: rules, targets, reload."""
        return self._transport(self._conn_id("prometheus"), "alert rules and targets")

    def rules_directory(self) -> Path | None:
        """Return the folder that Prometheus loads rules from: ``rules_directory`` or ``rules.directory``."""
        extra = self.rule_extra()
        settings = settings_of(extra)
        return settings.directory if isinstance(settings, DirectorySettings) else extra.directory

    def rule_extra(self) -> RuleExtra:
        """Return how rules get into force: the extra fields ``rules`` and ``rules_directory``."""
        conn_id = self._conn_id("prometheus")
        extra = self._found(conn_id, "alert rules").extra_dejson
        folder = extra.get("rules_directory")
        return RuleExtra(conn_id, extra.get("rules"), Path(folder) if folder else None)

    def ruler(self, conn_id: str) -> Transport:
        """Return the ruler behind a connection of its own."""
        return self._transport(conn_id, "alert rules")

    def logs(self, service: Service | None = None) -> Loki:
        """Return the log backend."""
        signal = service.signals.logs if service else None
        return Loki(self._transport(self._conn_id("loki", signal.connection if signal else None), "logs"))

    def traces(self, service: Service | None = None) -> Tempo:
        """Return the trace backend."""
        signal = service.signals.traces if service else None
        return Tempo(self._transport(self._conn_id("tempo", signal.connection if signal else None), "traces"))

    def alertmanager(self) -> Transport:
        """Return Alertmanager."""
        return self._transport(self._conn_id("alertmanager"), "alert delivery")

    def grafana(self) -> Transport:
        """Return Grafana."""
        return self._transport(self._conn_id("grafana"), "dashboards")

    def oncall(self) -> Transport:
        """Return the on-call system."""
        return self._transport(self._conn_id("oncall"), "paging and acknowledgement")

    def tickets(self) -> Transport:
        """Return the ticket tracker."""
        return self._transport(self._conn_id("tickets"), "tickets and incidents")

    def orchestrator(self) -> Transport:
        """Return the release orchestrator."""
        return self._transport(self.orchestrator_connection(), "deployment status and rollback")

    def orchestrator_connection(self) -> str:
        """Return the name of the release orchestrator's connection, for triggers."""
        return self._conn_id("release_orchestrator")

    def receivers(self, receipts: Receipts, settings: Mapping[str, ReceiverSettings]) -> Receivers:
        """Return the receivers of alerts that policies.yaml names, each read over its connection.

        Raises:
            NotConfiguredError: if a connection is missing.
        """
        from release_watch.drills.receivers.connecting import receivers_of

        return receivers_of(
            receipts,
            settings,
            lambda conn_id: self._transport(conn_id, "the receiver's own record of alerts"),
            mailbox_settings,
        )

    def promtool(self) -> Path:
        """Return Prometheus' ``promtool``."""
        return find_tool("promtool")

    def amtool(self) -> Path:
        """Return Alertmanager's ``amtool``."""
        return find_tool("amtool")

    def _conn_id(self, name: str, own: str | None = None) -> str:
        default = f"{name}_default"
        if own and own != default:
            return own
        if name not in self._conn_ids:  # each look-up is a call to the API server
            for_environment = f"{name}_{self.environment}"
            try:
                self._found(for_environment, name)
            except NotConfiguredError:
                for_environment = default
            self._conn_ids[name] = for_environment
        return self._conn_ids[name]

    def _transport(self, conn_id: str, needed_for: str) -> ConnectionTransport:
        if conn_id not in self._transports:
            self._transports[conn_id] = self._looked_up(ConnectionTransport, conn_id, needed_for)
        return self._transports[conn_id]

    def _found(self, conn_id: str, needed_for: str) -> Connection:
        return self._looked_up(find_connection, conn_id, needed_for)

    def _looked_up(self, look_up: Callable[[str, str], FoundT], conn_id: str, needed_for: str) -> FoundT:
        """Return what a connection gives; that there is none is remembered, as a look-up asks the API server.

        Raises:
            NotConfiguredError: if there is none of that name.
        """
        if conn_id in self._missing:
            raise NotConfiguredError(conn_id, needed_for)
        try:
            return look_up(conn_id, needed_for)
        except NotConfiguredError:
            self._missing.add(conn_id)
            raise


def mailbox_settings(conn_id: str) -> MailboxSettings:
    """Return how the mailbox of a connection is reached: extra ``maildir``, or host, login and password.

    Raises:
        NotConfiguredError: if there is no such connection.
        InvalidInputError: if it names no mailbox.
    """
    from pydantic import ValidationError

    from release_watch.drills.receivers.mailbox import MailboxSettings

    connection = find_connection(conn_id, "the mailbox of an alert receiver")
    extra = connection.extra_dejson
    known = {name: extra[name] for name in ("maildir", "folder", "encryption") if name in extra}
    if connection.host:
        known |= {"host": connection.host, "user": connection.login or ""}
        known |= {"password": connection.password or ""}
    if connection.port:
        known["port"] = connection.port
    try:
        return MailboxSettings(**known)
    except ValidationError as error:
        found = error.errors(include_input=False)
        problems = [f"connection {conn_id}: {problem['msg']}" for problem in found]
        raise InvalidInputError(problems) from None


def _prometheus(connection: Connection) -> Prometheus:
    extra = connection.extra_dejson
    return Prometheus(
        ConnectionTransport(connection.conn_id, "metrics").base_url,
        headers=request_headers(connection),
        verify=extra.get("verify", True),
        timeout_seconds=float(extra.get("timeout", DEFAULT_TIMEOUT_SECONDS)),
        auth=(connection.login, connection.password or "") if connection.login else None,
    )
