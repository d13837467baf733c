"""Checks in lines: what passed, what failed, and how a document says that all of it went."""

from __future__ import annotations

import re

from release_watch.evidence.markdown_documents import Kind
from release_watch.evidence.models import PASSED_WORDS, Risk
from release_watch.evidence.plain_words import Mark, marked
from release_watch.evidence.recognition import Line, Names, Understood

OUTCOME_NAMES = (
    "status",
    "overall status",
    "deployment status",
    "result",
    "overall result",
    "outcome",
    "verdict",
)
_PASSED = PASSED_WORDS | {
    "healthy", "up", "done", "complete", "completed", "yes", "true", "live", "available", "deployed", "go",
    "all green", "all passed", "stable",
}  # fmt: skip
_FAILED = frozenset({
    "failed", "fail", "failure", "failing", "error", "errors", "down", "unhealthy", "critical", "red", "no",
    "false", "timeout", "timed out", "unavailable", "crashed", "aborted", "rejected", "rolled back", "no-go",
    "no go", "unsuccessful", "broken", "not ok", "not passed",
})  # fmt: skip
_WARNING = frozenset({
    "warning", "warn", "degraded", "flaky", "slow", "retried", "skipped", "pending", "unknown", "yellow",
    "partial", "partially", "incomplete", "in progress", "unstable", "open", "not run",
})  # fmt: skip
_CODE = re.compile(r"^(?:http )?([1-5])\d\d\b", re.I)
_RESULTS = (
    "result",
    "status",
    "outcome",
    "state",
    "health",
    "verdict",
    "passed",
    "pass",
    "ok",
    "healthy",
    "pass/fail",
)
_DETAILS = (
    "event",
    "check",
    "test",
    "step",
    "probe",
    "detail",
    "details",
    "message",
    "notes",
    "comment",
    "error",
)
_LOGGED = re.compile(r"(?<!\b0 )(?<!no )\b(FAILED|FAIL|FAILURE|ERROR|FATAL|CRITICAL|UNHEALTHY)\b(?!: 0)")
_ENDS = re.compile(r"(?:[:–=]| -|\.\.|→) ?([A-Za-z][A-Za-z -]{0,16})[.!]?$")
_BEGINS = re.compile(r"^\[?(PASS|PASSED|OK|FAIL|FAILED|ERROR|WARN|WARNING)\b\]?:? (?=\S)")


def result_of(words: str) -> Mark | None:
    """Return what ``words`` such as ``FAILED``, ``HTTP 500`` or a sign say of a check; None if neither."""
    text, mark, _ = marked(words)
    plain = text.casefold().strip(" .!*[]()")
    if mark is not None:
        return mark
    for known, meaning in ((_PASSED, Mark.PASSED), (_FAILED, Mark.FAILED), (_WARNING, Mark.WARNING)):
        if plain in known:
            return meaning
    if code := _CODE.match(plain):
        return Mark.PASSED if code[1] in "123" else Mark.FAILED
    first = re.split(r"[\s(,;:–]", plain, maxsplit=1)[0]
    return result_of(first) if first != plain else None


def read(line: Line, names: Names) -> Understood | None:
    """Return the check that ``line`` reports; a failed one is a risk. None if it reports none."""
    result = _result(line)
    if result is None:
        return None
    if result is Mark.PASSED:
        return Understood("check that passed")
    words = _words(line)
    what = "failed" if result is Mark.FAILED else "did not simply pass"
    risk = Risk(
        text=f"health check {what}: {words}",
        service=line.service(names),
        severity="high" if result is Mark.FAILED else "medium",
        source=line.source,
    )
    return Understood("check that failed" if result is Mark.FAILED else "check with a warning", (risk,))


def _result(line: Line) -> Mark | None:
    if line.piece.kind is Kind.ROW:
        cell = line.cell(*_RESULTS)
        return result_of(cell) if cell else line.mark
    if line.piece.kind is Kind.CODE:
        return Mark.FAILED if _LOGGED.search(line.text) else line.mark
    if line.mark is not None:
        return line.mark
    if line.ticked is not None:
        return Mark.PASSED if line.ticked else Mark.WARNING
    if begins := _BEGINS.match(line.text):
        return result_of(begins[1])
    ends = _ENDS.search(line.text)
    return result_of(ends[1]) if ends else None


def _words(line: Line) -> str:
    cells = [value for name in _DETAILS if (value := line.piece.cells.get(name))]
    return ", ".join(cells) or line.text
