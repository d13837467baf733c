"""Proves every night that what was activated for each active release still watches it.

For every active release, in one pass: alert rules loaded, healthy and unchanged in meaning; scrape targets
up; dashboards there; coverage still live; the dead man's switch firing; budgets and incidents. One report a
night (`monitoring/nightly/<date>/assurance-report.json`), one line per release in `summarise_night`.

**If it is red:** `summarise_night` names each release that needs a person, and what to do. Everything else
stays green, also a backend that only delays a judgement nobody has to act on.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from release_watch.assurance.schedule import NIGHTLY_CRON
from release_watch.orchestration.defaults import TASK_DEFAULTS, Tag
from release_watch.orchestration.phases.nightly import nightly_tasks

with DAG(
    "nightly_assurance",
    description="Are rules, dashboards, targets and coverage of every active release still live?",
    doc_md=__doc__,
    schedule=CronTriggerTimetable(NIGHTLY_CRON, timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=6),
    default_args=TASK_DEFAULTS,
    tags=[Tag.MONITORING, Tag.NIGHTLY],
):
    nightly_tasks()
