"""Waiting for a gate to pass: the phase's check again and again, until it passes or the deadline."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseSensorOperator

from release_watch.clock import in_words, now, rfc3339
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.checks import decide, refresh
from release_watch.verdict import ExitState

if TYPE_CHECKING:
    from airflow.sdk import Context


class RemediationSensor(BaseSensorOperator):
    """Re-runs the check of ``gate`` on an interval and holds no slot in between.

    A person who gives up marks this task as failed, which ends the run as ABORTED.

    :param gate: number of the gate
    """

    def __init__(self, *, gate: int, **kwargs: Any) -> None:
        super().__init__(mode="poke", **kwargs)
        self.gate = gate

    def execute(self, context: Context) -> str:
        """Start waiting; in shadow mode nothing is blocked."""
        run = ProtocolRun.of(context)
        if run.release.shadow:
            log.info("Shadow mode: Gate %d would have blocked here", self.gate)
            return "shadow"
        policy = run.config.policies.remediation
        if run.withdraw_stop():  # somebody cleared this task: the time to mend it begins anew
            run.forget(f"remediation-gate-{self.gate}")
        deadline = run.moment_once(f"remediation-gate-{self.gate}", now() + policy.deadline)
        return self._wait(run, deadline)

    def check_again(self, context: Context, event: Any = None) -> str:  # noqa: ARG002 - the trigger's moment
        """Refresh what the gate looks at and decide again."""
        run = ProtocolRun.of(context)
        deadline = run.moment_once(f"remediation-gate-{self.gate}", now())
        refresh(self.gate, run)
        decision = decide(self.gate, run)
        if decision.verdict.proceeds:
            log.info("Gate %d passes now: %s", self.gate, decision.summary())
            return decision.verdict.value
        log.warning("Gate %d still %s", self.gate, decision.summary())
        if now() >= deadline:
            waited = in_words(run.config.policies.remediation.deadline)
            raise run.halt(
                ExitState.BLOCKED,
                f"Gate {self.gate} did not pass within {waited}: {decision.summary()}",
                next_steps=("Mend the cause, then clear this task to check again or deploy again.",),
            )
        return self._wait(run, deadline)

    def _wait(self, run: ProtocolRun, deadline: datetime) -> NoReturn:
        moment = min(now() + run.config.policies.remediation.interval, deadline)
        log.info(
            "Gate %d is checked again at %s, at the latest until %s",
            self.gate,
            rfc3339(moment),
            rfc3339(deadline),
        )
        self.defer(trigger=DateTimeTrigger(moment=moment), method_name="check_again")
