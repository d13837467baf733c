"""A rule, a change of it, and its approval, as tests of tuning need them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from release_watch.artifacts.models import Approval, Window
from release_watch.assurance.tuning.kept import Applied, KeptTuning
from release_watch.assurance.tuning.proposal import TuningProposal
from release_watch.assurance.tuning.scores import Score
from release_watch.slo.rulefile import Rule, RuleGroup

AT = datetime(2026, 11, 2, tzinfo=UTC)
GROUP = "symptoms"
PROPOSAL_ID = "tune-0123456789ab"


def rule(release: str = "shop-1.0.0", **fields: Any) -> Rule:
    """An alert as ``release`` generates it."""
    given = {
        "alert": "HighErrorRate",
        "expr": "errors / requests > 0.01 and errors > 4.5",
        "labels": {"service": "checkout", "environment": "production", "severity": "page"},
        "annotations": {"release": release, "runbook_url": f"file:///{release}/runbook.md#a"},
    }
    return Rule.model_validate({**given, **fields})


def tuned(release: str = "shop-1.0.0", **fields: Any) -> Rule:
    """The same with ``for: 5m``, and the note that a back-test writes."""
    one = rule(release, **{"hold": "5m", **fields})
    return one.model_copy(update={"annotations": {**one.annotations, "tuned": "for: none to 5 min"}})


def other(release: str = "shop-1.0.0") -> Rule:
    """Another alert, that nobody tunes."""
    return rule(release, alert="HighLatency", expr="latency > 0.5")


def groups(*rules: Rule, name: str = GROUP) -> list[RuleGroup]:
    """A rule file with these rules in one group."""
    return [RuleGroup(name=name, interval="30s", rules=rules)]


def proposal(**fields: Any) -> TuningProposal:
    """``for: 5m`` for the alert of checkout."""
    worth = Score(
        firings=14,
        true=4,
        false=10,
        incidents=4,
        caught=("I-0", "I-1", "I-2", "I-3"),
        detection_seconds=60.0,
        notifications=14,
    )
    given = {
        "proposal_id": PROPOSAL_ID,
        "alert": "HighErrorRate",
        "service": "checkout",
        "group": GROUP,
        "kind": "for",
        "change": "for: none to 5 min",
        "current": rule(),
        "proposed": tuned(),
        "before": worth,
        "expected": worth.model_copy(update={"firings": 16, "true": 12, "false": 4}),
        "window": Window(start=AT - timedelta(days=14), end=AT),
        "step_seconds": 60,
        "generated_at": AT,
    }
    return TuningProposal.model_validate({**given, **fields})


def approval(digest: str, **fields: Any) -> Approval:
    """A Yes of an SRE an hour after the proposal."""
    given = {
        "role": "sre",
        "task": "approve_change",
        "answer": "yes",
        "responded_by": "ada",
        "responded_at": AT + timedelta(hours=1),
        "evidence_uri": "file:///proposal.json",
        "evidence_sha256": digest,
    }
    return Approval.model_validate({**given, **fields})


def applied(of: TuningProposal | None = None, **fields: Any) -> Applied:
    """That it was put into force two hours after the proposal."""
    of = of or proposal()
    given = {
        "proposal": of,
        "digest": of.digest,
        "approval": approval(of.digest),
        "release_id": "shop-1.0.0",
        "rule_set": "production-shop-1.0.0",
        "applied_at": AT + timedelta(hours=2),
        "state": "active",
    }
    return Applied.model_validate({**given, **fields})


def kept(*chain: Applied, **fields: Any) -> KeptTuning:
    """What is kept once these were put into force, by default the change of :func:`proposal`."""
    chain = chain or (applied(),)
    given = {"proposal_id": chain[0].proposal.proposal_id, "environment": "production", "applied": chain}
    return KeptTuning.model_validate({**given, **fields})
