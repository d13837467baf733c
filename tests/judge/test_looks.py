from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from release_watch.catalog.policies import JudgePolicy
from release_watch.judge.cases import Case, CaseMetric
from release_watch.judge.looks import judge_case
from release_watch.judge.spec import Direction, Kind
from release_watch.verdict import Verdict
from tests.judge import series

POLICY = JudgePolicy()
CHANGE = pd.Timestamp("2026-03-04T09:00:00Z")
BEFORE, AFTER = 2880, 120
LOOKS = [timedelta(minutes=minutes) for minutes in (5, 10, 15, 30, 60, 120)]


def traffic(seed: int = 3) -> np.ndarray:
    """Two days and two hours of traffic with a daily shape: at its lowest a third of its highest."""
    random = np.random.default_rng(seed)
    return series.seasonal(random, BEFORE + AFTER, period=1440)


def case_of(*metrics: np.ndarray, step: float = 60, before: int = BEFORE, **given: object) -> Case:
    first = CHANGE - pd.Timedelta(seconds=step * before)
    lines = [series.at(values, step_seconds=step, start=first) for values in metrics]
    return Case(
        "case",
        CHANGE.to_pydatetime(),
        tuple(
            CaseMetric(f"m{i}", line.iloc[:before], line.iloc[before:], **given)  # type: ignore[arg-type]
            for i, line in enumerate(lines)
        ),
    )


def verdicts(case: Case, looks: list[timedelta] = LOOKS) -> list[Verdict]:
    return [look.verdict for look in judge_case(case, looks, POLICY)]


def test_a_morning_that_rises_as_mornings_do_is_healthy_at_every_look() -> None:
    assert set(verdicts(case_of(traffic()))) == {Verdict.GO}


def test_an_hour_as_good_as_the_night_is_bad_at_noon() -> None:
    noon = np.cos(2 * np.pi * np.arange(BEFORE + AFTER) / 1440)
    values = (60 + 30 * noon) * np.random.default_rng(4).lognormal(0, 0.1, BEFORE + AFTER)
    values[BEFORE:] *= 0.6

    assert values[BEFORE : BEFORE + 60].mean() > np.quantile(values[:BEFORE], 0.2)
    assert verdicts(case_of(values))[2:] == [Verdict.NO_GO] * 4


def test_what_is_over_is_taken_back() -> None:
    values = traffic()
    values[BEFORE : BEFORE + 18] *= 0.3

    first, *_, last = verdicts(case_of(values))

    assert first is Verdict.NO_GO
    assert last is not Verdict.NO_GO


def test_the_blip_of_a_deployment_is_no_regression() -> None:
    values = traffic()
    values[BEFORE : BEFORE + 3] *= 0.3

    assert Verdict.NO_GO not in verdicts(case_of(values))


def test_a_look_reads_nothing_that_came_later() -> None:
    values, later = traffic(), traffic()
    values[BEFORE + 3 :] *= 0.6
    later[BEFORE + 3 :] *= 0.6
    later[BEFORE + 31 :] = 1e9

    short = judge_case(case_of(values), LOOKS, POLICY)
    wild = judge_case(case_of(later), LOOKS, POLICY)

    assert short[:4] == wild[:4]


def test_no_data_after_the_change_is_never_go() -> None:
    looks = judge_case(case_of(traffic()[:BEFORE]), LOOKS, POLICY)

    assert [look.verdict for look in looks] == [Verdict.INCONCLUSIVE] + [Verdict.NO_GO] * 5
    assert "no data since 2026-03-04T09:00:00" in looks[-1].reason


def test_a_baseline_that_ended_long_before_the_change_says_nothing_about_silence() -> None:
    whole = case_of(traffic()[:BEFORE])
    early = replace(whole.metrics[0], before=whole.metrics[0].before.iloc[:-60])

    assert set(verdicts(replace(whole, metrics=(early,)))) == {Verdict.INCONCLUSIVE}


def test_where_all_data_ends_the_decision_stands_and_says_since_when() -> None:
    looks = judge_case(case_of(traffic()[: BEFORE + 20], traffic(4)[: BEFORE + 20]), LOOKS, POLICY)

    assert {look.verdict for look in looks} == {Verdict.GO}
    assert looks[-1].reason.startswith("still, without data since 2026-03-04T09:19:00")


@pytest.mark.parametrize("samples", [0, 1, 20], ids="after-{}".format)
def test_a_metric_that_stops_while_others_go_on_is_lost(samples: int) -> None:
    case = case_of(traffic(), traffic(4))
    cut = replace(case.metrics[0], after=case.metrics[0].after.iloc[:samples])

    looks = judge_case(replace(case, metrics=(cut, case.metrics[1])), LOOKS, POLICY)

    assert looks[-1].verdict is Verdict.NO_GO
    assert "m0: no data since" in looks[-1].reason


def test_a_control_group_that_goes_on_shows_that_the_release_is_silent() -> None:
    group = series.at(1.1 * traffic(), start=CHANGE - pd.Timedelta(minutes=BEFORE))

    looks = verdicts(case_of(traffic()[: BEFORE + 8], control=group))

    assert looks[0] is Verdict.GO
    assert looks[3:] == [Verdict.NO_GO] * 3


