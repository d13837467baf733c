"""A proposal as a document: read back as it was written, and refused with words for what is wrong in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from release_watch.assurance.tuning.proposal import TuningProposal, read_proposal, rule_diff
from release_watch.errors import InvalidInputError
from tests.assurance.tuning.test_decisions import proposal, rule, score

REQUIRED = (
    "proposal_id",
    "alert",
    "service",
    "group",
    "kind",
    "change",
    "current",
    "proposed",
    "before",
    "expected",
    "window",
    "step_seconds",
    "generated_at",
)


def plain() -> dict[str, Any]:
    return dict(json.loads(proposal().document()))


def problems(content: Any) -> list[str]:
    document = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(InvalidInputError) as refused:
        read_proposal(document)
    return list(refused.value.problems)


@pytest.mark.parametrize(
    "one",
    [
        proposal(),
        proposal(before=score(0, 9, (), detection_seconds=None), expected=score(0, 2, ())),
        proposal(inlined=("a:b:c",), review="explicit", tried=16),
        proposal(proposed=rule(hold="5m", keep_firing_for="10m", annotations={"tuned": "ä {{ $value }}"})),
    ],
    ids=["plain", "told of nothing", "all fields", "timing and words"],
)
def test_it_is_read_as_it_was_written(one: TuningProposal):
    assert read_proposal(one.document()) == one
    assert read_proposal(one.document()).digest == one.digest


def test_all_that_must_be_there_is_named():
    assert problems({}) == [f"proposal: {name}: Field required" for name in REQUIRED]


@pytest.mark.parametrize("name", REQUIRED)
def test_each_that_is_missing_is_named(name: str):
    content = plain()
    del content[name]
    assert problems(content) == [f"proposal: {name}: Field required"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("schema_version", 2, "schema_version: Input should be 1"),
        ("proposal_id", "../../etc/passwd", "proposal_id: String should match pattern"),
        ("proposal_id", "tune-", "proposal_id: String should match pattern"),
        ("alert", 7, "alert: Input should be a valid string"),
        ("alert", "Other", "current: is 'HighErrorRate', and the proposal is of the alert 'Other'"),
        ("service", "payments", "current: is of 'checkout', and the proposal of 'payments'"),
        ("group", None, "group: Input should be a valid string"),
        ("kind", "magic", "kind: Input should be 'minimum events', 'for'"),
        ("change", ["x"], "change: Input should be a valid string"),
        ("current", {"alert": "A"}, "current.expr: Field required"),
        ("current", {"record": "a:b", "expr": "up"}, "current: is 'a:b', and the proposal is of the alert"),
        ("proposed", {"alert": "A", "record": "b", "expr": "up"}, "proposed: a rule has either record or"),
        ("proposed", {"alert": "A", "expr": "up", "fro": "5m"}, "proposed.fro: Extra inputs are not"),
        ("before", {}, "before.firings: Field required"),
        ("expected", {"firings": -1}, "expected.firings: Input should be greater than or equal to 0"),
        ("window", {"start": "then"}, "window.start: Input should be a valid datetime"),
        ("step_seconds", 0, "step_seconds: Input should be greater than 0"),
        ("review", "none", "review: Input should be 'explicit' or 'tracker'"),
        ("tried", 0, "tried: Input should be greater than or equal to 1"),
        ("inlined", "a", "inlined: Input should be a valid array"),
        ("generated_at", "2026-11-01T00:00:00", "generated_at: Input should have timezone info"),
    ],
)
def test_what_is_wrong_is_said_with_its_field(name: str, value: Any, words: str):
    found = problems({**plain(), name: value})
    assert any(one.startswith(f"proposal: {words}") for one in found), found


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"", "Invalid JSON"),
        (b"{", "Invalid JSON"),
        (b"\xff", "Invalid JSON"),
        (b"[]", "should be an object"),
    ],
    ids=["nothing", "half", "no text", "a list"],
)
def test_what_is_no_json_object_is_no_proposal(document: bytes, words: str):
    (problem,) = problems(document)
    assert problem.startswith("proposal: ") and words in problem


def test_the_diff_shows_what_changes_and_all_around_it():
    lines = rule_diff("g", rule(), rule(hold="5m")).splitlines()
    assert [line for line in lines[2:] if line[0] in "+-"] == ["+    for: 5m"]
    assert any("HighErrorRate" in line for line in lines)
