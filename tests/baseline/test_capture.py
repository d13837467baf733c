from __future__ import annotations

import hashlib
import io
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from release_watch.artifacts.models import BaselineKind, ExcludedWindow, Window
from release_watch.baseline.capture import (
    Source,
    capture,
    capture_to,
    document,
    fitting_step,
    reference_window,
    sources,
)
from release_watch.baseline.frames import from_parquet
from release_watch.baseline.known_good import Pin, Reference
from release_watch.baseline.metrics import metric_specs
from release_watch.baseline.shape import seasonality, trend_per_hour
from release_watch.catalog.models import MetricsSignal, Service, Signals
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


def test_the_samples_behind_the_document_are_written_beside_it(
    service: Service, release: Release, policies: Policies, samples: Samples
) -> None:
    specs = metric_specs([service], step=STEP)
    metrics = FakeMetrics({spec.query: samples[spec.key] for spec in specs})
    window, file = reference_window(release, policies), io.BytesIO()

    baseline = capture_to(
        file, BaselineKind.REFERENCE, [Source(metrics, specs)], window, STEP, release, policies
    )

    read = from_parquet(file.getvalue())
    assert baseline.sampling is not None
    assert baseline.sampling.sha256 == hashlib.sha256(file.getvalue()).hexdigest()
    assert read.keys() == samples.keys()
    again = document(BaselineKind.REFERENCE, specs, read, window, STEP, release, policies)
    assert again.metrics == baseline.metrics
    assert (baseline.verdict, baseline.sampling.step_seconds) == (Verdict.GO, 2.0)


def test_excluded_spans_are_in_no_number_and_no_sample(
    service: Service, release: Release, policies: Policies, samples: Samples
) -> None:
    specs = metric_specs([service], step=STEP)
    window, file = reference_window(release, policies), io.BytesIO()
    incident = ExcludedWindow(
        start=window[0] + timedelta(seconds=60), end=window[0] + timedelta(seconds=120), reason="incident 7"
    )
    elsewhere = incident.model_copy(update={"service": "payments"})
    for metric in samples.values():
        metric[(metric.index >= incident.start) & (metric.index < incident.end)] = 1000.0
    metrics = FakeMetrics({spec.query: samples[spec.key] for spec in specs})

    baseline = capture_to(
        file,
        BaselineKind.REFERENCE,
        [Source(metrics, specs)],
        window,
        STEP,
        release,
        policies,
        excluded=[incident, elsewhere],
    )

    assert baseline.verdict is Verdict.GO
    assert baseline.excluded == (incident, elsewhere)
    assert {(entry.samples, entry.completeness) for entry in baseline.metrics} == {(91, 1.0)}
    assert max(entry.highest or 0 for entry in baseline.metrics) < 1000
    assert max(float(values.max()) for values in from_parquet(file.getvalue()).values()) < 1000


def test_where_all_is_excluded_the_reason_is_no_lack_of_data(
    service: Service, release: Release, policies: Policies, samples: Samples
) -> None:
    specs, window = metric_specs([service], step=STEP), reference_window(release, policies)
    whole = ExcludedWindow(start=window[0], end=window[1] + timedelta(hours=1), reason="incident 7")

    baseline = document(
        BaselineKind.REFERENCE, specs, samples, window, STEP, release, policies, excluded=[whole]
    )

    assert baseline.verdict is Verdict.INCONCLUSIVE
    assert baseline.reason.startswith("checkout error_ratio, checkout latency_p95_seconds, checkout avail")
    assert baseline.reason.endswith(
        "2 more: no time is left besides incidents, drills and rollbacks; pin a baseline that is known good"
    )


def test_every_metric_says_why_it_does_not_convince(
    service: Service, release: Release, policies: Policies, samples: Samples
) -> None:
    of_service, window = metric_specs([service], step=STEP), reference_window(release, policies)
    specs = [spec.model_copy(update={"overlap": 1}) for spec in of_service]
    restless = np.repeat(10 ** np.random.default_rng(1).uniform(-2, 2, 13), 10)[:121]
    latency, errors = samples["checkout", "latency_p95_seconds"], samples["checkout", "error_ratio"]
    changed = samples | {
        ("checkout", "latency_p95_seconds"): pd.Series(restless, index=latency.index),
        ("checkout", "error_ratio"): errors.iloc[:20],
        ("checkout", "availability"): samples["checkout", "availability"].iloc[::3],
        ("checkout", "memory_bytes"): samples["checkout", "memory_bytes"].iloc[:0],
    }

    baseline = document(BaselineKind.RELEASE, specs, changed, window, STEP, release, policies)

    found = {entry.metric: (entry.verdict, entry.reason or "") for entry in baseline.metrics}
    assert found["error_ratio"] == (Verdict.INCONCLUSIVE, "20 samples; 30 are needed")
    assert found["availability"] == (
        Verdict.INCONCLUSIVE,
        "34% of the samples are there; 80% are needed",
    )
    assert found["latency_p95_seconds"][0] is Verdict.INCONCLUSIVE
    assert found["latency_p95_seconds"][1].startswith("too restless: its level of ")
    assert found["memory_bytes"][0] is Verdict.WARN
    assert found["throughput_rps"] == (Verdict.GO, "")
    assert baseline.verdict is Verdict.INCONCLUSIVE


