from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.assurance.backlog import (
    Amended,
    BacklogItem,
    LivingBacklog,
    Origin,
    Scope,
    amended,
    backlog_items,
    copied,
    entries,
    filed,
    improvement,
    scope_of,
)
from release_watch.catalog.config import load_config
from release_watch.dashboards.models import DashboardActivation
from release_watch.errors import BackendError
from release_watch.evidence.models import AuditFinding
from release_watch.response.attachments import Attachment
from release_watch.response.incidents import Incident, TicketRef
from release_watch.verdict import Verdict


def test_findings_of_the_quality_audit_become_items_of_their_owner() -> None:
    finding = AuditFinding(
        severity="high", service="checkout", title="no error series", detail="QA-4", source="audit.json:3"
    )
    config = load_config()
    (item,) = backlog_items(None, None, None, None, config, audited=[finding])
    assert item.priority == "high"
    assert item.owner == config.catalog.get("checkout").owner
    assert "audit.json:3" in item.evidence


@pytest.mark.parametrize(("activated", "items"), [(True, 0), (False, 1)])
def test_dashboards_that_were_not_activated_become_one_item(activated: bool, items: int) -> None:
    boards = [
        DashboardActivation(
            uid=f"u{n}", title="t", activated=activated, verdict=Verdict.WARN, reason="no Grafana"
        )
        for n in range(3)
    ]
    assert len(backlog_items(None, None, None, None, load_config(), dashboards=boards)) == items


MORNING = datetime(2026, 11, 2, 2, 15, tzinfo=UTC)
NIGHT = Origin("production", "night")
KINDS = ("coverage", "drill")
ITEMS = [
    improvement(
        kind,
        service,
        "cause",
        title=f"{kind} of {service}: a|b_c *d*",
        evidence="seen",
        priority="high",
        owners={},
    )
    for kind in KINDS
    for service in ("checkout", "payments")
]
EVERYTHING = Scope(frozenset(KINDS), frozenset({"checkout", "payments"}))


def night(text: str | None, items: list[BacklogItem], number: int, scope: Scope = EVERYTHING) -> Amended:
    return amended(text, items, NIGHT, MORNING + timedelta(days=number), scope=scope)


def state(text: str, item: BacklogItem) -> str:
    return next(entry for entry in entries(text) if entry.item_id == item.item_id).state


def test_an_item_is_closed_when_its_cause_is_gone_and_opened_when_it_is_back() -> None:
    first = night(None, ITEMS[:1], 0)
    second = night(first.text, [], 1)
    third = night(second.text, ITEMS[:1], 2)
    assert (first.added, second.closed, third.reopened) == ((ITEMS[0].item_id,),) * 3
    assert [state(one.text, ITEMS[0]) for one in (first, second, third)] == ["open", "closed", "open"]
    assert "gone: 2026-11-03" in third.text
    assert "back: 2026-11-04" in third.text


@pytest.mark.parametrize(
    "scope",
    [
        Scope(frozenset({"drill"}), frozenset({"checkout"})),
        Scope(frozenset({"coverage"}), frozenset({"payments"})),
    ],
    ids=["another-kind", "another-service"],
)
def test_what_was_not_looked_at_stays_open(scope: Scope) -> None:
    text = night(None, ITEMS[:1], 0).text
    assert night(text, [], 1, scope).text == text


@pytest.mark.parametrize("words", ["accepted until March", "in work", "closed"])
def test_a_state_that_a_person_wrote_stays(words: str) -> None:
    text = night(None, ITEMS[:1], 0).text.replace("state: open", f"state: {words}")
    assert night(text, [], 1).text == text
    assert night(text, ITEMS[:1], 1).text == text


def test_a_later_document_without_the_cause_closes_nothing_where_a_source_could_not_be_read() -> None:
    assert not scope_of(["checkout"], None, None, None, None).kinds


