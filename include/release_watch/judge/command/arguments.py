"""The command line: its arguments, help, and exit codes."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.judge.command import evidence, verdicts
from release_watch.judge.command.parallel import cores

FINE, PROBLEMS, NOTHING_DONE = 0, 1, 2
LOOKS = "5,10,15,30,60,120"
_MOST_LOOKS = 100
_MOST_JOBS = 256
_LONGEST_LOOK = 60 * 24 * 366

DESCRIPTION = """\
Say for each change in a file of telemetry whether what came after it is worse than what was before, as
known at each of several looks. Or judge a release again from the evidence that was stored of it."""

EPILOG = """\
CASES is CSV (also .csv.gz) or Parquet with a row per sample and these columns, in any order:
  case         names the change
  metric       names the metric
  role         before, after, or control (a group that was not changed, at the same time)
  time         ISO 8601 (UTC where no zone is given), or seconds since 1970 (from 1e11 ms, 1e14 us, 1e17 ns)
  value        a number; empty, NaN or infinite is a gap. Several at one time (one per instance): their mean
and, where known:
  direction    which way is worse: up, down, both (default: both)
  golden       true where the metric alone is enough to condemn a release: errors, latency
  kind         latency, ratio, count, gauge (default), resource
  change_time  when the change was (default: the first sample after it)

VERDICTS is CSV: case, look_minutes, verdict, score, metrics_judged, metrics_failed, reason; a row per case
and look, in the order of CASES. For each look only samples up to change_time + look are read. Higher scores
are worse, 1 is the limit. Verdicts:
  GO            nothing is worse
  WARN          something is, or was for a while, but not enough to act on
  NO_GO         the release is worse
  INCONCLUSIVE  there is too little to tell, or the case has bad rows; never take it for GO

examples:
  python -m release_watch.judge cases.csv --out verdicts.csv
  python -m release_watch.judge cases.parquet --out - --looks 15,60 --plots plots/
  python -m release_watch.judge --evidence artifacts/monitoring/production/shop-1.4.0

exit codes:
  0  fine, whatever the verdicts are
  1  rows are bad (FILE:LINE: COLUMN: what), and their case is INCONCLUSIVE, or a case could not be judged or
     drawn; the others are. With --evidence: a verdict, or the evidence, is not what was stored
  2  nothing was done: wrong usage, or a file that cannot be read"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; what is wrong goes to standard error."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if (options.cases is None) == (options.evidence is None):
        parser.error("give either CASES or --evidence DIR")
    if options.cases is not None and options.out is None:
        parser.error("give --out VERDICTS, or --out - for standard output")
    try:
        fine = evidence.run(options) if options.cases is None else verdicts.run(options)
    except InvalidInputError as error:
        sys.stderr.write("\n".join([*error.problems, "nothing was done"]) + "\n")
        return NOTHING_DONE
    except BrokenPipeError:  # such as `| head`
        sys.stderr.close()
        return NOTHING_DONE
    except (ReleaseWatchError, OSError) as error:
        sys.stderr.write(f"{error}\nnothing was done\n")
        return NOTHING_DONE
    return FINE if fine else PROBLEMS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m release_watch.judge",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cases", nargs="?", type=Path, metavar="CASES", help="telemetry, CSV or Parquet")
    parser.add_argument("--out", metavar="VERDICTS", help="where the verdicts go; - is standard output")
    parser.add_argument(
        "--looks",
        type=looks,
        default=looks(LOOKS),
        metavar="MINUTES",
        help=f"minutes after the change at which a verdict stands, with commas (default: {LOOKS})",
    )
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw each metric that failed")
    parser.add_argument(
        "--jobs",
        type=_jobs,
        default=cores(),
        metavar="N",
        help="processes that judge; verdicts do not depend on it (default: the cores there are, %(default)s)",
    )
    parser.add_argument(
        "--evidence", type=Path, metavar="DIR", help="judge again the release whose artifacts are in DIR"
    )
    return parser


def looks(text: str) -> tuple[timedelta, ...]:
    """Return looks such as ``5,10,30`` (minutes) in the order of time, each once."""
    try:
        minutes = sorted({float(part) for part in text.split(",")})
    except ValueError:
        minutes = []
    if not minutes or len(minutes) > _MOST_LOOKS or not all(map(_possible, minutes)):
        raise argparse.ArgumentTypeError(f"{text!r}: write minutes after the change, such as {LOOKS}")
    return tuple(timedelta(minutes=one) for one in minutes)


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_JOBS:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number from 1 to {_MOST_JOBS}")
    return int(text)


def _possible(minutes: float) -> bool:
    return math.isfinite(minutes) and 0 < minutes <= _LONGEST_LOOK
