r"""Hold recent alerts against incident tickets and write the alert tuning report.

    python scripts/aggregate_coverage.py --scope monitoring \
        --output .artifacts/monitoring/alert-tuning-report.md

Uses the Airflow connections prometheus_default and tickets_default (<name>_<environment> where they exist)
and needs no DAG run. Looks at the services of all releases under watch, or of the whole catalogue.

Exit code: 0 the report is written and reviewed against incidents, 1 it is written but could not be reviewed,
2 wrong usage or a server does not answer.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from release_watch import texts
from release_watch.assurance.correlation import Correlation, correlation_of
from release_watch.assurance.proportion import in_words
from release_watch.assurance.quality.collecting import alert_quality, known_incidents
from release_watch.assurance.registry import ActiveRelease, ActiveReleases
from release_watch.assurance.tuning.advice import judge_tuning
from release_watch.assurance.tuning.back_test import BackTest
from release_watch.assurance.tuning.choosing import back_tests
from release_watch.assurance.tuning.kept import KeptTunings, adjustments
from release_watch.assurance.tuning.picture import pictures
from release_watch.assurance.tuning.report import tuning_markdown
from release_watch.catalog.config import Config, load_config
from release_watch.clock import now, parse_duration
from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.files import write_whole
from release_watch.orchestration.hooks.backends import AirflowBackends
from release_watch.orchestration.storage import artifact_root

COMMAND = "aggregate_coverage.py"
GO, NO_GO, NOT_RUN = 0, 1, 2
LONGEST = timedelta(days=90)


class Result(NamedTuple):
    """The correlation and the report about it."""

    correlation: Correlation
    report: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report that the command line asks for and return the exit code."""
    options = _parser().parse_args(arguments)
    stream = sys.stderr if options.json else sys.stdout
    try:
        found = _aggregate(options)
        write_whole(options.output.absolute(), found.report.encode())
    except (ReleaseWatchError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        print(texts.automation(COMMAND, "ERROR"), file=stream)
        return NOT_RUN
    decision = judge_tuning(found.correlation)
    print(f"precision: {in_words(found.correlation.precision)}", file=stream)
    print(f"recall: {in_words(found.correlation.recall)}", file=stream)
    for objective in decision.objectives:
        print(f"{objective.verdict:<12} {objective.name}: {objective.reason}", file=stream)
    print(texts.automation(COMMAND, decision.verdict), file=stream)
    if options.json:
        print(found.correlation.model_dump_json(indent=2))
    return GO if decision.verdict.proceeds else NO_GO


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scope", required=True, choices=["monitoring"], help="what is aggregated")
    parser.add_argument(
        "--output", required=True, type=Path, metavar="PATH", help="where the report goes (Markdown)"
    )
    parser.add_argument("--environment", default="production", help="default: %(default)s")
    parser.add_argument(
        "--since",
        type=_duration,
        default="P7D",
        metavar="DURATION",
        help="how far back; default: %(default)s",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the correlation as JSON; all else to stderr"
    )
    return parser


def _duration(text: str) -> timedelta:
    try:
        length = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO 8601 duration such as P7D") from error
    if not timedelta(0) < length <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not between nothing and P90D")
    return length


def _aggregate(options: argparse.Namespace) -> Result:
    config = load_config()
    if options.environment not in config.catalog.environments:
        known = ", ".join(config.catalog.environments)
        found = f"--environment: {options.environment!r} is not in the catalogue; known are {known}"
        raise InvalidInputError([found])
    active = ActiveReleases(artifact_root()).all(options.environment)
    services = _services(active, config)
    backends = AirflowBackends(options.environment)
    end = now()
    window = (end - options.since, end)
    print(texts.CORRELATING_ALERTS, file=sys.stderr if options.json else sys.stdout, flush=True)
    tickets = known_incidents(backends, config, window[0], services)
    measured = alert_quality(
        backends, config, window, services, environment=options.environment, tickets=tickets
    )
    correlation = correlation_of(measured)
    rules = [text for entry in active for text in entry.rules.values()]
    tested = back_tests(
        correlation,
        tickets.lasting_into(window),
        rules,
        backends.metrics(),
        config.slos_of(services),
        config.policies.alert_quality,
    )
    for untested in tested.problems:
        print(f"not replayed: {untested}", file=sys.stderr)
    report = tuning_markdown(
        correlation,
        release_id=", ".join(entry.release.release_id for entry in active) or "none under watch",
        environment=options.environment,
        services=services,
        config=config,
        rules=rules,
        adjustments=_adjustments(options.environment, services, rules),
        back_tests=tested.tests,
        pictures={key: f"{key}.png" for key in _draw(tested.tests, options.output.absolute().parent)},
        at=end,
    )
    return Result(correlation, report)


def _adjustments(environment: str, services: Sequence[str], rules: Sequence[str]) -> tuple[str, ...]:
    """Return the approved changes of alerts in words; what cannot be read is told."""
    kept = KeptTunings(artifact_root(), environment).in_force(services)
    for problem in kept.problems:
        print(f"not read: {problem}", file=sys.stderr)
    return adjustments(kept.tunings, rules)


def _draw(tests: Sequence[BackTest], folder: Path) -> list[str]:
    """Draw each back-test beside the report and return their keys."""
    drawn = pictures(tests)
    for key, image in drawn.items():
        write_whole(folder / f"{key}.png", image)
    return list(drawn)


def _services(active: Sequence[ActiveRelease], config: Config) -> list[str]:
    watched = sorted({service for entry in active for service in entry.services})
    return watched or [service.name for service in config.catalog.services]


if __name__ == "__main__":
    sys.exit(main())
