from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from release_watch.artifacts.models import AlertTestResults, HopHistory
from release_watch.coverage.table_text import WIDTH, columns
from release_watch.drills.passage import failed_hop, passage_of
from release_watch.drills.picture import DPI, MOST_DRILLS
from release_watch.drills.picture import WIDTH as INCHES
from release_watch.drills.timeline import timeline_png, timeline_text
from release_watch.verdict import Verdict
from tests.drills.past import PASSED, drill_of, level, results_of

SILENCED = "Silenced until 2026-12-01T00:00:00.000Z by somebody ('maintenance', silence s-1)."
PAST = (
    HopHistory(
        kind="full",
        receiver="oncall",
        hop="delivered",
        drills=41,
        p50_seconds=1.2,
        worst_seconds=75,
        worst_drill_id="d-9",
    ),
)


def lines_of(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip().startswith(word)]


def test_a_drill_is_a_block_with_a_line_per_hop() -> None:
    text = timeline_text(results_of(drill_of(escalation=(level(1, "anna", 1.1, 11.0),))))

    assert text.splitlines()[0] == (
        "DRILL time line, release shop-1.1.0 in production, 2026-11-22 03:00 UTC: GO (1 drill: 1 GO)"
    )
    names = [line.split()[0] for line in text.splitlines() if "|" in line]
    assert names == ["fired", "accepted", "delivered", "paged", "acknowledged", "resolved", "target"]
    assert "03:00:17.000" in lines_of(text, "acknowledged")[0]
    assert "11 s" in lines_of(text, "acknowledged")[0]
    assert "by anna" in lines_of(text, "acknowledged")[0]
    assert "1 min" in lines_of(text, "target")[0]
    assert 'default-route > {severity="page"} -> oncall' in text


def test_bars_follow_each_other_on_one_scale() -> None:
    text = timeline_text(results_of(drill_of(seconds={**PASSED, "acknowledged": 10.0, "resolved": 20.0})))

    bars = {name: lines_of(text, name)[0].split("|")[1] for name in ("acknowledged", "resolved")}
    assert bars["acknowledged"].rindex("#") == len(bars["acknowledged"]) // 2
    assert bars["resolved"].index("#") == len(bars["resolved"]) // 2
    assert bars["resolved"].endswith("#")


def test_past_drills_stand_beside_their_hop() -> None:
    drill = drill_of()
    words = "p50 of 41: 1.2 s, worst 1 min 15 s"

    assert words in lines_of(timeline_text(results_of(drill), PAST), "delivered")[0]
    assert words in lines_of(timeline_text(results_of(drill, hop_history=PAST)), "delivered")[0]
    assert words not in timeline_text(results_of(drill_of(receivers=("mail",))), PAST)
    assert words not in timeline_text(results_of(drill_of(kind="direct")), PAST)


@pytest.mark.parametrize(
    ("seen", "hop", "words"),
    [
        ({}, "fired", "NOT FIRED"),
        ({"fired": 0.3}, "accepted", "NOT ACCEPTED"),
        ({"fired": 0.3, "accepted": 0.4}, "delivered", "NOT DELIVERED"),
        ({"fired": 0.3, "accepted": 0.4, "delivered": 0.5}, "acknowledged", "NOT ACKNOWLEDGED"),
        ({**PASSED, "acknowledged": 75.0, "resolved": 80.0}, "acknowledged", "LATE, by anna"),
    ],
)
def test_the_hop_that_failed_is_told_with_the_diagnosis(seen: Any, hop: str, words: str) -> None:
    text = timeline_text(results_of(drill_of(seconds=seen, verdict=Verdict.NO_GO, diagnosis=SILENCED)))

    (line,) = lines_of(text, hop)
    assert words in line
    assert "x" in line.split("|")[1]
    assert text.count("NOT ") + text.count("LATE") == 1
    assert f"  NO_GO: {SILENCED}" in text


