"""Findings become notices and tickets; the tracker is a STAND-IN for Jira behind a real connection."""

from __future__ import annotations

import json

import pytest

from release_watch.artifacts.models import Finding, FindingState, Severity
from release_watch.catalog.policies import TicketPolicy
from release_watch.orchestration.steps import escalation
from release_watch.orchestration.steps.escalation import escalate_findings, finding_tickets, plot_of
from release_watch.orchestration.steps.rolling_back import add_to_tickets
from release_watch.response.policy import Action, Response
from sandbox.servers.jira_payloads import plain
from sandbox.servers.jira_stand_in import ACCOUNT, serving
from tests.orchestration.fakes import START

NOTHING = Response(action=Action.NONE, reasons=("no open finding calls for action",))


def finding(severity=Severity.CRITICAL, state=FindingState.OPEN):
    return Finding(
        finding_id="checkout-errors",
        service="checkout",
        metric="http.error_ratio",
        severity=severity,
        first_seen=START,
        last_seen=START,
        state=state,
        reason="12 % instead of 0.1 %",
        evidence=(),
    )


def response(action=Action.ASK):
    return Response(
        action=action, reasons=("critical",), findings=("checkout-errors",), owners=("team-orders", "sre")
    )


@pytest.fixture
def jira(monkeypatch):
    with serving("api-token") as handler:
        connection = {
            "conn_type": "http",
            "host": handler.project.url,
            "login": ACCOUNT,
            "password": "api-token",
        }
        monkeypatch.setenv("AIRFLOW_CONN_TICKETS_DEFAULT", json.dumps(connection))
        yield handler.project


def with_jira(run):
    policies = run.config.policies
    tickets = TicketPolicy(tracker="jira", project="OPS")
    settings = policies.response.model_copy(update={"tickets": tickets})
    changed = policies.model_copy(update={"response": settings})
    run.__dict__["config"] = run.config.model_copy(update={"policies": changed})
    return run


@pytest.fixture
def told(monkeypatch):
    """Who was told what."""
    sent = []
    monkeypatch.setattr(
        escalation,
        "tell",
        lambda _, role, subject, text, attachments: (
            sent.append((role, subject, text, attachments)) or (role,)
        ),
    )
    return sent


def test_a_critical_finding_tells_the_people_and_opens_one_ticket(jira, told, run, caplog):
    with_jira(run)

    escalate_findings(run, (finding(),), response())
    escalate_findings(run, (finding(),), response())

    assert [role for role, *_ in told] == ["oncall", "operations-lead", "technical-lead", "sre"]
    assert f"Ticket: {jira.url}/browse/OPS-1" in told[0][2]
    assert "[ERROR] Critical finding since release shop-1.1.0: checkout http.error_ratio" in caplog.text
    assert len(jira.issues) == 1
    assert run.kept("ticket-")["ticket-checkout-errors"]["reference"] == f"{jira.url}/browse/OPS-1"


def test_what_was_done_is_told_once(jira, told, run):
    with_jira(run)

    (action,) = escalate_findings(run, (finding(),), response()).values()

    assert "told oncall, operations-lead, technical-lead, sre" in action
    assert f"ticket {jira.url}/browse/OPS-1; response: ask" in action
    assert escalate_findings(run, (finding(),), response()) == {}


def test_people_are_told_again_only_when_it_gets_worse(jira, told, run):
    with_jira(run)

    for severity in (Severity.MAJOR, Severity.MAJOR, Severity.CRITICAL, Severity.CRITICAL):
        escalate_findings(run, (finding(severity),), response())

    assert len(told) == 2 * 4
    assert len(jira.issues[0]["comments"]) == 1


def test_a_finding_that_is_over_closes_its_ticket_although_nothing_calls_for_action(jira, told, run):
    with_jira(run)
    escalate_findings(run, (finding(),), response())

    escalate_findings(run, (finding(state=FindingState.RESOLVED),), NOTHING)

    assert jira.issues[0]["fields"]["status"]["name"] == "Done"
    assert finding_tickets(run)["checkout-errors"].closed
    assert len(told) == 4


def test_shadow_mode_opens_no_ticket(jira, shadow_run):
    with_jira(shadow_run)

    escalate_findings(shadow_run, (finding(),), response())

    assert jira.issues == []


def test_a_tracker_that_is_away_stops_nobody_from_being_told(told, run):
    escalate_findings(run, (finding(),), response())

    assert len(told) == 4
    assert "no ticket was filed" in [event["event"] for event in run.trail.events()]


def test_the_plot_of_a_finding_is_named_in_notice_and_ticket(jira, told, run):
    with_jira(run)
    written = run.store.write_bytes("plots/checkout-errors.png", b"png")

    escalate_findings(run, (finding(),), response())

    assert plot_of(run, finding()).content == b"png"
    assert f"Plot: {written.uri}" in told[0][2]
    assert [(one.name, one.content) for one in told[0][3]] == [("checkout-errors.png", b"png")]
    assert finding_tickets(run)["checkout-errors"].plot == "checkout-errors.png"
    files = [file["filename"] for file in jira.issues[0]["attachments"]]
    notes = [plain(comment) for comment in jira.issues[0]["comments"]]
    assert files == ["checkout-errors.png"] or notes == [f"Plot: {written.uri}"]


def test_the_end_of_a_rollback_is_told_to_the_open_tickets(jira, told, run):
    with_jira(run)
    escalate_findings(run, (finding(),), response())

    add_to_tickets(run, "ROLLED_BACK: from 1.1.0 to 1.0.0")

    assert [plain(comment) for comment in jira.issues[0]["comments"]] == ["ROLLED_BACK: from 1.1.0 to 1.0.0"]
    assert jira.issues[0]["fields"]["status"]["name"] == "To Do"
