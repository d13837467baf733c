"""Whatever counters do, no rule fails, nothing recorded is impossible, and no healthy service pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from release_watch.catalog.slos import Slo
from release_watch.slo.annotations import AlertText
from release_watch.slo.budget_rules import SloRules
from tests.slo.conftest import REQUESTS
from tests.slo.trials import History, Wanted, try_rules

STEPS = 120
"""Minutes: a sample and an evaluation each."""
FEW_FAILURES = 3
"""Fewer than would wake anybody."""


class Instance(NamedTuple):
    """One instance of a service: when it is scraped, how it counts, and when it begins anew."""

    traffic: float
    past: int
    past_failures: int
    born: int
    gap: tuple[int, int]
    reset: int
    gone: int
    failures: int
    seed: int


INSTANCES = st.builds(
    Instance,
    traffic=st.sampled_from([0, 0.01, 0.2, 3, 500]),
    past=st.sampled_from([0, 10, 1_000_000]),
    past_failures=st.sampled_from([0, 10, 100_000]),
    born=st.sampled_from([0, 0, 20, 90]),
    gap=st.tuples(st.integers(0, STEPS), st.sampled_from([0, 1, 3, 10, 45])),
    reset=st.integers(0, 2 * STEPS),
    gone=st.sampled_from([STEPS + 1, STEPS + 1, 60, 120]),
    failures=st.integers(0, FEW_FAILURES),
    seed=st.integers(0, 10_000),
).filter(lambda instance: instance.gap[0] > instance.born + 1)
SERVICES = st.lists(st.lists(INSTANCES, min_size=1, max_size=3), min_size=20, max_size=20)


def counters(instance: Instance, *, fails: bool) -> Iterator[tuple[str, str]]:
    """Yield the values of an instance's successes and failures; a failure's series may be born with it.

    It fails a few times, or at a tenth of the error budget, or not at all.
    """
    random = Random(instance.seed)
    old = instance.born == 0  # what is born later has no past
    good, bad = instance.past * old, instance.past_failures * old
    fails_at = {random.randrange(STEPS) for _ in range(instance.failures * fails)}
    budget_share = 0
    values: tuple[list[str], list[str]] = ([], [])
    for step in range(STEPS + 1):
        if step == instance.reset:
            good, bad = 0, 0
        arrived = int(instance.traffic) + (random.random() < instance.traffic % 1)
        budget_share += arrived
        failed = step in fails_at or (fails and not fails_at and budget_share > 10_000)
        if budget_share > 10_000:
            budget_share -= 10_000
        good, bad = good + arrived, bad + failed
        first, length = instance.gap
        scraped = instance.born <= step < instance.gone and not first <= step < first + length
        values[0].append(str(good) if scraped else "_")
        values[1].append(str(bad) if scraped and bad else "_")
    yield "200", " ".join(values[0])
    yield "500", " ".join(values[1])


def series(services: list[list[Instance]]) -> dict[str, str]:
    return {
        f'{REQUESTS}{{job="shop/checkout",service_case="{number}",instance="{place}",'
        f'http_response_status_code="{status}"}}': values
        for number, instances in enumerate(services)
        for place, instance in enumerate(instances)
        for status, values in counters(instance, fails=place == 0)
    }


@pytest.fixture
def forms(slo: Slo) -> list[Slo]:
    """The same objective over bad events, over good events, and over slices, each per service."""
    grouped = slo.model_copy(update={"group_by": ("service_case",)})
    good = f'{REQUESTS}{{job="shop/checkout",http_response_status_code!~"5.."}}'
    sliced = {"budgeting": "RatioTimeslices", "slice": timedelta(minutes=2), "name": "sliced"}
    return [
        grouped,
        grouped.model_copy(update={"bad": None, "good": good, "name": "by-good"}),
        grouped.model_copy(update=sliced),
    ]


@settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # making it smaller would take minutes
    suppress_health_check=list(HealthCheck),
)
@given(services=SERVICES)
def test_healthy_services_page_nobody_and_nothing_impossible_is_recorded(
    services: list[list[Instance]], forms: list[Slo], promtool: Path, tmp_path: Path
) -> None:
    everything = '{__name__=~"slo:.+"}'
    never = [
        f"count(sum({everything}) != sum({everything}))",
        f"count({everything} < 0)",
        'count({__name__=~"slo:(history|error_ratio):.+"} > 1.000001)',
    ]
    wanted = [Wanted(query, f"{minute}m", None) for minute in range(1, STEPS, 3) for query in never]
    paged = Wanted(
        f'count(count_over_time(ALERTS{{alertname="SloBurnRatePage"}}[{STEPS}m]))', f"{STEPS}m", None
    )
    minute = timedelta(minutes=1)
    groups = [
        group
        for slo in forms
        for group in SloRules(slo, "production", AlertText("", "", ""), minute, 2 * minute).groups()
    ]
    try_rules(promtool, tmp_path, groups, [History(series(services), [*wanted, paged])], step="1m")
