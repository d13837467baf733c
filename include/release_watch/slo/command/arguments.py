"""The command line: its arguments, help, and exit codes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.slo.command import check, explain, rules

FINE, FINDINGS, BAD_INPUT = 0, 1, 2

_MOST_LEVELS, _LEAST_PERCENT = 12, Decimal("0.0001")

DESCRIPTION = """\
Make alert rules of SLOs, prove them, and say what they mean. SLOs are OpenSLO v1 documents or Sloth's
specifications, in any number of files and folders; docs/slos.md describes both."""

EPILOG = """\
examples:
  python -m release_watch.slo rules slos/ --out rules.yaml --tests tests.yaml
  python -m release_watch.slo check slos/checkout.yaml slos/payments.yaml
  python -m release_watch.slo check slos/ --prometheus http://prometheus:9090
  python -m release_watch.slo explain slos/checkout.yaml --errors 15,1,0.2 --picture budget.png

exit codes:
  0  fine; warnings, and what no test can show, are printed
  1  check found something: promtool refuses a rule, the lint an error, a test fails, a server contradicts
  2  nothing was done: wrong usage, a document that has to be corrected (as file:line: field: value: remedy),
     promtool is missing, or the server does not answer"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; what is wrong with the input goes to standard error."""
    options = _parser().parse_args(arguments)
    run = {"rules": rules.run, "check": check.run, "explain": explain.run}[options.command]
    try:
        return FINE if run(options) else FINDINGS
    except InvalidInputError as error:
        sys.stderr.write("\n".join([*error.problems, _count(len(error.problems))]) + "\n")
    except (ReleaseWatchError, OSError) as error:
        sys.stderr.write(f"{error}\n")
    return BAD_INPUT


def _count(problems: int) -> str:
    return f"{problems} problem{'s' if problems != 1 else ''}; nothing was done"


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m release_watch.slo", description=DESCRIPTION, epilog=EPILOG, formatter_class=form
    )
    commands = parser.add_subparsers(dest="command", required=True)
    shared = _shared()
    for name, words, add in (
        ("rules", rules.DESCRIPTION, _add_rules),
        ("check", check.DESCRIPTION, _add_check),
        ("explain", explain.DESCRIPTION, _add_explain),
    ):
        summary = words.partition(".")[0].replace("\n", " ")
        add(
            commands.add_parser(
                name, help=summary, description=words, epilog=EPILOG, formatter_class=form, parents=[shared]
            )
        )
    return parser


def _shared() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "paths", nargs="+", type=Path, metavar="SLO.yaml", help="a file, or a folder of .yaml and .yml files"
    )
    shared.add_argument("--json", action="store_true", help="print the result as JSON")
    return shared


def _add_rules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the rules go")
    parser.add_argument(
        "--tests", type=Path, metavar="FILE", help="where their tests go; those of longer windows beside it"
    )
    _add_generation(parser)


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rules",
        type=Path,
        metavar="FILE",
        help="judge these rules of the SLOs, not those that are generated",
    )
    parser.add_argument(
        "--prometheus",
        metavar="URL",
        help="ask this server too: retention, buckets, scrapes, numbers. A bearer token is taken from "
        "RELEASE_WATCH_PROMETHEUS_TOKEN",
    )
    parser.add_argument(
        "--no-tests", action="store_true", help="leave promtool test rules out: it takes seconds per SLO"
    )
    _add_generation(parser)


def _add_explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--errors",
        type=_percentages,
        metavar="PERCENT,…",
        help="shares of bad events, such as 15,1,0.2; by default a few that the alerts notice",
    )
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE.png",
        help="draw the error budget over time, with what is detected",
    )


def _add_generation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--environment",
        default="production",
        metavar="NAME",
        help="label of the rules (default: %(default)s)",
    )
    parser.add_argument(
        "--runbook-url",
        default="RUNBOOKS/monitoring-runbook.md",
        metavar="URL",
        help="where alerts send their reader; each has its section there (default: %(default)s)",
    )
    parser.add_argument(
        "--dashboard-url", default="", metavar="URL", help="the dashboard to open first (default: none)"
    )
    parser.add_argument(
        "--example",
        type=_example,
        action="append",
        default=[],
        metavar="LABEL=VALUE",
        help="a value for made-up series, where none is found that a pattern matches; may be repeated",
    )


def _percentages(text: str) -> tuple[Decimal, ...]:
    try:
        percentages = {Decimal(part) for part in text.split(",")}
        sound = len(percentages) <= _MOST_LEVELS and all(_LEAST_PERCENT <= one <= 100 for one in percentages)
    except InvalidOperation:  # no number, or NaN
        sound = False
    if not sound:
        words = f"write up to {_MOST_LEVELS} percentages from {_LEAST_PERCENT} to 100, such as 15,1,0.2"
        raise argparse.ArgumentTypeError(f"{text!r}: {words}")
    return tuple(one / 100 for one in sorted(percentages, reverse=True))


def _example(text: str) -> tuple[str, str]:
    label, sign, value = text.partition("=")
    if not label or not sign or not value:
        raise argparse.ArgumentTypeError(f"{text!r}: write LABEL=VALUE, such as code=503")
    return label, value