@given(st.lists(st.tuples(st.sets(st.sampled_from(range(len(ITEMS)))), st.booleans()), max_size=6))
def test_over_nights_every_cause_stands_once_and_is_open_as_it_was_last_seen(
    nights: list[tuple[set[int], bool]],
) -> None:
    text: str | None = None
    expected: dict[int, str] = {}
    for number, (found, looked) in enumerate(nights):
        items = [ITEMS[index] for index in sorted(found)]
        scope = EVERYTHING if looked else Scope()
        after = night(text, items, number, scope)
        assert night(after.text, items, number, scope).text == after.text
        text = after.text
        if looked:
            expected = dict.fromkeys(expected, "closed")
        expected |= dict.fromkeys(found, "open")
    seen = [(entry.item_id, entry.state) for entry in entries(text or "")]
    assert sorted(seen) == sorted((ITEMS[index].item_id, how) for index, how in expected.items())


class Tracker:
    """Tickets in memory, with the failure of a tracker that goes away after some calls."""

    def __init__(self, calls: int = 1000) -> None:
        self.by_key: dict[str, tuple[TicketRef, str]] = {}
        self.states: dict[str, str] = {}
        self.left = calls

    def _called(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise BackendError("tracker", "is away")

    def create_once(self, key: str, title: str, body: str) -> TicketRef:
        self._called()
        assert "owner: nobody yet" in body
        ref, _ = self.by_key.setdefault(key, (TicketRef(str(len(self.by_key) + 1), f"http://t/{key}"), title))
        self.states.setdefault(ref.id, "open")
        return ref

    def update(self, ticket: TicketRef, note: str) -> None:
        raise AssertionError(f"{ticket.id}: no note is needed: {note}")

    def close(self, ticket: TicketRef, note: str) -> None:
        self._called()
        assert "2026-11" in note
        self.states[ticket.id] = "closed"

    def reopen(self, ticket: TicketRef, note: str) -> None:
        self._called()
        assert "2026-11" in note
        self.states[ticket.id] = "open"

    def attach(self, ticket: TicketRef, attachment: Attachment) -> bool:
        raise AssertionError(f"{ticket.id}: no file is needed: {attachment.name}")

    def incidents(self, since: datetime, services: Iterable[str]) -> list[Incident]:
        raise AssertionError(f"nobody reads incidents of {services} since {since}")


def last(text: str, tracker: Tracker) -> str:
    """Return the backlog after filing, also where the tracker went away in the middle of it."""
    try:
        for changed in filed(text, tracker, "production"):
            text = changed
    except BackendError:
        pass
    return text


@pytest.mark.parametrize("calls", range(5))
def test_each_item_has_one_ticket_even_if_the_tracker_went_away(calls: int) -> None:
    tracker = Tracker(calls)
    text = last(night(None, ITEMS, 0).text, tracker)
    assert len(tracker.by_key) == min(calls, len(ITEMS))
    tracker.left = 1000
    text = last(text, tracker)
    assert last(text, tracker) == text
    assert len(tracker.by_key) == len(ITEMS)
    assert tracker.by_key[f"production-{ITEMS[0].item_id}"][1] == ITEMS[0].title


def test_a_ticket_is_closed_and_opened_again_with_its_item() -> None:
    tracker = Tracker()
    text = last(night(None, ITEMS[:1], 0).text, tracker)
    for number, (found, how) in enumerate([([], "closed"), (ITEMS[:1], "open"), ([], "closed")], 1):
        text = last(night(text, found, number).text, tracker)
        assert list(tracker.states.values()) == [how]


class Refusing(Tracker):
    """Answers every call about some tickets with a status of its own."""

    def __init__(self, status: int, *tickets: str) -> None:
        super().__init__()
        self.status, self.tickets = status, tickets

    def _refuse(self, ticket: TicketRef) -> None:
        if ticket.id in self.tickets:
            raise BackendError("tracker", f"refused ticket {ticket.id}", status=self.status)

    def close(self, ticket: TicketRef, note: str) -> None:
        self._refuse(ticket)
        super().close(ticket, note)

    def reopen(self, ticket: TicketRef, note: str) -> None:
        self._refuse(ticket)
        super().reopen(ticket, note)


def test_a_ticket_that_is_refused_keeps_no_other_from_being_closed_and_is_named() -> None:
    tracker = Refusing(403, "1")
    text = last(night(None, ITEMS, 0).text, tracker)
    gone = night(text, [], 1).text
    first = entries(gone)[0].item_id
    with pytest.raises(
        BackendError, match=rf"refused items of the backlog \(1\): {first}: tracker: refused ticket 1"
    ):
        for _ in filed(gone, tracker, "production"):
            pass
    assert [tracker.states[str(number)] for number in range(1, len(ITEMS) + 1)] == [
        "open",
        *["closed"] * (len(ITEMS) - 1),
    ]


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_a_tracker_that_would_refuse_everything_is_left_in_peace(status: int) -> None:
    tracker = Refusing(status, "1")
    text = last(night(None, ITEMS, 0).text, tracker)
    last(night(text, [], 1).text, tracker)
    assert set(tracker.states.values()) == {"open"}


@pytest.mark.parametrize("status", [404, 410])
def test_a_ticket_that_somebody_deleted_counts_as_closed_and_comes_back_as_a_new_one(status: int) -> None:
    tracker = Refusing(status, "1")
    text = last(night(None, ITEMS[:1], 0).text, tracker)
    text = last(night(text, [], 1).text, tracker)
    assert "ticket: [1](http://t/" in text
    assert "(closed)" in text
    tracker.by_key[f"taken by {status}"] = tracker.by_key.popitem()[1]
    text = last(night(text, ITEMS[:1], 2).text, tracker)
    assert "ticket: [2](http://t/" in text
    assert "(closed)" not in text


def test_the_copy_of_a_release_is_not_written_anew_for_the_time_alone() -> None:
    text = night(None, ITEMS, 0).text
    first = copied(text, NIGHT, "s3://root/backlog", MORNING)
    assert copied(text, NIGHT, "s3://root/backlog", MORNING + timedelta(hours=1), earlier=first) == first
    assert [entry.item_id for entry in entries(first)] == [item.item_id for item in ITEMS]


def test_line_ends_of_another_system_change_nothing(tmp_path: Path) -> None:
    living = LivingBacklog(tmp_path, "production")
    text = last(night(None, ITEMS, 0).text, Tracker())
    living.write(text)
    (file,) = tmp_path.rglob("*.md")
    file.write_bytes(text.replace("\n", "\r\n").encode())
    read = living.read() or ""
    assert [entry.state for entry in entries(read)] == ["open"] * len(ITEMS)
    assert len(night(read, [], 1).closed) == len(ITEMS)


def test_space_behind_a_value_is_no_part_of_it() -> None:
    text = night(None, ITEMS[:1], 0).text.replace("- state: open", "- state: open ")
    assert night(text, [], 1).closed == (ITEMS[0].item_id,)


def test_of_an_item_that_was_copied_the_first_counts() -> None:
    text = night(None, ITEMS[:1], 0).text
    section = text[text.index("## ") :]
    twice = night(f"{text}\n{section}", [], 1)
    assert twice.closed == (ITEMS[0].item_id,)
    again = night(twice.text, [], 2)
    assert again.closed == ()
    assert again.text == twice.text


def test_a_line_in_a_persons_note_is_not_the_state_of_the_item() -> None:
    text = night(None, ITEMS[:1], 0).text + "\nTalked about:\n\n- state: open since last week\n"
    assert night(text, [], 1).closed == (ITEMS[0].item_id,)


def test_what_people_write_while_tickets_are_filed_stays(tmp_path: Path) -> None:
    living = LivingBacklog(tmp_path, "production")
    living.write(night(None, ITEMS[:2], 0).text)
    tracker = Tracker()
    for filed_one in living.filed(tracker):
        text = living.read() or ""
        assert filed_one in text
        if len(tracker.by_key) == 1:
            living.write(text.replace("priority: high", "priority: low") + "\nA note.\n")
    text = living.read() or ""
    assert text.endswith("A note.\n")
    assert text.count("priority: low") == text.count("- ticket: ") == 2
