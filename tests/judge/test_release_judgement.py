from __future__ import annotations

from collections.abc import Mapping

import pytest

from release_watch.catalog.policies import JudgePolicy
from release_watch.judge import Family, MetricJudgement, MetricSpec, State, judge_release
from release_watch.verdict import Verdict

POLICY = JudgePolicy()
VERDICTS = {
    State.NORMAL: Verdict.GO,
    State.TRANSIENT: Verdict.WARN,
    State.SUSTAINED: Verdict.NO_GO,
    State.UNKNOWN: Verdict.INCONCLUSIVE,
}


def judged(
    metric: str,
    state: State = State.SUSTAINED,
    *,
    service: str = "checkout",
    golden: bool = False,
    family: Family = Family.OTHER,
    score: float = 2.0,
) -> MetricJudgement:
    return MetricJudgement(
        spec=MetricSpec(service=service, metric=metric, golden=golden, family=family),
        verdict=VERDICTS[state],
        state=state,
        score=score,
        reason=f"{metric} is {state}",
    )


LATENCY = judged("latency", golden=True, family=Family.LATENCY)
THROUGHPUT = judged("throughput", family=Family.TRAFFIC)
ORDERS = judged("orders", family=Family.TRAFFIC)
MEMORY = judged("memory", family=Family.RESOURCES)
FINE = judged("errors", State.NORMAL, golden=True, family=Family.ERRORS)


@pytest.mark.parametrize(
    ("judgements", "verdict", "critical"),
    [
        pytest.param([FINE], Verdict.GO, [], id="all-normal"),
        pytest.param([FINE, LATENCY], Verdict.NO_GO, ["latency"], id="one-golden"),
        pytest.param([FINE, THROUGHPUT], Verdict.WARN, [], id="throughput-alone"),
        pytest.param([FINE, THROUGHPUT, ORDERS], Verdict.WARN, [], id="two-of-one-family-say-the-same"),
        pytest.param([FINE, THROUGHPUT, MEMORY], Verdict.NO_GO, ["throughput", "memory"], id="two-families"),
        pytest.param(
            [FINE, THROUGHPUT, judged("memory", service="payments", family=Family.RESOURCES)],
            Verdict.WARN,
            [],
            id="two-families-of-two-services",
        ),
        pytest.param(
            [judged("latency", State.TRANSIENT, golden=True)], Verdict.WARN, [], id="golden-but-over"
        ),
        pytest.param(
            [FINE, judged("latency", State.UNKNOWN, golden=True)], Verdict.INCONCLUSIVE, [], id="silent"
        ),
        pytest.param([FINE, judged("memory", State.UNKNOWN)], Verdict.WARN, [], id="silent-but-not-golden"),
        pytest.param(
            [LATENCY, judged("e", State.UNKNOWN, golden=True)], Verdict.NO_GO, ["latency"], id="both"
        ),
        pytest.param([], Verdict.INCONCLUSIVE, [], id="nothing-judged"),
    ],
)
def test_the_verdict_of_a_release(
    judgements: list[MetricJudgement], verdict: Verdict, critical: list[str]
) -> None:
    judgement = judge_release(judgements, POLICY)

    assert judgement.verdict is verdict
    assert [one.spec.metric for one in judgement.critical] == critical
    assert judgement.reason


def test_a_server_that_did_not_answer_makes_the_release_an_error() -> None:
    broken = LATENCY.model_copy(update={"verdict": Verdict.ERROR, "state": State.UNKNOWN})

    assert judge_release([FINE, broken], POLICY).verdict is Verdict.ERROR


def test_how_many_families_corroborate_is_a_policy() -> None:
    failing = [FINE, THROUGHPUT, MEMORY]

    assert judge_release(failing, JudgePolicy(corroborating_families=3)).verdict is Verdict.WARN
    assert judge_release([FINE, MEMORY], JudgePolicy(corroborating_families=1)).verdict is Verdict.NO_GO


def test_a_failure_that_is_not_critical_only_warns_in_the_review() -> None:
    objectives = judge_release([LATENCY, judged("memory", service="payments")], POLICY).objectives()

    assert [objective.verdict for objective in objectives] == [Verdict.NO_GO, Verdict.WARN]


@pytest.mark.parametrize(
    ("dependencies", "explained"),
    [
        ({"storefront": ("catalogue", "checkout")}, {"storefront": "checkout"}),
        ({"storefront": ("catalogue",)}, {}),
        ({}, {}),
    ],
    ids=["one-hop-down-is-worse", "one-hop-down-is-fine", "no-graph"],
)
def test_a_dependency_that_is_worse_too_explains_its_callers(
    dependencies: Mapping[str, tuple[str, ...]], explained: Mapping[str, str]
) -> None:
    above = judged("latency", service="storefront", golden=True, family=Family.LATENCY)

    assert judge_release([LATENCY, above], POLICY, dependencies=dependencies).explained == explained
