"""Who may do what: the right that Airflow's own routes ask for, on the DAG of the protocol."""

from __future__ import annotations

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag

DAG_ID = "post_deployment_monitoring"

may_start_runs = requires_access_dag("POST", DagAccessEntity.RUN, param_dag_id=DAG_ID)
may_change_runs = requires_access_dag("PUT", DagAccessEntity.RUN, param_dag_id=DAG_ID)
may_answer_questions = requires_access_dag("PUT", DagAccessEntity.HITL_DETAIL, param_dag_id=DAG_ID)
