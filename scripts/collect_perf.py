"""Audit the instrumentation: is every metric, log, trace and synthetic check of every service there and live.

Prints a table, writes the audit as JSON and, beside it, as a picture (services by signals). Uses the Airflow
connections of the environment (prometheus_default, loki_default, tempo_default, or <name>_<environment> where
they exist) and needs no DAG run. Without --version, --release-id and --deployed-at the newest release under
watch is taken; where there is none, no version is asked for.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from release_watch import texts
from release_watch.artifacts.models import InstrumentationAudit
from release_watch.assurance.registry import ActiveReleases
from release_watch.catalog.config import Config, load_config
from release_watch.catalog.models import Service
from release_watch.clock import now
from release_watch.coverage.audit import missing_critical
from release_watch.coverage.heatmap import heatmap_png
from release_watch.coverage.table import coverage_table
from release_watch.coverage.whole_audit import whole_audit
from release_watch.errors import BackendError, InvalidInputError, ReleaseWatchError
from release_watch.files import write_whole
from release_watch.orchestration.hooks.backends import AirflowBackends
from release_watch.orchestration.storage import artifact_root
from release_watch.release import Release

EPILOG = """\
examples:
  python scripts/collect_perf.py --env production --audit \\
      --output .artifacts/monitoring/instrumentation-audit.json
  python scripts/collect_perf.py --env production --audit --services checkout,payments \\
      --release-id shop-1.1.0 --version 1.1.0 --deployed-at 2026-11-22T09:00:00Z \\
      --output audit.json --picture /var/www/wall/audit.png
  python scripts/collect_perf.py --env production --audit --output audit.json --json | jq .verdict

exit codes:
  0  every critical service is covered (GO; WARN: only standard services have gaps)
  1  it is not, or that could not be told (NO_GO, INCONCLUSIVE); the table says what to do
  2  no audit: wrong usage, a connection is missing, or Prometheus does not answer

docs/coverage.md explains every check, the scores and the picture."""
COMMAND = "collect_perf.py"
GO, NO_GO, NOT_RUN = 0, 1, 2
UNREGISTERED = "unregistered"


class Subject(NamedTuple):
    """What is audited; a release that names no service has no version to ask for."""

    release: Release
    services: tuple[Service, ...]
    endpoints: Mapping[str, Sequence[str]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the audit that the command line asks for and return the exit code."""
    options = _parser().parse_args(arguments)
    stream = sys.stderr if options.json else sys.stdout
    # Airflow logs to where the audit is printed; what failed at last is said by the error.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    try:
        picture = _picture(options)
        found = _audit(options)
        text = found.model_dump_json(indent=2) + "\n"
        write_whole(options.output.absolute(), text.encode())
        write_whole(picture.absolute(), heatmap_png(found))
    except (ReleaseWatchError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        print(texts.automation(COMMAND, "ERROR"), file=stream)
        return NOT_RUN
    print(coverage_table(found), file=stream)
    print(f"written: {options.output} and {picture}", file=stream)
    for service in missing_critical(found):
        print(texts.coverage_missing(service), file=stream)
    print(texts.automation(COMMAND, found.verdict), file=stream)
    if options.json:
        print(text, end="")
    return GO if found.verdict.proceeds else NO_GO


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", required=True, metavar="ENVIRONMENT", help="for example production")
    parser.add_argument("--audit", required=True, action="store_true", help="audit the instrumentation")
    parser.add_argument(
        "--output", required=True, type=Path, metavar="PATH", help="where the audit goes (JSON)"
    )
    parser.add_argument(
        "--picture", type=Path, metavar="PATH", help="where the picture goes; default: --output with .png"
    )
    parser.add_argument("--services", metavar="A,B", help="default: every service of the catalogue")
    parser.add_argument("--version", help="the version whose telemetry must be seen")
    parser.add_argument("--release-id", metavar="ID", help="the release that has it")
    parser.add_argument("--deployed-at", metavar="TIME", help="since when, ISO 8601 with a time zone")
    parser.add_argument("--json", action="store_true", help="print the audit as JSON; all else to stderr")
    return parser


def _picture(options: argparse.Namespace) -> Path:
    picture: Path = options.picture or options.output.with_suffix(".png")
    if picture.absolute() == options.output.absolute():
        problem = (
            f"--output: {str(options.output)!r} is where the picture goes; name it .json, or give --picture"
        )
        raise InvalidInputError([problem])
    return picture


def _audit(options: argparse.Namespace) -> InstrumentationAudit:
    config = load_config()
    subject = _subject(options, config)
    backends = AirflowBackends(options.env)
    _reach_prometheus(backends, options.env)
    return whole_audit(
        subject.release, subject.services, backends, config, endpoints=subject.endpoints, at=now()
    )


def _reach_prometheus(backends: AirflowBackends, environment: str) -> None:
    """Raise if Prometheus does not answer: without it there is no audit, only questions."""
    try:
        backends.metrics().instant("vector(1)")
    except BackendError as error:
        remedy = (
            f"It is Airflow's connection prometheus_{environment}, or prometheus_default where that is not "
            "there: see that the server runs, and that host, port and credentials are right. Then run this "
            "again."
        )
        raise ReleaseWatchError(f"{error}. {remedy}") from error


def _subject(options: argparse.Namespace, config: Config) -> Subject:
    if options.env not in config.catalog.environments:
        known = ", ".join(config.catalog.environments)
        raise InvalidInputError([f"--env: {options.env!r} is not in the catalogue; known are {known}"])
    names = _names(options.services) or [service.name for service in config.catalog.services]
    services = config.catalog.select(names)
    endpoints: dict[str, Sequence[str]] = {service.name: service.endpoints for service in services}
    identity = {
        "--version": options.version,
        "--release-id": options.release_id,
        "--deployed-at": options.deployed_at,
    }
    missing = [name for name, value in identity.items() if value is None]
    if not missing:
        return Subject(_release(options, names), services, endpoints)
    if len(missing) < len(identity):
        raise InvalidInputError([f"{', '.join(missing)}: missing; give all three of a release, or none"])
    newest = ActiveReleases(artifact_root()).newest(options.env)
    if newest is None:
        print("No release is under watch here: no version is asked for.", file=sys.stderr)
        return Subject(_versionless(options, names, config), services, endpoints)
    print(f"Release {newest.release.release_id}, version {newest.release.version}", file=sys.stderr)
    return Subject(newest.release, services, {**endpoints, **newest.endpoints})


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _release(options: argparse.Namespace, names: Sequence[str]) -> Release:
    return Release.from_params(
        {
            "deployment_id": options.release_id,
            "release_id": options.release_id,
            "version": options.version,
            "environment": options.env,
            "services": names,
            "deployed_at": options.deployed_at,
            "evidence_uri": options.output.absolute().parent.as_uri(),  # an audit reads no evidence
        }
    )


def _versionless(options: argparse.Namespace, names: Sequence[str], config: Config) -> Release:
    options.release_id = options.version = UNREGISTERED
    options.deployed_at = now() - config.policies.coverage.live_within
    return _release(options, names).model_copy(update={"services": ()})


if __name__ == "__main__":
    sys.exit(main())
