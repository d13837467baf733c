"""``alert-test-results.json``: which drills reached whom, and when."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from release_watch.artifacts.models.artifact import Artifact, Part
from release_watch.clock import Timestamp
from release_watch.verdict import Verdict


class Hop(Part):
    """One hop of a drill: when it was seen, seconds since the drill was fired, and what proves it."""

    at: Timestamp | None = None
    latency: float | None = None
    proof: str | None = None


class Hops(Part):
    """The way of an alert, from the rule to the person and back."""

    fired: Hop = Hop()
    accepted: Hop = Hop()
    delivered: Hop = Hop()
    acknowledged: Hop = Hop()
    resolved: Hop = Hop()


class EscalationStep(Part):
    """One level that a drill was escalated to: who was to answer, when they were told, and whether they did.

    ``paged`` and ``acknowledged`` count from the start of the drill; without ``at`` there is no record of it.
    ``within_seconds`` is how long the level has from its page on.
    """

    level: int = Field(ge=1)
    role: str
    person: str
    paged: Hop
    within_seconds: float
    acknowledged: Hop


class DrillResult(Part):
    """One synthetic incident and what became of it.

    ``kind`` is ``full`` through a rule in Prometheus, ``direct`` for one that was posted to Alertmanager.
    ``receiver`` names all ``receivers`` that the alert has to reach, and ``stands_for`` the alerts of other
    services that take the same way and were not drilled again. ``target_seconds`` is the target for the
    acknowledgement; where no ``answer_needed`` is, as for a ticket, the drill ends at its receivers.
    ``forced_by`` is who had it fired against quiet hours or rate.
    """

    drill_id: str
    kind: Literal["full", "direct"]
    service: str
    severity: Literal["page", "ticket"]
    route: tuple[str, ...]
    receiver: str | None
    receivers: tuple[str, ...] = ()
    stands_for: tuple[str, ...] = ()
    hops: Hops
    acknowledged_by: str | None
    escalation: tuple[EscalationStep, ...] = ()
    target_seconds: float
    verdict: Verdict
    diagnosis: str | None
    forced_by: str | None = None
    answer_needed: bool = True


class HopHistory(Part):
    """How long one hop took over past drills of a receiver, in seconds since the start of the drill."""

    kind: Literal["full", "direct"]
    receiver: str
    hop: Literal["fired", "accepted", "delivered", "acknowledged", "resolved"]
    drills: int = Field(ge=1)
    p50_seconds: float
    worst_seconds: float
    worst_drill_id: str


class AlertTestResults(Artifact):
    """``alert-test-results.json``; ``not_drilled`` says which routes were not drilled, and why."""

    verdict: Verdict
    drills: tuple[DrillResult, ...]
    not_drilled: tuple[str, ...] = ()
    hop_history: tuple[HopHistory, ...] = ()
