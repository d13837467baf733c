r"""Test the alert path: fire drills for the critical services and wait until a person has acknowledged them.

    python scripts/workflow_automation.py --workflow alert-test \
        --output .artifacts/monitoring/alert-test-results.json

Uses the Airflow connections prometheus_default and alertmanager_default (prometheus_<environment> and
alertmanager_<environment> where they exist) and needs no DAG run. The drills page the people on call,
labelled DRILL; they acknowledge each where their alerts arrive (drill.receivers of policies.yaml), or with
POST /release-watch/drills/<drill id>/acknowledge of the Airflow web server. A picture of the time line lies
beside the results.

Exit code: 0 every drill reached a person in time, 1 it did not, 2 wrong usage or a server does not answer.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from release_watch import texts
from release_watch.artifacts.models import AlertTestResults, DrillResult
from release_watch.catalog.config import Config, check_release, load_config
from release_watch.catalog.policies import DrillPolicy
from release_watch.clock import in_words, now, parse_duration
from release_watch.drills.alert_test import not_run, run_alert_test
from release_watch.drills.following import Hold
from release_watch.drills.history import DrillHistory
from release_watch.drills.manners import active_drills, held_back, named_forcer, past_times
from release_watch.drills.plan import DrillRoute
from release_watch.drills.receipts import Receipts
from release_watch.drills.timeline import timeline_png, timeline_text
from release_watch.errors import ReleaseWatchError
from release_watch.files import write_whole
from release_watch.orchestration.hooks.backends import AirflowBackends
from release_watch.orchestration.storage import artifact_root
from release_watch.release import Release
from release_watch.slo.red import find_metric_names
from release_watch.slo.rules import rule_groups
from release_watch.verdict import Verdict

COMMAND = "workflow_automation.py (alert-test)"
GO, NO_GO, NOT_RUN = 0, 1, 2
EXIT_CODES = {Verdict.GO: GO, Verdict.WARN: GO, Verdict.ERROR: NOT_RUN}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the alert test that the command line asks for and return the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that a drill is cleaned up, as on Ctrl-C
    options = _parser().parse_args(arguments)
    try:
        config = load_config()
        release = _release(options, config)
        check_release(release, config)
    except ReleaseWatchError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOT_RUN
    try:
        results = _run(options, release, config)
        code = EXIT_CODES.get(results.verdict, NO_GO)
    except ReleaseWatchError as error:
        print(f"error: {error}", file=sys.stderr)
        results, code = not_run(release, error, now()), NOT_RUN
    except KeyboardInterrupt:
        print("error: interrupted; the drills are ended and removed", file=sys.stderr)
        return NOT_RUN
    return _finish(options, results, code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workflow", required=True, choices=["alert-test"], help="what to run")
    parser.add_argument(
        "--output", required=True, type=Path, metavar="PATH", help="where the results go (JSON)"
    )
    parser.add_argument("--environment", default="production", help="default: %(default)s")
    parser.add_argument("--services", metavar="A,B", help="default: the critical services of the catalogue")
    parser.add_argument("--release-id", metavar="ID", help="the release that is tested; default: a new id")
    parser.add_argument("--version", default="unreleased", help="its version; default: %(default)s")
    parser.add_argument(
        "--acknowledge-within",
        type=_duration,
        metavar="DURATION",
        help="the target, ISO 8601 such as PT5M; default: drill.acknowledge_within of policies.yaml",
    )
    parser.add_argument(
        "--kind",
        choices=["full", "direct"],
        default="full",
        help="full: through a rule in Prometheus; direct: posted to Alertmanager, cheaper, and proving "
        "nothing about Prometheus; default: %(default)s",
    )
    parser.add_argument(
        "--forced-by",
        metavar="USER",
        help="who has the drills fired against quiet hours and rate limit, as in oncall.yaml; goes on record",
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON; all else to stderr")
    return parser


def _duration(text: str) -> timedelta:
    try:
        length = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO 8601 duration such as PT5M") from error
    if length <= timedelta(0):
        raise argparse.ArgumentTypeError(f"{text!r} is not longer than nothing; give PT5M or so")
    return length


def _release(options: argparse.Namespace, config: Config) -> Release:
    if options.services is None:
        services = [service.name for service in config.catalog.services if service.critical]
    else:
        services = [name.strip() for name in options.services.split(",") if name.strip()]
    release_id = options.release_id or f"alert-test-{now():%Y%m%dT%H%M%SZ}"
    return Release.from_params(
        {
            "deployment_id": release_id,
            "release_id": release_id,
            "version": options.version,
            "environment": options.environment,
            "services": services,
            "deployed_at": now(),
            "evidence_uri": options.output.absolute().parent.as_uri(),  # a drill reads no evidence
        }
    )


def _run(options: argparse.Namespace, release: Release, config: Config) -> AlertTestResults:
    stream = sys.stderr if options.json else sys.stdout
    policy = config.policies.drill
    target = options.acknowledge_within or policy.acknowledge_within
    backends = AirflowBackends(release.environment)
    services = config.catalog.select(release.services)
    where = options.output.absolute().parent.as_uri()
    rules = rule_groups(
        config.slos,
        services,
        release,
        runbook_url=where,
        dashboard_url=where,
        metric_names=find_metric_names(services, backends),
    )

    def tell(fired: Sequence[DrillResult]) -> None:
        for drill in fired:
            print(_fired(drill), file=stream)
        if any(drill.hops.delivered.at for drill in fired):
            print(f"Waiting up to {in_words(target)} for the acknowledgements...", file=stream, flush=True)

    forced_by = named_forcer(options.forced_by, config.oncall)
    history = DrillHistory.under(artifact_root(), release.environment)
    print(texts.TRIGGERING_ALERTS, file=stream, flush=True)
    results = run_alert_test(
        release,
        services,
        rules,
        backends,
        backends.receivers(Receipts.under(artifact_root()), policy.receivers),
        deliver_within=policy.deliver_within,
        acknowledge_within=target,
        kind=options.kind,
        hold=_manners(release, policy, backends, history, forced=forced_by is not None),
        forced_by=forced_by,
        tell=tell,
    )
    names = {name for drill in results.drills for name in drill.receivers}
    results = results.model_copy(update={"hop_history": history.statistics(receivers=names)})
    history.add(results)
    return results


def _manners(
    release: Release, policy: DrillPolicy, backends: AirflowBackends, history: DrillHistory, *, forced: bool
) -> Hold:
    """Return what holds a route back: a drill under way, the rate limit, quiet hours."""
    at = now()
    under_way = active_drills(backends, at, own_release=release.release_id)
    times: dict[str, list[datetime]] = {}

    def hold(route: DrillRoute) -> str | None:
        unknown = set(route.expected) - times.keys()
        times.update(past_times(history, unknown, policy, at))
        reason = held_back(route.expected, at, policy, times, under_way, forced)
        if reason is None:
            for name in route.expected:
                times[name].append(at)
        return reason

    return hold


def _fired(drill: DrillResult) -> str:
    latency = drill.hops.delivered.latency
    how = drill.diagnosis if latency is None else f"delivered to {drill.receiver} after {latency:.1f} s"
    return f"DRILL {drill.drill_id} ({drill.service}, {drill.severity}): {how}"


def _finish(options: argparse.Namespace, results: AlertTestResults, code: int) -> int:
    stream = sys.stderr if options.json else sys.stdout
    text = results.model_dump_json(indent=2) + "\n"
    try:
        write_whole(options.output.absolute(), text.encode())
        write_whole(options.output.absolute().with_suffix(".png"), timeline_png(results))
    except OSError as error:
        print(f"error: {options.output} cannot be written: {error}", file=sys.stderr)
        code = NOT_RUN
    print(timeline_text(results), file=stream)
    if not results.verdict.proceeds:
        print(texts.ALERT_NOT_DELIVERED, file=stream)
    print(texts.automation(COMMAND, results.verdict), file=stream)
    if options.json:
        print(text, end="")
    return code


if __name__ == "__main__":
    sys.exit(main())
