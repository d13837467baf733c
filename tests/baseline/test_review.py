from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from release_watch.baseline.metrics import metric_specs
from release_watch.baseline.review import beyond_release, review
from release_watch.catalog.models import Service
from release_watch.catalog.policies import Policies
from release_watch.errors import BackendError
from release_watch.release import Release
from release_watch.verdict import Verdict
from tests.baseline.conftest import DEPLOYED, STEP
from tests.baseline.fake_metrics import FakeBackends, FakeMetrics
from tests.judge import series

Change = Callable[[np.ndarray], np.ndarray]
Samples = dict[tuple[str, str], pd.Series]


def unchanged(values: np.ndarray) -> np.ndarray:
    return values


def healthy(metric: str, n: int, rng: np.random.Generator) -> np.ndarray:
    shapes: dict[str, Callable[[], np.ndarray]] = {
        "error_ratio": lambda: series.error_ratio(rng, n),
        "latency_p95_seconds": lambda: series.steady(rng, n),
        "throughput_rps": lambda: series.seasonal(rng, n),
        "availability": lambda: np.ones(n),
    }
    return shapes.get(metric, lambda: 50 + rng.normal(0, 1, n))()


class Watched:
    """A service under watch: its reference, and what its metrics do after the release."""

    def __init__(self, service: Service, release: Release, policies: Policies) -> None:
        self.service, self.release, self.policies = service, release, policies
        rng = np.random.default_rng(9)
        before = pd.Timestamp(DEPLOYED - timedelta(minutes=4))
        self.reference: Samples = {
            spec.key: series.at(healthy(spec.metric, 120, rng), step_seconds=2, start=before)
            for spec in metric_specs([service], step=STEP)
        }
        self.after: Samples = {
            spec.key: series.at(healthy(spec.metric, 120, rng), step_seconds=2, start=pd.Timestamp(DEPLOYED))
            for spec in metric_specs([service], step=STEP)
        }

    def change(self, metric: str, change: Change) -> None:
        samples = self.after["checkout", metric]
        self.after["checkout", metric] = pd.Series(change(samples.to_numpy()), index=samples.index)

    def backends(self, *, down: bool = False) -> FakeBackends:
        specs = metric_specs([self.service], step=STEP, version=self.release.version)
        return FakeBackends(FakeMetrics({spec.query: self.after[spec.key] for spec in specs}, down=down))

    def look(self, number: int, at: datetime, *, down: bool = False) -> tuple[Verdict, dict[str, Verdict]]:
        looked, _, _ = review(
            number,
            self.release,
            [self.service],
            self.backends(down=down),  # type: ignore[arg-type]
            self.reference,
            self.policies,
            at,
        )
        return looked.verdict, {one.name.removeprefix("checkout "): one.verdict for one in looked.objectives}


@pytest.fixture
def watched(service: Service, release: Release, policies: Policies) -> Watched:
    return Watched(service, release, policies)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
def test_a_healthy_release_is_go_at_every_review(watched: Watched, number: int) -> None:
    verdict, _ = watched.look(number, DEPLOYED + number * timedelta(seconds=30) + timedelta(seconds=12))

    assert verdict is Verdict.GO


@pytest.mark.parametrize(
    ("metric", "change"),
    [
        pytest.param("latency_p95_seconds", lambda values: values + 0.3, id="300-ms-more"),
        pytest.param("error_ratio", lambda values: np.full_like(values, 0.3), id="30-percent-errors"),
        pytest.param("availability", np.zeros_like, id="down"),
    ],
)
def test_a_bad_release_is_found_at_the_first_review(watched: Watched, metric: str, change: Change) -> None:
    watched.change(metric, change)

    verdict, metrics = watched.look(1, DEPLOYED + timedelta(seconds=50))

    assert verdict is Verdict.NO_GO
    assert metrics[metric] is Verdict.NO_GO


def test_traffic_that_stops_alone_is_no_reason_to_roll_back(watched: Watched) -> None:
    watched.change("throughput_rps", lambda values: values * 0.01)

    verdict, metrics = watched.look(2, DEPLOYED + timedelta(seconds=80))

    assert (verdict, metrics["throughput_rps"]) == (Verdict.WARN, Verdict.WARN)


def test_resources_are_not_judged_before_they_are_warm(watched: Watched) -> None:
    watched.policies = watched.policies.model_copy(
        update={"watch": watched.policies.watch.model_copy(update={"warm_up": timedelta(minutes=2)})}
    )
    watched.change("memory_bytes", lambda values: values * 5)

    _, early = watched.look(1, DEPLOYED + timedelta(seconds=60))
    _, late = watched.look(5, DEPLOYED + timedelta(seconds=180))

    assert "memory_bytes" not in early
    assert late["memory_bytes"] is Verdict.WARN


def test_a_metric_over_a_minute_is_not_judged_before_it_can_be(watched: Watched) -> None:
    _, early = watched.look(1, DEPLOYED + timedelta(seconds=60))
    _, late = watched.look(3, DEPLOYED + timedelta(seconds=100))

    assert "orders" not in early
    assert late["orders"] is Verdict.GO


def test_a_release_that_falls_silent_is_inconclusive(watched: Watched) -> None:
    watched.after["checkout", "latency_p95_seconds"] = watched.after["checkout", "latency_p95_seconds"].iloc[
        :40
    ]

    verdict, metrics = watched.look(5, DEPLOYED + timedelta(seconds=150))

    assert verdict is Verdict.INCONCLUSIVE
    assert metrics["latency_p95_seconds"] is Verdict.INCONCLUSIVE


