"""STAND-IN release orchestrator: its records of deployments, rollbacks and notices, as files."""

from __future__ import annotations

import json
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError
from sandbox.layout import Layout
from sandbox.shop.state import write_json

DEPLOYMENT_ID = re.compile(r"dep-\d{8}-\d{6}-[0-9a-f]{4}")
OWNERS = (
    "incident-response",
    "retrospective",
    "performance-optimisation",
    "release-retrospective",
    "feature-deployment",
)
DOCUMENTS = ("deployment", "validation", "feature-flags", "rollback")

Record = dict[str, Any]


class UnknownDeploymentError(SandboxError):
    """There is no deployment, or no such record of it."""


def timestamp(moment: datetime | None = None) -> str:
    """Returns RFC 3339 in UTC with milliseconds and a `Z`; now where no moment is given."""
    text = (moment or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def new_deployment_id(moment: datetime) -> str:
    """Returns an id such as `dep-20261122-103000-ab12`."""
    return f"dep-{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


class Records:
    """The records of the orchestrator under one root."""

    def __init__(self, root: Path) -> None:
        self._directory = Layout.at(root).run / "orchestrator"

    def read(self, deployment_id: str, document: str) -> Record:
        """Returns a record of a deployment.

        Raises:
            UnknownDeploymentError: There is none.
        """
        path = self._path(deployment_id, document)
        if not path.exists():
            raise UnknownDeploymentError(f"deployment {deployment_id} has no {document} record")
        record: Record = json.loads(path.read_text(encoding="utf-8"))
        return record

    def write(self, deployment_id: str, document: str, record: Record) -> None:
        """Writes a record of a deployment."""
        write_json(self._path(deployment_id, document), record)

    def deployments(self) -> list[str]:
        """Returns the ids of all deployments, newest first."""
        folders = (self._directory / "deployments").glob("dep-*")
        return sorted((folder.name for folder in folders), reverse=True)

    def add_notice(self, owner: str, event: Record) -> bool:
        """Stores a notice; returns False where the owner has one from this source with this id."""
        notices = self.notices()
        if any(
            notice["owner"] == owner and all(notice["event"][k] == event[k] for k in ("id", "source"))
            for notice in notices
        ):
            return False
        notices.append({"owner": owner, "received_at": timestamp(), "event": event})
        write_json(self._notices_file, notices)
        return True

    def notices(self) -> list[Record]:
        """Returns the notices in the order in which they came."""
        if not self._notices_file.exists():
            return []
        notices: list[Record] = json.loads(self._notices_file.read_text(encoding="utf-8"))
        return notices

    @property
    def _notices_file(self) -> Path:
        return self._directory / "notices.json"

    def _path(self, deployment_id: str, document: str) -> Path:
        if not DEPLOYMENT_ID.fullmatch(deployment_id):
            raise UnknownDeploymentError("a deployment id looks like dep-20261122-103000-ab12")
        if document not in DOCUMENTS:
            raise UnknownDeploymentError(f"no record is called {document}")
        return self._directory / "deployments" / deployment_id / f"{document}.json"


def flag_states(record: Record, now: datetime) -> Record:
    """Returns the feature flags of a record as they are now: a flag with a time is active from then on."""
    flags = []
    for flag in record["flags"]:
        at = flag["activated_at"]
        active = at is not None and datetime.fromisoformat(at) <= now
        state = "active" if active else "inactive"
        flags.append({"name": flag["name"], "state": state, "activated_at": at if active else None})
    return {"deployment_id": record["deployment_id"], "flags": flags}
