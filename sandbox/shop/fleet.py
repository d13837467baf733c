"""The processes of the shop: starting all, replacing a version without an interruption, stopping all."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sandbox import ports, processes
from sandbox.endpoints import add_endpoints, read_endpoints
from sandbox.errors import ServerFailedError
from sandbox.layout import Layout
from sandbox.locks import locked
from sandbox.servers.server import PYTHON_ENVIRONMENT, answers, python_module
from sandbox.shop import targets
from sandbox.shop.load import DAY_SECONDS, PEAK_RATE
from sandbox.shop.state import Instance, ShopState, read_state, state_file, write_state
from sandbox.shop.topology import FIRST_VERSION, SHOP, parse_version

HEALTHY_WITHIN_SECONDS = 30.0
POLL_SECONDS = 0.1
DRAIN_SECONDS = 2.5
"""How long an old instance still serves: callers look once a second where a service is."""
LOAD = "shop-load"
ORCHESTRATOR = "orchestrator"
TOKEN_FILE = "orchestrator.token"  # noqa: S105 a file name

_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Step:
    """Something that was done to a service, and when (RFC 3339, UTC)."""

    at: str
    service: str
    what: str
    detail: str


def start(
    root: Path,
    *,
    version: str = FIRST_VERSION,
    day: float = DAY_SECONDS,
    peak: float = PEAK_RATE,
    tethered: bool = False,
) -> None:
    """Starts every service, the load and the orchestrator, and returns when all answer.

    Args:
        root: Root of a sandbox whose servers run.
        version: The version that every service begins with.
        day: Seconds that a day of the load takes.
        peak: Visits per second at the peak of the day.
        tethered: The processes die with this one.

    Raises:
        ServerFailedError: One of them does not answer in time; what was started is stopped again.
        SandboxError: The servers do not run.
    """
    read_endpoints(root)  # raises where no server runs
    try:
        instances = {service: _launch_service(root, service, version, tethered) for service in SHOP}
        _wait_until_healthy(root, [instance.process for instance in instances.values()])
        write_state(root, ShopState(version, version, instances))
        for instance in instances.values():
            targets.register(root, instance, scraped_at=instance.address, probed=True)
        _publish(root, instances.values())
        _launch_load(root, day, peak, tethered)
        _launch_orchestrator(root, tethered)
        _wait_until_healthy(root, [LOAD, ORCHESTRATOR])
    except BaseException:
        stop(root)
        raise


def stop(root: Path) -> list[str]:
    """Stops everything that `start` and later deployments started; returns the names of what still ran."""
    layout = Layout.at(root)
    ours = [
        r
        for r in processes.read_records(layout.processes)
        if r.name.startswith("shop-") or r.name == ORCHESTRATOR
    ]
    # The load first: visits to a shop that is going away would be errors.
    ours.sort(key=lambda record: record.name != LOAD)
    ended = processes.stop([r for r in ours if r.name == LOAD], _children) + processes.stop(ours, _children)
    for record in ours:
        _forget(root, record)
    for service in SHOP:
        targets.forget(root, service)
    state_file(root).unlink(missing_ok=True)
    return ended


def deploy(root: Path, version: str, services: Sequence[str] = tuple(SHOP)) -> list[Step]:
    """Replaces the services by another version, one after the other, and returns what was done.

    The new instance of a service takes over once it is healthy; the old one then still serves for a moment.

    Raises:
        ShopNotRunningError: The shop does not run.
        ServerFailedError: A new instance does not become healthy; the services before it have been replaced.
        ValueError: The version is malformed, or a service unknown.
    """
    parse_version(version)
    if unknown := sorted(set(services) - set(SHOP)):
        raise ValueError(f"unknown services {', '.join(unknown)}; there are: {', '.join(SHOP)}")
    steps: list[Step] = []
    # A rollback waits until a deployment that still runs is done.
    with locked(Layout.at(root).run / "fleet.lock"):
        for service in services:
            if read_state(root).instances[service].version != version:
                steps += _replace(root, service, version)
        state = read_state(root)
        highest = max(state.highest_version, version, key=parse_version)
        whole = version if all(i.version == version for i in state.instances.values()) else state.version
        write_state(root, replace(state, version=whole, highest_version=highest))
    return steps


def rollback(root: Path, to_version: str, services: Sequence[str] = tuple(SHOP)) -> list[Step]:
    """Brings an earlier version back: callers first, so that nobody calls an endpoint that is gone."""
    return deploy(root, to_version, tuple(service for service in reversed(SHOP) if service in services))


def _replace(root: Path, service: str, version: str) -> list[Step]:
    state = read_state(root)
    old = state.instances[service]
    new = _launch_service(root, service, version, tethered=False)
    steps = [Step(new.started_at, service, "started", f"version {version} at {new.address}")]
    try:
        _wait_until_healthy(root, [new.process])
    except ServerFailedError:
        _stop_one(root, new.process)
        raise
    write_state(root, replace(state, instances={**state.instances, service: new}))
    targets.register(root, new, scraped_at=new.address, probed=True)
    _publish(root, read_state(root).instances.values())
    steps.append(Step(_now(), service, "took over", f"version {version} serves instead of {old.version}"))
    time.sleep(DRAIN_SECONDS)
    _stop_one(root, old.process)
    steps.append(Step(_now(), service, "stopped", f"version {old.version} at {old.address}"))
    return steps


def _launch_service(root: Path, service: str, version: str, tethered: bool) -> Instance:
    port = _free_port()
    process = f"shop-{service}-{version}"
    instance = Instance(service, version, port, process, _now())
    command = python_module(
        "sandbox.shop.service",
        *("--root", str(root.resolve()), "--name", service, "--version", version),
        *("--port", str(port), "--process", process, "--started-at", instance.started_at),
    )
    _launch(root, process, command, instance.url, tethered)
    return instance


def _launch_load(root: Path, day: float, peak: float, tethered: bool) -> None:
    port = _free_port()
    command = python_module(
        "sandbox.shop.load",
        *("--root", str(root.resolve()), "--day", str(day), "--peak", str(peak), "--port", str(port)),
    )
    _launch(root, LOAD, command, f"http://{ports.HOST}:{port}", tethered)


def _launch_orchestrator(root: Path, tethered: bool) -> None:
    port = ports.choose([ORCHESTRATOR], os.environ)[ORCHESTRATOR]
    token_file = Layout.at(root).run / TOKEN_FILE
    processes.replace(token_file, secrets.token_urlsafe(32) + "\n", mode=0o600)
    command = python_module(
        "sandbox.orchestrator",
        *("--root", str(root.resolve()), "serve", "--port", str(port), "--token-file", str(token_file)),
    )
    url = f"http://{ports.HOST}:{port}"
    _launch(root, ORCHESTRATOR, command, url, tethered)
    files = {**read_endpoints(root).get("files", {}), "orchestrator_token": str(token_file)}
    add_endpoints(root, {"orchestrator": url, "files": files})


def _launch(root: Path, name: str, command: Sequence[str], url: str, tethered: bool) -> None:
    layout = Layout.at(root)
    child = processes.start(
        name,
        command,
        folder=layout.run,
        environment=PYTHON_ENVIRONMENT,
        log=layout.logs / f"{name}.log",
        tethered=tethered,
    )
    _children[child.pid] = child
    mark = processes.start_mark(child.pid) or "gone"
    processes.write_record(layout.processes, processes.Record(name, child.pid, mark, url, "/healthz"))


def _wait_until_healthy(root: Path, names: Iterable[str]) -> None:
    layout = Layout.at(root)
    deadline = time.monotonic() + HEALTHY_WITHIN_SECONDS
    waiting = [record for record in processes.read_records(layout.processes) if record.name in set(names)]
    while waiting:
        for record in waiting:
            if not processes.is_running(record) or time.monotonic() > deadline:
                raise ServerFailedError(
                    f"{record.name} does not answer at {record.url}{record.health}; "
                    f"its last words are in {layout.logs / record.name}.log"
                )
        waiting = [record for record in waiting if not answers(f"{record.url}{record.health}")]
        time.sleep(POLL_SECONDS)


def _stop_one(root: Path, process: str) -> None:
    records = [r for r in processes.read_records(Layout.at(root).processes) if r.name == process]
    processes.stop(records, _children)
    for record in records:
        _forget(root, record)


def _forget(root: Path, record: processes.Record) -> None:
    (Layout.at(root).processes / f"{record.name}.json").unlink(missing_ok=True)
    _children.pop(record.pid, None)


def _publish(root: Path, instances: Iterable[Instance]) -> None:
    add_endpoints(root, {"shop": {instance.service: instance.url for instance in instances}})


def _free_port() -> int:
    return ports.choose(["shop"], {})["shop"]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
