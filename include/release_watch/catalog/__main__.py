"""``python -m release_watch.catalog check [DIR] [--json]`` validates a configuration folder."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from release_watch.catalog.config import Config, config_folder, load_config
from release_watch.errors import InvalidInputError


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when the folder is sound, 1 when it has problems."""
    parser = argparse.ArgumentParser(prog="python -m release_watch.catalog", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="validate services.yaml, slos/, oncall.yaml and policies.yaml")
    check.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="default: the folder in use")
    check.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    folder = options.folder or config_folder()
    problems: tuple[str, ...] = ()
    config = None
    try:
        config = load_config(folder)
    except InvalidInputError as error:
        problems = error.problems
    _print(folder, config, problems, as_json=options.json)
    return 1 if problems else 0


def _print(folder: Path, config: Config | None, problems: tuple[str, ...], *, as_json: bool) -> None:
    services = [service.name for service in config.catalog.services] if config else []
    slos = [f"{slo.service}/{slo.name}" for slo in config.slos] if config else []
    if as_json:
        content = {"folder": str(folder), "problems": problems, "services": services, "slos": slos}
        sys.stdout.write(json.dumps(content, indent=2) + "\n")
        return
    lines = list(problems) or [f"{folder}: {len(services)} services, {len(slos)} SLOs, no problem"]
    if problems:
        lines.append(f"{len(problems)} problems in {folder}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