def test_what_is_known_to_be_good_needs_no_long_window_of_its_own(
    service: Service, release: Release, policies: Policies, samples: Samples
) -> None:
    specs, window = metric_specs([service], step=STEP), reference_window(release, policies)
    pinned = {key: values.iloc[:10] for key, values in samples.items()}

    baseline = document(
        BaselineKind.REFERENCE,
        specs,
        pinned,
        window,
        STEP,
        release,
        policies,
        known_good={"checkout": "shop-1.0.0, pinned by ada"},
    )

    assert baseline.verdict is Verdict.GO
    assert {entry.known_good for entry in baseline.metrics} == {"shop-1.0.0, pinned by ada"}


@pytest.mark.parametrize(
    ("length", "step"),
    [
        (timedelta(minutes=4), timedelta(minutes=1)),
        (timedelta(hours=48), timedelta(minutes=1)),
        (timedelta(days=7), timedelta(minutes=3)),
        (timedelta(days=30), timedelta(minutes=9)),
    ],
    ids=["short", "two days", "a week", "a month"],
)
def test_the_step_grows_with_the_window(length: timedelta, step: timedelta) -> None:
    assert fitting_step(length, Policies()) == step


def test_metrics_of_one_server_are_asked_for_together(service: Service) -> None:
    other = service.model_copy(update={"name": "payments"})
    elsewhere = service.model_copy(update={"name": "ledger"})
    here, there = FakeMetrics({}), FakeMetrics({})
    specs = metric_specs([service, other, elsewhere], step=STEP)

    class Backends:
        def metrics(self, asked: Service) -> FakeMetrics:
            return there if asked.name == "ledger" else here

    found = sources([service, other, elsewhere], specs, Backends())  # type: ignore[arg-type]

    assert [source.metrics for source in found] == [here, there]
    assert {spec.service for spec in found[0].specs} == {"checkout", "payments"}
    assert sum(len(source.specs) for source in found) == len(specs)


def test_what_was_pinned_stands_in_and_is_not_asked_for(
    service: Service, release: Release, policies: Policies, samples: Samples
) -> None:
    other = service.model_copy(
        update={
            "name": "payments",
            "signals": Signals(metrics=MetricsSignal(selector='job="shop/payments"')),
            "business_metrics": (),
        }
    )
    specs = metric_specs([service, other], step=STEP)
    metrics = FakeMetrics({spec.query: samples[spec.key] for spec in specs if spec.service == "checkout"})
    held = {(other.name, metric): values for (_, metric), values in samples.items() if metric != "cpu_cores"}
    window = reference_window(release, policies)
    pin = Pin(
        service="payments",
        release_id="shop-1.0.0",
        window=Window(start=window[0], end=window[1]),
        pinned_by="ada",
        pinned_at=window[1],
        expires_at=window[1] + timedelta(days=1),
        reason="quiet",
        samples_sha256="",
    )
    everything = ExcludedWindow(start=window[0], end=window[1], reason="incident", service="payments")
    file = io.BytesIO()

    baseline = capture_to(
        file,
        BaselineKind.REFERENCE,
        [Source(metrics, specs)],
        window,
        STEP,
        release,
        policies,
        excluded=[everything],
        pinned=Reference(held, {"payments": pin}),
        warnings=["Drills are not left out"],
    )

    entries = {(entry.service, entry.metric): entry for entry in baseline.metrics}
    assert [entry.metric for entry in baseline.metrics] == [spec.metric for spec in specs]
    assert not [query for query, _, _ in metrics.asked if "shop/payments" in query]
    assert entries["payments", "memory_bytes"].known_good == pin.words
    assert entries["payments", "memory_bytes"].verdict is Verdict.GO
    assert entries["payments", "cpu_cores"].reason == (
        "is not in the pinned baseline; pin one that has it, or unpin this one"
    )
    assert entries["checkout", "memory_bytes"].known_good is None
    written = from_parquet(file.getvalue())
    assert written["payments", "memory_bytes"].tolist() == samples["checkout", "memory_bytes"].tolist()
    assert baseline.warnings == ("Drills are not left out",)
