"""The questions of an alert test: may it page people now, and did the page arrive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from release_watch.clock import now, rfc3339
from release_watch.orchestration.operators.approval import ApprovalRequest
from release_watch.orchestration.run import ProtocolRun
from release_watch.orchestration.steps import drill_answers
from release_watch.orchestration.steps.alert_test import FIRED_DRILLS, fired_drills, offer_to_force

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow.sdk import Context

    from release_watch.catalog.oncall import Person
    from release_watch.orchestration.steps.drill_answers import Level


class DrillApproval(ApprovalRequest):
    """Asks whether drills may page people now; in quiet hours a Yes forces them, and names who did."""

    def _notes(self, run: ProtocolRun) -> Sequence[str]:
        quiet_until = offer_to_force(run)
        if quiet_until is None:
            return ()
        return (
            f"It is quiet hours until {rfc3339(quiet_until)}: a Yes pages the person on call all the same, "
            "and is recorded as yours.",
        )


class AcknowledgeDrill(ApprovalRequest):
    """Asks one level of the on-call escalation to acknowledge the drills; the next follows if it is silent.

    :param position: which level, from 1; without such a level, or with an answer, the question is skipped
    """

    def __init__(self, *, position: int, **kwargs: Any) -> None:
        super().__init__(
            task_id=drill_answers.QUESTIONS[position - 1],
            role="oncall",
            evidence=FIRED_DRILLS,
            question="DRILL, no real incident: acknowledge that this page reached you. (yes/no)",
            **kwargs,
        )
        self.position = position

    def execute(self, context: Context) -> Any:
        """Ask the person whose turn it is, and park until the answer, or the end of that turn."""
        run = ProtocolRun.of(context)
        level = self._level(run)
        if level is None:
            raise AirflowSkipException(f"Nobody is left to be asked at level {self.position}.")
        self.role = level.paging.role
        return super().execute(context)

    def _level(self, run: ProtocolRun) -> Level | None:
        return drill_answers.level_to_ask(run, fired_drills(run), self.position)

    def _people(self, run: ProtocolRun) -> Sequence[Person]:
        level = self._level(run)
        return [level.paging.person] if level else super()._people(run)

    def _patience(self, run: ProtocolRun) -> timedelta:
        level = self._level(run)
        return level.turn.until - now() if level else run.config.policies.drill.acknowledge_within

    def _told(self, run: ProtocolRun, people: Sequence[Person], told: Sequence[str]) -> None:
        if self.position > 1:
            asked = f"question {self.task_id} assigned to {', '.join(person.user for person in people)}"
            drills = drill_answers.asked_here(run, fired_drills(run))
            drill_answers.note_pages(run, drills, channel="Airflow", proof="; ".join((asked, *told)))
