from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.artifacts.models import DrillResult, Hop, Hops
from release_watch.catalog.oncall import Paging, Person
from release_watch.drills.escalation import escalation_of, pages_due, whose_turn
from release_watch.drills.judging import judged_drill
from release_watch.drills.receipts import Acknowledgement, Page, Receipt, Receipts
from release_watch.verdict import Verdict
from tests.drills.world import START

TARGET = timedelta(minutes=15)
ANNA = Person(user="anna", name="Anna Arendt", address="mailto:anna@example.com")
BOB = Person(user="bob", name="Bob")
EVE = Person(user="eve", name="Eve")
ORDER = (
    Paging(1, "oncall", ANNA, timedelta(minutes=5)),
    Paging(2, "sre", BOB, timedelta(minutes=5)),
    Paging(3, "technical-lead", EVE, timedelta(minutes=5)),
)
DELIVERED_AFTER = 60.0
NOTICE = Receipt(
    drill_id="t-1",
    status="resolved",
    receiver="oncall",
    at=START + TARGET,
    fingerprint="f",
    sha256="0",
    uri="file:///r",
)


def drill(severity: str = "page", delivered: bool = True) -> DrillResult:
    hops = {"fired": after(0), "accepted": after(1), "delivered": after(DELIVERED_AFTER)}
    if not delivered:
        del hops["delivered"]
    return DrillResult.model_validate(
        {
            "drill_id": "t-1",
            "kind": "full",
            "service": "checkout",
            "severity": severity,
            "route": ("default-route",),
            "receiver": "oncall",
            "receivers": ("oncall",),
            "hops": Hops(**hops),
            "acknowledged_by": None,
            "target_seconds": TARGET.total_seconds(),
            "verdict": Verdict.INCONCLUSIVE,
            "diagnosis": None,
        }
    )


def after(seconds: float) -> Hop:
    return Hop(at=START + timedelta(seconds=seconds), latency=float(seconds), proof="seen")


def page(level: int, minutes: float, person: str = "bob") -> Page:
    at = START + timedelta(minutes=minutes)
    return Page(
        drill_id="t-1", level=level, role="sre", person=person, at=at, channel="airflow", proof="task 7"
    )


def answer(by: str, minutes: float) -> Acknowledgement:
    return Acknowledgement(by, START + timedelta(minutes=minutes))


def judged(
    given: Acknowledgement | None, pages: Sequence[Page] = (), order: Sequence[Paging] = ORDER
) -> DrillResult:
    steps = escalation_of(drill(), order, pages, given, target=TARGET, at=START + TARGET)
    return judged_drill(drill(), given, {"oncall": NOTICE}, TARGET, steps)


@pytest.mark.parametrize(
    ("minutes", "pages", "turn"),
    [
        pytest.param(1, (), (1, "anna", True, 6), id="delivered: the first, from the delivery on"),
        pytest.param(4, (page(1, 2, "anna"),), (1, "anna", True, 7), id="or from the page on record"),
        pytest.param(6, (), (2, "bob", False, 11), id="the first was silent: page the second"),
        pytest.param(6.5, (page(2, 6),), (2, "bob", True, 11), id="the second was paged"),
        pytest.param(8, (), (2, "bob", False, 13), id="paged late, it still has its time"),
        pytest.param(11, (page(2, 6),), (3, "eve", False, 15), id="the last, in what is left of the target"),
        pytest.param(14.9, (page(2, 6),), (3, "eve", False, 15), id="however late"),
        pytest.param(3, (page(2, 2),), (2, "bob", True, 7), id="the pager escalates earlier by itself"),
    ],
)
def test_a_level_is_paged_when_the_one_before_was_silent_for_its_time(
    minutes: float, pages: Sequence[Page], turn: tuple[int, str, bool, float]
) -> None:
    found = whose_turn(drill(), ORDER, pages, None, target=TARGET, at=START + timedelta(minutes=minutes))

    assert found is not None
    until = (found.until - START).total_seconds() / 60
    assert (found.level, found.person, found.paged_at is not None, until) == turn


@pytest.mark.parametrize(
    ("one", "given", "minutes"),
    [
        pytest.param(drill(), answer("anna", 3), 4, id="it was answered"),
        pytest.param(drill(), None, 15, id="the target has passed"),
        pytest.param(drill("ticket"), None, 4, id="it is a ticket"),
        pytest.param(drill(delivered=False), None, 4, id="it was not delivered"),
    ],
)
def test_nobody_is_to_answer_when(one: DrillResult, given: Acknowledgement | None, minutes: float) -> None:
    at = START + timedelta(minutes=minutes)

    assert whose_turn(one, ORDER, (), given, target=TARGET, at=at) is None


def test_a_single_level_without_a_time_has_the_whole_target() -> None:
    order = [Paging(1, "oncall", ANNA, None)]

    turn = whose_turn(drill(), order, (), None, target=TARGET, at=START + timedelta(minutes=10))
    (step,) = judged(answer("anna", 14), order=order).escalation

    assert turn is not None
    assert turn.until == START + TARGET
    assert step.within_seconds == TARGET.total_seconds() - DELIVERED_AFTER


