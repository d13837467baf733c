"""The command line of the rehearsal: ``python -m sandbox run``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.orchestrator.scenarios import SCENARIOS, UnknownScenarioError, scenario

BASELINE_WINDOW, REVIEW_INTERVAL = "PT90S", "PT20S"


def add_run(commands: Any, bring_up: Callable[[Path, str, Path], int]) -> None:
    """Add the subcommand ``run``; ``bring_up`` starts the sandbox for an Airflow URL and a token file."""
    listed = "\n".join(f"  {entry.name:<19} {entry.summary}" for entry in SCENARIOS.values())
    run = commands.add_parser(
        "run",
        help="deploy a release of the shop and follow the whole protocol",
        epilog=f"scenarios:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("--scenario", type=_scenario, default="healthy", help="what happens to the release")
    run.add_argument("--interactive", action="store_true", help="answer the questions yourself")
    run.add_argument("--shadow", action="store_true", help="page no one and block nothing")
    duration = {"metavar": "ISO8601", "help": "default: %(default)s"}
    run.add_argument("--baseline-window", default=BASELINE_WINDOW, **duration)
    run.add_argument("--review-interval", default=REVIEW_INTERVAL, **duration)

    def command(options: argparse.Namespace) -> int:
        from sandbox.rehearsal.drive import Rehearsal, rehearse

        plan = Rehearsal(
            root=options.root.resolve(),
            scenario=options.scenario,
            baseline_window=options.baseline_window,
            review_interval=options.review_interval,
            mode="shadow" if options.shadow else "enforce",
            interactive=options.interactive,
        )
        return rehearse(plan, lambda url, token: bring_up(options.root, url, token))

    run.set_defaults(command=command)


def _scenario(name: str) -> Any:
    try:
        return scenario(name)
    except UnknownScenarioError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