def test_no_data_of_the_new_version_is_inconclusive(watched: Watched) -> None:
    watched.after = {key: samples.iloc[:0] for key, samples in watched.after.items()}

    assert watched.look(1, DEPLOYED + timedelta(seconds=60))[0] is Verdict.INCONCLUSIVE


def test_no_reference_is_inconclusive(watched: Watched) -> None:
    watched.reference = {}

    assert watched.look(1, DEPLOYED + timedelta(seconds=60))[0] is Verdict.INCONCLUSIVE


def test_a_server_that_does_not_answer_is_an_error(watched: Watched) -> None:
    verdict, metrics = watched.look(1, DEPLOYED + timedelta(seconds=60), down=True)

    assert verdict is Verdict.ERROR
    assert set(metrics.values()) == {Verdict.ERROR}


def test_the_samples_that_were_judged_come_along(watched: Watched) -> None:
    found = review(
        1,
        watched.release,
        [watched.service],
        watched.backends(),  # type: ignore[arg-type]
        watched.reference,
        watched.policies,
        DEPLOYED + timedelta(seconds=60),
    )

    judged = {one.spec.key: one for one in found.judgement.judgements}
    assert found.samples.keys() == judged.keys()
    assert all(len(found.samples[key]) == one.samples for key, one in judged.items())


class Refusing(FakeMetrics):
    """Refuses one query for good, and every query that is not known, as one for many metrics."""

    refused = "up"

    def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> pd.DataFrame:
        if query == self.refused or query not in self.answers:
            raise BackendError("Prometheus", "answered 400: no", status=400)
        return super().range(query, start, end, step)


def test_a_metric_whose_query_is_refused_costs_no_other(watched: Watched) -> None:
    metrics = Refusing(watched.backends().metrics().answers)
    metrics.refused = "sum(rate(shop_orders_total[1m]))"

    found = review(
        1,
        watched.release,
        [watched.service],
        FakeBackends(metrics),  # type: ignore[arg-type]
        watched.reference,
        watched.policies,
        DEPLOYED + timedelta(seconds=120),
    )

    verdicts = {one.spec.metric: one.verdict for one in found.judgement.judgements}
    assert {metric for metric, verdict in verdicts.items() if verdict is Verdict.ERROR} == {"orders"}


def test_the_metrics_of_two_services_are_asked_for_together(watched: Watched) -> None:
    backends = watched.backends()
    signals = watched.service.signals
    assert signals.metrics is not None
    other = watched.service.model_copy(
        update={
            "name": "payments",
            "business_metrics": (),
            "signals": signals.model_copy(
                update={"metrics": signals.metrics.model_copy(update={"selector": 'job="shop/payments"'})}
            ),
        }
    )

    at = DEPLOYED + timedelta(seconds=60)
    review(1, watched.release, [watched.service, other], backends, {}, watched.policies, at)  # type: ignore[arg-type]

    both = [query for query, *_ in backends.metrics().asked if "shop/checkout|shop/payments" in query]
    assert len(both) >= 3


class TwoServers:
    """The metrics of the catalogue are on a server of their own."""

    def __init__(self, own: FakeMetrics, other: FakeMetrics) -> None:
        self._own, self._other = own, other

    def metrics(self, service: Service) -> FakeMetrics:
        return self._other if service.name == "catalogue" else self._own


@pytest.mark.parametrize("down", [True, False], ids=["catalogue-down", "catalogue-fine"])
def test_a_service_one_hop_down_is_checked_before_blame(watched: Watched, down: bool) -> None:
    watched.change("error_ratio", lambda values: np.full_like(values, 0.3))
    catalogue = watched.service.model_copy(
        update={
            "name": "catalogue",
            "signals": watched.service.signals.model_copy(update={"metrics": None}),
            "business_metrics": (),
        }
    )
    (probe,) = metric_specs([catalogue], step=STEP)
    probed = watched.after["checkout", "availability"] * (0.0 if down else 1.0)
    calling = watched.service.model_copy(update={"dependencies": ("catalogue",)})

    found = review(
        1,
        watched.release,
        [calling],
        TwoServers(watched.backends().metrics(), FakeMetrics({probe.query: probed})),  # type: ignore[arg-type]
        {**watched.reference, probe.key: watched.reference["checkout", "availability"]},
        watched.policies,
        DEPLOYED + timedelta(seconds=60),
        called=beyond_release([calling], [calling, catalogue]),
    )

    assert found.judgement.explained == ({"checkout": "catalogue"} if down else {})


@pytest.mark.parametrize("away", [True, False], ids=["away", "without-data"])
def test_what_cannot_be_told_of_a_called_service_is_no_matter_of_the_release(
    watched: Watched, away: bool
) -> None:
    called = watched.service.model_copy(update={"name": "catalogue", "business_metrics": ()})

    found = review(
        1,
        watched.release,
        [watched.service],
        TwoServers(watched.backends().metrics(), FakeMetrics({}, down=away)),  # type: ignore[arg-type]
        watched.reference,
        watched.policies,
        DEPLOYED + timedelta(seconds=60),
        called=[called],
    )

    assert found.review.verdict is Verdict.GO
    assert {service for service, _ in found.samples} == {"checkout"}
