from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_watch.judge import Direction, Family, Kind, MetricSpec, State, judge_metric, judge_release
from release_watch.judge.metric import DEFAULT_POLICY
from release_watch.verdict import Verdict
from tests.judge import series

LATENCY = MetricSpec(
    service="a", metric="latency_seconds", kind=Kind.LATENCY, golden=True, family=Family.LATENCY
)
values = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=0, max_size=40)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32), exponent=st.integers(-20, 20), factor=st.sampled_from([1.0, 1.3, 2.0, 8.0])
)
def test_latency_is_judged_alike_in_seconds_and_in_any_other_unit(
    seed: int, exponent: int, factor: float
) -> None:
    sample = series.step_shifted(series.steady(np.random.default_rng(seed), 90), 20, factor=factor)

    original = judge_metric(*series.split(sample, 20), spec=LATENCY)
    scaled = judge_metric(*series.split(sample * 2.0**exponent, 20), spec=LATENCY)

    assert (scaled.state, scaled.score) == (original.state, original.score)
    assert scaled.effect == pytest.approx(original.effect)


@settings(deadline=None, max_examples=60)
@given(baseline=values, current=values, kind=st.sampled_from(Kind), direction=st.sampled_from(Direction))
def test_any_numbers_get_the_same_judgement_twice_and_a_score_that_fits_it(
    baseline: list[float], current: list[float], kind: Kind, direction: Direction
) -> None:
    spec = MetricSpec(service="a", metric="m", kind=kind, direction=direction)

    first = judge_metric(series.at(baseline), series.at(current), spec=spec)
    second = judge_metric(series.at(baseline), series.at(current), spec=spec)

    assert first == second
    assert (first.verdict is Verdict.GO) == (first.state is State.NORMAL)
    assert first.state is not State.SUSTAINED or first.score >= 1
    assert first.verdict is Verdict.INCONCLUSIVE or len(current) >= DEFAULT_POLICY.persistence


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), shift=st.floats(0, 5), more=st.floats(0, 5))
def test_worse_never_scores_lower(seed: int, shift: float, more: float) -> None:
    sample = series.steady(np.random.default_rng(seed), 90)

    mild = judge_metric(*series.split(series.step_shifted(sample, 20, offset=shift), 20), spec=LATENCY)
    worse = judge_metric(
        *series.split(series.step_shifted(sample, 20, offset=shift + more), 20), spec=LATENCY
    )

    assert worse.score >= mild.score


def test_one_distribution_before_and_after_is_critical_in_at_most_one_look_of_fifty() -> None:
    rng = np.random.default_rng(11)
    generators = (series.steady, series.bursty, series.autocorrelated)

    looks = [
        judge_release(
            [judge_metric(*series.split(generator(rng, 135), 15, step_seconds=2), spec=LATENCY)],
            DEFAULT_POLICY,
        )
        for generator in generators
        for _ in range(100)
    ]

    assert sum(bool(look.critical) for look in looks) <= len(looks) / 50