def test_due_pages_are_due_once_they_are_recorded_no_more(receipts: Receipts) -> None:
    asked = {"target": TARGET, "at": START + timedelta(minutes=6), "channel": "airflow"}

    (due,) = pages_due([drill(), drill("ticket")], ORDER, receipts, **asked)  # type: ignore[arg-type]
    receipts.record_page(due)

    assert (due.drill_id, due.level, due.role, due.person) == ("t-1", 2, "sre", "bob")
    assert pages_due([drill()], ORDER, receipts, **asked) == ()  # type: ignore[arg-type]


@pytest.mark.parametrize("by", ["anna", "Anna", "Anna Arendt", "anna@example.com"])
def test_the_first_level_in_its_time_is_go(by: str) -> None:
    result = judged(answer(by, 3))

    assert (result.verdict, result.diagnosis) == (Verdict.GO, None)
    (step,) = result.escalation
    assert (step.level, step.person, step.paged.latency, step.acknowledged.latency) == (1, "anna", 60, 180)


def test_level_2_that_was_paged_and_answers_is_a_warning_with_both_in_the_evidence() -> None:
    result = judged(answer("bob", 8), [page(2, 6)])

    assert result.verdict is Verdict.WARN
    assert "Level 1 (oncall: anna) did not answer within 5 min; level 2 (sre: bob) was paged" in str(
        result.diagnosis
    )
    first, second = result.escalation
    assert (first.paged.latency, first.acknowledged.at) == (60, None)
    assert (second.paged.latency, second.acknowledged.latency) == (360, 480)
    assert second.paged.proof == "bob was told by airflow: task 7"


@pytest.mark.parametrize(
    ("given", "pages", "words"),
    [
        pytest.param(
            answer("bob", 8), [], "Level 2 (sre: bob) answered, but was never paged", id="no record"
        ),
        pytest.param(answer("bob", 8), [page(2, 9)], "answered, but was never paged", id="paged afterwards"),
        pytest.param(
            answer("eve", 12),
            [page(3, 11, "eve")],
            "level 2 (sre: bob) was never paged before it",
            id="a level left out",
        ),
        pytest.param(answer("mallory", 3), [], "by mallory", id="somebody whom nobody paged"),
        pytest.param(answer("bob", 16), [page(2, 6)], "the target is 15 min", id="after the target"),
        pytest.param(answer("anna", 0.5), [], "before it was delivered", id="before the delivery"),
        pytest.param(
            None,
            [page(2, 6)],
            "Paged without an answer: level 1 (oncall: anna), level 2 (sre: bob). Never paged, though its "
            "turn had come: level 3 (technical-lead: eve).",
            id="nobody",
        ),
    ],
)
def test_what_does_not_prove_the_escalation_is_no_go(
    given: Acknowledgement | None, pages: Sequence[Page], words: str
) -> None:
    result = judged(given, pages)

    assert result.verdict is Verdict.NO_GO
    assert words in str(result.diagnosis)


def test_level_1_that_answers_after_its_time_is_a_warning() -> None:
    result = judged(answer("anna", 8), [page(2, 6)])

    assert result.verdict is Verdict.WARN
    assert "Level 1 (oncall: anna) answered 2 min after its time of 5 min was over" in str(result.diagnosis)


def test_a_level_that_only_the_pager_knows_counts() -> None:
    result = judged(answer("Zoe", 8), [page(2, 6), page(4, 7, "zoe")], ORDER[:2])

    assert result.verdict is Verdict.WARN
    assert [step.person for step in result.escalation] == ["anna", "bob", "zoe"]


def test_a_person_who_is_asked_twice_answers_the_page_that_came_last() -> None:
    order = [ORDER[0], ORDER[1]._replace(person=ANNA)]

    result = judged(answer("anna", 8), [page(2, 6, "anna")], order)

    assert [step.acknowledged.at is not None for step in result.escalation] == [False, True]


@given(
    by=st.sampled_from(["anna", "bob", "eve", "mallory"]),
    minutes=st.floats(1, 14),
    pages=st.lists(st.tuples(st.sampled_from([2, 3]), st.floats(1, 14)), max_size=3),
)
def test_only_who_was_paged_before_can_let_a_drill_pass(
    by: str, minutes: float, pages: list[tuple[int, float]]
) -> None:
    person = {2: "bob", 3: "eve"}
    made = [page(level, at, person[level]) for level, at in pages]

    result = judged(answer(by, minutes), made)

    told = {"anna", *(one.person for one in made if one.at <= answer(by, minutes).at)}
    assert not (result.verdict.proceeds and by not in told)
    assert not (result.verdict is Verdict.GO and by != "anna")


@pytest.fixture
def receipts(tmp_path_factory: pytest.TempPathFactory) -> Receipts:
    return Receipts.under(tmp_path_factory.mktemp("root"))
