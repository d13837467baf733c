"""One run of the protocol: the release, its store, configuration and backends, for one task."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from release_watch.clock import now, rfc3339

if TYPE_CHECKING:
    from airflow.sdk import Context

    from release_watch.artifacts.audit import AuditTrail
    from release_watch.artifacts.store import ArtifactStore
    from release_watch.catalog.config import Config
    from release_watch.catalog.models import Service
    from release_watch.orchestration.hooks.backends import AirflowBackends
    from release_watch.release import Release
    from release_watch.verdict import ExitState

log = logging.getLogger("release_watch")


@dataclass(frozen=True)
class ProtocolRun:
    """What every task of a run works with; made afresh in each task from the run's params."""

    release: Release
    run_id: str
    task_id: str
    store: ArtifactStore = field(repr=False)

    @classmethod
    def of(cls, context: Context) -> ProtocolRun:
        """Return the run that ``context`` belongs to.

        Raises:
            InvalidInputError: if the params do not describe a release.
        """
        from release_watch.orchestration.storage import store_for
        from release_watch.release import Release

        release = Release.from_params(dict(context["params"]))
        task_instance = context["ti"]
        return cls(release, task_instance.run_id, task_instance.task_id, store_for(release))

    @cached_property
    def config(self) -> Config:
        """The configuration: catalogue, SLOs, people, policies."""
        from release_watch.catalog.config import load_config

        return load_config()

    @cached_property
    def backends(self) -> AirflowBackends:
        """The servers of the release's environment."""
        from release_watch.orchestration.hooks.backends import AirflowBackends

        return AirflowBackends(self.release.environment)

    @cached_property
    def services(self) -> tuple[Service, ...]:
        """The services of this release, from the catalogue."""
        return self.config.catalog.select(self.release.services)

    @property
    def trail(self) -> AuditTrail:
        """The audit trail."""
        from release_watch.artifacts.audit import AuditTrail

        return AuditTrail(self.store)

    def record(self, event: str, key: str | None = None, **details: Any) -> None:
        """Put ``event`` into the audit trail once, under ``key`` (the task by default)."""
        self.trail.record(key or self.task_id, event, task=self.task_id, run_id=self.run_id, **details)

    def halt(
        self, exit_state: ExitState, reason: str, *, next_steps: tuple[str, ...] = ()
    ) -> AirflowFailException:
        """Note the exit state for ``close`` and return the error to raise; it fails the task for good."""
        stop = {
            "exit_state": exit_state.value,
            "reason": reason,
            "task": self.task_id,
            "at": rfc3339(now()),
            "next_steps": list(next_steps),
        }
        self.store.write_json(f"stops/{self.task_id}.json", stop)
        self.record(f"run ends {exit_state}", f"stop-{self.task_id}", reason=reason)
        log.error("[ERROR] %s: %s", exit_state, reason)
        for step in next_steps:
            log.error("Next: %s", step)
        return AirflowFailException(f"{exit_state}: {reason}")

    def stops(self) -> list[dict[str, Any]]:
        """Return the notes that :meth:`halt` left, oldest first."""
        notes = [json.loads(self.store.read_bytes(name)) for name in self.store.names("stops/")]
        return sorted(notes, key=lambda note: str(note["at"]))

    def once(self, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the record ``name``, writing ``content`` first if it is not there yet.

        What was promised first holds: a retry or a restart reads the same times again.
        """
        path = f"records/{name}.json"
        if not self.store.exists(path):
            self.store.write_json(path, dict(content))
        stored: dict[str, Any] = json.loads(self.store.read_bytes(path))
        return stored

    def moment_once(self, name: str, moment: datetime) -> datetime:
        """Return the moment recorded under ``name``, recording ``moment`` if there is none."""
        return datetime.fromisoformat(self.once(name, {"at": rfc3339(moment)})["at"])
