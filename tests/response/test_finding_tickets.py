from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest

from release_watch.artifacts.models import Finding, FindingState, Severity
from release_watch.catalog.policies import JudgePolicy
from release_watch.errors import BackendError
from release_watch.judge import judge_release
from release_watch.release import Mode, Release
from release_watch.response.attachments import Attachment
from release_watch.response.escalation import error_line, notice, subject
from release_watch.response.finding_tickets import FindingTicket, keep_tickets
from release_watch.response.findings import update_findings
from release_watch.response.incidents import Incident, TicketRef
from release_watch.response.policy import Action, Response
from release_watch.verdict import Objective, Verdict
from tests.response.conftest import AT
from tests.response.test_findings import FINE, alert

PLOT = Attachment("latency.png", "image/png", b"png", "file:///plots/latency.png")


class Tracker:
    """A tracker in memory: what the interface promises, and no more."""

    def __init__(self, *, takes_files: bool = True) -> None:
        self.by_key: dict[str, TicketRef] = {}
        self.log: list[str] = []
        self.away = False
        self._takes_files = takes_files

    def create_once(self, key: str, title: str, body: str) -> TicketRef:
        self._do(f"create {key}: {title}\n{body}")
        number = str(len(self.by_key) + 1)
        return self.by_key.setdefault(key, TicketRef(number, f"http://t/{number}"))

    def update(self, ticket: TicketRef, note: str) -> None:
        self._do(f"note {ticket.id}: {note.splitlines()[0]}")

    def close(self, ticket: TicketRef, note: str) -> None:
        self._do(f"close {ticket.id}: {note}")

    def reopen(self, ticket: TicketRef, note: str) -> None:
        self._do(f"reopen {ticket.id}: {note.splitlines()[0]}")

    def attach(self, ticket: TicketRef, attachment: Attachment) -> bool:
        if self._takes_files:
            self._do(f"attach {ticket.id}: {attachment.name}")
        return self._takes_files

    def incidents(self, since: datetime, services: Iterable[str]) -> list[Incident]:
        raise NotImplementedError((since, services))

    def _do(self, what: str) -> None:
        if self.away:
            raise BackendError("tracker", "is away")
        self.log.append(what)


def finding(
    severity: Severity = Severity.CRITICAL, state: FindingState = FindingState.OPEN, **fields: object
) -> Finding:
    known: dict[str, object] = {
        "finding_id": "checkout-latency",
        "service": "checkout",
        "metric": "latency",
        "first_seen": AT,
        "last_seen": AT + timedelta(minutes=5),
        "reason": "0.4 s instead\nof 0.02 s",
        "evidence": (
            Objective(
                name="checkout latency",
                verdict=Verdict.NO_GO,
                reason="slow",
                value="0.4 s",
                baseline="0.01 to 0.03 s",
                query="histogram_quantile(0.95, x)",
            ),
        ),
        "owner": "team-orders",
    }
    return Finding.model_validate({**known, "severity": severity, "state": state, **fields})


class Book:
    """What a run remembers of its tickets."""

    def __init__(self, tracker: Tracker, release: Release) -> None:
        self.tracker, self.release = tracker, release
        self.known: dict[str, FindingTicket] = {}

    def keep(self, *findings: Finding, plot: Attachment | None = None) -> list[str]:
        before = len(self.tracker.log)
        for ticket in keep_tickets(self.tracker, self.release, findings, self.known, lambda _: plot):
            self.known[ticket.finding_id] = ticket
        return [line.partition(":")[0] for line in self.tracker.log[before:]]


@pytest.fixture
def book(release: Release) -> Book:
    return Book(Tracker(), release)


KEY = "production-shop-1.1.0-checkout-latency"
OVER = finding(state=FindingState.RESOLVED, actions=("12:10 resolved: back within its limits",))


def test_a_ticket_is_made_once_and_closed_with_its_finding(book: Book) -> None:
    assert book.keep(finding()) == [f"create {KEY}"]
    assert book.keep(finding()) == []
    assert book.keep(OVER) == ["close 1"]
    assert book.keep(OVER) == []
    assert "back within its limits" in book.tracker.log[-1]


