"""The nightly assurance: every active release in one pass, one report, one line a release."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator, chain
from airflow.sdk.exceptions import AirflowFailException

from release_watch.clock import now
from release_watch.errors import ReleaseWatchError
from release_watch.orchestration.run import log
from release_watch.orchestration.storage import artifact_root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from release_watch.artifacts.store import ArtifactStore
    from release_watch.assurance.alert_path import Drilled
    from release_watch.assurance.nightly import NightReport
    from release_watch.assurance.registry import ActiveRelease
    from release_watch.catalog.config import Config
    from release_watch.orchestration.hooks.backends import AirflowBackends

FOLDER = "nightly"
REPORT = "assurance-report.json"


class CheckActiveReleases(BaseOperator):
    """Checks every active release and writes one report for the night."""

    def execute(self, context: Context) -> str:
        """Return the URI of the report."""
        report = check_active_releases(now())
        for line in report.lines or ("no active release",):
            log.info("%s", line)
        return night_store(context).write_json(REPORT, report).uri


class SummariseNight(BaseOperator):
    """Says one line a release; fails, and with it the night, only where a person must act."""

    def execute(self, context: Context) -> str:
        """Return GO, or fail for good: trying again mends nothing."""
        from release_watch.assurance.nightly import NightReport

        store = night_store(context)
        report = store.read_model(REPORT, NightReport)
        waiting = [night.line for night in report.releases if night.needs_person]
        for line in report.lines:
            log.log(logging.ERROR if line in waiting else logging.INFO, "%s", line)
        if waiting:
            raise AirflowFailException("\n".join([*waiting, f"Report: {store.uri_of(REPORT)}"]))
        return "GO"


def check_active_releases(moment: datetime) -> NightReport:
    """Return what the night found, over all environments."""
    from release_watch.assurance.nightly import NightReport, night
    from release_watch.assurance.registry import ActiveReleases
    from release_watch.catalog.config import load_config
    from release_watch.orchestration.hooks.backends import AirflowBackends

    config, registry = load_config(), ActiveReleases(artifact_root())
    reports = []
    for environment in sorted({entry.release.environment for entry in registry.all()}):
        active, backends = registry.all(environment), AirflowBackends(environment)
        drilled = drill_alert_paths(active, environment, backends, config, moment)
        reports.append(night(active, backends, config, moment, drilled))
    return NightReport(
        generated_at=moment,
        releases=tuple(release for report in reports for release in report.releases),
        drills=tuple(results for report in reports for results in report.drills),
    )


def drill_alert_paths(
    active: Sequence[ActiveRelease],
    environment: str,
    backends: AirflowBackends,
    config: Config,
    moment: datetime,
) -> Drilled | None:
    """Drill one alert path of each service, or log why that cannot be done and return None."""
    from release_watch.assurance.alert_path import DrillRecords, drill_in_turn
    from release_watch.drills.history import DrillHistory
    from release_watch.drills.timeline import timeline_text
    from release_watch.orchestration.steps.drill_answers import receipts

    try:
        receivers = backends.receivers(receipts(), config.policies.drill.receivers)
        records = DrillRecords(receivers, DrillHistory.under(artifact_root(), environment))
        drilled = drill_in_turn(active, backends, config, moment, records)
    except ReleaseWatchError as error:
        log.error("No alert path of %s could be drilled: %s", environment, error)
        return None
    if drilled:
        log.info("%s", timeline_text(drilled.results))
    return drilled


def night_store(context: Context) -> ArtifactStore:
    """Return the store of the night, the same for every try of one run."""
    from release_watch.artifacts.store import ArtifactStore

    run_after = context["dag_run"].run_after
    return ArtifactStore(artifact_root(), FOLDER, f"{run_after.astimezone(UTC):%Y-%m-%d}")


def nightly_tasks() -> None:
    """Add the two tasks of the night."""
    check = CheckActiveReleases(task_id="check_active_releases", doc_md=CheckActiveReleases.__doc__)
    summarise = SummariseNight(task_id="summarise_night", doc_md=SummariseNight.__doc__)
    chain(check, summarise)
