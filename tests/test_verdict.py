from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from release_watch.verdict import Decision, Objective, Verdict, worst


def objective(verdict: Verdict, name: str = "errors") -> Objective:
    return Objective(name=name, verdict=verdict, reason="0.2 % of requests fail")


@pytest.mark.parametrize("verdict", list(Verdict))
def test_only_go_and_warn_proceed(verdict: Verdict) -> None:
    assert verdict.proceeds == (verdict in {Verdict.GO, Verdict.WARN})


def test_nothing_judged_is_never_a_go() -> None:
    assert worst([]) is Verdict.INCONCLUSIVE
    assert Decision.over([]).verdict is Verdict.INCONCLUSIVE


@given(st.lists(st.sampled_from(Verdict), min_size=1))
def test_a_decision_proceeds_exactly_when_every_objective_does(verdicts: list[Verdict]) -> None:
    decision = Decision.over(objective(verdict) for verdict in verdicts)

    assert decision.verdict.proceeds == all(verdict.proceeds for verdict in verdicts)
    assert len(decision.failures) == sum(not verdict.proceeds for verdict in verdicts)


@pytest.mark.parametrize("other", [v for v in Verdict if v is not Verdict.NO_GO])
def test_no_go_outweighs_everything(other: Verdict) -> None:
    assert worst([other, Verdict.NO_GO, other]) is Verdict.NO_GO


def test_the_summary_names_what_stops_the_protocol_and_why() -> None:
    decision = Decision.over([objective(Verdict.GO), objective(Verdict.NO_GO, "latency")])

    assert decision.summary() == "NO_GO: latency: 0.2 % of requests fail"


def test_the_summary_of_a_go_counts_what_was_met() -> None:
    assert Decision.over([objective(Verdict.GO)] * 2).summary() == "GO: 2 of 2 objectives met"


def test_the_summary_of_a_warning_says_what_it_is() -> None:
    decision = Decision.over([objective(Verdict.GO), objective(Verdict.WARN, "latency")])

    assert decision.summary() == (
        "WARN: 2 of 2 objectives met, 1 with a warning: latency: 0.2 % of requests fail"
    )


def test_of_many_warnings_the_summary_tells_some() -> None:
    decision = Decision.over(objective(Verdict.WARN, f"o{number}") for number in range(5))

    assert ", 5 with a warning: o0: " in decision.summary()
    assert "o3" not in decision.summary()
    assert decision.summary().endswith("; and 2 more")


def test_an_objective_without_a_reason_is_refused() -> None:
    with pytest.raises(ValidationError, match="reason"):
        Objective(name="errors", verdict=Verdict.GO, reason="")
