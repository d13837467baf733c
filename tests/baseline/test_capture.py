from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from release_watch.artifacts.models import BaselineKind
from release_watch.baseline.capture import capture, document, reference_window
from release_watch.baseline.metrics import metric_specs
from release_watch.baseline.shape import seasonality, trend_per_hour
from release_watch.catalog.models import Service
from release_watch.catalog.policies import Policies
from release_watch.errors import BackendError
from release_watch.release import Release
from release_watch.verdict import Verdict
from tests.baseline.conftest import STEP
from tests.baseline.fake_metrics import FakeMetrics
from tests.judge import series

Samples = dict[tuple[str, str], pd.Series]


@pytest.fixture
def samples(service: Service, release: Release, policies: Policies) -> Samples:
    """Four minutes of a healthy service before the release."""
    rng = np.random.default_rng(3)
    start, end = reference_window(release, policies)
    n = int((end - start) / STEP) + 1
    shapes = {
        "error_ratio": np.zeros(n),
        "availability": np.ones(n),
        "latency_p95_seconds": series.steady(rng, n),
    }
    return {
        spec.key: series.at(
            shapes.get(spec.metric, 50 + rng.normal(0, 1, n)), step_seconds=2, start=pd.Timestamp(start)
        )
        for spec in metric_specs([service], step=STEP)
    }


def test_a_healthy_service_makes_a_convincing_baseline(
    service: Service, release: Release, policies: Policies, samples: Samples
) -> None:
    specs = metric_specs([service], step=STEP)
    metrics = FakeMetrics({spec.query: samples[spec.key] for spec in specs})

    baseline = capture(
        BaselineKind.REFERENCE, specs, metrics, reference_window(release, policies), STEP, release, policies
    )

    assert baseline.verdict is Verdict.GO
    assert [entry.metric for entry in baseline.metrics] == [spec.metric for spec in specs]
    latency = baseline.metrics[1]
    assert (latency.samples, latency.completeness) == (121, 1.0)
    assert latency.query == specs[1].query
    assert latency.normal_range is not None
    assert latency.normal_range.low <= latency.quantiles["0.01"]
    assert latency.quantiles["0.99"] < latency.normal_range.high < 0.2


def test_the_normal_range_of_a_ratio_stays_between_zero_and_one(
    service: Service, release: Release, policies: Policies, samples: Samples
) -> None:
    baseline = document(
        BaselineKind.REFERENCE,
        metric_specs([service], step=STEP),
        samples,
        reference_window(release, policies),
        STEP,
        release,
        policies,
    )

    ranges = {entry.metric: entry.normal_range for entry in baseline.metrics}
    errors, availability = ranges["error_ratio"], ranges["availability"]
    assert errors is not None
    assert availability is not None
    assert (errors.low, errors.high) == (0, 0.005)
    assert (availability.low, availability.high) == (pytest.approx(0.995), 1)


@pytest.mark.parametrize(
    ("metric", "kept", "verdict", "words"),
    [
        pytest.param("latency_p95_seconds", 0, Verdict.INCONCLUSIVE, "no data", id="golden-silent"),
        pytest.param(
            "latency_p95_seconds", 20, Verdict.INCONCLUSIVE, "20 samples; 30 are needed", id="too-short"
        ),
        pytest.param("latency_p95_seconds", 60, Verdict.INCONCLUSIVE, "50% of the samples", id="too-gappy"),
        pytest.param("memory_bytes", 0, Verdict.WARN, "no data", id="another-one-silent"),
    ],
)
def test_a_baseline_that_does_not_convince_says_why(
    service: Service,
    release: Release,
    policies: Policies,
    samples: Samples,
    metric: str,
    kept: int,
    verdict: Verdict,
    words: str,
) -> None:
    samples["checkout", metric] = samples["checkout", metric].iloc[:kept]

    baseline = document(
        BaselineKind.RELEASE,
        metric_specs([service], step=STEP),
        samples,
        reference_window(release, policies),
        STEP,
        release,
        policies,
    )

    assert baseline.verdict is verdict
    assert words in baseline.reason
    assert f"checkout {metric}" in baseline.reason


def test_nothing_to_measure_is_inconclusive(release: Release, policies: Policies) -> None:
    window = reference_window(release, policies)

    assert (
        document(BaselineKind.SNAPSHOT, [], {}, window, STEP, release, policies).verdict
        is Verdict.INCONCLUSIVE
    )


def test_a_server_that_is_down_is_an_error(service: Service, release: Release, policies: Policies) -> None:
    specs = metric_specs([service], step=STEP)

    with pytest.raises(BackendError):
        capture(
            BaselineKind.SNAPSHOT,
            specs,
            FakeMetrics({}, down=True),
            reference_window(release, policies),
            STEP,
            release,
            policies,
        )


@pytest.mark.parametrize(
    ("days", "period", "expected"),
    [(3, 1440, "daily"), (3, None, "none"), (1, 1440, None)],
    ids=["daily", "noise", "too-short-to-know"],
)
def test_seasonality_is_found_where_two_days_show_it(
    days: int, period: int | None, expected: str | None
) -> None:
    rng = np.random.default_rng(5)
    n = days * 1440
    values = series.seasonal(rng, n, period=period) if period else series.steady(rng, n)

    assert seasonality(series.at(values)) == expected


def test_the_trend_is_the_change_per_hour_whatever_spikes_there_are() -> None:
    values = np.arange(180) * 0.5
    values[50:55] = 1e6

    assert trend_per_hour(series.at(values, step_seconds=60)) == pytest.approx(30, rel=0.01)
    assert trend_per_hour(series.at([1.0], step_seconds=60)) is None


def test_the_reference_window_ends_where_the_release_began(release: Release, policies: Policies) -> None:
    start, end = reference_window(release, policies)

    assert (end, end - start) == (release.deployed_at, timedelta(minutes=4))
