from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from airflow.sdk.exceptions import TaskDeferred

from release_watch.artifacts.models import BaselineMetrics, Window
from release_watch.orchestration.run import ProtocolRun
from release_watch.orchestration.sensors import window as sensor_module
from release_watch.orchestration.sensors.window import BaselineWindowSensor
from release_watch.orchestration.steps.watching import Outcome, Woken
from release_watch.orchestration.triggers.watch import ReviewTrigger
from release_watch.verdict import Verdict
from tests.orchestration.fakes import START, context

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)
END = START + DAY
TASK = "baseline_window.watch"
CALM = Outcome(Verdict.GO, False, "")
ALARM = Outcome(Verdict.NO_GO, True, "checkout http.error_ratio")
ASKED = [("prometheus_default", "a query")]


@pytest.fixture
def reviews(monkeypatch):
    """Scripts what each review concludes (CALM when nothing is left) and collects the windows it saw."""
    script, seen = [], []

    def review(run, window, woken):
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
def sensor(clock, monkeypatch):
    monkeypatch.setattr(sensor_module.between_reviews, "questions", lambda _: ASKED)
    return BaselineWindowSensor(task_id="watch")


def waits(call, *event, **params):
    """Return the arguments of the trigger that ``call`` waits with."""
    with pytest.raises(TaskDeferred) as waiting:
        call(context(TASK, **params), *event)
    assert waiting.value.method_name == "review"
    assert waiting.value.timeout is None
    assert isinstance(waiting.value.trigger, ReviewTrigger)
    return waiting.value.trigger.serialize()[1]


def wakes_at(call, *event, **params):
    """Return the absolute moment that ``call`` waits for."""
    return datetime.fromisoformat(waits(call, *event, **params)["moment"])


def test_the_window_opens_by_waiting_for_the_first_review(sensor):
    assert wakes_at(sensor.execute) == START + timedelta(minutes=5)


def test_until_then_it_asks_for_signs(sensor):
    waiting = waits(sensor.execute)

    assert waiting["asked"] == [list(one) for one in ASKED]
    assert (waiting["poll_seconds"], waiting["known"], waiting["waking"]) == (60, [], 3)


def test_a_window_shorter_than_an_interval_is_reviewed_at_its_end(sensor):
    assert wakes_at(sensor.execute, baseline_window="PT4M") == START + timedelta(minutes=4)


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


def test_a_review_that_a_sign_woke_is_followed_by_another_one_soon(sensor, clock, reviews):
    wakes_at(sensor.execute)
    clock.forward(hours=3, minutes=20)
    event = {"signs": ["checkout alert X fires"], "known": ["checkout alert X"], "away": None}

    waiting = waits(sensor.review, event)

    soon = START + timedelta(hours=3, minutes=25)
    assert datetime.fromisoformat(waiting["moment"]) == soon
    assert datetime.fromisoformat(waiting["quiet_until"]) == soon
    assert waiting["known"] == ["checkout alert X"]


def test_a_review_that_a_sign_woke_never_goes_beyond_the_next_one(sensor, clock, reviews):
    wakes_at(sensor.execute)
    clock.forward(hours=3, minutes=58)

    assert wakes_at(sensor.review, {"signs": ["s"], "known": ["s"], "away": None}) == START + 4 * HOUR


@pytest.mark.parametrize(
    ("event", "woken"),
    [
        pytest.param(None, Woken(), id="no event"),
        pytest.param(START, Woken(), id="the event of another trigger"),
        pytest.param(
            {"signs": ["a"], "known": ["a", "b"], "away": None}, Woken(("a",), ("a", "b")), id="signs"
        ),
        pytest.param(
            {"signs": [], "known": [], "away": {"since": "T1", "reason": "refused"}},
            Woken(unwatched="nothing could be asked between reviews since T1: refused"),
            id="still away",
        ),
        pytest.param(
            {"signs": [], "known": [], "away": {"since": "T1", "until": "T2", "reason": "refused"}},
            Woken(unwatched="nothing could be asked between reviews from T1 until T2: refused"),
            id="back again",
        ),
    ],
)
def test_what_the_trigger_tells(event, woken):
    assert Woken.of(event) == woken


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
