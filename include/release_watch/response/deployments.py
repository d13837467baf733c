"""Which other deployments of a release's services run, as the release orchestrator tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from release_watch.errors import BackendError
from release_watch.release import Release
from release_watch.transport import Transport

BACKEND = "Release orchestrator"
IN_PROGRESS = "deploying"
NEWEST = 50


def deployments_in_progress(orchestrator: Transport, release: Release) -> tuple[str, ...]:
    """Return the ids of other deployments that run now and touch a service of ``release``.

    ``GET /deployments`` is asked for those in progress in the environment. An orchestrator that does not
    heed the question answers with all, newest first: the newest fifty are then looked at. One that names no
    services touches all of them.

    Raises:
        BackendError: if the orchestrator does not answer, or not with deployments.
    """
    question = {"status": IN_PROGRESS, "environment": release.environment}
    answer = orchestrator.request("GET", "/deployments", params=question)
    listed = answer.body.get("deployments") if isinstance(answer.body, Mapping) else None
    if answer.status >= 400 or not isinstance(listed, list):
        words = f"{orchestrator.base_url}/deployments answered {answer.status} with no list of deployments"
        raise BackendError(BACKEND, words, status=answer.status)
    return tuple(
        str(record["deployment_id"])
        for record in _records(orchestrator, listed[:NEWEST], release)
        if _in_the_way(record, release)
    )


def _records(orchestrator: Transport, listed: list[Any], release: Release) -> Iterator[Mapping[str, Any]]:
    for entry in listed:
        if isinstance(entry, Mapping) and {"deployment_id", "status"} <= entry.keys():
            yield entry
        elif entry != release.deployment_id:
            yield _record(orchestrator, str(entry))


def _record(orchestrator: Transport, deployment_id: str) -> Mapping[str, Any]:
    path = f"/deployments/{quote(deployment_id, safe='')}"
    answer = orchestrator.request("GET", path)
    if answer.status >= 400 or not isinstance(answer.body, Mapping):
        words = f"{orchestrator.base_url}{path} answered {answer.status} with no deployment"
        raise BackendError(BACKEND, words, status=answer.status)
    return {**answer.body, "deployment_id": deployment_id}


def _in_the_way(record: Mapping[str, Any], release: Release) -> bool:
    if record["deployment_id"] == release.deployment_id or record.get("status") != IN_PROGRESS:
        return False
    if record.get("environment", release.environment) != release.environment:
        return False
    services = record.get("services") or release.services
    return not set(release.services).isdisjoint(services)
