"""``python -m benchmarks [NAME]``: measure, and write the tables of docs/performance.md."""

from __future__ import annotations

import argparse
import sys

from benchmarks import (
    audit,
    capture,
    drift,
    drill,
    healthy,
    judge,
    night,
    parse,
    report,
    rules,
    tuning,
    waiting,
    watches,
    whole_run,
)

MEASUREMENTS = {
    module.NAME: module
    for module in (
        parse,
        whole_run,
        waiting,
        watches,
        audit,
        rules,
        drill,
        capture,
        judge,
        healthy,
        drift,
        tuning,
        night,
    )
}


def main(arguments: list[str] | None = None) -> int:
    """Make one measurement, or all of them; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure what Release Watch costs; without a name, everything with its defaults. "
        f"Writes {report.RESULTS.name}/*.json and the tables of {report.DOCUMENT.name}.",
    )
    commands = parser.add_subparsers(dest="name", metavar="NAME")
    for name, module in MEASUREMENTS.items():
        module.add_arguments(commands.add_parser(name, help=module.SUMMARY, description=module.SUMMARY))
    given = sys.argv[1:] if arguments is None else arguments
    for options in [parser.parse_args(given or [name]) for name in (given[:1] or MEASUREMENTS)]:
        module = MEASUREMENTS[options.name]
        print(f"{options.name}: {module.SUMMARY}", flush=True)
        result = report.conditions(given or [options.name]) | module.measure(options)
        report.keep(options.name, result, module.table(result))
        print(module.table(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
