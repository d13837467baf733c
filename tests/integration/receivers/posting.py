"""Drill alerts posted straight to the stack's real Alertmanager, and waiting for what becomes of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from release_watch.clock import now, rfc3339
from release_watch.drills.receivers.receiver import ASK_EVERY
from release_watch.drills.rulefile import new_test_id
from tests.integration.direct import DirectBackends

FoundT = TypeVar("FoundT")
WITHIN_SECONDS = 15.0
POLL_SECONDS = 0.1
AT_ONCE = dict.fromkeys(ASK_EVERY, timedelta(0))
"""Ask a receiver at every look: in tests nobody waits for an answer that is still good."""


def new_drill() -> str:
    return f"{new_test_id(now())}-1"


class Drill:
    """One drill alert; with ``own_name`` it has a name of its own in Alerta, which joins it to no other."""

    def __init__(
        self, backends: DirectBackends, *, own_name: bool = True, alertname: str = "ErrorBudgetBurn"
    ) -> None:
        self.drill_id = new_drill()
        self._alertmanager = backends.alertmanager()
        self._labels = {
            "alertname": alertname,
            "service": "checkout",
            "severity": "page",
            "environment": "production",
            "drill": "true",
            "drill_id": self.drill_id,
        }
        self._annotations = {
            "summary": "DRILL: test of the alert path of checkout. Nothing is broken.",
            "description": f"DRILL {self.drill_id}: Release Watch tests whether a page reaches you.",
        }
        if own_name:
            self._annotations["alertname"] = f"DRILL {self.drill_id} {alertname}"
        self._began = now()

    def fire(self) -> None:
        self._post(rfc3339(now() + timedelta(minutes=5)))

    def resolve(self) -> None:
        self._post(rfc3339(now()))

    def _post(self, ends_at: str) -> None:
        alert = {
            "labels": self._labels,
            "annotations": self._annotations,
            "startsAt": rfc3339(self._began),
            "endsAt": ends_at,
        }
        answer = self._alertmanager.request("POST", "/api/v2/alerts", json=[alert])
        assert answer.status == 200, answer.body


def only_receiver(healthy: dict[str, Any], name: str, integration: dict[str, Any]) -> dict[str, Any]:
    """Return the healthy configuration with pages, drills among them, going to one more receiver only."""
    route = {**healthy["route"], "routes": [{"receiver": name, "matchers": ['severity="page"']}]}
    return {**healthy, "route": route, "receivers": [*healthy["receivers"], {"name": name, **integration}]}


def eventually(look: Callable[[], FoundT | None], within: float = WITHIN_SECONDS) -> FoundT:
    """Return what ``look`` finds, as soon as it does."""
    deadline = time.monotonic() + within
    while (found := look()) is None:
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(POLL_SECONDS)
    return found
