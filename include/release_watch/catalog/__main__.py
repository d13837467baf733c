"""``python -m release_watch.catalog``: check a configuration folder, or import services from Backstage."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from release_watch.catalog import checking
from release_watch.catalog.backstage import command
from release_watch.catalog.config import config_folder


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when all is sound, 1 when something has to be corrected, 2 for a wrong use."""
    parser = argparse.ArgumentParser(prog="python -m release_watch.catalog", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser(
        "check",
        help="validate services.yaml, slos/, oncall.yaml and policies.yaml",
        description=checking.DESCRIPTION,
    )
    check.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="default: the folder in use")
    check.add_argument("--json", action="store_true", help="print JSON")
    importing = commands.add_parser(
        "import-backstage",
        help="write services.yaml from catalog-info.yaml files of Backstage",
        description=command.DESCRIPTION,
    )
    command.add_arguments(importing)
    options = parser.parse_args(arguments)
    if options.command == "check":
        return checking.check(options.folder or config_folder(), as_json=options.json)
    return command.run(options, importing)


if __name__ == "__main__":
    sys.exit(main())
