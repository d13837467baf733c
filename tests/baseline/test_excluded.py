from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from release_watch.artifacts.models import ExcludedWindow
from release_watch.baseline.capture import reference_window
from release_watch.baseline.excluded import (
    LEAD,
    LONGEST_TOLD,
    SETTLE,
    RolledBack,
    of_drills,
    of_incidents,
    of_rollbacks,
    reaching,
    usable,
    within,
    without,
)
from release_watch.catalog.policies import BaselinePolicy, Policies
from release_watch.drills.history import PastDrill
from release_watch.release import Release
from release_watch.response.incidents import Incident
from release_watch.verdict import Verdict
from tests.judge import series

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def span(start: int, end: int, service: str | None = None) -> ExcludedWindow:
    return ExcludedWindow(start=NOON + start * MINUTE, end=NOON + end * MINUTE, reason="r", service=service)


def test_an_incident_counts_from_before_its_ticket_until_after_its_end() -> None:
    closed = Incident("1", "http://t/1", "checkout is slow", "checkout", NOON, NOON + 60 * MINUTE)
    still_open = Incident("2", "", "all is slow", None, NOON, None)

    first, second = of_incidents([closed, still_open], NOON + 90 * MINUTE, MINUTE)

    assert (first.start, first.end) == (NOON - LEAD, NOON + 60 * MINUTE + SETTLE)
    assert (first.service, first.reason) == ("checkout", "incident http://t/1: checkout is slow")
    assert (second.service, second.end) == (None, NOON + 90 * MINUTE + SETTLE)


def test_a_ticket_that_nobody_closes_counts_for_a_day() -> None:
    forgotten = Incident("1", "", "checkout is slow", "checkout", NOON, None)
    closed_late = forgotten._replace(closed_at=NOON + timedelta(days=20))

    spans = list(of_incidents([forgotten, closed_late], NOON + timedelta(days=30), MINUTE))

    assert {one.end for one in spans} == {NOON + LONGEST_TOLD + SETTLE}


def test_an_incident_whose_times_are_known_counts_by_them() -> None:
    incident = Incident("1", "", "checkout is slow", "checkout", NOON, NOON + timedelta(days=3))
    told = incident._replace(began_at=NOON - 90 * MINUTE, ended_at=NOON + 5 * MINUTE)

    (only,) = of_incidents([told], NOON + timedelta(days=3), MINUTE)

    assert (only.start, only.end) == (NOON - 90 * MINUTE, NOON + 5 * MINUTE + SETTLE)


def test_where_steps_are_seconds_lead_and_settling_are_shorter() -> None:
    incident = Incident("1", "", "checkout is slow", "checkout", NOON, NOON + 5 * MINUTE)

    (only,) = of_incidents([incident], NOON + 9 * MINUTE, timedelta(seconds=2))

    assert (only.start, only.end) == (NOON - MINUTE, NOON + 5.5 * MINUTE)


def test_a_drill_counts_until_its_last_hop() -> None:
    drill = PastDrill(
        drill_id="d1",
        kind="full",
        environment="production",
        release_id="r",
        service="checkout",
        severity="page",
        receiver="oncall",
        receivers=("oncall",),
        route=(),
        at=NOON,
        seconds={"fired": 5.0, "resolved": 600.0},
        verdict=Verdict.GO,
    )

    (only,) = of_drills([drill])

    assert (only.start, only.end) == (NOON, NOON + 10 * MINUTE)
    assert (only.service, only.reason) == ("checkout", "drill d1")


def test_a_release_that_was_rolled_back_counts_for_its_services() -> None:
    bad = RolledBack("shop-1.1.0", ("checkout",), NOON, NOON + 15 * MINUTE, NOON + 20 * MINUTE)
    lost = bad._replace(services=("payments",), finished_at=None)

    first, second = of_rollbacks([bad, lost], NOON + timedelta(days=9), MINUTE)

    assert (first.start, first.end) == (NOON, NOON + 20 * MINUTE + SETTLE)
    assert (first.service, first.reason) == ("checkout", "release shop-1.1.0 was rolled back")
    assert (second.service, second.end) == ("payments", NOON + 15 * MINUTE + LONGEST_TOLD + SETTLE)


def test_samples_in_excluded_spans_of_the_service_are_left_out() -> None:
    samples = series.at([float(n) for n in range(10)], start=pd.Timestamp(NOON))

    left = without(samples, "a", [span(2, 4), span(3, 5, "a"), span(7, 9, "b")])

    assert left.tolist() == [0, 1, 5, 6, 7, 8, 9]


def test_only_what_touches_the_window_is_named() -> None:
    window = (NOON, NOON + 10 * MINUTE)

    assert within(window, [span(8, 20), span(10, 20), span(-5, 0), span(-5, 1)]) == (span(-5, 1), span(8, 20))


def test_a_window_reaches_back_for_what_is_excluded_up_to_twice_its_length(
    release: Release, policies: Policies
) -> None:
    end = release.deployed_at - policies.baseline.offset
    bad = ExcludedWindow(
        start=end - 2 * MINUTE,
        end=end - MINUTE,
        reason="incident",
        service="checkout",
    )
    forever = bad.model_copy(update={"start": end - timedelta(days=1)})
    other = bad.model_copy(update={"service": "payments"})

    assert reference_window(release, policies, excluded=[bad]) == (end - 5 * MINUTE, end)
    assert reference_window(release, policies, excluded=[forever]) == (end - 8 * MINUTE, end)
    assert reference_window(release, policies, excluded=[other]) == (end - 4 * MINUTE, end)


@pytest.mark.parametrize(
    ("given", "offset"),
    [
        pytest.param({}, 10, id="five-steps"),
        pytest.param({"reference_offset": "PT1M"}, 60, id="as-the-policy-says"),
        pytest.param({"step": "PT2M"}, 240, id="at-most-the-window"),
    ],
)
def test_a_reference_ends_before_the_deployment_was_prepared(
    release: Release, policies: Policies, given: dict[str, str], offset: int
) -> None:
    rules = policies.baseline.model_dump(mode="json") | given
    own = policies.model_copy(update={"baseline": BaselinePolicy.model_validate(rules)})

    start, end = reference_window(release, own)

    assert (end, end - start) == (release.deployed_at - timedelta(seconds=offset), 4 * MINUTE)


def test_a_reference_that_ended_too_long_ago_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be at most the reference_window, PT4M"):
        BaselinePolicy.model_validate({"reference_window": "PT4M", "reference_offset": "PT5M"})


@given(
    spans=st.lists(st.tuples(st.integers(-200, 10), st.integers(0, 60), st.sampled_from([None, "a", "b"])))
)
def test_a_reaching_window_has_enough_time_or_reaches_as_far_as_it_may(
    spans: list[tuple[int, int, str | None]],
) -> None:
    excluded = [span(start, start + length, service) for start, length, service in spans]
    length = 30 * MINUTE

    start, end = reaching(NOON, length, ["a", "b"], excluded)

    assert end == NOON
    assert length <= end - start <= 2 * length
    if end - start < 2 * length:
        assert min(usable((start, end), service, excluded) for service in ("a", "b")) >= length


@pytest.mark.parametrize("service", ["a", "b"])
def test_time_that_two_spans_exclude_is_lost_once(service: str) -> None:
    window = (NOON, NOON + 10 * MINUTE)

    assert usable(window, service, [span(1, 4), span(2, 5, "a"), span(2, 5, "b")]) == 6 * MINUTE
