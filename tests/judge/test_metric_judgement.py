from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from release_watch.catalog.policies import JudgePolicy
from release_watch.errors import InvalidInputError
from release_watch.judge import Direction, Kind, MetricSpec, State, judge_metric
from release_watch.verdict import Verdict
from tests.judge import series

LATENCY = MetricSpec(
    service="checkout", metric="latency_p95_seconds", unit="s", kind=Kind.LATENCY, golden=True
)
ERRORS = MetricSpec(
    service="checkout", metric="error_ratio", unit="ratio", kind=Kind.RATIO, golden=True, overlap=4
)
COUNT = MetricSpec(service="checkout", metric="errors", kind=Kind.COUNT)


def random(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("direction", [Direction.UP, Direction.BOTH])
@pytest.mark.parametrize(
    ("baseline", "current"),
    [
        pytest.param([1] * 10, [100] * 7 + [1] * 3, id="spinnaker-6278"),
        pytest.param(
            [1] * 10, [1, 100, 100, 1, 100, 100, 100, 1, 100, 100], id="spinnaker-6278-in-another-order"
        ),
        pytest.param([0] * 6, [0, 1, 2, 1, 0, 0], id="kayenta-426"),
    ],
)
def test_what_the_usual_canary_test_misses_is_flagged(
    kind: Kind, direction: Direction, baseline: list[float], current: list[float]
) -> None:
    spec = MetricSpec(service="a", metric="m", kind=kind, direction=direction)

    judgement = judge_metric(series.at(baseline), series.at(current), spec=spec)

    assert judgement.verdict is Verdict.NO_GO
    assert judgement.score >= 1


TRAFFIC = MetricSpec(service="checkout", metric="rps", direction=Direction.DOWN, short_baseline_effect=0.7)


@pytest.mark.parametrize(
    ("generator", "spec"),
    [
        pytest.param(series.steady, LATENCY, id="steady"),
        pytest.param(series.seasonal, TRAFFIC, id="seasonal"),
        pytest.param(series.autocorrelated, LATENCY, id="autocorrelated"),
        pytest.param(series.zero_inflated, COUNT, id="zero-inflated"),
        pytest.param(series.bursty, LATENCY, id="bursty"),
    ],
)
@pytest.mark.parametrize(
    ("baseline", "current"), [(120, 15), (120, 60), (2880, 30)], ids=["1st", "last", "2-days"]
)
def test_a_healthy_release_is_hardly_ever_flagged(
    generator: series.Generator, spec: MetricSpec, baseline: int, current: int
) -> None:
    rng, looks = random(), 60 if baseline < 1000 else 15

    judgements = [
        judge_metric(*series.split(generator(rng, baseline + current), current), spec=spec)
        for _ in range(looks)
    ]

    assert sum(judgement.failed for judgement in judgements) <= looks * 0.05


def test_a_first_review_finds_three_hundred_milliseconds_on_a_service_of_twenty() -> None:
    rng = random()
    values = series.step_shifted(series.steady(rng, 135), 15, offset=0.3)

    judgement = judge_metric(*series.split(values, 15, step_seconds=2), spec=LATENCY)

    assert judgement.verdict is Verdict.NO_GO
    assert judgement.started_at == (series.START + pd.Timedelta(seconds=240)).to_pydatetime()
    assert "s against" in judgement.reason


@pytest.mark.parametrize("requests", [2.0, 6.0, 20.0], ids=lambda n: f"{n:g}-requests-a-sample")
@pytest.mark.parametrize("current", [15, 30], ids=["first-review", "second-review"])
def test_thirty_percent_errors_are_found(requests: float, current: int) -> None:
    rng, found = random(), 0
    for _ in range(30):
        before = series.at(series.error_ratio(rng, 120, requests=requests), step_seconds=2)
        after = series.at(series.error_ratio(rng, current, errors=0.3, requests=requests), step_seconds=2)
        found += judge_metric(before, after, spec=ERRORS).failed

    assert found >= 28


@pytest.mark.parametrize("errors", [0.0, 0.0004, 0.002, 0.01], ids=lambda share: f"{share:.2%}")
def test_a_few_errors_more_or_less_are_no_regression(errors: float) -> None:
    rng, failed = random(), 0
    for _ in range(60):
        values = series.error_ratio(rng, 180, errors=errors)
        failed += judge_metric(*series.split(values, 60, step_seconds=2), spec=ERRORS).failed

    assert failed <= 2


def test_one_failed_request_shown_by_four_overlapping_samples_is_one_event() -> None:
    current = [0.0] * 8 + [1 / 16] * 4 + [0.0] * 3

    judgement = judge_metric(series.at([0.0] * 120), series.at(current), spec=ERRORS)

    assert judgement.verdict is Verdict.GO


def test_a_spike_that_went_away_is_transient_and_says_when() -> None:
    values = series.spiked(series.steady(random(), 180), 60, after=10, length=6, factor=8)

    judgement = judge_metric(*series.split(values, 60), spec=LATENCY)

    assert (judgement.state, judgement.verdict) == (State.TRANSIENT, Verdict.WARN)
    assert judgement.started_at == (series.START + pd.Timedelta(minutes=130)).to_pydatetime()
    assert judgement.reason.startswith("a spike of")


def test_a_change_that_came_late_is_sustained_although_most_of_the_window_was_good() -> None:
    values = series.spiked(series.steady(random(), 240), 120, after=100, length=20, factor=8)

    assert judge_metric(*series.split(values, 120), spec=LATENCY).state is State.SUSTAINED


@pytest.mark.parametrize(
    ("direction", "factor", "failed"),
    [
        (Direction.UP, 3.0, True),
        (Direction.UP, 0.3, False),
        (Direction.DOWN, 0.3, True),
        (Direction.DOWN, 3.0, False),
        (Direction.BOTH, 3.0, True),
        (Direction.BOTH, 0.3, True),
    ],
    ids=str,
)
def test_only_the_worse_direction_fails(direction: Direction, factor: float, failed: bool) -> None:
    spec = MetricSpec(service="a", metric="m", direction=direction)
    values = series.step_shifted(10 + random().normal(0, 0.5, 150), 30, factor=factor)

    assert judge_metric(*series.split(values, 30), spec=spec).failed is failed


def test_availability_is_judged_as_the_share_of_failed_checks() -> None:
    spec = MetricSpec(
        service="a", metric="availability", kind=Kind.RATIO, direction=Direction.DOWN, overlap=4
    )

    judgement = judge_metric(series.at([1.0] * 120), series.at([1.0] * 5 + [0.0] * 15), spec=spec)

    assert judgement.failed
    assert (judgement.value, judgement.baseline) == (pytest.approx(0.0625), 1.0)
    assert judgement.effect == pytest.approx(-0.9375)


def test_a_significant_half_percent_is_no_incident() -> None:
    rng = random()
    before, after = 100 + rng.normal(0, 0.01, 500), 100.5 + rng.normal(0, 0.01, 100)

    assert judge_metric(series.at(before), series.at(after), spec=LATENCY).verdict is Verdict.GO


def test_a_minimum_effect_of_the_metric_replaces_that_of_the_policy() -> None:
    values = series.step_shifted(100 + random().normal(0, 0.5, 150), 30, factor=1.3)
    tolerant = LATENCY.model_copy(update={"minimum_effect": 0.5})

    assert judge_metric(*series.split(values, 30), spec=LATENCY).failed
    assert not judge_metric(*series.split(values, 30), spec=tolerant).failed


def test_a_load_below_any_night_is_needed_where_the_baseline_saw_no_night() -> None:
    spec = MetricSpec(service="a", metric="rps", direction=Direction.DOWN, short_baseline_effect=0.7)
    night = series.step_shifted(100 + random().normal(0, 3, 150), 30, factor=0.35)
    dead = series.step_shifted(100 + random().normal(0, 3, 150), 30, factor=0.1)

    assert not judge_metric(*series.split(night, 30), spec=spec).failed
    assert judge_metric(*series.split(dead, 30), spec=spec).failed


@pytest.mark.parametrize(
    ("baseline", "current", "words"),
    [
        ([1.0] * 50, [], "no data since the release"),
        ([1.0] * 50, [np.nan] * 20, "no data since the release"),
        ([1.0] * 50, [1.0, 1.0], "only 2 samples since the release; 3 are needed"),
        ([1.0] * 4, [1.0] * 20, "the baseline holds 4 samples; 5 are needed"),
        ([], [1.0] * 20, "the baseline holds 0 samples"),
    ],
    ids=["silent", "not-a-number", "too-few", "short-baseline", "no-baseline"],
)
def test_too_little_data_is_inconclusive_and_never_go(
    baseline: list[float], current: list[float], words: str
) -> None:
    judgement = judge_metric(series.at(baseline), series.at(current), spec=LATENCY)

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.state is State.UNKNOWN
    assert words in judgement.reason


def test_persistence_is_a_policy() -> None:
    baseline, current = series.at([0.0] * 40), series.at([0.0] * 4 + [3.0] * 3 + [0.0] * 1)

    assert judge_metric(baseline, current, spec=COUNT, policy=JudgePolicy(persistence=3)).failed
    assert not judge_metric(baseline, current, spec=COUNT, policy=JudgePolicy(persistence=5)).failed


def test_times_without_a_zone_are_refused() -> None:
    naive = series.at([1.0] * 20).tz_localize(None)

    with pytest.raises(InvalidInputError, match="DatetimeIndex in UTC"):
        judge_metric(naive, naive, spec=LATENCY)


def test_the_objective_names_value_threshold_baseline_query_and_samples() -> None:
    spec = LATENCY.model_copy(update={"query": "histogram_quantile(0.95, x)"})
    values = series.step_shifted(series.steady(random(), 135), 15, offset=0.3)

    objective = judge_metric(*series.split(values, 15), spec=spec).objective()

    assert objective.name == "checkout latency_p95_seconds"
    assert objective.query == "histogram_quantile(0.95, x)"
    assert objective.samples == 15
    assert all(text is not None and text.endswith(" s") for text in (objective.value, objective.threshold))


def test_the_effect_lies_in_its_interval() -> None:
    values = series.step_shifted(series.steady(random(), 150), 30, factor=4)

    judgement = judge_metric(*series.split(values, 30), spec=LATENCY)

    assert judgement.effect is not None
    assert judgement.effect_interval is not None
    low, high = judgement.effect_interval
    assert low <= judgement.effect <= high
    assert 2.4 < judgement.effect < 3.6
