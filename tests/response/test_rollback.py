from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from release_watch.errors import BackendError
from release_watch.release import Release
from release_watch.response.rollback import (
    RollbackRefusedError,
    RollbackStatus,
    request_rollback,
    rollback_status,
)
from release_watch.transport import Answer

RUNNING = {
    "rollback_id": "rb-1",
    "deployment_id": "42",
    "status": "running",
    "from_version": "1.1.0",
    "to_version": "1.0.0",
    "idempotency_key": "shop-1.1.0",
    "requested_at": "2026-03-02T12:05:00.000Z",
    "finished_at": None,
    "detail": "",
}


class Orchestrator:
    """Answers with what it was given, and remembers what it was asked."""

    base_url = "http://orchestrator.test"

    def __init__(self, status: int, body: Any) -> None:
        self.answer = Answer(status, body)
        self.asked: list[tuple[str, str, Any, Mapping[str, str]]] = []

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,  # noqa: ARG002 - as the protocol has it
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        self.asked.append((method, path, json, headers or {}))
        return self.answer


def test_the_release_is_the_idempotency_key(release: Release) -> None:
    orchestrator = Orchestrator(202, RUNNING)

    ticket = request_rollback(orchestrator, release, "latency_p95_seconds 0.4 s")

    assert orchestrator.asked == [
        (
            "POST",
            "/deployments/42/rollback",
            {"release_id": "shop-1.1.0", "version": "1.1.0", "reason": "latency_p95_seconds 0.4 s"},
            {"Idempotency-Key": "shop-1.1.0"},
        )
    ]
    assert (ticket.rollback_id, ticket.status, ticket.finished) == ("rb-1", RollbackStatus.RUNNING, False)


def test_a_refusal_is_told_in_the_orchestrators_words(release: Release) -> None:
    orchestrator = Orchestrator(409, {"error": "the shop runs 1.2.0, not 1.1.0"})

    with pytest.raises(RollbackRefusedError, match=r"the shop runs 1\.2\.0, not 1\.1\.0"):
        request_rollback(orchestrator, release, "slow")


@pytest.mark.parametrize(
    ("status", "finished"), [("running", False), ("succeeded", True), ("failed", True)], ids=str
)
def test_the_status_is_followed(release: Release, status: str, finished: bool) -> None:
    ticket = rollback_status(Orchestrator(200, {**RUNNING, "status": status}), release)

    assert ticket is not None
    assert (ticket.status.value, ticket.finished) == (status, finished)


def test_a_rollback_that_was_never_asked_for_is_none(release: Release) -> None:
    assert rollback_status(Orchestrator(404, {"error": "no rollback"}), release) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, {"status": "running"}), (200, "<html>"), (200, {**RUNNING, "status": "asleep"}), (401, "no")],
    ids=["half", "not-json", "unknown-status", "unauthorised"],
)
def test_an_answer_that_is_no_rollback_is_an_error(release: Release, status: int, body: Any) -> None:
    with pytest.raises(BackendError):
        rollback_status(Orchestrator(status, body), release)


@pytest.mark.parametrize("status", [408, 429, 503])
def test_a_busy_orchestrator_has_not_refused(release: Release, status: int) -> None:
    with pytest.raises(BackendError, match=str(status)):
        request_rollback(Orchestrator(status, {"error": "busy"}), release, "slow")
