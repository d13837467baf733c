from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from release_watch.artifacts.models import Finding, FindingState, Severity
from release_watch.catalog.policies import JudgePolicy
from release_watch.identifiers import is_identifier
from release_watch.judge import Family, MetricJudgement, MetricSpec, ReleaseJudgement, State, judge_release
from release_watch.response.findings import open_findings, update_findings
from release_watch.telemetry.prometheus_api import ActiveAlert
from release_watch.verdict import Objective, Verdict
from release_watch.watch.sightings import Heard, Sighting
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


def sighting(metric: str, severity: Severity = Severity.MINOR, service: str = "checkout") -> Sighting:
    objective = Objective(name=f"{service} {metric}", verdict=Verdict.WARN, reason="seen")
    return Sighting(service, metric, severity, AT, "seen", objective)


OTHERS = ["log:0a1b2c", "budget:checkout-availability", "trace_error_ratio"]


@pytest.mark.parametrize("metric", OTHERS)
def test_what_another_source_sees_is_one_finding_until_it_is_gone(metric: str) -> None:
    seen = Heard(sightings=(sighting(metric),))
    first = update_findings([], release_judged(FINE), [], AT, heard=seen)
    again = only(update_findings(first, release_judged(FINE), [], LATER, heard=seen))
    gone = only(update_findings([again], release_judged(FINE), [], LATER))

    assert (again.finding_id, again.first_seen, again.last_seen) == (only(first).finding_id, AT, LATER)
    assert is_identifier(again.finding_id)
    assert gone.state is FindingState.RESOLVED


@pytest.mark.parametrize("metric", OTHERS)
@pytest.mark.parametrize("service", ["checkout", ""], ids=["of-this-service", "of-all"])
def test_what_could_not_be_asked_stays_as_it_was(metric: str, service: str) -> None:
    before = update_findings([], release_judged(FINE), [], AT, heard=Heard(sightings=(sighting(metric),)))
    unheard = Heard(unheard=frozenset({(service, metric.partition(":")[0])}))

    assert (
        only(update_findings(before, release_judged(FINE), [], LATER, heard=unheard)).state
        is FindingState.OPEN
    )


def test_another_service_that_could_not_be_asked_changes_nothing() -> None:
    before = update_findings([], release_judged(FINE), [], AT, heard=Heard(sightings=(sighting("log:1"),)))
    unheard = Heard(unheard=frozenset({("payments", "log:")}))

    finding = only(update_findings(before, release_judged(FINE), [], LATER, heard=unheard))

    assert finding.state is FindingState.RESOLVED


def test_alerts_that_could_not_be_asked_for_stay_as_they_were() -> None:
    before = update_findings([], release_judged(FINE), [alert()], AT)

    assert only(update_findings(before, release_judged(FINE), None, LATER)).state is FindingState.OPEN


def test_a_metric_that_was_not_looked_at_stays_as_it_was() -> None:
    before = update_findings([], release_judged(BAD), [], AT)

    assert only(update_findings(before, release_judged(), [], LATER)).state is FindingState.OPEN


def test_a_new_error_in_the_logs_is_told_with_what_is_critical_of_its_service() -> None:
    findings = update_findings([], release_judged(BAD), [], AT, heard=Heard(sightings=(sighting("log:1"),)))

    by_metric = {finding.metric: finding for finding in findings}
    critical = by_metric["latency_p95_seconds"]
    assert critical.reason == f"{BAD.reason}; seen"
    assert [one.name for one in critical.evidence] == ["checkout latency_p95_seconds", "checkout log:1"]
    assert by_metric["log:1"].severity is Severity.MINOR


@pytest.mark.parametrize("told", ["alert", "budget"])
def test_nothing_is_critical_where_a_dependency_explains_it(told: str) -> None:
    above = judged(State.SUSTAINED, service="storefront")
    fired = [alert(service="storefront", slo="s")] if told == "alert" else []
    burning = [sighting("budget:s", Severity.CRITICAL, "storefront")] if told == "budget" else []

    findings = update_findings(
        [],
        release_judged(BAD, above, storefront=("checkout",)),
        fired,
        AT,
        heard=Heard(sightings=tuple(burning)),
    )

    of_storefront = [f for f in findings if f.service == "storefront"]
    assert len(of_storefront) == 2
    assert {f.severity for f in of_storefront} == {Severity.MAJOR}
    assert all("its dependency checkout is worse too" in f.reason for f in of_storefront)


def test_a_service_that_is_called_and_not_released_is_never_critical() -> None:
    catalogue = judged(State.SUSTAINED, service="catalogue")
    storefront = judged(State.SUSTAINED, service="storefront")

    findings = update_findings(
        [], release_judged(catalogue, storefront, storefront=("catalogue",)), [], AT, called={"catalogue"}
    )

    assert {f.service: f.severity for f in findings} == {
        "catalogue": Severity.MAJOR,
        "storefront": Severity.MAJOR,
    }


def test_the_plot_of_a_finding_is_kept() -> None:
    first = only(update_findings([], release_judged(BAD), [], AT)).model_copy(
        update={"plot": "file:///p.png"}
    )

    assert only(update_findings([first], release_judged(BAD), [], LATER)).plot == "file:///p.png"
