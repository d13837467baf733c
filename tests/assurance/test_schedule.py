from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from release_watch.assurance.checks import RUNNERS
from release_watch.assurance.schedule import CHECKS, NIGHTLY_CRON, next_run, observability_schedule
from release_watch.verdict import Verdict
from tests.assurance.fakes import CONFIG, NOW, release


def test_the_nightly_run_knows_how_to_run_exactly_the_scheduled_checks():
    assert list(RUNNERS) == [check.name for check in CHECKS]


def test_every_check_is_scheduled_with_cadence_role_and_next_run():
    schedule = observability_schedule(release(), CONFIG, NOW)
    assert schedule.verdict is Verdict.GO
    assert {check.check for check in schedule.checks} == set(RUNNERS)
    assert {check.cadence for check in schedule.checks} == {"P1D"}
    assert all(NOW < check.next_run <= NOW + timedelta(days=1) for check in schedule.checks)
    assert {check.runner for check in schedule.checks} == {"nightly_assurance"}


def test_a_role_without_anybody_is_no_go():
    roles = {role: rotation for role, rotation in CONFIG.oncall.roles.items() if role != "oncall"}
    nobody = CONFIG.oncall.model_copy(update={"roles": roles})
    schedule = observability_schedule(release(), CONFIG.model_copy(update={"oncall": nobody}), NOW)
    assert schedule.verdict is Verdict.NO_GO


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (datetime(2026, 11, 22, 1, tzinfo=UTC), datetime(2026, 11, 22, 2, 15, tzinfo=UTC)),
        (datetime(2026, 11, 22, 2, 15, tzinfo=UTC), datetime(2026, 11, 23, 2, 15, tzinfo=UTC)),
        (datetime(2026, 12, 31, 23, tzinfo=UTC), datetime(2027, 1, 1, 2, 15, tzinfo=UTC)),
        (
            datetime(2026, 11, 22, 1, tzinfo=timezone(timedelta(hours=5))),
            datetime(2026, 11, 22, 2, 15, tzinfo=UTC),
        ),
    ],
    ids=["later today", "exactly now is over", "over the year's end", "another time zone"],
)
def test_the_next_run_is_the_first_after(after, expected):
    assert next_run(after) == expected


def test_the_dag_and_the_schedule_name_the_same_time():
    minute, hour, *_ = NIGHTLY_CRON.split()
    assert (next_run(NOW).hour, next_run(NOW).minute) == (int(hour), int(minute))