def test_a_drill_without_an_answer_ends_after_the_target() -> None:
    seen = {"fired": 0.3, "accepted": 0.4, "delivered": 0.5, "resolved": 80.0}
    passage = passage_of(drill_of(seconds=seen, verdict=Verdict.NO_GO, diagnosis="Nobody."))

    assert passage.failed is not None
    assert (passage.failed.start, passage.failed.end) == (0.5, 60.0)
    assert (passage.segments[-1].start, passage.segments[-1].end) == (60.0, 80.0)


def test_escalation_says_who_was_paged_when_and_who_answered() -> None:
    drill = drill_of(
        seconds={**PASSED, "acknowledged": 41.0, "resolved": 48.0},
        acknowledged_by="ben",
        escalation=(level(1, "anna", 1.1), level(2, "ben", 31.2, 41.0), level(3, "carl", None)),
    )

    first, second, third = lines_of(timeline_text(results_of(drill)), "paged")

    assert "03:00:07.100" in first and "level 1, oncall: anna; no answer in 30 s" in first
    assert "31.2 s" in second and "level 2, sre: ben; acknowledged" in second
    assert "level 3, sre: carl; NOT PAGED" in third


def test_the_cheap_kind_is_told_from_the_full_one() -> None:
    text = timeline_text(results_of(drill_of(1), drill_of(2, kind="direct")))

    assert "(full, from a rule in Prometheus)" in text
    assert "(direct, posted to Alertmanager past Prometheus)" in text


def test_a_ticket_awaits_no_answer() -> None:
    seen = {"fired": 0.3, "accepted": 0.4, "delivered": 0.5, "resolved": 9.0}
    text = timeline_text(results_of(drill_of(seconds=seen, severity="ticket")))

    assert "ACKNOWLEDGED" not in text
    assert not lines_of(text, "target")


def test_a_drill_that_nobody_answered_yet_is_no_failure() -> None:
    seen = {"fired": 0.3, "accepted": 0.4, "delivered": 0.5}
    text = timeline_text(results_of(drill_of(seconds=seen, verdict=Verdict.INCONCLUSIVE)))

    assert "under way" in text
    assert "not yet" in lines_of(text, "acknowledged")[0]
    assert "NOT" not in text


def test_a_missing_resolve_notice_is_told_of_a_warning() -> None:
    seen = {name: at for name, at in PASSED.items() if name != "resolved"}
    text = timeline_text(results_of(drill_of(seconds=seen, verdict=Verdict.WARN, diagnosis="No notice.")))

    assert "NO RESOLVE NOTICE" in lines_of(text, "resolved")[0]


def test_what_was_not_drilled_and_who_forced_it_is_told() -> None:
    drill = drill_of(forced_by="claire", stands_for=("cart", "search"))
    text = timeline_text(results_of(drill, not_drilled=("payments: quiet hours until 07:00.",)))

    assert "forced by: claire" in text
    assert "proven with it: cart, search" in text
    assert text.endswith("DRILL not made:\n  - payments: quiet hours until 07:00.")


def test_a_drill_that_was_held_back_is_told_once_with_its_reason() -> None:
    reason = "Quiet hours hold until 07:00."
    held = drill_of(2, seconds={}, verdict=Verdict.INCONCLUSIVE, diagnosis=reason)

    told = timeline_text(results_of(drill_of(1), held, not_drilled=(f"checkout page: {reason}",)))
    untold = timeline_text(results_of(drill_of(1), held))

    assert told.count(reason) == untold.count(reason) == 1
    assert "NOT FIRED" not in told + untold


def test_what_could_not_be_asked_is_not_said_to_be_missing() -> None:
    seen = {"fired": 0.3, "accepted": 0.4, "delivered": 0.5}
    drill = drill_of(seconds=seen, verdict=Verdict.ERROR, diagnosis="The pager does not answer.")

    (line,) = lines_of(timeline_text(results_of(drill)), "acknowledged")

    assert "NOT KNOWN" in line


def test_nothing_from_outside_moves_the_cursor_or_folds_the_log() -> None:
    bad = "x\n::endgroup::\x1b[2J"
    drill = drill_of(receivers=(bad,), route=(bad,), diagnosis=bad, acknowledged_by=bad, forced_by=bad)
    text = timeline_text(results_of(drill, not_drilled=(bad,)))

    assert "\x1b" not in text
    assert "::endgroup::" not in text


