"""A proposal as lines of a log and of a question: the change, before and after, and its evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from release_watch.assurance.tuning.printing import detection, share
from release_watch.assurance.tuning.proposal import TuningProposal, rule_diff
from release_watch.assurance.tuning.scores import Score
from release_watch.clock import rfc3339


def headline(proposal: TuningProposal, *, taking_back: bool = False) -> str:
    """Return the change in one line."""
    what = f"{proposal.current.title}: {proposal.change}"
    return f"Take back {what}" if taking_back else what


def change_diff(proposal: TuningProposal, *, taking_back: bool = False) -> str:
    """Return the change of the rule file, from what is in force to what will be."""
    if not taking_back:
        return proposal.diff
    return rule_diff(proposal.group, proposal.proposed, proposal.current)


def before_and_after(proposal: TuningProposal) -> Iterator[str]:
    """Yield a table: what the rule was worth over the window of the back-test, and the proposed one."""
    rows = [("", "as tested", "proposed"), *_rows(proposal.before, proposal.expected)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def evidence(proposal: TuningProposal) -> tuple[str, ...]:
    """Return what stands behind the change, a line each."""
    start, end = rfc3339(proposal.window.start), rfc3339(proposal.window.end)
    lines = [f"Replayed over {start} to {end}; changes tried: {proposal.tried}", proposal.evidence]
    if proposal.inlined:
        lines.append(
            f"Calculated from raw series, as history has no such recordings: {', '.join(proposal.inlined)}"
        )
    return tuple(lines)


def _rows(before: Score, after: Score) -> Sequence[tuple[str, str, str]]:
    def row(name: str, one: object, other: object) -> tuple[str, str, str]:
        return name, str(one), str(other)

    return (
        row("firings", before.firings, after.firings),
        row("false firings", before.false, after.false),
        row("notifications", before.notifications, after.notifications),
        row(
            "incidents caught",
            f"{len(before.caught)} of {before.incidents}",
            f"{len(after.caught)} of {after.incidents}",
        ),
        row("precision", share(before.precision), share(after.precision)),
        row("recall", share(before.recall), share(after.recall)),
        row("first firing, from the incident's begin", detection(before), detection(after)),
    )
