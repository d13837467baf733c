"""Each night, approved changes of alerts are held against what followed them."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from release_watch.assurance import night_history, nightly
from release_watch.assurance.backlog.of_the_night import night_items, night_scope
from release_watch.assurance.checks import RUNNERS, Subject
from release_watch.assurance.nightly import night
from release_watch.assurance.quality import collecting
from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.assurance.reading import NightReading
from release_watch.assurance.registry import ActiveRelease
from release_watch.assurance.tuning.kept import Readable
from release_watch.errors import BackendError
from release_watch.response.incidents import Incident
from release_watch.slo.rulefile import to_yaml
from release_watch.verdict import Objective, Verdict
from tests.assurance.fakes import CONFIG, FakeBackends, FakeMetrics, FakeServer, release
from tests.assurance.tuning.tuned import AT, PROPOSAL_ID, groups, kept, rule, tuned

TONIGHT = AT + timedelta(days=14, hours=2)
SERVICES = ("checkout", "payments")


def entry(*rules: Any) -> ActiveRelease:
    return ActiveRelease(
        release=release("rel-1"),
        services=SERVICES,
        registered_at=AT,
        artifacts_uri="",
        rules={"ours": to_yaml(groups(*(rules or (tuned("rel-1"),))))},
    )


def firings(count: int) -> list[AlertInterval]:
    starts = [AT + timedelta(days=1, hours=12 * number) for number in range(count)]
    return [
        AlertInterval("HighErrorRate", "checkout", "page", at, at + timedelta(minutes=5)) for at in starts
    ]


def objectives(
    *rules: Any, tunings: Readable | None = None, seen: Any = ((), ()), found: BackendError | None = None
) -> list[Objective]:
    def followed(service: str) -> Any:
        assert service == "checkout"
        if found:
            raise found
        return seen

    tunings = tunings or Readable((kept(),))
    stub = SimpleNamespace(tunings=tunings, history=SimpleNamespace(followed=followed), at=TONIGHT)
    return list(RUNNERS["tunings"](Subject(entry(*rules), (), stub)))  # type: ignore[arg-type]


def test_a_refuted_change_is_no_go_and_says_what_to_do() -> None:
    (said,) = objectives(seen=(firings(20), ()))
    assert said.verdict is Verdict.NO_GO
    assert said.name == f"tuning of checkout (HighErrorRate, {PROPOSAL_ID})"
    for words in ("worse than expected", "DAG alert_tuning, action take_back"):
        assert words in said.reason


def test_a_change_of_which_nothing_can_be_said_yet_is_named() -> None:
    (said,) = objectives(seen=(firings(1), ()))
    assert said.verdict is Verdict.GO
    assert "nothing to judge by: 1 firings and 0 incidents" in said.reason


def test_a_change_that_the_release_does_not_have_is_named() -> None:
    (said,) = objectives(rule(expr="up == 0"), seen=(firings(20), ()))
    assert said.verdict is Verdict.WARN
    assert "not in force" in said.reason
    assert "run the back-test again" in said.reason


def test_without_a_change_there_is_nothing_to_hold_against() -> None:
    (said,) = objectives(tunings=Readable())
    assert (said.verdict, said.reason) == (Verdict.GO, "no approved change of an alert is in force")


def test_a_damaged_record_is_named_beside_the_others() -> None:
    said = objectives(tunings=Readable((kept(),), ("tune-1.json is damaged",)))
    assert [one.verdict for one in said] == [Verdict.INCONCLUSIVE, Verdict.GO]
    assert said[0].reason == "tune-1.json is damaged"


@pytest.mark.parametrize(
    ("verdict", "red"),
    [(Verdict.NO_GO, True), (Verdict.ERROR, True), (Verdict.INCONCLUSIVE, False), (Verdict.WARN, False)],
)
def test_only_what_was_found_needs_a_person(
    verdict: Verdict, red: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def runner(name: str, found: Verdict) -> Any:
        return lambda _: iter([Objective(name=name, verdict=found, reason="so it is")])

    runners = {name: runner(name, Verdict.GO) for name in RUNNERS} | {"tunings": runner("tunings", verdict)}
    monkeypatch.setattr(nightly, "RUNNERS", runners)
    stub: Any = SimpleNamespace(config=CONFIG, at=TONIGHT, since=AT, drifted=lambda _: ())
    assert night([entry()], stub, None).needs_person is red


def test_a_refuted_change_is_to_be_improved_until_it_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    (refuted,) = objectives(seen=(firings(20), ()))
    runners: dict[str, Any] = dict.fromkeys(RUNNERS, lambda _: iter(()))
    monkeypatch.setattr(nightly, "RUNNERS", {**runners, "tunings": lambda _: iter([refuted])})
    stub: Any = SimpleNamespace(config=CONFIG, at=TONIGHT, since=AT, drifted=lambda _: ())
    report = night([entry()], stub, None)
    (item,) = night_items(report, None, None, None, CONFIG)
    assert (item.kind, item.service, item.priority) == ("night-tunings", "checkout", "high")
    assert "take it back" in item.evidence
    assert night_scope(report, None, None, None).holds("night-tunings", "checkout")


class Reads:
    """What was read of alerts and incidents, and since when."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.since: list[datetime] = []

        def alerts(_: object, __: object, window: tuple[datetime, datetime], *___: object) -> Any:
            self.since.append(window[0])
            return firings(20)

        monkeypatch.setattr(night_history, "alerts_of", alerts)
        monkeypatch.setattr(collecting, "tickets_of", lambda *_: self)

    def incidents(self, since: datetime, _: object) -> list[Incident]:
        self.since.append(since)
        opened = AT + timedelta(days=2)
        return [Incident("1", "http://t", "down", "checkout", opened, None)]


def nights(tunings: Readable) -> NightReading:
    backends = FakeBackends(FakeMetrics(), tickets=FakeServer())
    return NightReading([entry()], backends, CONFIG, TONIGHT, None, None, tunings)  # type: ignore[arg-type]


def test_alerts_and_incidents_are_read_once_for_the_night_and_for_what_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads, found = Reads(monkeypatch), nights(Readable((kept(),)))
    last_day = found.history.alerts(SERVICES)
    assert [len(part) for part in found.history.followed("checkout")] == [20, 1]
    assert found.history.incidents(SERVICES) == []
    assert all(one.start >= found.since == TONIGHT - timedelta(days=1) for one in last_day)
    approved = kept().applied[0].applied_at
    assert reads.since == [approved, approved - collecting.CARRIED_OVER]


def test_without_a_change_only_the_last_day_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, found = Reads(monkeypatch), nights(Readable())
    found.history.alerts(SERVICES)
    found.history.incidents(SERVICES)
    last_day = TONIGHT - timedelta(days=1)
    assert reads.since == [last_day, last_day - collecting.CARRIED_OVER]


def test_a_firing_that_went_on_into_the_last_day_begins_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    Reads(monkeypatch)
    begun = TONIGHT - timedelta(days=1, minutes=2)
    long = AlertInterval("A", "checkout", "page", begun, begun + timedelta(minutes=5))
    monkeypatch.setattr(night_history, "alerts_of", lambda *_: [long])
    found = nights(Readable((kept(),)))
    assert found.history.alerts(SERVICES) == [long._replace(start=found.since, begun_before=True)]
