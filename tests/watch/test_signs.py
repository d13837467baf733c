from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.catalog.policies import JudgePolicy
from release_watch.judge.spec import Direction
from release_watch.watch.attention import CALM, SIGN, Attention, polls_to_wake, signs_in
from release_watch.watch.signs import Bound, alert_query, signal_query

SINCE = datetime(2026, 3, 2, 9, tzinfo=UTC)
ERRORS = Bound("checkout error_ratio", "sum(rate(e[4m])) / sum(rate(t[4m]))", 0.005, Direction.UP)
UP = Bound("checkout availability", "avg(probe_success)", 0.98, Direction.DOWN)


def test_the_queries_are_promql() -> None:
    promql_parser.parse(signal_query([ERRORS, UP]))
    promql_parser.parse(alert_query(["checkout", "pay.ments"], "production", SINCE))


def test_each_signal_is_held_against_its_bound() -> None:
    query = signal_query([ERRORS, UP])

    assert f"({ERRORS.query}) > 0.005" in query
    assert f"({UP.query}) < 0.98" in query
    assert f'"{SIGN}", "checkout availability"' in query


def test_alerts_are_those_of_the_services_since_the_deployment_without_drills() -> None:
    query = alert_query(["checkout", "payments"], "production", SINCE)

    assert f"> {SINCE.timestamp():.0f}" in query
    assert 'service=~"checkout|payments"' in query
    assert 'alertstate="firing"' in query
    assert query.count('drill=""') == query.count('drill_id=""') == 2


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param(
            {SIGN: "checkout error_ratio"},
            ("checkout error_ratio", "checkout error_ratio is at 0.25, out of its normal range"),
            id="signal",
        ),
        pytest.param(
            {"alertname": "HighLatency", "service": "checkout"},
            ("checkout alert HighLatency", "checkout alert HighLatency fires"),
            id="alert",
        ),
        pytest.param(
            {"alertname": "SloBurnRatePage", "service": "checkout", "slo": "orders"},
            ("checkout alert SloBurnRatePage orders", "checkout alert SloBurnRatePage orders fires"),
            id="alert of an SLO",
        ),
    ],
)
def test_an_answer_becomes_signs(labels: dict[str, str], expected: tuple[str, str]) -> None:
    body = {"status": "success", "data": {"result": [{"metric": labels, "value": [1.0, "0.25"]}]}}

    assert signs_in(body) == dict([expected])


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        None,
        {},
        {"status": "error", "error": "parse error"},
        {"status": "success", "data": {"result": [{"metric": {}}]}},
    ],
)
def test_what_is_no_answer_is_told_from_no_signs(body: object) -> None:
    with pytest.raises(ValueError):
        signs_in(body)


def looks(polls: list[set[str]], **given: object) -> list[list[str]]:
    attention = Attention(**given)  # type: ignore[arg-type]
    return [attention.look(signs) for signs in polls]


def test_a_sign_that_stays_wakes_once() -> None:
    assert looks([{"a"}] * 20) == [[], ["a"], *([[]] * 18)]


def test_a_spike_of_one_poll_wakes_nobody() -> None:
    assert looks([{"a"}, set()] * 5) == [[]] * 10


def test_a_sign_that_flickers_does_not_wake_again_before_it_was_calm() -> None:
    polls = [{"a"}, {"a"}, *([set()] * (CALM - 1)), {"a"}, {"a"}, *([set()] * CALM), {"a"}, {"a"}]

    woken = [number for number, fresh in enumerate(looks(polls)) if fresh]

    assert woken == [1, len(polls) - 1]


def test_a_second_sign_wakes_by_itself() -> None:
    assert looks([{"a"}, {"a"}, {"a", "b"}, {"a", "b"}]) == [[], ["a"], [], ["b"]]


def test_what_a_review_has_seen_wakes_none() -> None:
    assert looks([{"a"}] * 5, known=["a"]) == [[]] * 5


def test_a_sign_of_the_quiet_time_wakes_after_it() -> None:
    attention = Attention()

    assert [attention.look({"a"}, quiet=quiet) for quiet in (True, True, True, False)] == [[], [], [], ["a"]]


def test_a_review_by_its_time_counts_as_having_seen_what_lasts() -> None:
    attention = Attention()
    attention.look({"a", "b"}, quiet=True)
    attention.look({"a"}, quiet=True)

    assert attention.known == ["a"]


@given(polls=st.lists(st.sets(st.sampled_from("abc")), max_size=40), waking=st.integers(2, 4))
def test_between_two_wakes_of_a_sign_it_was_calm(polls: list[set[str]], waking: int) -> None:
    for sign in "abc":
        woken = [n for n, fresh in enumerate(looks(polls, waking=waking)) if sign in fresh]
        for number in woken:
            assert all(sign in polls[n] for n in range(number - waking + 1, number + 1))
        for one, two in pairwise(woken):
            between = "".join("1" if sign in polls[n] else "0" for n in range(one, two))
            assert "0" * CALM in between


@pytest.mark.parametrize(
    ("step", "poll", "expected"),
    [(60, 60, 3), (60, 30, 6), (2, 5, 2)],
    ids=["as often as samples", "twice as often", "rarer"],
)
def test_a_sign_lasts_as_long_as_the_judge_asks_for(step: float, poll: float, expected: int) -> None:
    polls = polls_to_wake(JudgePolicy(), timedelta(seconds=step), timedelta(seconds=poll))

    assert polls == expected
