"""Silences, as Alertmanager tells of them."""

from __future__ import annotations

from typing import Any

import pytest

from release_watch.assurance.quality.silences import Matcher, Silence, silenced, silences_in, silences_told
from release_watch.errors import BackendError
from release_watch.transport import Answer
from tests.assurance.fakes import FakeServer
from tests.assurance.quality.samples import at, fired


def told(**changes: Any) -> dict[str, Any]:
    matcher = {"name": "service", "value": "checkout|payments", "isRegex": True, "isEqual": True}
    given = {
        "startsAt": "2026-11-02T01:00:00.000Z",
        "endsAt": "2026-11-02T02:00:00.000Z",
        "matchers": [matcher],
    }
    return {**given, **changes}


def read(*silences: Any) -> list[Silence]:
    return silences_in(silences_told(FakeServer({"/api/v2/silences": Answer(200, list(silences))})))


def test_a_silence_is_read_with_its_times_and_matchers():
    assert read(told()) == [Silence(at(60), at(120), (Matcher("service", "checkout|payments", True, True),))]


def test_matchers_of_old_versions_mean_equality():
    (found,) = read(told(matchers=[{"name": "alertname", "value": "Errors", "isRegex": False}]))
    assert found.matchers == (Matcher("alertname", "Errors", False, True),)


@pytest.mark.parametrize(
    ("start", "quiet"),
    [(59, False), (60, True), (120, True), (121, False)],
    ids=["before", "from", "to", "after"],
)
def test_a_firing_is_silenced_if_it_began_in_the_silence(start, quiet):
    assert silenced(fired(start, 300), read(told())) is quiet


def test_a_pattern_that_cannot_be_read_silences_nothing():
    odd = [Silence(at(0), at(100), (Matcher("service", "(?P<", True, False),))]
    assert not silenced(fired(10, 20), odd)


def test_an_answer_of_another_form_is_an_error():
    with pytest.raises(BackendError, match="silences"):
        read({"id": "x"})
