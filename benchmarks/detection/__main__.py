"""``python -m benchmarks.detection``: measure, and write the tables of docs/detection.md."""

from __future__ import annotations

import argparse
import json
import sys

from benchmarks import report
from benchmarks.detection import measuring


def main(arguments: list[str] | None = None) -> int:
    """Measure once; returns the exit code. Cases of development are shown and not written."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=measuring.SUMMARY)
    measuring.add_arguments(parser)
    options = parser.parse_args(arguments)
    result = measuring.measure(options)
    text = measuring.table(result)
    print(text)
    if not options.development:
        conditions = report.conditions(sys.argv[1:] if arguments is None else arguments)
        kept = conditions | {
            "command": conditions["command"].replace("benchmarks", "benchmarks.detection", 1)
        }
        report.RESULTS.mkdir(exist_ok=True)
        (report.RESULTS / "detection.json").write_text(json.dumps(kept | result, indent=2) + "\n")
        measuring.write(f"{text}\n\n`{kept['command']}`, {kept['measured_at']}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
