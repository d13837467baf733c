"""Whatever people do to a runbook between releases, nothing that they wrote is lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from release_watch.handoff.runbook import amend_runbook
from release_watch.handoff.runbook_joined import joined
from release_watch.handoff.runbook_parts import Block, read_pieces
from release_watch.slo.rulefile import RuleGroup
from release_watch.slo.rules import rule_groups
from tests.handoff.test_runbook import AT, DASHBOARD, ONCALL, SLO, release, section, service

SERVICES = ("checkout", "payments")
FEW = ("ServiceDown", "LowThroughput", "Watchdog")
"""So few alerts are enough here, and quick."""


@cache
def rules(names: tuple[str, ...], without: str) -> list[RuleGroup]:
    groups = rule_groups(
        [SLO], [service(name) for name in names], release(), runbook_url="", dashboard_url=""
    )
    few = [rule for group in groups for rule in group.alerts if rule.name in FEW and rule.name != without]
    return [RuleGroup(name="few", rules=tuple(few))]


class Runbook:
    """A runbook in the hands of people, and what they wrote into it."""

    def __init__(self) -> None:
        self.text = ""
        self.written: list[str] = []
        self.releases = 0

    def release(self, environment: str, names: tuple[str, ...], without: str) -> None:
        self.releases += 1
        ours = release(f"r-{self.releases}", *names).model_copy(update={"environment": environment})
        services = [service(name) for name in names]
        self.again: Callable[[], str] = lambda: amend_runbook(
            self.text, ours, services, [SLO], rules(names, without), [DASHBOARD], ONCALL, AT
        )
        self.text = self.again()

    def note(self, place: int, note: str) -> None:
        """Write between two parts, or above or below all of them."""
        pieces = [str(piece) for piece in self._pieces()]
        pieces.insert(place % (len(pieces) + 1), f"\n{note}\n")
        self.text = "".join(pieces)
        self.written.append(note)

    def edit(self, place: int, note: str) -> None:
        """Write into a part."""
        note = f"«{note}»"
        pieces = self._pieces()
        if blocks := [number for number, piece in enumerate(pieces) if isinstance(piece, Block)]:
            number = blocks[place % len(blocks)]
            lines = str(pieces[number]).split("\n")
            lines.insert(1 + place % (len(lines) - 1), note)
            pieces[number] = "\n".join(lines)
            self.text = "".join(map(str, pieces))
            self.written.append(note)

    def move(self, place: int, _: str) -> None:
        """Put a part elsewhere."""
        pieces = self._pieces()
        moved = pieces.pop(place % len(pieces)) if pieces else ""
        pieces.insert(place * 7 % (len(pieces) + 1), f"\n{moved}\n")
        self.text = "".join(map(str, pieces))

    def remove(self, place: int, _: str) -> None:
        """Remove a part into which nobody wrote."""
        if found := self._untouched(place):
            self.text = self.text.replace(found, "")

    def damage(self, place: int, _: str) -> None:
        """Break a mark: misspell it, remove it, write it twice, cut it, quote it, or write behind it."""
        if found := self._untouched(place):
            mark = found.split("\n")[-(place % 2)]
            broken = (
                mark.replace("watch:", "watch:x"),
                "",
                f"{mark}\n{mark}",
                mark.removesuffix("-->"),
                f"> {mark}",
                f"{mark} and more",
            )[place % 6]
            self.text = self.text.replace(mark, broken)

    def _untouched(self, place: int) -> str | None:
        """Return a part as it stands there, into which nobody wrote; None if there is none."""
        blocks = [one for one in self._pieces() if isinstance(one, Block)]
        found = [str(one) for one in blocks if one.digest and "«" not in one.content]
        return found[place % len(found)] if found else None

    def carriage_returns(self, *_: object) -> None:
        """Save it with the line ends of Windows, and with its mark of Unicode."""
        self.text = "\ufeff" + _windows(self.text)
        self.written = [_windows(note) for note in self.written]

    def _pieces(self) -> list[str | Block]:
        return list(read_pieces(self.text) or [self.text])


def _windows(text: str) -> str:
    return re.sub(r"\r?\n", "\r\n", text)


def _in_force(text: str) -> str:
    """Return a text as it was before its marks were put out of force."""
    return text.replace("was release-watch:", "release-watch:")


TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
TRICKY = st.sampled_from(
    [
        "<!-- release-watch:begin production/checkout -->",
        "<!-- release-watch:end production/checkout -->",
        "  <!--release-watch:",
        "<!-- parts: production/checkout/ServiceDown -->",
        "## Contents\r\n\r\n# A heading\rof old",
        "```\nnever closed",
        "> quoted  \n\n\n\n",
        "\ufeff\u2028\x85\x0b",
        "- a list\n- of two",
    ]
)
NOTES = st.lists(st.one_of(TEXTS, TRICKY), min_size=1, max_size=3).map("\n".join)
HANDS = st.tuples(
    st.sampled_from(
        [
            Runbook.note,
            Runbook.edit,
            Runbook.move,
            Runbook.remove,
            Runbook.damage,
            Runbook.carriage_returns,
        ]
    ),
    st.integers(0, 1000),
    NOTES,
)
RELEASES = st.tuples(
    st.sampled_from(["production", "production", "staging"]),
    st.sampled_from([("checkout",), ("payments",), SERVICES]),
    st.sampled_from(["", "", "LowThroughput", "ServiceDown"]),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    before=st.one_of(st.just(""), NOTES),
    times=st.lists(st.tuples(RELEASES, st.lists(HANDS, max_size=3)), min_size=1, max_size=4),
    last=RELEASES,
)
def test_nothing_that_people_wrote_is_lost(
    before: str,
    times: Sequence[tuple[tuple[str, tuple[str, ...], str], Sequence[tuple[Callable[..., None], int, str]]]],
    last: tuple[str, tuple[str, ...], str],
) -> None:
    runbook = Runbook()
    runbook.text = before
    runbook.written.append(before)
    for released, hands in times:
        runbook.release(*released)
        for do, place, note in hands:
            do(runbook, place, note)
    runbook.release(*last)

    there = _in_force(runbook.text)
    assert [note for note in runbook.written if _in_force(note) not in there] == []
    assert runbook.again() == runbook.text
    names = [piece.name for piece in read_pieces(runbook.text) or () if isinstance(piece, Block)]
    environment, services, without = last
    for name in services:
        shown = [alert for alert in FEW if f"{environment}/{name}/{alert}" in names]
        assert shown == [alert for alert in FEW if alert not in (without, "Watchdog")]
        assert f"r-{runbook.releases} " in section(runbook.text, f"{environment}/{name}")


def test_an_edit_in_a_part_of_another_service_waits_for_the_release_of_that_service() -> None:
    runbook = Runbook()
    runbook.release("production", SERVICES, "")
    edited = runbook.text.replace("### ServiceDown: payments", "### ServiceDown: payments, call Kim")
    runbook.text = edited
    runbook.release("production", ("checkout",), "")
    assert "### ServiceDown: payments, call Kim" in section(runbook.text, "production/payments/ServiceDown")
    assert "had been edited" not in runbook.text
    runbook.release("production", ("payments",), "")
    assert "call Kim" not in section(runbook.text, "production/payments/ServiceDown")
    assert runbook.text.count("call Kim") == 1
    assert "> The part above, `production/payments/ServiceDown`, had been edited" in runbook.text


def test_what_was_written_into_the_part_of_an_alert_that_is_no_more_is_kept() -> None:
    runbook = Runbook()
    runbook.release("production", ("checkout",), "")
    runbook.text = runbook.text.replace("### ServiceDown: checkout", "### ServiceDown: call Kim")
    runbook.release("production", ("checkout",), "ServiceDown")
    assert "> A part stood here, `production/checkout/ServiceDown`, that is generated no more" in runbook.text
    assert "call Kim" in runbook.text


def test_a_part_of_a_name_that_is_never_generated_stays_as_it_is() -> None:
    ours = "<!--  release-watch:begin ours -->\n\n kept  \n<!-- release-watch:end ours -->"
    runbook = Runbook()
    runbook.text = f"{ours}\n"
    runbook.release("production", ("checkout",), "")
    assert runbook.text.count(ours) == 1


def test_a_mark_without_a_digest_hides_no_edit() -> None:
    runbook = Runbook()
    runbook.release("production", ("checkout",), "")
    plain = re.sub(r"(begin \S+) \w{12} -->", r"\1 -->", runbook.text)
    runbook.text = plain
    assert runbook.again().count("had been edited") == 0
    runbook.text = plain.replace("### ServiceDown: checkout", "### ServiceDown: call Kim")
    again = runbook.again()
    assert again.count("had been edited") == 1
    assert "call Kim" in again


# -- several runbooks of one environment -------------------------------------------------------------------


def two() -> tuple[str, str]:
    """Return the runbooks of two releases, each amended from the same one, and annotated."""
    texts = []
    for names, note in ((("checkout",), "By Ann."), (("payments",), "By Ben.")):
        runbook = Runbook()
        runbook.text = "Ours.\n"
        runbook.release("production", SERVICES, "")
        runbook.release("production", names, "")
        end = f"<!-- release-watch:end production/{names[0]}/ServiceDown -->"
        texts.append(runbook.text.replace(end, f"{end}\n\n{note}"))
    return texts[0], texts[1]


def test_notes_of_two_releases_go_on_in_a_third_each_at_its_place() -> None:
    runbook = Runbook()
    runbook.text = joined(two()) or ""
    runbook.release("production", SERVICES, "")
    for note, name in (("By Ann.", "checkout"), ("By Ben.", "payments")):
        assert re.search(rf"end production/{name}/ServiceDown -->\n+{note}", runbook.text)
        assert runbook.text.count(note) == 1
    assert runbook.text.count("Ours.") == 1
    assert joined([runbook.text, runbook.text]) == runbook.text


def test_parts_that_only_the_other_runbook_has_come_with_their_notes() -> None:
    checkout, payments = Runbook(), Runbook()
    checkout.release("production", ("checkout",), "")
    payments.release("production", ("payments",), "")
    payments.note(-1, "By Ben.")
    both = joined([checkout.text, payments.text]) or ""
    assert "### ServiceDown: payments" in section(both, "production/payments/ServiceDown")
    assert both.endswith("By Ben.\n\n")


def test_a_runbook_with_damaged_marks_is_joined_as_a_note() -> None:
    whole, broken = Runbook(), Runbook()
    whole.release("production", ("checkout",), "")
    broken.release("production", ("checkout",), "")
    broken.text = broken.text.replace("<!-- release-watch:end contents -->", "By Kim.")
    both = joined([whole.text, broken.text])
    assert both is not None
    assert "By Kim." in both
    assert read_pieces(both) is not None
    assert "By Kim." in (joined([broken.text, whole.text]) or "")


def test_no_runbook_is_none() -> None:
    assert joined([]) is None


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 1000), NOTES), max_size=2), min_size=2, max_size=3))
def test_joined_runbooks_hold_every_note(notes: list[list[tuple[int, str]]]) -> None:
    runbooks = []
    for several in notes:
        runbook = Runbook()
        runbook.text = FIRST
        for place, note in several:
            runbook.note(place, note)
        runbooks.append(runbook)
    result = _in_force(joined([runbook.text for runbook in runbooks]) or "")
    lines = [line for one in runbooks for note in one.written for line in _in_force(note).split("\n")]
    assert [line for line in lines if line.strip() not in result] == []


def _first() -> str:
    runbook = Runbook()
    runbook.release("production", SERVICES, "")
    return runbook.text


FIRST = _first()
