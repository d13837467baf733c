from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from release_watch.artifacts.models import Severity
from release_watch.catalog.models import LogsSignal, Service, Signals, Tier
from release_watch.errors import BackendError, NotConfiguredError
from release_watch.telemetry.logs import LineFilter, LogLine
from release_watch.verdict import Verdict
from release_watch.watch.new_errors import KnownErrors, Logs, Span, new_errors
from release_watch.watch.sightings import heard

DEPLOYED = datetime(2026, 3, 2, 12, tzinfo=UTC)
BEFORE = Span(DEPLOYED - timedelta(hours=8), DEPLOYED)
NOW = Span(DEPLOYED, DEPLOYED + timedelta(minutes=10))
USUAL = "connection to 10.0.0.1 refused"
NEW = "unhandled exception in /charges: no attribute currency of order 17"


def service(name: str = "payments", *, logs: bool = True) -> Service:
    signal = LogsSignal(selector=f'{{service_name="{name}"}}') if logs else None
    return Service(name=name, tier=Tier.CRITICAL, owner="team-money", signals=Signals(logs=signal))


def line(message: str, minutes: float, level: str = "error") -> LogLine:
    text = json.dumps({"level": level, "message": message})
    return LogLine(DEPLOYED + timedelta(minutes=minutes), {"service_name": "payments", "level": level}, text)


class FakeLoki:
    """Answers from lines, as a server does: newest first, cut to the limit."""

    def __init__(self, *lines: LogLine) -> None:
        self.all = list(lines)
        self.asked = 0

    def lines(
        self,
        selector: str,
        start: datetime,
        end: datetime,
        limit: int = 100,
        *,
        keep: Sequence[LineFilter] = (),
    ) -> list[LogLine]:
        self.asked += 1
        found = [one for one in self.all if start <= one.at <= end and self._kept(one, keep)]
        if "level=~" in selector:
            found = [one for one in found if one.labels["level"] == "error"]
        return sorted(found, key=lambda one: one.at, reverse=True)[:limit]

    def tally(
        self, selector: str, start: datetime, end: datetime, *, keep: Sequence[LineFilter] = ()
    ) -> dict[tuple[str, ...], int]:
        found = len(self.lines(selector, start, end, 10_000, keep=keep))
        return {(): found} if found else {}

    def streams(self, selector: str, start: datetime, end: datetime) -> list[dict[str, str]]:  # noqa: ARG002
        return [one.labels for one in self.all]

    def _kept(self, one: LogLine, keep: Sequence[LineFilter]) -> bool:
        return all(
            (f.text in one.text) if f.operator == "|=" else re.search(f.text, one.text) is not None
            for f in keep
        )


class FakeBackends:
    def __init__(self, loki: FakeLoki | Exception) -> None:
        self.loki = loki

    def logs(self, service: Service | None = None) -> FakeLoki:  # noqa: ARG002 - as the protocol has it
        if isinstance(self.loki, Exception):
            raise self.loki
        return self.loki


def looked(loki: FakeLoki | Exception, known: dict[str, KnownErrors] | None = None, now: Span = NOW) -> Logs:
    return new_errors([service()], FakeBackends(loki), known or {}, BEFORE, now)  # type: ignore[arg-type]


OLD = (line("started", -100, "info"), line(USUAL, -90))


def test_an_error_that_was_there_before_is_no_finding() -> None:
    told = heard(looked(FakeLoki(*OLD, line("connection to 10.9.9.9 refused", 5))).heard)

    assert told.sightings == ()
    assert [one.verdict for one in told.objectives] == [Verdict.GO]


def test_an_error_that_was_never_there_is_a_minor_finding_with_the_query_that_shows_it() -> None:
    told = heard(looked(FakeLoki(*OLD, line(NEW, 3), line(NEW, 4))).heard)

    (sighting,) = told.sightings
    assert (sighting.service, sighting.severity) == ("payments", Severity.MINOR)
    assert sighting.first_seen == DEPLOYED + timedelta(minutes=3)
    assert "2 times" in sighting.reason
    assert "no attribute currency of order <*>" in sighting.reason
    assert '|= "unhandled exception in /charges: no attribute currency of order"' in str(
        sighting.objective.query
    )
    assert told.objectives[0].verdict is Verdict.WARN


def test_an_error_that_the_sample_of_the_reference_missed_is_looked_for_in_all_of_it() -> None:
    crowd = [line(USUAL, -470 + n / 100) for n in range(300)]

    told = heard(looked(FakeLoki(*OLD, line(NEW, -471), *crowd, line(NEW, 3))).heard)

    assert told.sightings == ()


def test_a_finding_keeps_its_name_and_its_time_at_the_next_review() -> None:
    loki = FakeLoki(*OLD, line(NEW, 3), line(NEW.replace("17", "18"), 14))
    first = looked(loki)
    later = Span(DEPLOYED + timedelta(minutes=10), DEPLOYED + timedelta(minutes=20))

    again = looked(loki, first.known, later)

    (one,), (two,) = heard(first.heard).sightings, heard(again.heard).sightings
    assert (two.metric, two.first_seen) == (one.metric, one.first_seen)


def test_the_reference_is_read_once() -> None:
    loki = FakeLoki(*OLD)
    known = looked(loki).known
    asked = loki.asked

    looked(loki, known)

    assert loki.asked - asked <= 2


def test_an_error_at_info_level_is_none() -> None:
    assert (
        heard(looked(FakeLoki(*OLD, line("no error at all, fatal neither", 2, "info"))).heard).sightings == ()
    )


def test_without_lines_from_before_nothing_can_be_called_new() -> None:
    told = heard(looked(FakeLoki(line(NEW, 3))).heard)

    assert told.sightings == ()
    assert told.objectives[0].verdict is Verdict.INCONCLUSIVE
    assert told.unheard == {("payments", "log:")}


@pytest.mark.parametrize(
    ("away", "words"),
    [
        (NotConfiguredError("loki_default", "logs"), "AIRFLOW_CONN_LOKI_DEFAULT"),
        (BackendError("Loki", "http://loki did not answer"), "did not answer"),
    ],
    ids=["not-configured", "away"],
)
def test_a_server_that_is_away_is_inconclusive_and_says_what_to_do(away: Exception, words: str) -> None:
    logs = looked(away)

    told = heard(logs.heard)
    assert told.objectives[0].verdict is Verdict.INCONCLUSIVE
    assert words in told.objectives[0].reason
    assert told.unheard == {("payments", "log:")}
    assert logs.known == {}


def test_a_service_without_logs_is_not_asked() -> None:
    logs = new_errors([service(logs=False)], FakeBackends(ValueError()), {}, BEFORE, NOW)  # type: ignore[arg-type]

    assert logs.heard == ()
