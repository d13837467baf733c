"""An approved change in a real Prometheus: in force, carried over into the next release, and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from release_watch.artifacts.models import Approval, Window
from release_watch.assurance.tuning.applying import apply_proposal, take_back
from release_watch.assurance.tuning.carrying import carry_over
from release_watch.assurance.tuning.kept import Applied, KeptTunings
from release_watch.assurance.tuning.proposal import TuningProposal, proposal_id
from release_watch.assurance.tuning.scores import Score
from release_watch.catalog.config import load_config
from release_watch.release import Release
from release_watch.slo.activation import RuleOwner, activate, deactivate, read_back
from release_watch.slo.rulefile import RuleGroup, to_yaml
from release_watch.slo.rules import rule_groups, rule_set_name
from release_watch.telemetry import prometheus_api
from tests.assurance.fakes import release
from tests.integration.direct import DirectBackends

TIMEOUT, EVERY = timedelta(seconds=20), timedelta(seconds=5)
CONFIG = load_config()
WORTH = Score(firings=3, true=3, false=0, incidents=3, caught=("1",), detection_seconds=1.0, notifications=3)
FIRST, NEXT = (release(name, "payments", days_ago=age) for name, age in (("tuned-1", 2), ("tuned-2", 1)))


def generated(one: Release) -> list[RuleGroup]:
    services = CONFIG.catalog.select(one.services)
    return rule_groups(
        CONFIG.slos,
        services,
        one,
        runbook_url=f"https://runs/{one.release_id}",
        dashboard_url="https://boards",
        interval=EVERY,
        ticket_interval=EVERY,
    )


def proposed() -> TuningProposal:
    group = next(one for one in generated(FIRST) if one.name.endswith("-page"))
    rule, at = group.alerts[0], datetime.now(UTC)
    words = "for: none to 7 min"
    after = rule.model_copy(update={"hold": "7m", "annotations": {**rule.annotations, "tuned": words}})
    return TuningProposal(
        proposal_id=proposal_id(rule, "for"),
        alert=rule.name,
        service="payments",
        group=group.name,
        kind="for",
        change=words,
        current=rule,
        proposed=after,
        before=WORTH,
        expected=WORTH,
        window=Window(start=at - timedelta(days=7), end=at),
        step_seconds=30,
        generated_at=at,
    )


def approved(document: bytes) -> Approval:
    return Approval(
        role="sre",
        task="approve_change",
        answer="yes",
        responded_by="ada",
        responded_at=datetime.now(UTC),
        evidence_uri="file:///evidence",
        evidence_sha256=sha256(document).hexdigest(),
    )


def live(backends: DirectBackends, proposal: TuningProposal) -> Any:
    (found,) = (
        one
        for one in prometheus_api.rules(backends.prometheus())
        if (one.group, one.name, one.labels) == (proposal.group, proposal.alert, proposal.current.labels)
    )
    return found


@pytest.fixture(autouse=True)
def cleaned(backends: DirectBackends) -> Iterator[None]:
    yield
    for one in (FIRST, NEXT):
        deactivate(rule_set_name(one), backends)


def test_a_change_outlives_its_release_until_it_is_taken_back(
    backends: DirectBackends, tmp_path: Path
) -> None:
    proposal, tunings = proposed(), KeptTunings(tmp_path, "production")
    first, following = rule_set_name(FIRST), rule_set_name(NEXT)
    activate(to_yaml(generated(FIRST)), first, backends, timeout=TIMEOUT, owner=RuleOwner.of(FIRST))
    assert live(backends, proposal).duration_seconds == 0

    yes = approved(proposal.document())
    activation = apply_proposal(proposal.document(), yes, first, backends, timeout=TIMEOUT)
    assert live(backends, proposal).duration_seconds == 7 * 60
    kept = tunings.put_into_force(
        Applied(
            proposal=proposal,
            digest=proposal.digest,
            approval=yes,
            release_id=FIRST.release_id,
            rule_set=first,
            applied_at=datetime.now(UTC),
            state=activation.state,
        )
    )

    done = carry_over(generated(NEXT), [kept])
    assert (len(done.carried), done.left_out) == (1, ())
    text = to_yaml(done.groups)
    activate(text, following, backends, timeout=TIMEOUT, supersedes=[first], owner=RuleOwner.of(NEXT))
    assert read_back(text, backends) == []
    assert live(backends, proposal).duration_seconds == 7 * 60

    assert take_back(kept, approved(kept.document()), following, backends, timeout=TIMEOUT).live
    assert read_back(to_yaml(generated(NEXT)), backends) == []
    assert live(backends, proposal).duration_seconds == 0