def test_a_few_missing_samples_are_no_silence() -> None:
    case = case_of(traffic(), traffic(4), golden=True)
    holed = replace(case.metrics[0], after=case.metrics[0].after.drop(case.metrics[0].after.index[26:31]))

    assert set(verdicts(replace(case, metrics=(holed, case.metrics[1])))) == {Verdict.GO}


@pytest.mark.parametrize(
    ("kind", "bad"), [(Kind.RESOURCE, False), (Kind.GAUGE, True)], ids=["resource", "any-other"]
)
def test_what_a_new_process_takes_while_it_warms_up_is_not_judged(kind: Kind, bad: bool) -> None:
    values = 1 + np.random.default_rng(6).normal(0, 0.02, BEFORE + AFTER)
    values[BEFORE : BEFORE + 9] *= 2

    found = verdicts(case_of(values, kind=kind, direction=Direction.UP))

    assert (Verdict.NO_GO in found) is bad
    assert found[-1] is not Verdict.NO_GO


def test_memory_that_stays_high_after_the_warm_up_is_bad() -> None:
    values = 1 + np.random.default_rng(6).normal(0, 0.02, BEFORE + AFTER)
    values[BEFORE:] *= 1.5

    assert verdicts(case_of(values, kind=Kind.RESOURCE, direction=Direction.UP))[3:] == [Verdict.NO_GO] * 3


def test_silence_takes_no_decision_back() -> None:
    values = traffic()
    values[BEFORE:] *= 0.3

    looks = judge_case(case_of(values[: BEFORE + 35]), LOOKS, POLICY)

    assert [look.verdict for look in looks[3:]] == [Verdict.NO_GO] * 3
    assert looks[-1].reason.startswith("still, without data since ")


@pytest.mark.parametrize(
    ("direction", "verdict"), [(Direction.UP, Verdict.GO), (Direction.DOWN, Verdict.NO_GO)], ids=str
)
def test_only_the_worse_direction_counts(direction: Direction, verdict: Verdict) -> None:
    values = traffic()
    values[BEFORE:] *= 0.5

    assert verdicts(case_of(values, direction=direction))[-1] is verdict


def test_a_control_group_that_did_the_same_excuses_the_release() -> None:
    random = np.random.default_rng(5)
    values, group = (series.step_shifted(series.steady(random, 30), 15, factor=3) for _ in range(2))
    alone = case_of(values, before=15, direction=Direction.UP, kind=Kind.LATENCY)
    control = series.at(group, start=CHANGE - pd.Timedelta(minutes=15))
    beside = case_of(values, before=15, direction=Direction.UP, kind=Kind.LATENCY, control=control)
    look = [timedelta(minutes=15)]

    assert verdicts(alone, look) == [Verdict.NO_GO]
    assert verdicts(beside, look) == [Verdict.GO]


def test_a_control_group_that_rises_with_the_morning_too_makes_nothing_of_it() -> None:
    group = series.at(1.1 * traffic(), start=CHANGE - pd.Timedelta(minutes=BEFORE))

    assert set(verdicts(case_of(traffic(), control=group))) == {Verdict.GO}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([1.0] * 10, [100.0] * 7 + [1.0] * 3, id="spinnaker-6278"),
        pytest.param([0.0] * 6, [0.0, 1.0, 2.0, 1.0, 0.0, 0.0], id="kayenta-426"),
    ],
)
def test_what_the_usual_canary_test_misses_is_bad(before: list[float], after: list[float]) -> None:
    case = case_of(np.array([*before, *after]), before=len(before))

    assert Verdict.NO_GO in verdicts(case)


def services(hit: int, seed: int = 2) -> list[np.ndarray]:
    """Return 19 metrics at five minutes that share one load, ``hit`` of them halved by the change."""
    random = np.random.default_rng(seed)
    load = series.seasonal(random, 600, period=288)
    metrics = [load * random.lognormal(0, 0.05, 600) for _ in range(19)]
    for values in metrics[:hit]:
        values[576:] *= 0.5
    return metrics


@pytest.mark.parametrize(("hit", "bad"), [(0, False), (3, True)], ids=["healthy", "three-of-nineteen"])
def test_many_metrics_are_judged_together(hit: int, bad: bool) -> None:
    look = judge_case(case_of(*services(hit), step=300, before=576), [timedelta(hours=2)], POLICY)[0]

    assert (look.verdict is Verdict.NO_GO) is bad
    assert look.metrics_judged == 19
    assert (look.score >= 1) is bad


def test_a_golden_metric_decides_and_another_alone_only_warns() -> None:
    broken = traffic()
    broken[BEFORE:] *= 0.3
    golden = case_of(traffic(8), golden=True).metrics
    other = case_of(broken).metrics
    case = Case("case", CHANGE.to_pydatetime(), (*golden, *other))

    assert verdicts(case)[-1] is Verdict.WARN


def test_the_same_case_gets_the_same_looks_twice() -> None:
    assert judge_case(case_of(traffic()), LOOKS, POLICY) == judge_case(case_of(traffic()), LOOKS, POLICY)


def test_a_case_without_metrics_is_inconclusive() -> None:
    assert verdicts(case_of()) == [Verdict.INCONCLUSIVE] * len(LOOKS)