def test_a_finding_that_comes_back_opens_its_ticket_again(book: Book) -> None:
    book.keep(finding())
    book.keep(OVER)

    assert book.keep(finding()) == ["reopen 1"]
    assert book.keep(finding()) == []
    assert book.keep(OVER) == ["close 1"]


def test_a_finding_that_gets_worse_tells_its_ticket_once(book: Book) -> None:
    assert book.keep(finding(Severity.MAJOR)) == [f"create {KEY}"]
    assert book.keep(finding(Severity.CRITICAL)) == ["note 1"]
    assert book.keep(finding(Severity.CRITICAL)) == []
    assert book.keep(finding(Severity.MAJOR)) == []


@pytest.mark.parametrize(
    "found",
    [
        finding(Severity.MINOR),
        finding(Severity.MINOR, FindingState.TRANSIENT),
        finding(state=FindingState.TRANSIENT),
        OVER,
    ],
    ids=["minor", "spike", "grave-spike", "over-before-it-was-seen"],
)
def test_what_opens_no_ticket(book: Book, found: Finding) -> None:
    assert book.keep(found) == []


def test_shadow_mode_opens_no_ticket(release: Release) -> None:
    book = Book(Tracker(), release.model_copy(update={"mode": Mode.SHADOW}))

    assert book.keep(finding(), plot=PLOT) == []


@pytest.mark.parametrize("drill", [{"drill": "true"}, {"drill_id": "d-1"}], ids=["label", "id"])
def test_a_drill_opens_no_ticket(book: Book, drill: dict[str, str]) -> None:
    judgement = judge_release([FINE], JudgePolicy())

    assert book.keep(*update_findings([], judgement, [alert(slo="checkout-availability", **drill)], AT)) == []
    assert book.keep(*update_findings([], judgement, [alert(slo="checkout-availability")], AT)) != []


def test_the_plot_is_attached_once_also_when_it_comes_later(book: Book) -> None:
    assert book.keep(finding()) == [f"create {KEY}"]
    assert book.keep(finding(), plot=PLOT) == ["attach 1"]
    assert book.keep(finding(), plot=PLOT) == []


def test_a_tracker_without_files_is_told_where_the_plot_lies(release: Release) -> None:
    book = Book(Tracker(takes_files=False), release)

    book.keep(finding(), plot=PLOT)

    assert book.tracker.log[-1] == "note 1: Plot: file:///plots/latency.png"
    assert book.keep(finding(), plot=PLOT) == []


def test_what_a_tracker_that_is_away_missed_is_done_the_next_time(book: Book) -> None:
    second = finding(finding_id="checkout-errors", metric="errors")
    book.keep(finding())
    book.tracker.away = True
    with pytest.raises(BackendError):
        book.keep(OVER, second)
    book.tracker.away = False

    assert book.keep(OVER, second) == ["close 1", "create production-shop-1.1.0-checkout-errors"]


def test_the_error_line_is_one_line(release: Release) -> None:
    line = error_line(finding(), release)

    assert line == (
        "[ERROR] Critical finding since release shop-1.1.0: checkout latency: 0.4 s instead of 0.02 s"
    )


def test_the_notice_holds_the_numbers_and_where_to_look(release: Release) -> None:
    response = Response(action=Action.ASK, reasons=("rollback policy of checkout: ask",))

    text = notice(
        [finding()],
        release,
        response,
        tickets={"checkout-latency": "http://t/1"},
        plots={"checkout-latency": PLOT.uri},
    )

    for part in ("value: 0.4 s", "baseline: 0.01 to 0.03 s", "query: histogram_quantile", "team-orders"):
        assert part in text
    for part in ("Ticket: http://t/1", f"Plot: {PLOT.uri}", "Response: ask", "policy of checkout: ask"):
        assert part in text
    assert subject([finding()], release) == "1 finding in checkout since release shop-1.1.0 in production"
