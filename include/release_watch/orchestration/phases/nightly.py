"""The nightly assurance: every active release in one pass, one report, one line a release."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator, chain
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from release_watch.clock import now, rfc3339
from release_watch.orchestration.run import log
from release_watch.orchestration.steps import night

if TYPE_CHECKING:
    from airflow.sdk import Context


class CheckActiveReleases(BaseOperator):
    """Checks every active release and writes one report for the night.

    What is live can only be looked at now: a run for a night that is long over is skipped, and the next
    night's report answers for all since the last one.
    """

    def execute(self, context: Context) -> str:
        """Return the URI of the report."""
        moment = now()
        skip_if_over(context, moment)
        store = night.night_store(started(context))
        report = night.check_active_releases(store, moment)
        for line in report.lines or ("no active release",):
            log.info("%s", line)
        return store.uri_of(night.REPORT)


class SummariseNight(BaseOperator):
    """Says one line a release; fails, and with it the night, only where a person must act."""

    def execute(self, context: Context) -> str:
        """Return GO, or fail for good: trying again mends nothing."""
        from release_watch.assurance.nightly import NightReport

        store = night.night_store(started(context))
        report = store.read_model(night.REPORT, NightReport)
        waiting = [found.line for found in report.releases if found.needs_person]
        for line in report.lines:
            log.log(logging.ERROR if line in waiting else logging.INFO, "%s", line)
        if waiting:
            raise AirflowFailException("\n".join([*waiting, f"Report: {store.uri_of(night.REPORT)}"]))
        return "GO"


def started(context: Context) -> datetime:
    """Return when the run was to start; the same for every try of it."""
    moment: datetime = context["dag_run"].run_after
    return moment.astimezone(UTC)


def skip_if_over(context: Context, moment: datetime) -> None:
    """Skip the run of a night after which another one was due.

    Raises:
        AirflowSkipException: if it is one.
    """
    from release_watch.assurance.schedule import next_run

    following = next_run(started(context))
    if following < moment - night.GRACE:
        raise AirflowSkipException(
            f"The night of {started(context):%Y-%m-%d} is over. What is live cannot be checked afterwards: "
            f"the run of {rfc3339(following)} or later answers for all since the last report."
        )


def nightly_tasks() -> None:
    """Add the two tasks of the night."""
    check = CheckActiveReleases(task_id="check_active_releases", doc_md=CheckActiveReleases.__doc__)
    summarise = SummariseNight(task_id="summarise_night", doc_md=SummariseNight.__doc__)
    chain(check, summarise)
