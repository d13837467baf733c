"""The nightly assurance: every active release in one pass, one report, one line a release."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator, chain
from airflow.sdk.exceptions import AirflowFailException

from release_watch.clock import now
from release_watch.orchestration.run import log
from release_watch.orchestration.storage import artifact_root

if TYPE_CHECKING:
    from airflow.sdk import Context

    from release_watch.artifacts.store import ArtifactStore
    from release_watch.assurance.nightly import NightReport

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
    environments = sorted({entry.release.environment for entry in registry.all()})
    found = [
        release
        for environment in environments
        for release in night(registry.all(environment), AirflowBackends(environment), config, moment).releases
    ]
    return NightReport(generated_at=moment, releases=tuple(found))


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
