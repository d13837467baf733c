"""What runs in the sandbox, in which order, and how it is told that all of it serves."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sandbox import packages, ports, processes
from sandbox.endpoints import add_endpoints, endpoints, read_endpoints, write_endpoints
from sandbox.errors import SandboxError, ServerFailedError
from sandbox.layout import Layout
from sandbox.locks import locked
from sandbox.servers import (
    alertmanager,
    blackbox,
    mailbox,
    node_exporter,
    prometheus,
    receiver,
    telemetry_store,
    tickets,
)
from sandbox.servers.server import Server, Site, answers

__all__ = ["SERVERS", "Stack", "add_endpoints", "read_endpoints"]

SERVERS = (
    "telemetry_store",
    "tickets",
    "mailbox",
    "receiver",
    "alertmanager",
    "blackbox",
    "node_exporter",
    "prometheus",
)
RECEIPTS_PATH = "/release-watch/receipts"
SECOND_PORTS = {"telemetry_store": "clickhouse", "mailbox": "smtp"}
"""Servers that listen on a second port, and the name of that port."""
PYTHON_PACKAGES = {"telemetry_store": ("chdb",), "tickets": ("roundup",), "mailbox": ("aiosmtpd",)}
POLL_SECONDS = 0.1
LOG_LINES = 15


def quiet(line: str) -> None:
    """Report progress to nobody."""


class Stack:
    """The servers of one sandbox; as a context manager they run inside the block and never after it.

    Args:
        root: the ``.sandbox/run`` folder is made in it.
        servers: those to start, of ``SERVERS``; all of them by default. The receiver is added (or left out)
            as Alertmanager needs it.
        airflow_url: deliver alerts to this Airflow instead of the receiver.
        receiver_token_file: holds the bearer token for it.
        tools: folder of unpacked programs; the checkout's own by default.
        tethered: let the servers die with this process, however it ends (on Linux, where the thread that
            starts them must be one that stays).
        environment: may set ports (``SANDBOX_<NAME>_PORT``); by default all of them are free ones.
        progress: is called with a line per step.
    """

    def __init__(
        self,
        root: Path,
        servers: Iterable[str] | None = None,
        *,
        airflow_url: str | None = None,
        receiver_token_file: Path | None = None,
        tools: Path | None = None,
        tethered: bool = True,
        environment: Mapping[str, str] | None = None,
        progress: Callable[[str], None] = quiet,
    ) -> None:
        self.layout = Layout.at(root, tools)
        self.names = select(servers, with_airflow=airflow_url is not None)
        self._airflow_url = airflow_url.rstrip("/") if airflow_url else None
        self._token_file = receiver_token_file.resolve() if receiver_token_file else None
        self._tethered = tethered
        self._environment = environment or {}
        self._progress = progress
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._records: list[processes.Record] = []
        self.endpoints: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> dict[str, Any]:
        """Start the servers, wait until each serves, write and return the endpoints.

        Raises:
            SandboxError: something cannot be had, a port is taken, or a server does not come up; whatever had
                been started is ended again.
        """
        _check_python_packages(self.names)
        programs = packages.fetch_programs(self.layout.tools, self._progress)
        self.layout.make()
        try:
            site = self._site(programs)
            self._start_all(self._servers(site))
        except BaseException:
            self.stop()
            raise
        self.endpoints = endpoints(site, self.names)
        write_endpoints(self.layout, self.endpoints)
        return self.endpoints

    def stop(self) -> None:
        """End what this object started."""
        processes.stop(self._records, self._children)
        for record in self._records:
            (self.layout.processes / f"{record.name}.json").unlink(missing_ok=True)
        self._records = []
        self._children = {}
        self.layout.endpoints.unlink(missing_ok=True)

    def _site(self, programs: Mapping[str, Path]) -> Site:
        names = [*self.names, *(name for server, name in SECOND_PORTS.items() if server in self.names)]
        chosen = ports.choose(names, self._environment)
        site = Site(self.layout, chosen, programs)
        url = None
        if self._airflow_url:
            url = f"{self._airflow_url}{RECEIPTS_PATH}"
        elif "receiver" in chosen:
            url = f"{site.url('receiver')}/receipts"
        return Site(self.layout, chosen, programs, url, self._token_file)

    def _servers(self, site: Site) -> list[Server]:
        makers = {
            "tickets": tickets.server,
            "mailbox": mailbox.server,
            "receiver": receiver.server,
            "alertmanager": alertmanager.server,
            "blackbox": blackbox.server,
            "node_exporter": node_exporter.server,
            "prometheus": prometheus.server,
        }
        servers: list[Server] = []
        if "telemetry_store" in self.names:
            script, node = packages.fetch_qryn(self.layout.tools, self._progress)
            servers += telemetry_store.servers(site, script, node)
        return servers + [makers[name](site) for name in self.names if name in makers]

    def _start_all(self, servers: list[Server]) -> None:
        """Start everything that depends on nothing at once, and qryn when its engine answers."""
        begun: dict[str, float] = {}
        waiting: list[Server] = []
        for server in servers:
            if server.name == "telemetry_store":
                self._await(waiting, begun, until="clickhouse")
            self._start(server)
            begun[server.name] = time.monotonic()
            waiting.append(server)
        self._await(waiting, begun)

    def _start(self, server: Server) -> None:
        log = self.layout.logs / f"{server.name}.log"
        try:
            child = processes.start(
                server.name,
                server.arguments,
                folder=server.folder,
                environment=server.environment,
                log=log,
                tethered=self._tethered,
            )
        except OSError as error:
            raise ServerFailedError(f"{server.name} cannot be started: {error}.") from error
        self._children[child.pid] = child
        mark = processes.start_mark(child.pid) or "ended"
        record = processes.Record(server.name, child.pid, mark, server.url, server.health)
        self._records.append(record)
        processes.write_record(self.layout.processes, record)

    def _await(self, waiting: list[Server], begun: Mapping[str, float], until: str | None = None) -> None:
        """Wait until all (or the one named ``until``) serve, removing from ``waiting`` those that do."""
        while waiting and (until is None or until in {server.name for server in waiting}):
            for server in list(waiting):
                elapsed = time.monotonic() - begun[server.name]
                if _serves(server):
                    waiting.remove(server)
                    self._progress(f"{server.name:<16} {server.url:<24} up in {elapsed:.1f} s")
                else:
                    self._check(server, elapsed)
            time.sleep(POLL_SECONDS)

    def _check(self, server: Server, elapsed: float) -> None:
        child = next(self._children[record.pid] for record in self._records if record.name == server.name)
        if child.poll() is not None:
            what = f"ended with code {child.returncode}"
        elif elapsed > server.patience:
            what = f"did not answer {server.url}{server.health} within {server.patience:.0f} s"
        else:
            return
        log = self.layout.logs / f"{server.name}.log"
        raise ServerFailedError(
            f"{server.name} {what}. The end of {log}:\n{_tail(log)}\n"
            "Everything that had been started is ended again. Look for the cause above, then try again; if "
            f"its port is the trouble, set {ports.variable(server.name)}; if the unpacked programs are, "
            f"remove {self.layout.tools}."
        )


def _serves(server: Server) -> bool:
    if not answers(f"{server.url}{server.health}"):
        return False
    try:
        return server.ready is None or server.ready()
    except (OSError, ValueError, KeyError):
        return False


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return "  (no log)"
    return "\n".join(f"  {line[:300]}" for line in lines[-LOG_LINES:])


def select(servers: Iterable[str] | None, *, with_airflow: bool) -> tuple[str, ...]:
    """Return the servers to start, in starting order.

    Raises:
        SandboxError: a name that is no server.
    """
    if servers is None:
        wanted = set(SERVERS) - ({"receiver"} if with_airflow else set())
    else:
        wanted = set(servers)
        if unknown := wanted - set(SERVERS):
            raise SandboxError(
                f"No such server: {', '.join(sorted(unknown))}. Choose from: {', '.join(sorted(SERVERS))}."
            )
        if "alertmanager" in wanted and not with_airflow:
            wanted.add("receiver")
    return tuple(name for name in SERVERS if name in wanted)


def _check_python_packages(names: Iterable[str]) -> None:
    missing = [
        package for name in names for package in PYTHON_PACKAGES.get(name, ()) if find_spec(package) is None
    ]
    if missing:
        raise SandboxError(
            f"This Python lacks {', '.join(missing)}. Install what the sandbox needs: "
            "pip install -r sandbox/requirements.txt -c constraints.txt"
        )


@contextmanager
def exclusive(layout: Layout) -> Iterator[None]:
    """Keep a second ``up`` or ``down`` of the same sandbox out meanwhile.

    Raises:
        SandboxError: one is under way.
    """
    with ExitStack() as held:
        try:
            held.enter_context(locked(layout.state / ".lock", wait=False))
        except BlockingIOError as error:
            raise SandboxError(
                "Another `python -m sandbox` is starting or ending this sandbox. Wait for it."
            ) from error
        yield


def wipe(layout: Layout) -> None:
    """Remove what an earlier run left in the run folder."""
    shutil.rmtree(layout.run, ignore_errors=True)
