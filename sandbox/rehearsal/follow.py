"""Live progress of a run: what ended, what each gate decided, who answered, how long it took."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from release_watch.artifacts.models import AlertTestResults
from release_watch.drills.timeline import timeline_text
from sandbox.errors import SandboxError
from sandbox.rehearsal.api import AirflowUser
from sandbox.rehearsal.people import ScriptedPeople

POLL_SECONDS = 1.5
ENDED = frozenset({"success", "failed"})

PROCEEDS = ("GO", "WARN")
QUIET = frozenset({"branch", "go", "decide", "join", "delivered", "steady", "plan_approved", "answer"})


class Follower:
    """Prints what happens in one run until it ends."""

    def __init__(
        self,
        reader: AirflowUser,
        run_id: str,
        artifacts: Path,
        *,
        people: ScriptedPeople | None,
        on_task: Callable[[str], None],
    ) -> None:
        self._reader = reader
        self._run_id = run_id
        self._artifacts = artifacts
        self._people = people
        self._on_task = on_task
        self._began = time.monotonic()
        self._seen: set[str] = set()
        self._told: set[tuple[str, str]] = set()

    def until_the_end(self, limit_seconds: float) -> str:
        """Follow the run and return its final state.

        Raises:
            SandboxError: if it is not over after ``limit_seconds``.
        """
        while time.monotonic() - self._began < limit_seconds:
            state = self._reader.run_state(self._run_id)
            self._look()
            if state in ENDED:
                return state
            time.sleep(POLL_SECONDS)
        raise SandboxError(
            f"the run {self._run_id} is not over after {limit_seconds:.0f} s; look at it in Airflow"
        )

    def say(self, line: str) -> None:
        """Print a line with the time since the trigger."""
        elapsed = int(time.monotonic() - self._began)
        print(f"  {elapsed // 60:02d}:{elapsed % 60:02d}  {line}", flush=True)

    def _look(self) -> None:
        for instance in sorted(self._reader.task_instances(self._run_id), key=lambda i: i["end_date"] or "~"):
            self._tell(instance["task_id"], instance["state"] or "")
        self._tell_records()
        if self._people:
            for line in self._people.answer_pending(self._run_id, self._reader):
                self.say(line)
        else:
            for question in self._reader.questions(self._run_id):
                self._once(
                    f"question-{question['task_instance']['id']}", f"WAITING FOR YOU: {question['subject']}"
                )

    def _tell(self, task_id: str, state: str) -> None:
        if (task_id, state) in self._told:
            return
        self._told.add((task_id, state))
        if state in ("running", "deferred"):
            self._on_task(task_id)
        group, _, name = task_id.rpartition(".")
        if state in ("success", "failed") and name not in QUIET:
            self.say(
                f"{group.split('.')[0]:<26} {name:<26} {'done' if state == 'success' else state.upper()}"
            )

    def _tell_records(self) -> None:
        for path in sorted(self._artifacts.glob("records/gate-*.json")):
            gate = _read(path)
            if gate:
                failing = {o["name"]: o["reason"] for o in gate["objectives"] if o["verdict"] not in PROCEEDS}
                reasons = "; ".join(failing.values())
                line = f"GATE {gate['gate']}  {gate['verdict']}  {reasons or _met(gate)}"
                self._once(f"{path.name}-{gate['verdict']}-{sorted(failing)}", line)
        results = _read(self._artifacts / "monitoring-results.json")
        for review in results.get("reviews", []) if results else []:
            self._once(
                f"review-{review['number']}",
                f"{'baseline_window':<26} review {review['number']}: {review['verdict']}",
            )

        self._tell_drills()

    def _tell_drills(self) -> None:
        """Print the time line of the alert test: once, and again when it was repeated."""
        path = self._artifacts / "alert-test-results.json"
        found = _read(path)
        key = f"drills-{found.get('generated_at')}"
        if found and key not in self._seen:
            self._seen.add(key)
            text = timeline_text(AlertTestResults.model_validate(found))
            print("\n".join(f"         {line}".rstrip() for line in text.splitlines()), flush=True)

    def _once(self, key: str, line: str) -> None:
        if key not in self._seen:
            self._seen.add(key)
            self.say(line)


def _met(gate: Mapping[str, Any]) -> str:
    warned = [o["reason"].split(". ")[0] for o in gate["objectives"] if o["verdict"] == "WARN"]
    met = f"{len(gate['objectives']) - len(warned)} objectives met"
    return f"{met}, {len(warned)} warnings: {warned[0]} ..." if warned else met


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content
