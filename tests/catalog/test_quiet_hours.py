"""When nobody is paged for a drill, and the other manners that policies.yaml sets."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_watch.catalog.documents import parse_documents
from release_watch.catalog.policies import DrillPolicy, Policies, ReceiverSettings
from release_watch.catalog.quiet_hours import QuietHours

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "UTC")


def quiet(begins: str, until: str, zone: str = "Europe/Berlin") -> QuietHours:
    return QuietHours.model_validate({"from": begins, "until": until, "time_zone": zone})


@pytest.mark.parametrize(
    ("hours", "at", "end"),
    [
        pytest.param(("22:00", "07:00"), "2026-01-10T20:59:59Z", None, id="just before"),
        pytest.param(("22:00", "07:00"), "2026-01-10T21:00:00Z", "2026-01-11T06:00:00Z", id="as they begin"),
        pytest.param(("22:00", "07:00"), "2026-01-11T05:59:59Z", "2026-01-11T06:00:00Z", id="after midnight"),
        pytest.param(("22:00", "07:00"), "2026-01-11T06:00:00Z", None, id="as they end"),
        pytest.param(("22:00", "07:00"), "2026-07-10T20:00:00Z", "2026-07-11T05:00:00Z", id="in summer"),
        pytest.param(("12:00", "13:00"), "2026-01-10T11:30:00Z", "2026-01-10T12:00:00Z", id="within a day"),
        pytest.param(("12:00", "13:00"), "2026-01-10T12:30:00Z", None, id="later that day"),
        pytest.param(("22:00", "07:00"), "2026-03-29T00:00:00Z", "2026-03-29T05:00:00Z", id="into summer"),
        pytest.param(("22:00", "07:00"), "2026-10-25T00:00:00Z", "2026-10-25T06:00:00Z", id="into winter"),
        pytest.param(("02:15", "03:00"), "2026-03-29T01:20:00Z", None, id="left out by the clocks"),
        pytest.param(("01:00", "02:30"), "2026-10-25T00:29:00Z", "2026-10-25T00:30:00Z", id="end twice"),
        pytest.param(("01:00", "02:30"), "2026-10-25T01:10:00Z", None, id="no second time"),
        pytest.param(("03:30", "02:30"), "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z", id="joined"),
    ],
)  # fmt: skip
def test_quiet_hours_hold_until_their_end(hours: tuple[str, str], at: str, end: str | None) -> None:
    found = quiet(*hours).end(datetime.fromisoformat(at))

    assert found == (datetime.fromisoformat(end) if end else None)


def test_the_same_moment_is_quiet_in_one_zone_and_not_in_another() -> None:
    at = datetime(2026, 1, 10, 21, 30, tzinfo=UTC)

    assert quiet("22:00", "07:00", "Europe/Berlin").end(at)
    assert quiet("22:00", "07:00", "America/New_York").end(at) is None


CLOCKS = st.times(max_value=time(23, 59)).map(lambda at: at.replace(second=0, microsecond=0))


@given(
    CLOCKS,
    CLOCKS,
    st.sampled_from(ZONES),
    st.datetimes(datetime(2009, 1, 1), datetime(2033, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds of a strategy are naive
)
@settings(deadline=None)
def test_any_moment_is_quiet_as_the_clocks_there_say(
    begins: time, until: time, zone: str, at: datetime
) -> None:
    if begins == until:
        until = time((begins.hour + 1) % 24, begins.minute)
    hours = QuietHours(from_=begins, until=until, time_zone=zone)
    there = ZoneInfo(zone)
    offsets = {(at + timedelta(days=day)).astimezone(there).utcoffset() for day in (-2, -1, 0, 1, 2)}

    end = hours.end(at)

    if end is not None:
        assert at < end
        assert hours.end(end) is None
        assert hours.end(end - timedelta(microseconds=1)) == end
    if len(offsets) == 1:
        clock = at.astimezone(there).time()
        within = begins <= clock < until if begins < until else clock >= begins or clock < until
        assert (end is not None) == within
        assert end is None or end.astimezone(there).time() == until


POLICY = """\
drill:
  quiet_hours: { from: "22:00", until: "07:00", time_zone: Europe/Berlin }
  per_receiver: 3
  every: PT1H
  receivers:
    sre-alerta: { kind: alerta, connection: alerta_default }
    pager: { kind: pagerduty }
"""


def test_the_manners_are_read_from_the_file() -> None:
    (document,), _ = parse_documents(POLICY, "policies.yaml")

    found, problems = document.parse(Policies, document.data)

    assert problems == []
    assert found is not None
    assert str(found.drill.quiet_hours) == "22:00 to 07:00 Europe/Berlin"
    assert (found.drill.per_receiver, found.drill.every) == (3, timedelta(hours=1))
    assert found.drill.receiver("sre-alerta").connection == "alerta_default"
    assert found.drill.receiver("pager") == ReceiverSettings(kind="pagerduty")


def test_a_receiver_that_is_not_named_is_the_embedded_one() -> None:
    assert DrillPolicy().receiver("oncall") == ReceiverSettings(kind="embedded", connection=None)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param('from: "22:00"', "from: 22:00", r'quiet_hours\.from: 1320: .*"22:00"', id="no quotes"),
        pytest.param('"07:00"', '"22:00"', r"quiet_hours\.until: '22:00': is the same as from", id="no time"),
        pytest.param("Europe/Berlin", "Berlin", r"quiet_hours\.time_zone: 'Berlin': is no IANA", id="zone"),
        pytest.param(", time_zone: Europe/Berlin", "", r"quiet_hours\.time_zone: missing", id="no zone"),
        pytest.param("per_receiver: 3", "per_receiver: 0", r"drill\.per_receiver: 0", id="none at all"),
        pytest.param("PT1H", "1h", r"drill\.every: '1h'", id="no duration"),
        pytest.param("pagerduty", "pager", r"pager\.kind: 'pager': .*did you mean 'pagerduty'", id="kind"),
        pytest.param(
            "kind: alerta,", "", r"sre-alerta\.connection: 'alerta_default': is not used by", id="connection"
        ),
    ],
)
def test_manners_that_are_unsound_are_refused(old: str, new: str, said: str) -> None:
    assert old in POLICY
    (document,), _ = parse_documents(POLICY.replace(old, new, 1), "policies.yaml")

    (problem,) = document.parse(Policies, document.data)[1]

    assert re.search(said, problem)
