"""Of twenty healthy deployments in a row under seasonal load every third, judged from a real Prometheus.

``python -m benchmarks healthy`` judges all of them, each with its broken twins: that takes some minutes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.healthy import SEED, Looked, Reference, Watch, is_found, review_moments, watching
from benchmarks.healthy_history import CALLED, CALLING, DOWN, FAULTS
from release_watch.artifacts.models import FindingState, Severity
from release_watch.verdict import Verdict

DEPLOYMENTS = 20
JUDGED = range(1, DEPLOYMENTS + 1, 3)
LAST_LOOK_WITHIN_MINUTES = 130
BROKEN = 13
"""The deployment whose twins have a fault: at six in the morning, when traffic begins to rise."""


@pytest.fixture(scope="module")
def watch() -> Iterator[Watch]:
    with watching(DEPLOYMENTS, SEED, broken=[BROKEN]) as ready:
        yield ready


@pytest.fixture(scope="module")
def references(watch: Watch) -> dict[int, Reference]:
    return {number: watch.reference(watch.release(number)) for number in JUDGED}


def test_the_deployments_fall_on_all_times_of_day_and_are_looked_at_densely_at_first(watch: Watch) -> None:
    hours = {watch.plan.deployed_at(number).hour for number in JUDGED}
    assert {hour // 6 for hour in hours} == {0, 1, 2, 3}
    release = watch.release(1)
    minutes = [int((at - release.deployed_at).total_seconds() / 60) for at in review_moments(release)]
    assert len(minutes) >= 6
    assert minutes == sorted(minutes)
    assert minutes[-1] <= LAST_LOOK_WITHIN_MINUTES


def test_healthy_deployments_end_with_no_finding(watch: Watch, references: dict[int, Reference]) -> None:
    last: dict[int, Looked] = {}
    for number, reference in references.items():
        assert reference.verdict is Verdict.GO, reference.reason
        *_, last[number] = watch.looks(number, reference)

    assert {number: looked.findings for number, looked in last.items() if looked.findings} == {}
    assert {looked.verdict for looked in last.values()} == {Verdict.GO}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_same_deployment_with_a_fault_is_found_and_blamed_on_the_right_service(
    watch: Watch, references: dict[int, Reference], fault: str
) -> None:
    service, _, _ = FAULTS[fault]
    found = next(
        looked for looked in watch.looks(BROKEN, references[BROKEN], fault) if is_found(looked, fault)
    )
    assert {one.service for one in found.findings if one.state is FindingState.OPEN} == {service}


def test_a_service_that_the_release_calls_goes_down_and_is_blamed_instead_of_the_release(
    watch: Watch, references: dict[int, Reference]
) -> None:
    *_, last = watch.looks(BROKEN, references[BROKEN], DOWN)

    still = {(one.service, one.metric): one for one in last.findings if one.state is FindingState.OPEN}
    assert (CALLED, "availability") in still
    assert f"its dependency {CALLED} is worse too" in still[CALLING, "error_ratio"].reason
    assert {one.severity for one in still.values()} == {Severity.MAJOR}
    assert {service for service, _ in still} == {CALLED, CALLING}
