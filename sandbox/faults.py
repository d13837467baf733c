"""Fault switches: what is broken on purpose, in which service and version, and until when.

    python -m sandbox.faults list
    python -m sandbox.faults set latency --service checkout --value 400 --seconds 120
    python -m sandbox.faults clear latency

The switches live in `.sandbox/run/faults.json`, which the services read again within a second. A fault with a
version breaks that version only, so a rollback ends it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.layout import REPOSITORY
from sandbox.locks import locked
from sandbox.shop.fault import (
    KINDS,
    Fault,
    FaultError,
    check_switch,
    check_value,
    faults_file,
    read_faults,
    unknown,
)
from sandbox.shop.state import write_json

__all__ = ["KINDS", "Fault", "FaultError", "active_faults", "clear_faults", "set_fault"]


def active_faults(root: Path) -> list[Fault]:
    """Returns the faults that are on now."""
    now = datetime.now(UTC)
    return [fault for fault in read_faults(faults_file(root)) if fault.is_on(now)]


def set_fault(
    root: Path,
    name: str,
    *,
    service: str | None = None,
    value: float | str | None = None,
    seconds: float | None = None,
    version: str | None = None,
    route: str | None = None,
) -> Fault:
    """Turns a fault on and returns it.

    Args:
        root: Root of the sandbox.
        name: One of `KINDS`.
        service: The service that breaks.
        value: See `KINDS`; the default of the kind where `None`.
        seconds: For how long; until it is cleared where `None`.
        version: The only version that breaks; every version where `None`.
        route: The only route that breaks, as a template such as `/orders/{id}/refund`; `KINDS` says which
            faults take one.

    Raises:
        FaultError: No such fault, service, route or value.
    """
    kind = check_switch(name, service=service, seconds=seconds, version=version, route=route)
    now = datetime.now(UTC)
    fault = Fault(
        name=name,
        service=service,
        value=check_value(name, kind.default if value is None else value),
        version=version,
        route=route,
        set_at=now.isoformat(timespec="milliseconds"),
        until=None
        if seconds is None
        else (now + timedelta(seconds=seconds)).isoformat(timespec="milliseconds"),
    )
    with locked(_lock_file(root)):
        kept = [other for other in active_faults(root) if other.key != fault.key]
        write_json(faults_file(root), [asdict(entry) for entry in [*kept, fault]])
    if name == "broken-alert-route":
        _break_alert_route(root, broken=True)
    return fault


def clear_faults(
    root: Path, name: str | None = None, *, service: str | None = None, version: str | None = None
) -> list[Fault]:
    """Turns faults off, all or those of a name, service or version, and returns those that were on.

    Raises:
        FaultError: No such fault.
    """
    if name is not None and name not in KINDS:
        raise FaultError(unknown("fault", name, KINDS))
    with locked(_lock_file(root)):
        faults = active_faults(root)
        wanted = (name, service, version)
        cleared = [
            fault
            for fault in faults
            if all(
                w in (None, had)
                for w, had in zip(wanted, (fault.name, fault.service, fault.version), strict=True)
            )
        ]
        write_json(faults_file(root), [asdict(entry) for entry in faults if entry not in cleared])
    if any(fault.name == "broken-alert-route" for fault in cleared):
        _break_alert_route(root, broken=False)
    return cleared


def _lock_file(root: Path) -> Path:
    return faults_file(root).with_suffix(".lock")


def _break_alert_route(root: Path, *, broken: bool) -> None:
    from sandbox.servers import alertmanager

    alertmanager.reconfigure_route(broken, root)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and returns its exit code: 0, or 2 for what cannot be set."""
    options = _parser().parse_args(arguments)
    try:
        faults = _run(options)
    except (SandboxError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps([asdict(fault) for fault in faults], indent=2))
    else:
        print("\n".join(describe(fault) for fault in faults) or "no fault")
    return 0


def describe(fault: Fault) -> str:
    """Returns one line for people."""
    where = " ".join(filter(None, (fault.service, fault.version and f"version {fault.version}", fault.route)))
    value = "" if fault.value is None else f"={fault.value}"
    return f"{fault.name}{value} {where} until {fault.until or 'cleared'}".replace("  ", " ")


def _run(options: argparse.Namespace) -> list[Fault]:
    root: Path = options.root
    if options.command == "set":
        return [
            set_fault(
                root,
                options.name,
                service=options.service,
                value=options.value,
                seconds=options.seconds,
                version=options.version,
                route=options.route,
            )
        ]
    if options.command == "clear":
        return clear_faults(root, options.name, service=options.service)
    return active_faults(root)


def _parser() -> argparse.ArgumentParser:
    kinds = "\n".join(f"  {name:<19} {kind.summary} (value: {kind.value})" for name, kind in KINDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.faults",
        description="Breaks the shop on purpose.",
        epilog=f"faults:\n{kinds}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=REPOSITORY,
        help="the folder whose .sandbox is used (default: the checkout)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="list the faults that are on")
    turn_on = commands.add_parser("set", help="turn a fault on")
    turn_on.add_argument("name")
    turn_on.add_argument("--service")
    turn_on.add_argument("--value")
    turn_on.add_argument("--seconds", type=float, help="for how long")
    turn_on.add_argument("--version", help="break only this version")
    turn_on.add_argument("--route", help="break only this route")
    turn_off = commands.add_parser("clear", help="turn faults off")
    turn_off.add_argument("name", nargs="?")
    turn_off.add_argument("--service")
    return parser


if __name__ == "__main__":
    sys.exit(main())
