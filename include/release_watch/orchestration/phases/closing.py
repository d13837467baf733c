"""The end of every run: exit state, sealed audit trail, people told."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator, chain
from airflow.sdk.exceptions import AirflowFailException

from release_watch import texts
from release_watch.clock import now
from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.orchestration.notifiers.people import tell
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.activation import READ_BACK_WITHIN
from release_watch.orchestration.steps.decisions import gate_records
from release_watch.orchestration.steps.handing_over import update_status
from release_watch.orchestration.steps.tuned_rules import as_approved, register_tuned
from release_watch.orchestration.steps.watching import baseline_rule_set
from release_watch.orchestration.storage import artifact_root
from release_watch.verdict import ExitState

if TYPE_CHECKING:
    from airflow.sdk import DAG, Context

    from release_watch.artifacts.models import ExitRecord

EXIT_STATE = "exit-state.json"


class CloseRun(BaseOperator):
    """Teardown: records how the run ended; fails, and with it the run, unless it is COMPLETED."""

    def execute(self, context: Context) -> str:
        """Write ``exit-state.json``, seal the audit trail and tell the people."""
        try:
            run = ProtocolRun.of(context)
        except InvalidInputError as error:
            raise AirflowFailException(f"{ExitState.BLOCKED}: the request was refused: {error}") from error
        owner = run.owner()
        if owner.get("run_id", run.run_id) != run.run_id:  # what it wrote is not ours to close
            raise AirflowFailException(
                "; ".join(stop["reason"] for stop in run.stops()) or "nothing was done"
            )
        record = self._conclude(context, run)
        if record.exit_state is not ExitState.COMPLETED:
            raise AirflowFailException(f"{record.exit_state}: {record.reason}")
        log.info(texts.PROTOCOL_COMPLETE)
        return record.exit_state.value

    def _conclude(self, context: Context, run: ProtocolRun) -> ExitRecord:
        from release_watch.handoff.exit_state import exit_record

        ti = context["ti"]
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
        told: list[str] = []
        record = exit_record(
            run.release,
            stops=run.stops(),
            gates=gate_records(run),
            task_states=states,
            notified=told,
            at=now(),
        )
        subject = f"{record.exit_state}: release {run.release.release_id} in {run.release.environment}"
        for role in ("sre", "operations-lead", "technical-lead"):
            told += tell(run, role, subject, record.reason)
        record = record.model_copy(update={"notified": tuple(told) or ("nobody",)})
        written = run.store.write_json(EXIT_STATE, record)
        run.record(
            "run closed",
            f"closed-{now():%Y%m%dT%H%M%S%f}",
            exit_state=record.exit_state,
            reason=record.reason,
            uri=written.uri,
        )
        self._clean_up(run, record)
        run.end()
        sealed = run.trail.seal()
        update_status(run, record.exit_state.value)
        level = logging.INFO if record.exit_state is ExitState.COMPLETED else logging.ERROR
        log.log(level, "%s: %s", record.exit_state, record.reason)
        for step in record.next_steps:
            log.log(level, "Next: %s", step)
        log.info("Exit state %s; audit trail %s, SHA-256 %s", written.uri, sealed.uri, sealed.sha256)
        return record

    def _clean_up(self, run: ProtocolRun, record: ExitRecord) -> None:
        for action in (_end_drills, *((_restore_earlier_rules,) if rolled_back(record) else ())):
            try:
                action(run, record)
            except ReleaseWatchError as error:
                log.warning("%s", error)


def rolled_back(record: ExitRecord) -> bool:
    """Return whether the deployment itself was taken back."""
    return record.exit_state is ExitState.ROLLED_BACK


def _end_drills(run: ProtocolRun, record: ExitRecord) -> None:  # noqa: ARG001 - one shape for both
    """End drills that a killed task left behind."""
    from release_watch.drills.sweep import sweep

    for test in sweep(run.backends, release_id=run.release.release_id):
        log.warning("Removed the left-over drill %s", test)


def _restore_earlier_rules(run: ProtocolRun, record: ExitRecord) -> None:
    """Take a rolled-back release out of the watch and put the rules it replaced into force again."""
    from release_watch.assurance.registry import ActiveReleases
    from release_watch.slo.activation import activate, deactivate
    from release_watch.slo.rules import rule_set_name

    registry = ActiveReleases(artifact_root())
    registry.retire(run.release.environment, run.release.release_id, reason=record.reason, at=now())
    # Read before anything is taken away: without what was there before, these rules are better than none.
    replaced = registry.superseded_by(run.release)
    for name in (rule_set_name(run.release), baseline_rule_set(run)):
        deactivate(name, run.backends)
    for earlier in replaced:
        for name, text in as_approved(earlier).items():
            activate(text, name, run.backends, timeout=READ_BACK_WITHIN)
            if text != earlier.rules[name]:
                register_tuned(earlier, name, text)
            log.info("The rules %s are in force again", name)


def close_after(dag: DAG) -> BaseOperator:
    """Add the teardown ``close`` after every task from which nothing else follows."""
    leaves = list(dag.leaves)
    close = CloseRun(task_id="close", doc_md=CloseRun.__doc__, retries=2)
    close.as_teardown(on_failure_fail_dagrun=True)
    chain(leaves, close)
    return close
