from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from release_watch.artifacts.models import Finding, FindingState, Severity
from release_watch.catalog.policies import JudgePolicy
from release_watch.identifiers import is_identifier
from release_watch.judge import Family, MetricJudgement, MetricSpec, ReleaseJudgement, State, judge_release
from release_watch.response.findings import open_findings, update_findings
from release_watch.telemetry.prometheus_api import ActiveAlert
from release_watch.verdict import Verdict
from tests.response.conftest import AT

LATER = AT + timedelta(seconds=30)
VERDICTS = {
    State.NORMAL: Verdict.GO,
    State.TRANSIENT: Verdict.WARN,
    State.SUSTAINED: Verdict.NO_GO,
    State.UNKNOWN: Verdict.INCONCLUSIVE,
}


def judged(
    state: State,
    *,
    service: str = "checkout",
    metric: str = "latency_p95_seconds",
    golden: bool = True,
    samples: int = 15,
    started_at: datetime | None = None,
) -> MetricJudgement:
    return MetricJudgement(
        spec=MetricSpec(service=service, metric=metric, golden=golden, family=Family.LATENCY),
        verdict=VERDICTS[state],
        state=state,
        score=2,
        reason=f"it is {state}",
        samples=samples,
        started_at=started_at,
    )


def release_judged(*judgements: MetricJudgement, **dependencies: tuple[str, ...]) -> ReleaseJudgement:
    return judge_release(judgements, JudgePolicy(), dependencies=dependencies)


def alert(
    *, service: str = "checkout", state: str = "firing", active_at: datetime = AT, **labels: str
) -> ActiveAlert:
    given = {"alertname": "HighLatency", "service": service, "severity": "page", **labels}
    return ActiveAlert(given, {"summary": "slow for 2 minutes"}, state, active_at, 1.0)


BAD, FINE, SPIKE = judged(State.SUSTAINED), judged(State.NORMAL), judged(State.TRANSIENT)
SILENT = judged(State.UNKNOWN, samples=0)


def only(findings: tuple[Finding, ...]) -> Finding:
    assert len(findings) == 1
    return findings[0]


@pytest.mark.parametrize(
    ("judgement", "severity", "state"),
    [
        pytest.param(BAD, Severity.CRITICAL, FindingState.OPEN, id="golden"),
        pytest.param(
            judged(State.SUSTAINED, golden=False), Severity.MAJOR, FindingState.OPEN, id="not-golden"
        ),
        pytest.param(SPIKE, Severity.MINOR, FindingState.TRANSIENT, id="spike-that-went-away"),
        pytest.param(SILENT, Severity.MAJOR, FindingState.OPEN, id="golden-and-silent"),
    ],
)
def test_severity_and_state_of_a_judgement(
    judgement: MetricJudgement, severity: Severity, state: FindingState
) -> None:
    finding = only(update_findings([], release_judged(judgement), [], AT, owners={"checkout": "team-orders"}))

    assert (finding.severity, finding.state, finding.owner) == (severity, state, "team-orders")
    assert finding.reason == judgement.reason
    assert is_identifier(finding.finding_id)


@pytest.mark.parametrize(
    "judgement",
    [FINE, judged(State.UNKNOWN, golden=False, samples=0), judged(State.UNKNOWN, samples=2)],
    ids=["normal", "another-metric-silent", "too-few-samples-yet"],
)
def test_what_is_no_finding(judgement: MetricJudgement) -> None:
    assert update_findings([], release_judged(judgement), [], AT) == ()


def test_a_finding_seen_again_is_the_same_finding() -> None:
    first = only(update_findings([], release_judged(judged(State.SUSTAINED, started_at=AT)), [], AT))
    noted = first.model_copy(update={"actions": ("ticket 7",)})

    again = only(
        update_findings([noted], release_judged(judged(State.SUSTAINED, started_at=LATER)), [], LATER)
    )

    assert (again.finding_id, again.first_seen, again.last_seen) == (first.finding_id, AT, LATER)
    assert again.actions == ("ticket 7",)


@pytest.mark.parametrize(
    ("then", "state"),
    [
        (FINE, FindingState.RESOLVED),
        (SPIKE, FindingState.RESOLVED),
        (judged(State.UNKNOWN, samples=2), FindingState.OPEN),
        (BAD, FindingState.OPEN),
    ],
    ids=["back-to-normal", "it-was-but-a-spike", "not-judged-this-time", "still-there"],
)
def test_what_becomes_of_an_open_finding(then: MetricJudgement, state: FindingState) -> None:
    before = update_findings([], release_judged(BAD), [], AT)

    finding = only(update_findings(before, release_judged(then), [], LATER))

    assert (finding.state, finding.severity) == (state, Severity.CRITICAL)


def test_a_resolved_finding_that_comes_back_is_opened_again() -> None:
    findings = update_findings([], release_judged(BAD), [], AT)
    findings = update_findings(findings, release_judged(FINE), [], LATER)

    assert only(update_findings(findings, release_judged(BAD), [], LATER)).state is FindingState.OPEN


def test_a_service_whose_dependency_is_worse_too_is_not_blamed() -> None:
    above = judged(State.SUSTAINED, service="storefront")

    findings = update_findings([], release_judged(BAD, above, storefront=("checkout",)), [], AT)

    by_service = {finding.service: finding for finding in findings}
    assert by_service["checkout"].severity is Severity.CRITICAL
    assert by_service["storefront"].severity is Severity.MAJOR
    assert "its dependency checkout is worse too" in by_service["storefront"].reason


@pytest.mark.parametrize(
    ("fired", "judgement", "severity"),
    [
        pytest.param(alert(), FINE, Severity.MAJOR, id="page"),
        pytest.param(
            alert(slo="checkout-availability"), FINE, Severity.CRITICAL, id="page-that-burns-a-budget"
        ),
        pytest.param(alert(), BAD, Severity.CRITICAL, id="page-and-the-judge-agrees"),
        pytest.param(alert(severity="ticket"), BAD, Severity.MINOR, id="ticket"),
    ],
)
def test_severity_of_a_firing_alert(
    fired: ActiveAlert, judgement: MetricJudgement, severity: Severity
) -> None:
    findings = update_findings([], release_judged(judgement), [fired], AT, since=AT)

    alerts = [finding for finding in findings if finding.metric.startswith("alert:HighLatency")]
    assert only(tuple(alerts)).severity is severity
    assert "slow for 2 minutes" in alerts[0].reason


@pytest.mark.parametrize(
    "fired",
    [
        alert(state="pending"),
        alert(drill="true"),
        alert(active_at=AT - timedelta(hours=1)),
        alert(service="warehouse"),
        alert(service=""),
    ],
    ids=["pending", "drill", "older-than-the-release", "another-service", "watchdog"],
)
def test_alerts_that_are_not_of_this_release(fired: ActiveAlert) -> None:
    assert update_findings([], release_judged(FINE), [fired], AT, since=AT) == ()


def test_an_alert_that_no_longer_fires_is_resolved() -> None:
    before = update_findings([], release_judged(FINE), [alert()], AT)

    finding = only(update_findings(before, release_judged(FINE), [], LATER))

    assert finding.state is FindingState.RESOLVED
    assert "resolved" in finding.actions[-1]


def test_open_findings_come_gravest_first() -> None:
    findings = update_findings(
        [], release_judged(BAD, judged(State.SUSTAINED, metric="m", golden=False)), [], AT
    )

    assert [finding.severity for finding in open_findings(findings)] == [Severity.CRITICAL, Severity.MAJOR]
