from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.artifacts.models import GateRecord
from release_watch.handoff.exit_state import exit_record
from release_watch.release import Mode
from release_watch.verdict import ExitState, Verdict
from tests.handoff.releases import NOW, RELEASE

SHADOW = RELEASE.model_copy(update={"mode": Mode.SHADOW})
ALL_GO = (Verdict.GO,) * 4
OK = {"plan.accept_request": "success", "close": "running"}


def gate(number, verdict):
    return GateRecord(gate=number, verdict=verdict, decided_at=NOW, objectives=())


def end(verdicts=ALL_GO, *, release=RELEASE, stops=(), states=OK, notified=("ada by e-mail",)):
    gates = [gate(number, verdict) for number, verdict in enumerate(verdicts, start=1)]
    return exit_record(release, stops=stops, gates=gates, task_states=states, notified=notified, at=NOW)


def stop(state, reason="the reason"):
    return {"exit_state": state, "reason": reason, "next_steps": ["do this"]}


@pytest.mark.parametrize(
    ("verdicts", "stops", "states", "expected", "words"),
    [
        pytest.param(ALL_GO, [], OK, "COMPLETED", "all four gates", id="all gates go"),
        pytest.param((Verdict.WARN,) * 4, [], OK, "COMPLETED", "all four gates", id="all gates warn"),
        pytest.param((), [], OK, "ABORTED", "before Gate 1", id="no gate reached"),
        pytest.param((), [], {}, "ABORTED", "before Gate 1", id="nothing known at all"),
        pytest.param(ALL_GO[:3], [], OK, "ABORTED", "before Gate 4", id="last gate not reached"),
        pytest.param((*ALL_GO[:3], Verdict.NO_GO), [], OK, "ABORTED", "Gate 4", id="last gate no go"),
        pytest.param((Verdict.INCONCLUSIVE, *ALL_GO[:3]), [], OK, "ABORTED", "Gate 1", id="inconclusive"),
        pytest.param((Verdict.ERROR, *ALL_GO[:3]), [], OK, "ABORTED", "Gate 1", id="error"),
        pytest.param(ALL_GO, [], {**OK, "p.x": "failed"}, "ABORTED", "task p.x failed", id="a task failed"),
        pytest.param(ALL_GO, [stop("BLOCKED")], OK, "BLOCKED", "the reason", id="blocked"),
        pytest.param(ALL_GO, [stop("ABORTED")], OK, "ABORTED", "the reason", id="aborted"),
        pytest.param(ALL_GO, [stop("ROLLED_BACK")], OK, "ROLLED_BACK", "the reason", id="rolled back"),
        pytest.param(
            (),
            [stop("BLOCKED")],
            {"p.x": "failed"},
            "BLOCKED",
            "the reason",
            id="the stop explains the failure",
        ),
        pytest.param(
            ALL_GO,
            [stop("ROLLED_BACK", "first"), stop("BLOCKED", "second")],
            OK,
            "ROLLED_BACK",
            "first",
            id="the first stop decides",
        ),
    ],
)
def test_how_a_run_ends(verdicts, stops, states, expected, words):
    record = end(verdicts, stops=stops, states=states)

    assert record.exit_state == expected
    assert words in record.reason


@pytest.mark.parametrize("verdicts", product(Verdict, repeat=2), ids=str)
def test_only_gates_that_all_proceed_complete_a_run(verdicts):
    record = end((*verdicts, Verdict.GO, Verdict.GO))

    assert (record.exit_state is ExitState.COMPLETED) == all(verdict.proceeds for verdict in verdicts)


@given(
    verdicts=st.lists(st.sampled_from(Verdict), max_size=4),
    states=st.dictionaries(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["success", "failed", "skipped", "upstream_failed", "removed", None]),
    ),
    stops=st.lists(st.sampled_from(["BLOCKED", "ABORTED", "ROLLED_BACK"]), max_size=2),
)
def test_nothing_fails_open(verdicts, states, stops):
    record = end(verdicts, states=states, stops=[stop(state) for state in stops])

    passed = len(verdicts) == 4 and all(verdict.proceeds for verdict in verdicts)
    complete = passed and not stops and "failed" not in states.values()
    assert (record.exit_state is ExitState.COMPLETED) == complete
    assert record.reason


def test_a_stop_of_an_unknown_kind_is_an_error():
    with pytest.raises(ValueError, match="FINE"):
        end(stops=[stop("FINE")])


@pytest.mark.parametrize(
    ("verdicts", "stops", "states"),
    [
        pytest.param((), [], OK, id="not all gates"),
        pytest.param(ALL_GO, [], {"p.x": "failed"}, id="a task failed"),
        pytest.param(ALL_GO, [stop("BLOCKED")], OK, id="blocked"),
    ],
)
def test_whoever_reads_a_bad_end_is_told_what_to_do(verdicts, stops, states):
    assert end(verdicts, stops=stops, states=states).next_steps


def test_shadow_mode_completes_and_says_where_it_would_have_stopped():
    record = end((Verdict.GO, Verdict.NO_GO, Verdict.INCONCLUSIVE, Verdict.GO), release=SHADOW)

    assert record.exit_state is ExitState.COMPLETED
    assert record.reason == "shadow mode: would have been stopped at Gate 2, Gate 3"


def test_shadow_mode_does_not_hide_a_failed_task():
    assert end(ALL_GO, release=SHADOW, states={"p.x": "failed"}).exit_state is ExitState.ABORTED


@pytest.mark.parametrize("verdicts", [(), (Verdict.NO_GO,), ALL_GO[:3]], ids=["none", "one", "three"])
def test_shadow_mode_that_never_reached_a_gate_is_not_complete(verdicts):
    assert end(verdicts, release=SHADOW).exit_state is ExitState.ABORTED


def test_the_gates_are_listed_in_order():
    gates = [gate(3, Verdict.GO), gate(1, Verdict.GO), gate(2, Verdict.WARN)]
    record = exit_record(RELEASE, stops=(), gates=gates, task_states=OK, notified=(), at=NOW)

    assert [gate.gate for gate in record.gates] == [1, 2, 3]


def test_when_nobody_was_told_the_record_says_so():
    assert end(notified=()).notified == ("nobody",)
    assert end().notified == ("ada by e-mail",)


def test_the_record_names_the_release():
    record = end()

    assert (record.release_id, record.environment, record.generated_at) == (
        RELEASE.release_id,
        RELEASE.environment,
        NOW,
    )
