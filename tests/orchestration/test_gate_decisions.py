from __future__ import annotations

import json

import pytest

from release_watch.errors import BackendError, ReleaseWatchError
from release_watch.orchestration.steps import checks, escalation
from release_watch.orchestration.steps.checks import decide, refresh
from release_watch.orchestration.steps.decisions import gate_records, last_decision
from release_watch.orchestration.steps.escalation import error_lines, escalate_gate, file_ticket
from release_watch.verdict import Decision, Objective, Verdict


def decision(verdict, reason="the reason"):
    return Decision.over([Objective(name="payments traces", verdict=verdict, reason=reason)])


@pytest.fixture
def judged(monkeypatch):
    """Scripts what the gate's evaluation returns or raises."""

    def judge(outcome):
        def evaluate(number, table):
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr("release_watch.gates.evaluate.evaluate_gate", evaluate)
        monkeypatch.setitem(checks.TABLES, 1, lambda _run: None)

    return judge


@pytest.mark.parametrize("verdict", Verdict)
def test_a_decision_is_kept_for_the_branch(verdict, judged, run):
    judged(decision(verdict))

    assert decide(1, run).verdict is verdict
    assert last_decision(1, run).verdict is verdict
    assert [(record.gate, record.verdict) for record in gate_records(run)] == [(1, verdict)]


@pytest.mark.parametrize(
    "error", [BackendError("prometheus", "answered 503"), ReleaseWatchError("no such artifact")], ids=repr
)
def test_what_keeps_a_gate_from_being_judged_is_an_error_never_a_go(error, judged, run):
    judged(error)

    found = decide(1, run)

    assert found.verdict is Verdict.ERROR
    assert str(error) in found.summary()
    assert last_decision(1, run).verdict is Verdict.ERROR


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_gate_without_any_artifact_does_not_pass(number, run):
    assert not decide(number, run).verdict.proceeds


def test_the_last_decision_counts_and_every_one_stays_in_the_trail(judged, run, clock):
    judged(decision(Verdict.NO_GO))
    decide(1, run)
    clock.forward(minutes=5)
    judged(decision(Verdict.GO))
    decide(1, run)

    assert [record.verdict for record in gate_records(run)] == [Verdict.GO]
    assert [event["verdict"] for event in run.trail.events()] == ["NO_GO", "GO"]


def test_a_refresher_that_fails_does_not_keep_the_others_from_running(monkeypatch, run):
    done = []

    def broken(run):
        raise BackendError("loki", "answered 503")

    monkeypatch.setattr(checks, "_refreshers", lambda number: [broken, lambda _run: done.append(number)])

    refresh(3, run)

    assert done == [3]


@pytest.mark.parametrize(
    ("number", "lines"),
    [
        (2, ["[ERROR] Synthetic alert did not reach on-call responder."]),
        (3, []),
        (4, ["[ERROR] Monitoring approval not recorded."]),
    ],
)
def test_the_error_lines_of_a_gate_are_the_fixed_ones(number, lines, run):
    assert error_lines(number, run) == lines


@pytest.fixture
def tracker(server, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_TICKETS_DEFAULT", server.connection())
    return server


def test_a_tracker_that_is_away_stops_nothing_and_is_recorded(tracker, pauses, run):
    tracker.answer((503, "busy"))

    assert file_ticket(run, "gate-1", "Gate 1 NO_GO", "text") == "none"
    assert [event["event"] for event in run.trail.events()] == ["no ticket was filed"]


def test_shadow_mode_files_no_ticket(tracker, shadow_run):
    assert file_ticket(shadow_run, "gate-1", "Gate 1 NO_GO", "text") == "shadow"
    assert tracker.asked == []


@pytest.mark.parametrize("number", [2, 3, 4])
def test_an_escalation_tells_every_role_of_the_gate_why(number, judged, run, monkeypatch):
    judged(decision(Verdict.NO_GO))
    monkeypatch.setitem(checks.TABLES, number, lambda _run: None)
    decide(number, run)
    told = []
    monkeypatch.setattr(
        escalation, "tell", lambda _run, role, subject, text: told.append((role, subject, text)) or ()
    )

    escalate_gate(number, run)

    assert [role for role, _, _ in told] == list(escalation.ROLES[number])
    for _, subject, text in told:
        assert subject == f"Gate {number} NO_GO: release shop-1.1.0 in production"
        assert "payments traces: the reason" in text


def test_decisions_are_stored_as_plain_json(judged, run):
    judged(decision(Verdict.WARN))
    decide(1, run)

    assert json.loads(run.store.read_bytes("records/gate-1.json"))["verdict"] == "WARN"
