"""Watches one production release, from its deployment to the handed-over proof.

One run per production deployment. It proves that the release can be watched, watches it, and hands the proof
over: plan and review, instrumentation (Gate 1), activation and alert test (Gate 2), baseline window,
assurance (Gate 3), handoff (Gate 4), close.

**If a gate is red:** `escalate` names the failing objective and what to do. Mend it; `await_remediation`
checks again by itself. To give up, mark `await_remediation` as failed. To repeat a failed task, clear it.

**If a question is open:** answer it under *Required actions*. No answer in time counts as No.

**How it ended:** the task `close` and `exit-state.json` say COMPLETED, BLOCKED, ABORTED or ROLLED_BACK,
with the reason. The run is green only when it is COMPLETED.

Trigger it over REST with `dag_run_id = deploy-<deployment id>`, so that a repeated call is refused with 409.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param

from release_watch.orchestration.defaults import ACTIVE_RUNS, RUN_TIMEOUT, TASK_DEFAULTS, Tag
from release_watch.orchestration.phases.activation import phase_2
from release_watch.orchestration.phases.assuring import phase_3
from release_watch.orchestration.phases.closing import close_after
from release_watch.orchestration.phases.handing_over import phase_4
from release_watch.orchestration.phases.instrumentation import phase_1
from release_watch.orchestration.phases.opening import plan_group
from release_watch.orchestration.phases.watching import window_group
from release_watch.release import PARAM_SCHEMAS

with DAG(
    "post_deployment_monitoring",
    description="Proves that a release can be watched, watches it, and hands the proof over",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=ACTIVE_RUNS,
    max_active_tasks=ACTIVE_RUNS,
    dagrun_timeout=RUN_TIMEOUT,
    default_args=TASK_DEFAULTS,
    tags=[Tag.RELEASE, Tag.MONITORING],
) as dag:
    plan_approved = plan_group()
    instrumented = phase_1(plan_approved)
    activated = phase_2(instrumented)
    baseline = window_group(activated)
    assured = phase_3(baseline)
    handed_over = phase_4(assured)
    close_after(dag)

    # Last: Airflow copies the params a DAG has into every task that is made, and validates each copy.
    dag.params.update({name: Param(**schema) for name, schema in PARAM_SCHEMAS.items()})
