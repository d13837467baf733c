"""Puts an approved change of an alert into force, or takes it back.

The alert tuning report of a release proposes changes that were tried on recorded telemetry. A run of this DAG
takes one of them: it shows the change, asks an SRE, and then changes the rule through activation and all its
checks. From then on the nightly run compares with what was approved, and the next release keeps to it.
`action: take_back` puts the former rule into force again; that is asked for, too.

Nothing is changed without a person's Yes: no answer in time counts as No.

**If it is red:** the task `conclude` says why in one line. *Refused*: mend what it names, then trigger a run
again. *Nobody answered*: trigger one when somebody is there. A run that was rejected is green.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from release_watch.assurance.tuning.request import PARAM_SCHEMAS
from release_watch.orchestration.defaults import TASK_DEFAULTS, Tag
from release_watch.orchestration.phases.tuning import tuning_tasks

with DAG(
    "alert_tuning",
    description="Puts a change of an alert into force that a person approves, or takes it back",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=16,
    dagrun_timeout=timedelta(days=3),
    default_args=TASK_DEFAULTS,
    tags=[Tag.MONITORING],
) as dag:
    tuning_tasks()

    # Last: Airflow copies the params a DAG has into every task that is made, and validates each copy.
    dag.params.update({name: Param(**schema) for name, schema in PARAM_SCHEMAS.items()})
