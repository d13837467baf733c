"""Notices: the downstream owners are told, each with the evidence that it needs, as CDEvents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from cloudevents.core.bindings.http import to_structured_event
from cloudevents.core.v1.event import CloudEvent

from release_watch.artifacts.store import ArtifactStore
from release_watch.clock import rfc3339
from release_watch.errors import BackendError
from release_watch.handoff.package import CHECKSUMS, MANIFEST
from release_watch.release import Release
from release_watch.transport import Transport

# A custom event as the CDEvents specification has it: dev.cdeventsx.<tool>-<subject>.<predicate>.<version>.
EVENT_TYPE = "dev.cdeventsx.releasewatch-monitoringpackage.delivered.0.1.0"
CDEVENTS_VERSION = "0.4.1"
STRUCTURED_JSON = "application/cloudevents+json"


class Owner(NamedTuple):
    """A downstream owner, the procedure it runs and the artifacts it consumes."""

    name: str
    procedure: str
    artifacts: tuple[str, ...]


OWNERS = (
    Owner(
        "incident-response",
        "Protocol 13 (Incident Response & Rollback)",
        (
            MANIFEST,
            CHECKSUMS,
            "alert-test-results.json",
            "instrumentation-audit.json",
            "RUNBOOKS/monitoring-runbook.md",
        ),
    ),
    Owner(
        "retrospective",
        "Protocol 5 (Retrospective)",
        ("observability-scorecard.md", "alert-tuning-report.md", "improvement-backlog.md"),
    ),
    Owner(
        "performance-optimisation",
        "Protocol 14 (Performance Optimization)",
        ("baseline-metrics.json", "instrumentation-audit.json"),
    ),
    Owner("release-retrospective", "Release Retrospective Procedure", ("monitoring-results.json",)),
    Owner("feature-deployment", "Feature Deployment Procedure", ("monitoring-results.json",)),
)


def notices(release: Release, store: ArtifactStore, at: datetime) -> list[CloudEvent]:
    """Return one CDEvent per downstream owner, with URI and SHA-256 of each artifact meant for it.

    The id depends on release and owner alone, so that a repeated notice is recognised as one.

    Raises:
        ArtifactMissingError: if an artifact that an owner needs is not there.
    """
    return [_notice(owner, release, store, at) for owner in OWNERS]


def deliver(transport: Transport, events: Sequence[CloudEvent]) -> list[dict[str, Any]]:
    """Send each notice to its owner and return what became of it; one that fails stops none of the others.

    Each result has ``owner``, ``id``, ``delivered`` (bool), ``at`` of the event, ``proof`` (URL and status).
    """
    return [_deliver(transport, event) for event in events]


def undelivered(events: Sequence[CloudEvent], reason: str) -> list[dict[str, Any]]:
    """Return the results of notices that could not be sent at all, for example without a connection."""
    return [_result(event, delivered=False, proof=reason) for event in events]


def _notice(owner: Owner, release: Release, store: ArtifactStore, at: datetime) -> CloudEvent:
    key = f"{release.environment}/{release.release_id}/{release.deployment_id}/{owner.name}"
    event_id = hashlib.sha256(key.encode()).hexdigest()[:32]
    source = f"/release-watch/{release.environment}"
    content = {
        "releaseId": release.release_id,
        "deploymentId": release.deployment_id,
        "version": release.version,
        "environment": release.environment,
        "services": list(release.services),
        "mode": release.mode.value,
        "owner": owner.name,
        "procedure": owner.procedure,
        "artifacts": [_reference(name, store) for name in owner.artifacts],
    }
    context = {
        "version": CDEVENTS_VERSION,
        "id": event_id,
        "source": source,
        "type": EVENT_TYPE,
        "timestamp": rfc3339(at),
    }
    subject = {"id": release.release_id, "source": source, "type": "monitoringPackage", "content": content}
    return CloudEvent(
        attributes={
            "id": event_id,
            "source": source,
            "type": EVENT_TYPE,
            "subject": release.release_id,
            "time": at,
            "datacontenttype": "application/json",
        },
        data={"context": context, "subject": subject},
    )


def _reference(name: str, store: ArtifactStore) -> dict[str, str]:
    # The manifest records these very notices, so it is written after them and has no digest yet.
    if name == MANIFEST:
        return {"name": name, "uri": store.uri_of(name)}
    stored = store.digest(name)
    return {"name": name, "uri": stored.uri, "sha256": stored.sha256}


def _deliver(transport: Transport, event: CloudEvent) -> dict[str, Any]:
    path = f"/notices/{_content(event)['owner']}"
    body = json.loads(to_structured_event(event).body)
    headers = {"Content-Type": STRUCTURED_JSON, "Idempotency-Key": body["id"]}
    try:
        answer = transport.request("POST", path, json=body, headers=headers)
    except BackendError as error:
        return _result(event, delivered=False, proof=str(error))
    proof = f"POST {transport.base_url}{path} answered {answer.status}"
    delivered = 200 <= answer.status < 300
    return _result(
        event, delivered=delivered, proof=proof if delivered else f"{proof}: {str(answer.body)[:200]}"
    )


def _result(event: CloudEvent, *, delivered: bool, proof: str) -> dict[str, Any]:
    return {
        "owner": _content(event)["owner"],
        "id": event.get_id(),
        "delivered": delivered,
        "at": rfc3339(event.get_attributes()["time"]),
        "proof": proof,
    }


def _content(event: CloudEvent) -> dict[str, Any]:
    data = event.get_data()
    if not isinstance(data, dict):
        raise TypeError("a notice carries a JSON object")
    content: dict[str, Any] = data["subject"]["content"]
    return content
