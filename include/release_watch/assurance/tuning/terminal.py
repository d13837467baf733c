"""A back-test as a person reads it on a terminal, and as a program reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from release_watch.assurance.tuning.asking import OwnedAlert
from release_watch.assurance.tuning.back_test import BackTest
from release_watch.assurance.tuning.printing import back_test_parts
from release_watch.clock import in_words, rfc3339
from release_watch.coverage.table_text import columns, padded, plain

HEADERS = ("change", "firings", "false", "caught", "precision", "recall", "first firing", "result")
_KIND = 1
"""The column of the report that the change itself tells already."""


def lines_of(one: OwnedAlert, found: BackTest) -> Iterator[str]:
    """Yield the lines of one back-test: what is wrong, what was tried, and the diff of what is proposed."""
    parts = back_test_parts(found)
    severity = f", {plain(parts['severity'])}" if parts["severity"] else ""
    yield f"{plain(one.chosen.title)}{severity}, release {plain(one.release_id)}: {plain(parts['reason'])}"
    length = in_words(found.window[1] - found.window[0])
    yield f"  replayed over {length} until {rfc3339(found.window[1])}"
    rows = [[plain(cell) for at, cell in enumerate(row) if at != _KIND] for row in parts["rows"]]
    yield from (f"  {line}".rstrip() for line in _table([list(HEADERS), *rows]))
    if found.proposal is None:
        yield f"  {plain(parts['summary'])}"
        return
    yield f"  proposed: {plain(parts['summary'])}"
    yield f"  saved: {parts['saved']}"
    yield f"  evidence: {plain(found.proposal.evidence)}"
    if found.proposal.inlined:
        yield f"  calculated, as history has no such recordings: {plain(parts['inlined'])}"
    yield f"  {found.proposal.proposal_id}, SHA-256 {found.proposal.digest}"
    yield from (f"    {_shown(line)}" for line in found.proposal.diff.splitlines())


def plain_data(one: OwnedAlert, found: BackTest) -> dict[str, Any]:
    """Return a back-test as plain data; ``proposal`` is the document that a person approves, or None."""
    proposal = found.proposal
    return {
        "alert": found.rule.name,
        "service": found.rule.service,
        "severity": found.rule.labels.get("severity"),
        "release_id": one.release_id,
        "group": found.group,
        "reason": found.reason,
        "before": found.before.model_dump(mode="json"),
        "trials": [
            {
                "kind": trial.candidate.kind,
                "change": trial.candidate.change,
                "refused": trial.refused or None,
                "score": trial.score.model_dump(mode="json"),
            }
            for trial in found.trials
        ],
        "proposal": proposal.model_dump(mode="json", by_alias=True, exclude_none=True) if proposal else None,
        "sha256": proposal.digest if proposal else None,
        "diff": proposal.diff if proposal else None,
    }


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows with their cells below each other; the last column is as long as it is."""
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [padded(cell, width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join([*cells[:-1], row[-1]])


def _shown(line: str) -> str:
    """Return a line of a diff so that nothing in it moves the cursor; its indentation is part of it."""
    sign, rest = (line[0], line[1:]) if line[:1] in ("+", "-") else ("", line)
    text = rest.lstrip(" ")
    return f"{sign}{' ' * (len(rest) - len(text))}{plain(text)}"
