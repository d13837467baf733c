"""One run of the protocol: the release, its store, configuration and backends, for one task."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from release_watch.clock import now, rfc3339
from release_watch.errors import InvalidInputError

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

RECORDS = "records/"
OWNER = f"{RECORDS}run.json"
EARLIER = "earlier/"
LASTING = ("audit/", EARLIER)
WRITTEN_BY_PEOPLE = ("RUNBOOKS/", "improvement-backlog.md")


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

        Params that no release has are left to the first task, which refuses them on the record.

        Raises:
            InvalidInputError: if the params do not describe a release.
        """
        from release_watch.orchestration.storage import store_for
        from release_watch.release import Release

        params = dict(context["params"])
        release = Release.from_params({name: params[name] for name in Release.model_fields if name in params})
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

    @cached_property
    def key(self) -> str:
        """What tells this run's notes from those of another run of the same release."""
        return hashlib.sha256(self.run_id.encode()).hexdigest()[:8]

    def record(self, event: str, key: str | None = None, **details: Any) -> None:
        """Put ``event`` into the audit trail once, under ``key`` (the task by default)."""
        self.trail.record(
            f"{self.key}.{key or self.task_id}", event, task=self.task_id, run_id=self.run_id, **details
        )

    def begin(self) -> None:
        """Claim the release's folder for this run, and put what an earlier run left there aside.

        A gate must never judge what an earlier run proved. Nothing is lost: it goes to ``earlier/``, the
        audit trail goes on, and what people write into (runbook, backlog) stays in its place too.

        Raises:
            InvalidInputError: if another run still watches this release.
        """
        owner = self.owner()
        if owner.get("run_id") == self.run_id:
            return
        if owner and "closed_at" not in owner:
            message = "is watched by another run; wait until it has ended, or mark it as failed"
            raise InvalidInputError(
                [f"release_id: {self.release.release_id!r}: {message}: {owner['run_id']}"]
            )
        if owner:
            self._put_aside(hashlib.sha256(owner["run_id"].encode()).hexdigest()[:8])
        self.store.write_json(OWNER, {"run_id": self.run_id, "begun_at": rfc3339(now())})

    def _put_aside(self, earlier: str) -> None:
        for name in self.store.names():
            if name.startswith(LASTING) or name == OWNER:  # the owner goes last, so that a retry goes on
                continue
            self.store.write_bytes(f"{EARLIER}{earlier}/{name}", self.store.read_bytes(name))
            if not name.startswith(WRITTEN_BY_PEOPLE):
                self.store.remove(name)

    def owner(self) -> dict[str, Any]:
        """Return which run the release's folder belongs to; empty if none has claimed it."""
        return dict(json.loads(self.store.read_bytes(OWNER))) if self.store.exists(OWNER) else {}

    def end(self) -> None:
        """Give the release's folder free for another run."""
        self.store.write_json(OWNER, {**self.owner(), "closed_at": rfc3339(now())})

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
        self.store.write_json(self._stop, stop)
        self.record(f"run ends {exit_state}", f"stop-{self.task_id}-{now():%Y%m%dT%H%M%S}", reason=reason)
        log.error("[ERROR] %s: %s", exit_state, reason)
        for step in next_steps:
            log.error("Next: %s", step)
        return AirflowFailException(f"{exit_state}: {reason}")

    def withdraw_stop(self) -> bool:
        """Take back the stop of this very task, which somebody has cleared; return whether there was one."""
        stopped = self.store.exists(self._stop)
        if stopped:
            self.store.remove(self._stop)
            self.record("stop withdrawn", f"withdrawn-{self.task_id}-{now():%Y%m%dT%H%M%S}")
        return stopped

    @property
    def _stop(self) -> str:
        return f"stops/{self.key}.{self.task_id}.json"

    def stops(self) -> list[dict[str, Any]]:
        """Return the notes that :meth:`halt` left in this run, oldest first."""
        names = self.store.names(f"stops/{self.key}.")
        return sorted((json.loads(self.store.read_bytes(name)) for name in names), key=_at)

    def once(self, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the record ``name`` of this run, writing ``content`` first if it is not there yet.

        What was promised first holds: a retry or a restart reads the same times again.
        """
        path = f"{RECORDS}{self.key}.{name}.json"
        if not self.store.exists(path):
            self.store.write_json(path, dict(content))
        return dict(json.loads(self.store.read_bytes(path)))

    def kept(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Return the records of this run whose names start with ``prefix``, by name."""
        start = f"{RECORDS}{self.key}."
        return {
            name.removeprefix(start).removesuffix(".json"): json.loads(self.store.read_bytes(name))
            for name in self.store.names(start + prefix)
        }

    def moment_once(self, name: str, moment: datetime) -> datetime:
        """Return the moment recorded under ``name``, recording ``moment`` if there is none."""
        return datetime.fromisoformat(self.once(name, {"at": rfc3339(moment)})["at"])

    def forget(self, name: str) -> None:
        """Take back the record ``name``, so that it is written anew."""
        self.store.remove(f"{RECORDS}{self.key}.{name}.json")


def _at(note: Mapping[str, Any]) -> str:
    return str(note["at"])
