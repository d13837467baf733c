"""``python -m release_watch.assurance quality``: what the alerts of the last month were worth."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from release_watch.assurance.quality.collecting import Sources, alert_quality
from release_watch.assurance.quality.models import AlertReport
from release_watch.assurance.quality.printing import lines_of
from release_watch.catalog.config import Config, load_config
from release_watch.clock import now, parse_duration
from release_watch.errors import InvalidInputError, NotConfiguredError
from release_watch.telemetry.metrics import Metrics, Prometheus
from release_watch.transport import Transport

DESCRIPTION = """\
Say what the alerts of the last month were worth: precision, recall, times, noise and pages, held against the
incidents of the ticket tracker and of a CSV file. docs/alert-quality.md tells by which rules.
The servers are those of the environment's Airflow connections, or one Prometheus that --prometheus names."""

LONGEST = timedelta(days=90)
YEARS = range(1971, 9999)
"""Those that a server can be asked for, also some days before and after."""


class Connected(Protocol):
    """What an environment is reached with."""

    @property
    def backends(self) -> Sources:
        """Its servers."""
        ...


Connect = Callable[[str], Connected]


class _Direct:
    """Prometheus at an address; incidents are those of a file only."""

    def __init__(self, url: str) -> None:
        try:
            self._metrics = Prometheus(url)
        except ValueError as error:
            words = f"--prometheus: {url!r} is no address ({error}); write it such as http://prometheus:9090"
            raise InvalidInputError([words]) from error

    def metrics(self) -> Metrics:
        return self._metrics

    def tickets(self) -> Transport:
        raise NotConfiguredError("tickets_default", "incidents; or name a file with --incidents")

    def alertmanager(self) -> Transport:
        raise NotConfiguredError("alertmanager_default", "silences")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of this command."""
    parser.add_argument("--environment", default="production", help="default: %(default)s")
    parser.add_argument(
        "--services", nargs="+", metavar="SERVICE", help="default: all services of the catalogue"
    )
    parser.add_argument(
        "--since",
        type=_duration,
        default="P30D",
        metavar="DURATION",
        help="how far back; default: %(default)s",
    )
    parser.add_argument("--until", type=_moment, metavar="TIME", help="ISO 8601 with an offset; default: now")
    parser.add_argument(
        "--incidents",
        type=Path,
        metavar="FILE",
        help="incidents and verdicts as CSV; see docs/alert-quality.md",
    )
    parser.add_argument(
        "--prometheus", metavar="URL", help="read this one, without Airflow; incidents are then those of FILE"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace, connect: Connect) -> bool:
    """Print the alert quality; returns whether it could be held against incidents.

    Raises:
        InvalidInputError: if an option or the file of incidents is wrong.
        ReleaseWatchError: if the configuration cannot be read, or a server does not answer.
    """
    report = _report(options, load_config(), connect)
    text = report.model_dump_json(indent=2) if options.json else "\n".join(lines_of(report))
    sys.stdout.write(f"{text}\n")
    return report.reviewed


def _report(options: argparse.Namespace, config: Config, connect: Connect) -> AlertReport:
    if options.environment not in config.catalog.environments:
        known = ", ".join(config.catalog.environments)
        words = f"--environment: {options.environment!r} is not in the catalogue; known are {known}"
        raise InvalidInputError([words])
    services = (
        [one.name for one in config.catalog.select(options.services)]
        if options.services
        else [one.name for one in config.catalog.services]
    )
    named = options.prometheus
    sources: Sources = _Direct(named) if named else connect(options.environment).backends
    end = options.until or now()
    return alert_quality(
        sources,
        config,
        (end - options.since, end),
        services,
        environment=options.environment,
        file=options.incidents,
    )


def _duration(text: str) -> timedelta:
    try:
        length = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO 8601 duration such as P30D") from error
    if not timedelta(0) < length <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not between nothing and P90D")
    return length


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no ISO 8601 time") from error
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no offset; write it such as {text}Z")
    if found.year not in YEARS:
        raise argparse.ArgumentTypeError(f"{text!r} is no time of which a server knows; write today's year")
    return found
