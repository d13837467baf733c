"""STAND-IN for a release orchestrator: its command line, `python -m sandbox.orchestrator`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.layout import REPOSITORY
from sandbox.orchestrator.deployment import deploy
from sandbox.orchestrator.scenarios import SCENARIOS
from sandbox.orchestrator.server import serve


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and returns its exit code: 0, or 2 where the request cannot be met."""
    options = _parser().parse_args(arguments)
    root: Path = options.root.resolve()
    try:
        if options.command == "serve":
            serve(root, options.port, options.token_file)
        elif options.command == "deploy":
            _deploy(root, options.scenario, options.json)
        else:
            _list_scenarios(options.json)
    except SandboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _deploy(root: Path, scenario: str, as_json: bool) -> None:
    params = deploy(root, scenario=scenario, progress=lambda line: print(line, file=sys.stderr, flush=True))
    if as_json:
        print(json.dumps(params, indent=2))
    else:
        print("\n".join(f"{name:<16} {value}" for name, value in params.items()))


def _list_scenarios(as_json: bool) -> None:
    if as_json:
        rows = [
            {"name": s.name, "summary": s.summary, "expected_exit_state": s.expected_exit_state}
            for s in SCENARIOS.values()
        ]
        print(json.dumps(rows, indent=2))
        return
    for entry in SCENARIOS.values():
        print(f"{entry.name:<19} {entry.expected_exit_state:<12} {entry.summary}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.orchestrator", description="A stand-in for a release orchestrator."
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=REPOSITORY,
        help="the folder whose .sandbox is used (default: the checkout)",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    server = commands.add_parser("serve", help="serve the HTTP interface")
    server.add_argument("--port", type=int, required=True)
    server.add_argument("--token-file", type=Path, required=True)
    deployment = commands.add_parser("deploy", help="deploy the next version of the shop")
    deployment.add_argument("--scenario", default="healthy")
    deployment.add_argument("--json", action="store_true", help="print the parameters of the run as JSON")
    scenarios = commands.add_parser("scenarios", help="list the scenarios")
    scenarios.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