@given(st.text(max_size=400), st.text(min_size=1, max_size=300))
def test_no_line_is_too_long(words: str, name: str) -> None:
    drill = drill_of(
        receivers=(name,),
        diagnosis=words,
        acknowledged_by=name,
        escalation=(level(1, name, 1.0),),
        stands_for=(name,),
    )
    text = timeline_text(results_of(drill, not_drilled=(words,)))

    assert max(columns(line) for line in text.splitlines()) <= WIDTH


SECONDS = st.floats(-2.0, 5000.0, allow_nan=False)


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(PASSED, SECONDS)),
    st.sampled_from(Verdict),
    st.floats(1.0, 3600.0),
    st.sampled_from(["page", "ticket"]),
)
@example({"fired": 2.2250738585072014e-308}, Verdict.GO, 1.0, "page")
@example({"fired": 2.0, "accepted": 0.0, "delivered": 0.0}, Verdict.NO_GO, 1.0, "page")
def test_a_passage_covers_all_that_was_seen(
    seen: Any, verdict: Verdict, target: float, severity: str
) -> None:
    drill = drill_of(seconds=seen, verdict=verdict, target_seconds=target, severity=severity)

    passage = passage_of(drill)

    shown = [*passage.segments, *([passage.failed] if passage.failed else [])]
    assert {part.hop for part in shown} >= set(seen)
    assert all(0 <= part.start <= part.end <= passage.end for part in shown)
    assert passage.end > 0
    assert (passage.failed is not None) == (failed_hop(drill) is not None)
    assert timeline_text(results_of(drill)).startswith("DRILL")


# --- the picture


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def words_of(results: AlertTestResults, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    from release_watch.drills.picture import _Sheet

    written: list[str] = []
    monkeypatch.setattr(_Sheet, "write", lambda *given, **_: written.append(given[-1]))
    timeline_png(results)
    return written


def test_the_picture_has_a_row_for_every_drill_and_is_always_the_same() -> None:
    one, twelve = (results_of(*(drill_of(number) for number in range(count))) for count in (1, 12))

    first, many = timeline_png(one, PAST), timeline_png(twelve, PAST)

    assert first == timeline_png(one, PAST)
    assert first != timeline_png(one)
    assert size_of(first)[0] == size_of(many)[0] == int(INCHES * DPI)
    assert size_of(many)[1] > 4 * size_of(first)[1]


def test_the_picture_says_drill_release_kinds_and_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = drill_of(2, seconds={"fired": 0.3}, kind="direct", verdict=Verdict.NO_GO, diagnosis=SILENCED)

    words = words_of(results_of(drill_of(1), failed), monkeypatch)

    assert words[0] == "DRILL of release shop-1.1.0"
    assert {"full", "direct", "NOT ACCEPTED", SILENCED, "GO", "NO_GO"} <= set(words)
    assert "acknowledged 11 s" in words


def test_of_very_many_drills_those_that_failed_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drills = [drill_of(number) for number in range(MOST_DRILLS + 5)]
    failed = drill_of(99, seconds={}, verdict=Verdict.ERROR, diagnosis=SILENCED)

    words = words_of(results_of(*drills, failed), monkeypatch)

    assert failed.drill_id in words
    assert any("6 more drills are in the artifact" in text for text in words)


def test_the_picture_without_drills_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    words = words_of(results_of(not_drilled=("alertmanager_default is missing",)), monkeypatch)

    assert "Not drilled: alertmanager_default is missing" in words


@settings(max_examples=8, deadline=None)
@given(
    st.text(st.characters(codec="latin-1"), min_size=1, max_size=200),
    st.sampled_from(Verdict),
    st.sampled_from(sorted(PASSED)),
)
def test_any_text_can_be_drawn(text: str, verdict: Verdict, last: str) -> None:
    seen = dict(list(PASSED.items())[: list(PASSED).index(last)])
    drill = drill_of(
        seconds=seen,
        receivers=(text,),
        verdict=verdict,
        diagnosis=text,
        escalation=(level(1, text, 1.0), level(2, text, None)),
    )

    assert size_of(timeline_png(results_of(drill, not_drilled=(text,))))
