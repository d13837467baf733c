"""The scripted people: each answers the questions assigned to them, as themselves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sandbox.orchestrator.scenarios import Scenario
from sandbox.rehearsal.api import AirflowUser

THINKING_SECONDS = 10.0
"""Airflow 3.3.2 loses an answer that comes before the scheduler has parked the task."""

QUESTIONS = {
    "review_plan": "plan",
    "approve_alert_test": "alert_test",
    "ask_rollback": "rollback",
    "sre_approval": "approval",
    "operations_lead_approval": "approval",
    "technical_lead_approval": "approval",
    "confirm_delivery": "handoff",
}
"""The scenario's name of each question, by task."""

ACKNOWLEDGEMENTS = ("acknowledge_drill", "escalate_drill", "escalate_drill_further")
"""The questions to on-call whether a drill arrived, by level of escalation."""

PARKED = "awaiting_input"


class ScriptedPeople:
    """Answers what is pending; a question that is asked again is answered again."""

    def __init__(self, users: Mapping[str, AirflowUser], scenario: Scenario) -> None:
        self._users = users
        self._scenario = scenario
        self._first_seen: dict[tuple[str, int], float] = {}

    def answer_pending(self, run_id: str, reader: AirflowUser) -> list[str]:
        """Answer every question that is ripe and return a line for each."""
        said = (self._answer(run_id, question) for question in reader.questions(run_id))
        return [line for line in said if line]

    def _answer(self, run_id: str, question: Mapping[str, Any]) -> str | None:
        instance = question["task_instance"]
        option = self._choice(instance["task_id"].rsplit(".", 1)[-1])
        if option is None or instance["state"] != PARKED or not self._thought_over(instance):
            return None
        person = next((u["id"] for u in question["assigned_users"] if u["id"] in self._users), None)
        if person is None:
            return None
        answer = self._users[person].answer(run_id, instance["task_id"], option)
        if answer.status_code >= 400:
            return (
                f"{person} could not answer {instance['task_id']}: {answer.status_code} {answer.text[:200]}"
            )
        return f"{person} answers {option}: {question['subject']}"

    def _thought_over(self, instance: Mapping[str, Any]) -> bool:
        asked = (instance["task_id"], instance["try_number"])
        return time.monotonic() - self._first_seen.setdefault(asked, time.monotonic()) >= THINKING_SECONDS

    def _choice(self, task: str) -> str | None:
        if task in ACKNOWLEDGEMENTS:
            return "yes" if ACKNOWLEDGEMENTS.index(task) + 1 == self._scenario.acknowledging_level else None
        return self._scenario.answers.get(QUESTIONS.get(task, ""), "yes")
