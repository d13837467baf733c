"""All receivers of a release are read as one: the embedded by default, the others by their own records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from release_watch.catalog.policies import ReceiverKind, ReceiverSettings
from release_watch.drills.receipts import Acknowledgement, Page, Receipt, Receipts, Status
from release_watch.drills.receivers.asking import names
from release_watch.drills.receivers.connecting import receivers_of
from release_watch.drills.receivers.mailbox import MailboxSettings
from release_watch.drills.receivers.receiver import EmbeddedReceiver, Receiver, Receivers
from release_watch.errors import BackendError, NotConfiguredError
from tests.drills.receivers.answering import Answering

DRILL = "20261122T101500Z-0a1b2c3d-1"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def receipt(receiver: str, at: datetime = NOON, status: Status = "firing") -> Receipt:
    return Receipt(
        drill_id=DRILL, status=status, receiver=receiver, at=at, fingerprint="f", sha256="s", uri="u"
    )


class Pager:
    """A receiver of its own that has what the test gave it; ``asked`` counts the questions."""

    kind: ReceiverKind = "pagerduty"

    def __init__(self, name: str = "pager") -> None:
        self.name = name
        self.at: datetime | None = None
        self.by: Acknowledgement | None = None
        self.told: tuple[Page, ...] = ()
        self.failure: BackendError | None = None
        self.asked = 0

    def receipt(self, drill_id: str, status: Status) -> Receipt | None:
        assert drill_id == DRILL
        self.asked += 1
        if self.failure:
            raise self.failure
        return receipt(self.name, self.at, status) if self.at and status == "firing" else None

    def acknowledgement(self, drill_id: str) -> Acknowledgement | None:
        assert drill_id == DRILL
        return self.by

    def pages(self, drill_id: str) -> tuple[Page, ...]:
        assert drill_id == DRILL
        return self.told


class Watch:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def receipts(tmp_path: Path) -> Receipts:
    return Receipts.under(tmp_path)


@pytest.fixture
def pager() -> Pager:
    return Pager()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def receivers(receipts: Receipts, pager: Pager, watch: Watch) -> Receivers:
    return Receivers(receipts, {"pager": pager}, monotonic=watch)


def deliver(receipts: Receipts, receiver: str = "oncall", at: datetime = NOON) -> None:
    alert: dict[str, Any] = {"status": "firing", "labels": {"drill": "true", "drill_id": DRILL}}
    receipts.record({"receiver": receiver, "alerts": [alert]}, at)


def page(level: int, person: str, minutes: int) -> Page:
    at = NOON + timedelta(minutes=minutes)
    return Page(drill_id=DRILL, level=level, role="oncall", person=person, at=at, channel="mail")


def test_a_receiver_that_is_not_named_is_the_embedded_one(receivers: Receivers, receipts: Receipts):
    assert receivers.missing(DRILL, "firing", ["oncall", "pager"]) == ("oncall", "pager")
    deliver(receipts)
    found = receivers.find(DRILL, "firing", ["oncall"])
    assert found is not None
    assert (found.receiver, found.at) == ("oncall", NOON)
    assert receivers.missing(DRILL, "firing", ["oncall", "pager"]) == ("pager",)


def test_the_embedded_receipt_is_none_of_a_receiver_with_a_record_of_its_own(
    receivers: Receivers, receipts: Receipts
):
    deliver(receipts, "pager")
    assert receivers.find(DRILL, "firing", ["pager"]) is None


def test_of_several_receivers_the_earliest_receipt_is_found(
    receivers: Receivers, receipts: Receipts, pager: Pager
):
    deliver(receipts)
    pager.at = NOON - timedelta(seconds=1)
    for asked in (None, ["oncall", "pager"]):
        found = receivers.find(DRILL, "firing", asked)
        assert found is not None
        assert found.receiver == "pager"


def test_who_answered_first_counts_in_airflow_or_at_the_pager(
    receivers: Receivers, receipts: Receipts, pager: Pager
):
    deliver(receipts)
    receipts.acknowledge(DRILL, "mona", NOON + timedelta(minutes=3))
    pager.by = Acknowledgement("timo", NOON + timedelta(minutes=1))
    assert receivers.acknowledgement(DRILL) == ("mona", NOON + timedelta(minutes=3))  # the pager never had it
    pager.at = NOON
    fresh = Receivers(receipts, {"pager": pager})
    assert fresh.acknowledgement(DRILL) == ("timo", NOON + timedelta(minutes=1))


def test_pages_of_all_are_told_by_level_and_time(receivers: Receivers, receipts: Receipts, pager: Pager):
    receipts.record_page(page(1, "mona", 2))
    pager.told = (page(2, "timo", 5), page(1, "mona", 0))
    assert [(one.level, one.person) for one in receivers.pages(DRILL)] == [
        (1, "mona"),
        (1, "mona"),
        (2, "timo"),
    ]


def test_a_pager_that_has_nothing_yet_is_not_asked_at_every_look(
    receivers: Receivers, pager: Pager, watch: Watch
):
    for _ in range(5):
        assert receivers.find(DRILL, "firing", ["pager"]) is None
    assert pager.asked == 1
    watch.seconds = 6
    pager.at = NOON
    assert receivers.find(DRILL, "firing", ["pager"]) is not None


def test_what_a_pager_had_once_is_never_asked_again(receivers: Receivers, pager: Pager, watch: Watch):
    pager.at = NOON
    for watch.seconds in (0, 100, 200):
        assert receivers.find(DRILL, "firing", ["pager"]) is not None
    assert pager.asked == 1


def test_a_receiver_that_fails_is_no_receiver_without_a_receipt(receivers: Receivers, pager: Pager):
    pager.failure = BackendError("PagerDuty", "answered 503")
    with pytest.raises(BackendError, match="503"):
        receivers.find(DRILL, "firing", ["pager"])
    with pytest.raises(BackendError, match="503"):
        receivers.missing(DRILL, "firing", ["pager"])


def test_a_receiver_that_fails_does_not_hide_what_another_has(
    receivers: Receivers, receipts: Receipts, pager: Pager
):
    pager.failure = BackendError("PagerDuty", "answered 503")
    deliver(receipts)
    receipts.acknowledge(DRILL, "mona", NOON)
    assert receivers.find(DRILL, "firing") is not None
    assert receivers.acknowledgement(DRILL) == ("mona", NOON)


def test_the_embedded_receiver_tells_what_the_receipts_hold(receipts: Receipts):
    receiver: Receiver = EmbeddedReceiver("oncall", receipts)
    assert receiver.receipt(DRILL, "firing") is None
    deliver(receipts)
    receipts.acknowledge(DRILL, "mona", NOON)
    receipts.record_page(page(1, "mona", 0))
    found = receiver.receipt(DRILL, "firing")
    assert found is not None
    assert found.at == NOON
    assert receiver.acknowledgement(DRILL) == ("mona", NOON)
    assert [one.person for one in receiver.pages(DRILL)] == ["mona"]


@pytest.mark.parametrize(
    ("kind", "connection", "used"),
    [
        ("alerta", None, "alerta_default"),
        ("alerta", "alerta_team", "alerta_team"),
        ("pagerduty", None, "pagerduty_default"),
    ],
)
def test_a_kind_is_read_over_its_usual_connection_or_the_one_that_is_named(
    receipts: Receipts, kind: ReceiverKind, connection: str | None, used: str
):
    answering = Answering({"/alerts": {"alerts": []}, "/incidents": {"incidents": []}})
    known = {used: answering}
    settings = {"team": ReceiverSettings(kind=kind, connection=connection)}
    receivers = receivers_of(receipts, settings, known.__getitem__)
    assert receivers.find(DRILL, "firing", ["team"]) is None
    assert len(answering.asked) == 1


def test_a_receiver_without_its_connection_stops_the_test_before_anything_is_fired(receipts: Receipts):
    def missing(connection: str) -> Answering:
        raise NotConfiguredError(connection, "receiver team")

    with pytest.raises(NotConfiguredError, match="alerta_default"):
        receivers_of(receipts, {"team": ReceiverSettings(kind="alerta")}, missing)
    with pytest.raises(NotConfiguredError, match="mailbox_default"):
        receivers_of(receipts, {"team": ReceiverSettings(kind="mail")}, missing)


def test_connections_are_asked_only_for_what_is_named(receipts: Receipts, tmp_path: Path):
    settings = {"oncall": ReceiverSettings(), "mail": ReceiverSettings(kind="mail")}
    for name in ("new", "cur"):
        (tmp_path / "box" / name).mkdir(parents=True)
    mailboxes = {"mailbox_default": MailboxSettings(maildir=tmp_path / "box")}
    receivers = receivers_of(receipts, settings, {}.__getitem__, mailboxes.__getitem__)
    assert receivers.missing(DRILL, "firing", ["oncall", "mail"]) == ("oncall", "mail")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f"DRILL {DRILL}: please answer", True),
        (f"drill_id={DRILL}", True),
        (f"the last was {DRILL}.", True),
        (f"DRILL {DRILL}2: please answer", False),
        (f"x-{DRILL}", False),
        ("nothing", False),
    ],
)
def test_a_drill_is_named_by_its_whole_id_only(text: str, named: bool):
    assert names(text, DRILL) is named
