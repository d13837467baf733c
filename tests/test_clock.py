from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.clock import format_duration, in_words, now, parse_duration, rfc3339

DURATIONS = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400))


@given(DURATIONS)
def test_a_duration_survives_being_written_and_read(length: timedelta) -> None:
    assert parse_duration(format_duration(length)) == length


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("PT24H", timedelta(hours=24)),
        ("P2D", timedelta(days=2)),
        ("PT90S", timedelta(seconds=90)),
        ("P1DT2H3M4S", timedelta(days=1, hours=2, minutes=3, seconds=4)),
    ],
)
def test_iso_8601_durations_are_read(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["24", "24h", "1:30", "", "P", "PT", "-PT1H", "PT1X"])
def test_what_is_no_iso_8601_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|valid"):
        parse_duration(text)


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda moment: moment.year >= 1900))
def test_a_time_is_written_in_utc_with_milliseconds(moment: datetime) -> None:
    text = rfc3339(moment)

    assert text.endswith("Z")
    assert timedelta(0) <= moment - datetime.fromisoformat(text) < timedelta(milliseconds=1)


def test_a_time_of_another_zone_is_written_in_utc() -> None:
    moment = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))

    assert rfc3339(moment) == "2026-02-28T23:30:00.000Z"


def test_now_is_utc() -> None:
    assert now().utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=45), "45 s"),
        (timedelta(hours=2, minutes=5), "2 h 5 min"),
        (timedelta(days=2), "2 d"),
        (timedelta(milliseconds=1600), "2 s"),
    ],
)
def test_a_length_is_said_as_a_person_says_it(length: timedelta, words: str) -> None:
    assert in_words(length) == words
