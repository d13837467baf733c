from __future__ import annotations

import pytest

from release_watch.artifacts.models import Finding, FindingState, Severity
from release_watch.catalog.models import RollbackPolicy as ServicePolicy
from release_watch.catalog.models import Service, Signals, Tier
from release_watch.release import Mode, Release, RollbackPolicy
from release_watch.response.policy import Action, respond
from tests.response.conftest import AT


def finding(
    severity: Severity = Severity.CRITICAL,
    state: FindingState = FindingState.OPEN,
    *,
    service: str = "checkout",
) -> Finding:
    return Finding(
        finding_id=f"{service}-latency",
        service=service,
        metric="latency",
        severity=severity,
        first_seen=AT,
        last_seen=AT,
        state=state,
        reason="slow",
        evidence=(),
    )


def service(name: str = "checkout", policy: ServicePolicy | None = None) -> Service:
    return Service(
        name=name, tier=Tier.CRITICAL, owner=f"team-{name}", signals=Signals(), rollback_policy=policy
    )


def having(release: Release, **changes: object) -> Release:
    return release.model_copy(update=changes)


@pytest.mark.parametrize(
    ("policy", "action"),
    [
        (RollbackPolicy.AUTO, Action.ROLL_BACK),
        (RollbackPolicy.ASK, Action.ASK),
        (RollbackPolicy.FREEZE, Action.FREEZE),
        (RollbackPolicy.FORWARD_ONLY, Action.ESCALATE),
    ],
    ids=str,
)
@pytest.mark.parametrize("own", [True, False], ids=["of-the-service", "of-the-release"])
def test_a_critical_finding_leads_to_the_rollback_policy(
    release: Release, policy: RollbackPolicy, action: Action, own: bool
) -> None:
    of_release = RollbackPolicy.ASK if own and policy is not RollbackPolicy.ASK else policy
    of_service = ServicePolicy(policy.value) if own else None

    response = respond([finding()], having(release, rollback_policy=of_release), [service(policy=of_service)])

    assert response.action is action
    assert response.owners == ("team-checkout",)
    assert response.findings == ("checkout-latency",)
    assert f"rollback policy of checkout: {policy}" in response.reasons


@pytest.mark.parametrize(
    ("found", "action"),
    [
        pytest.param([], Action.NONE, id="nothing"),
        pytest.param([finding(Severity.MINOR)], Action.NONE, id="minor"),
        pytest.param([finding(Severity.MAJOR)], Action.ESCALATE, id="major"),
        pytest.param([finding(state=FindingState.RESOLVED)], Action.NONE, id="critical-but-resolved"),
        pytest.param([finding(state=FindingState.TRANSIENT)], Action.NONE, id="critical-but-transient"),
    ],
)
def test_what_is_not_critical_never_rolls_back(
    release: Release, found: list[Finding], action: Action
) -> None:
    auto = having(release, rollback_policy=RollbackPolicy.AUTO)

    assert respond(found, auto, [service()]).action is action


def test_of_several_policies_the_most_cautious_holds(release: Release) -> None:
    services = [service(policy=ServicePolicy.AUTO), service("payments", ServicePolicy.FREEZE)]

    assert respond([finding(), finding(service="payments")], release, services).action is Action.FREEZE


def test_shadow_mode_only_records_what_would_have_been(release: Release) -> None:
    shadow = having(release, mode=Mode.SHADOW, rollback_policy=RollbackPolicy.AUTO)

    response = respond([finding()], shadow, [service()])

    assert (response.action, response.would_be) == (Action.NONE, Action.ROLL_BACK)


@pytest.mark.parametrize("policy", [RollbackPolicy.AUTO, RollbackPolicy.ASK], ids=str)
def test_a_release_is_rolled_back_once(release: Release, policy: RollbackPolicy) -> None:
    asked = having(release, rollback_policy=policy)

    response = respond([finding()], asked, [service()], rollback_asked_for=True)

    assert response.action is Action.ESCALATE
    assert response.would_be is not None


def test_a_person_is_asked_while_another_rollback_of_the_service_cools_down(release: Release) -> None:
    auto = having(release, rollback_policy=RollbackPolicy.AUTO)

    response = respond([finding()], auto, [service()], cooling_until=AT)

    assert (response.action, response.would_be) == (Action.ASK, Action.ROLL_BACK)
    assert "until 2026-03-02T12:05:00.000Z" in response.reasons[-1]


@pytest.mark.parametrize(
    "policy", [RollbackPolicy.ASK, RollbackPolicy.FREEZE, RollbackPolicy.FORWARD_ONLY], ids=str
)
def test_the_cool_down_changes_nothing_that_is_not_automatic(
    release: Release, policy: RollbackPolicy
) -> None:
    given = having(release, rollback_policy=policy)

    assert respond([finding()], given, [service()], cooling_until=AT) == respond(
        [finding()], given, [service()]
    )
