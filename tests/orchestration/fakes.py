"""What a task sees of Airflow, without a running one: a context, and a clock that is set by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RUN_ID = "deploy-d-1"

PARAMS: dict[str, Any] = {
    "deployment_id": "d-1",
    "release_id": "shop-1.1.0",
    "version": "1.1.0",
    "environment": "production",
    "services": ["checkout", "payments"],
    "deployed_at": "2026-03-02T08:55:00Z",
    "evidence_uri": "file:///evidence/d-1",
    "baseline_window": "PT24H",
    "review_interval": "PT1H",
}


class TaskInstance(NamedTuple):
    task_id: str
    run_id: str = RUN_ID
    dag_id: str = "post_deployment_monitoring"
    id: str = "00000000-0000-0000-0000-000000000001"


class DagRun(NamedTuple):
    conf: dict[str, Any]
    run_after: datetime = START
    run_id: str = RUN_ID


def context(task_id: str = "some_group.some_task", *, run_id: str = RUN_ID, **params: Any) -> Any:
    """Return the context of a task of a run with these params, over :data:`PARAMS`."""
    given = {**PARAMS, **params}
    instance = TaskInstance(task_id, run_id)
    run = DagRun(conf=given, run_id=run_id)
    return {"params": given, "ti": instance, "task_instance": instance, "dag_run": run}


class Clock:
    """Stands in for ``now`` in the modules that a fixture names."""

    def __init__(self, moment: datetime = START) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, **length: float) -> datetime:
        self.moment += timedelta(**length)
        return self.moment
