from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk.exceptions import TaskDeferred
from hypothesis import given
from hypothesis import strategies as st

from release_watch.artifacts.models import BaselineMetrics, Window
from release_watch.orchestration.run import ProtocolRun
from release_watch.orchestration.sensors.window import BaselineWindowSensor, next_review
from release_watch.orchestration.steps.watching import Outcome
from release_watch.verdict import Verdict
from tests.orchestration.fakes import START, context

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)
END = START + DAY
TASK = "baseline_window.watch"
CALM = Outcome(Verdict.GO, False, "")
ALARM = Outcome(Verdict.NO_GO, True, "checkout http.error_ratio")
SECONDS = st.integers(1, 7 * 86400)


@given(
    length=SECONDS,
    interval=SECONDS,
    after=st.timedeltas(timedelta(0), timedelta(days=7)),
)
def test_the_next_review_is_the_first_whole_interval_still_to_come(length, interval, after):
    end, moment = START + timedelta(seconds=length), START + after

    due = next_review(START, end, interval, moment)

    assert due <= end
    if moment >= end:
        assert due == end
    else:
        assert moment < due <= moment + timedelta(seconds=interval)
        assert due == end or (due - START) % timedelta(seconds=interval) == timedelta(0)


@given(length=SECONDS, interval=SECONDS)
def test_going_from_review_to_review_ends_at_the_end(length, interval):
    end, moment, reviews = START + timedelta(seconds=length), START, 0
    while moment < end and reviews < 50:
        moment, reviews = next_review(START, end, interval, moment), reviews + 1

    assert reviews == min(-(-length // interval), 50)


@given(before=st.timedeltas(timedelta(seconds=1), DAY))
def test_a_clock_that_lags_behind_does_not_bring_the_first_review_forward(before):
    assert next_review(START, END, 3600, START - before) == START + HOUR


@pytest.fixture
def reviews(monkeypatch):
    """Scripts what each review concludes (CALM when nothing is left) and collects the windows it saw."""
    script, seen = [], []

    def review(run, window):
        seen.append(window)
        return script.pop(0) if script else CALM

    monkeypatch.setattr("release_watch.orchestration.steps.watching.review_release", review)
    return script, seen


@pytest.fixture
def baselines(monkeypatch):
    """Scripts the verdict of each captured baseline; GO when nothing is left."""
    script = []

    def captured_baseline(run, kind, window, version):
        return BaselineMetrics(
            release_id=run.release.release_id,
            environment=run.release.environment,
            generated_at=window[1],
            kind=kind,
            window=Window(start=window[0], end=window[1]),
            verdict=script.pop(0) if script else Verdict.GO,
            reason=f"as scripted for {version}",
            metrics=(),
        )

    monkeypatch.setattr("release_watch.orchestration.steps.watching.captured_baseline", captured_baseline)
    return script


@pytest.fixture
def sensor(clock):
    return BaselineWindowSensor(task_id="watch")


def wakes_at(call, **params):
    """Return the absolute moment that ``call`` waits for."""
    with pytest.raises(TaskDeferred) as waiting:
        call(context(TASK, **params))
    assert waiting.value.method_name == "review"
    assert waiting.value.timeout is None
    trigger = waiting.value.trigger
    assert isinstance(trigger, DateTimeTrigger)
    assert trigger.serialize()[1]["moment"] == trigger.moment
    return trigger.moment


def test_the_window_opens_by_waiting_for_the_first_review(sensor):
    assert wakes_at(sensor.execute) == START + HOUR


def test_a_window_shorter_than_an_interval_is_reviewed_at_its_end(sensor):
    assert wakes_at(sensor.execute, baseline_window="PT10M") == START + timedelta(minutes=10)


def test_each_review_waits_for_the_next(sensor, clock, reviews):
    wakes_at(sensor.execute)
    clock.forward(hours=1)

    assert wakes_at(sensor.review) == START + 2 * HOUR
    assert reviews[1] == [(START, END)]


def test_a_late_review_keeps_to_the_grid(sensor, clock, reviews):
    wakes_at(sensor.execute)
    clock.forward(hours=3, minutes=20)

    assert wakes_at(sensor.review) == START + 4 * HOUR


def test_a_retry_keeps_the_end_that_was_promised(sensor, clock, reviews):
    wakes_at(sensor.execute)
    clock.forward(hours=23, minutes=30)

    assert wakes_at(sensor.execute) == END
    assert wakes_at(sensor.review) == END


def test_a_retry_after_the_end_reviews_at_once(sensor, clock):
    wakes_at(sensor.execute)
    clock.forward(hours=30)

    assert wakes_at(sensor.execute) == END


def test_the_window_ends_with_the_verdict_of_its_last_review(sensor, clock, reviews, baselines):
    wakes_at(sensor.execute)
    reviews[0].append(Outcome(Verdict.WARN, False, ""))
    clock.moment = END

    assert sensor.review(context(TASK)) == "WARN"


def test_a_finding_that_calls_for_a_response_ends_the_window_early(sensor, clock, reviews):
    wakes_at(sensor.execute)
    reviews[0].append(ALARM)
    clock.forward(hours=1)

    assert sensor.review(context(TASK)) == "NO_GO"


def test_after_the_question_was_answered_the_watch_runs_to_the_promised_end(
    sensor, clock, reviews, baselines
):
    wakes_at(sensor.execute)
    keep = BaselineWindowSensor(task_id="keep_watching", respond=False)
    reviews[0].extend([ALARM, ALARM])
    clock.forward(hours=5)

    assert wakes_at(keep.execute) == START + 6 * HOUR
    clock.forward(hours=1)
    assert wakes_at(keep.review) == START + 7 * HOUR
    clock.moment = END
    assert keep.review(context(TASK)) == "NO_GO"


def test_an_unconvincing_baseline_extends_the_window_by_half(sensor, clock, reviews, baselines):
    wakes_at(sensor.execute)
    baselines.append(Verdict.INCONCLUSIVE)
    clock.moment = END

    assert wakes_at(sensor.review) == END + HOUR
    clock.moment = END + DAY / 2
    assert sensor.review(context(TASK)) == "GO"
    assert reviews[1][-1] == (START, END + DAY / 2)


def test_a_retry_keeps_the_extension(sensor, clock, reviews, baselines):
    wakes_at(sensor.execute)
    baselines.append(Verdict.INCONCLUSIVE)
    clock.moment = END
    wakes_at(sensor.review)

    clock.forward(hours=11, minutes=30)

    assert wakes_at(sensor.execute) == END + DAY / 2


def test_it_is_extended_only_as_often_as_the_policy_allows(sensor, clock, reviews, baselines):
    wakes_at(sensor.execute)
    allowed = ProtocolRun.of(context()).config.policies.baseline.extensions
    baselines.extend([Verdict.INCONCLUSIVE] * (allowed + 5))
    clock.moment = END
    for _ in range(allowed):
        wakes_at(sensor.review)
        clock.moment += DAY / 2

    assert sensor.review(context(TASK)) == "GO"
    assert clock.moment == END + allowed * DAY / 2
