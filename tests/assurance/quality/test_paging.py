"""Pages per shift and at night, by the clocks of those who are on call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from release_watch.artifacts.models import Window
from release_watch.assurance.quality.paging import paged_rotation, paging_of
from release_watch.catalog.policies import AlertQualityPolicy
from release_watch.catalog.rotation import Rotation
from tests.assurance.fakes import CONFIG

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
WEEK = Window(start=MONDAY, end=MONDAY + timedelta(days=7))
PEOPLE = [{"user": name, "name": name.title()} for name in ("ada", "ben")]


def at(hours: float) -> datetime:
    return MONDAY + timedelta(hours=hours)


def rotation(**more: Any) -> Rotation:
    given = {"people": PEOPLE, "starts_at": "2026-11-02T09:00:00+01:00", "shift_length": "P1D"}
    return Rotation.model_validate({**given, **more})


def paged(*hours: float, window: Window = WEEK, duty: Rotation | None = None, **policy: Any):
    return paging_of([at(hour) for hour in hours], window, AlertQualityPolicy(**policy), duty)


def test_without_a_rotation_shifts_are_those_of_the_policy():
    found = paged(1, 2, 3, 30)
    assert [(shift.start, shift.pages, shift.heavy) for shift in found.shifts] == [
        (at(0), 3, True),
        (at(24), 1, False),
    ]
    assert (found.busiest, found.heavy_shifts, found.quiet_shifts) == (3, 1, 12)
    assert found.pages_per_shift == 4 / 14


def test_shifts_of_eight_hours_are_more_shifts():
    assert paged(1, 9, 17, shift=timedelta(hours=8)).quiet_shifts == 21 - 3


def test_with_a_rotation_shifts_are_the_peoples_and_longer_ones_bear_more():
    found = paged(7, 9, 10, 11, 12, 13, duty=rotation())
    assert [(shift.person, shift.pages, shift.heavy) for shift in found.shifts] == [
        ("Ben", 1, False),
        ("Ada", 5, True),
    ]
    assert not paged(9, 10, 11, 12, duty=rotation()).heavy_shifts


def test_nights_are_those_of_the_place_where_people_are_on_call():
    home = rotation(time_zone="America/New_York", hand_over="09:00", starts_at="2026-11-02T09:00:00-05:00")
    hours = (2.9, 3, 11.9, 12)  # 21:54, 22:00, 06:54 and 07:00 in New York
    assert paged(*hours, duty=home).night_pages == 2
    assert paged(*hours).night_pages == 2  # 02:54 and 03:00 UTC


def test_a_page_at_the_very_end_of_the_window_is_in_its_last_shift():
    found = paged(7 * 24)
    assert [(shift.end, shift.pages) for shift in found.shifts] == [(WEEK.end, 1)]


def test_the_rotation_that_is_paged_first_counts():
    assert paged_rotation(CONFIG.oncall) == CONFIG.oncall.roles["oncall"]
    assert paged_rotation(None) is None
