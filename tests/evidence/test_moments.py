from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.clock import rfc3339
from release_watch.evidence.moments import moments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:00:10.250Z", "2026-01-02T03:00:10.250Z"),
        ("at 2026-01-02 03:00 UTC.", "2026-01-02T03:00:00.000Z"),
        ("2026-01-02 03:00", "2026-01-02T03:00:00.000Z"),
        ("2026-01-02T04:00+01:00", "2026-01-02T03:00:00.000Z"),
        ("2026-01-02", "2026-01-02T00:00:00.000Z"),
        ("02.01.2026 03:00", "2026-01-02T03:00:00.000Z"),
        ("January 2nd, 2026 at 3:00 PM UTC", "2026-01-02T15:00:00.000Z"),
        ("2 Jan. 2026, 12:30 a.m.", "2026-01-02T00:30:00.000Z"),
    ],
)
def test_a_moment_is_found_however_it_is_written(text: str, expected: str) -> None:
    (found,) = moments(text)

    assert rfc3339(found.earliest) == expected


@pytest.mark.parametrize(
    "text", ["2026-13-01", "2026-01-02 03:00 CET", "2026-01-02 25:00", "1.2.3", "12:00", ""]
)
def test_what_is_no_certain_moment_is_left_out(text: str) -> None:
    assert moments(text) == []


@given(st.text(alphabet="0123456789-.:TZ+ JanPM,", max_size=60))
def test_no_text_breaks_the_search(text: str) -> None:
    assert all(moment.earliest <= moment.latest for moment in moments(text))
