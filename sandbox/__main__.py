"""The command line of the sandbox: ``python -m sandbox run | up | down | status | fetch``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from sandbox import packages, processes, stack
from sandbox.errors import SandboxError
from sandbox.layout import REPOSITORY, Layout
from sandbox.ports import variable
from sandbox.rehearsal.command import add_run
from sandbox.servers.server import answers

DESCRIPTION = """\
The embedded stack of Release Watch on 127.0.0.1: Prometheus, Alertmanager, blackbox exporter, node exporter,
a Loki/Tempo-compatible server, a ticket tracker, and a small shop under load. It needs no root and installs
nothing: the programs come from PATH or are unpacked into .sandbox/tools."""

PORTS = f"""\
Ports are free ones, told in .sandbox/run/endpoints.json; set one with:
  {" ".join(variable(name) for name in (*stack.SERVERS, *stack.SECOND_PORTS.values()))}"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 not (all) up or failed, 2 wrong usage."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except SandboxError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("sandbox: interrupted; `python -m sandbox down` ends whatever is left", file=sys.stderr)
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description=DESCRIPTION,
        epilog=PORTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=REPOSITORY,
        help="the folder whose .sandbox is used (default: the checkout)",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_up(commands)
    down = commands.add_parser("down", help="end everything that `up` started, also after a crash")
    down.set_defaults(command=_down)
    status = commands.add_parser("status", help="tell what runs; exit code 1 if not everything serves")
    status.add_argument("--json", action="store_true", help="print JSON")
    status.set_defaults(command=_status)
    fetch = commands.add_parser("fetch", help="only get the programs (into .sandbox/tools)")
    fetch.set_defaults(command=_fetch)
    add_run(commands, _bring_up)
    return parser


def _add_up(commands: Any) -> None:
    up = commands.add_parser(
        "up",
        help="start everything and wait until it serves",
        epilog=PORTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    up.add_argument(
        "--airflow-url",
        type=_url,
        metavar="URL",
        help=f"deliver alerts to URL{stack.RECEIPTS_PATH} instead of the sandbox's own receiver",
    )
    up.add_argument(
        "--receiver-token-file",
        type=Path,
        metavar="FILE",
        help="holds the bearer token that Alertmanager sends there (read at every delivery)",
    )
    up.add_argument("--no-shop", action="store_true", help="only the servers, without the shop and its load")
    up.set_defaults(command=_up)


def _bring_up(root: Path, airflow_url: str, receiver_token_file: Path) -> int:
    """Do what ``up`` does, delivering alerts to Airflow."""
    return _up(
        argparse.Namespace(
            root=root, airflow_url=airflow_url, receiver_token_file=receiver_token_file, no_shop=False
        )
    )


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} is no http:// or https:// URL")
    return text.rstrip("/")


def _up(options: argparse.Namespace) -> int:
    if options.receiver_token_file and not options.airflow_url:
        raise SandboxError(
            "--receiver-token-file needs --airflow-url: the sandbox's own receiver takes no token."
        )
    layout = Layout.at(options.root)
    with stack.exclusive(layout):
        records = processes.read_records(layout.processes)
        running = [record for record in records if processes.is_running(record)]
        if running and len(running) == len(records) and layout.endpoints.is_file():
            print(f"The sandbox is already up ({layout.endpoints}). To start it anew: python -m sandbox down")
            return 0
        if records:
            print("Ending what is left of an earlier run.")
            _end(options.root, layout)
        stack.wipe(layout)
        _start(options, layout)
    return 0


def _start(options: argparse.Namespace, layout: Layout) -> None:
    begun = time.monotonic()
    servers = stack.Stack(
        options.root,
        airflow_url=options.airflow_url,
        receiver_token_file=options.receiver_token_file,
        tethered=False,
        environment=os.environ,
        progress=_say,
    )
    servers.start()
    if (fleet := _fleet()) and not options.no_shop:
        try:
            fleet.start(options.root)
        except BaseException:
            _attempt(fleet.stop, options.root)
            servers.stop()
            raise
        _say(f"{'shop':<16} {'':<24} up")
    print(f"The sandbox is up after {time.monotonic() - begun:.0f} s. What runs where: {layout.endpoints}")


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


def _down(options: argparse.Namespace) -> int:
    layout = Layout.at(options.root)
    if not layout.run.is_dir():
        print("The sandbox is not up.")
        return 0
    with stack.exclusive(layout):
        ended = _end(options.root, layout)
    print(f"Ended: {', '.join(ended)}." if ended else "The sandbox was not up.")
    return 0


def _end(root: Path, layout: Layout) -> list[str]:
    """End the shop, then the servers whatever became of the shop; returns what was running."""
    running = [r.name for r in processes.read_records(layout.processes) if processes.is_running(r)]
    if fleet := _fleet():
        _attempt(fleet.stop, root)
    records = processes.read_records(layout.processes)
    running += [name for name in processes.stop(records) if name not in running]
    for record in records:
        (layout.processes / f"{record.name}.json").unlink(missing_ok=True)
    layout.endpoints.unlink(missing_ok=True)
    return running


def _attempt(action: Callable[[Path], object], root: Path) -> None:
    try:
        action(root)
    except Exception as error:  # the shop must not keep the servers from being ended
        print(f"sandbox: the shop could not be stopped in good order: {error}", file=sys.stderr)


def _fleet() -> ModuleType | None:
    """Return the module that starts and stops the shop, where there is one."""
    try:
        present = find_spec("sandbox.shop.fleet") is not None
    except ModuleNotFoundError:
        present = False
    return importlib.import_module("sandbox.shop.fleet") if present else None


def _status(options: argparse.Namespace) -> int:
    layout = Layout.at(options.root)
    servers = [_state(record) for record in processes.read_records(layout.processes)]
    up = bool(servers) and all(server["state"] == "serving" for server in servers)
    if options.json:
        print(json.dumps({"up": up, "servers": servers}, indent=2))
        return 0 if up else 1
    if not servers:
        print("The sandbox is not up. Start it: python -m sandbox up")
    for server in servers:
        print(_line(**server))
    return 0 if up else 1


def _line(name: str, state: str, url: str, pid: int, resident_bytes: int | None) -> str:
    memory = f"{resident_bytes / 1e6:.0f} MB" if resident_bytes else ""
    return f"{name:<24} {state:<14} {url:<24} pid {pid:<8} {memory:>7}"


def _state(record: processes.Record) -> dict[str, Any]:
    if not processes.is_running(record):
        state = "ended"
    elif answers(f"{record.url}{record.health}"):
        state = "serving"
    else:
        state = "not answering"
    return {
        "name": record.name,
        "state": state,
        "url": record.url,
        "pid": record.pid,
        "resident_bytes": processes.resident_bytes(record.pid) if state != "ended" else None,
    }


def _fetch(options: argparse.Namespace) -> int:
    tools = Layout.at(options.root).tools
    found = packages.fetch_programs(tools, _say)
    script, node = packages.fetch_qryn(tools, _say)
    for name, path in {**found, "qryn": script, "node": node.program}.items():
        print(f"{name:<14} {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
