"""The time line of an alert test: as text for task logs and terminals, and as a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from release_watch.artifacts.models import AlertTestResults, DrillResult, EscalationStep, HopHistory
from release_watch.coverage.table_text import plain, wrapped
from release_watch.drills.judging import is_not_drilled
from release_watch.drills.passage import (
    HOPS,
    Passage,
    Segment,
    answer_to,
    begun,
    in_seconds,
    made,
    missing_words,
    needs_answer,
    passage_of,
    past_of,
    under_way,
)

if TYPE_CHECKING:
    from release_watch.drills.passage import HopName

CELLS = 32
"""Characters of the line of time."""
KINDS = {
    "full": "full, from a rule in Prometheus",
    "direct": "direct, posted to Alertmanager past Prometheus",
}
_INDENT = "  "


class _Row(NamedTuple):
    """One thing that happened: ``seconds`` None where it did not, ``sign`` from ``start`` to ``end``."""

    name: str
    at: datetime | None
    seconds: float | None
    start: float
    end: float
    sign: str
    words: str


def timeline_text(results: AlertTestResults, history: Sequence[HopHistory] = ()) -> str:
    """Return what happened in the drills, for a person on call: a block per drill, a line per hop.

    Times of day are UTC; seconds count from the moment a drill was due to fire, and so do the bars, each as
    long as its drill. Beside a hop stands how long it took in past drills, from ``history`` or else from
    the results. No line is longer than 120 columns, and nothing in it moves the cursor.
    """
    past = history or results.hop_history
    lines = [*_heading(results)]
    for drill in made(results):
        lines += ["", *_block(drill, past)]
    if results.not_drilled:
        lines += ["", "DRILL not made:"]
        for reason in results.not_drilled:
            lines += wrapped(plain(reason), f"{_INDENT}- ")
    return "\n".join(line.rstrip() for line in lines)


def timeline_png(results: AlertTestResults, history: Sequence[HopHistory] | None = None) -> bytes:
    """Return the drills as PNG, one row each on one scale of seconds since they were due to fire.

    Segments lead to the hops that were seen; the hop that failed is red and says what failed. Pages,
    acknowledgements, targets and the medians of past drills are marked. The same results give the same bytes.
    """
    from release_watch.drills.picture import draw

    return draw(results, history or results.hop_history)


def _heading(results: AlertTestResults) -> list[str]:
    counted = Counter(drill.verdict for drill in results.drills)
    told = ", ".join(f"{count} {verdict}" for verdict, count in counted.items()) or "none was made"
    moment = begun(results.drills) or results.generated_at
    number = len(results.drills)
    words = (
        f"release {results.release_id} in {results.environment}, {moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        f": {results.verdict} ({number} drill{'' if number == 1 else 's'}: {told})"
    )
    return wrapped(plain(words), "DRILL time line, ")


def _block(drill: DrillResult, history: Sequence[HopHistory]) -> list[str]:
    passage = passage_of(drill)
    verdict = "under way" if under_way(drill) else drill.verdict
    lines = wrapped(
        plain(f"{verdict}, {drill.severity} of {drill.service} ({KINDS[drill.kind]})"),
        f"DRILL {plain(drill.drill_id)}: ",
    )
    way = f"{' > '.join(drill.route) or 'no route'} -> {drill.receiver or 'nobody'}"
    lines += wrapped(plain(way), f"{_INDENT}way: ")
    if drill.stands_for:
        lines += wrapped(plain(", ".join(drill.stands_for)), f"{_INDENT}same way, proven with it: ")
    if drill.forced_by:
        lines += wrapped(plain(drill.forced_by), f"{_INDENT}against quiet hours or rate, forced by: ")
    for row in _rows(drill, passage, history):
        lines += _written(row, passage.end)
    if drill.diagnosis:
        lines += wrapped(plain(drill.diagnosis), f"{_INDENT}{drill.verdict}: ")
    return lines


def _rows(drill: DrillResult, passage: Passage, history: Sequence[HopHistory]) -> list[_Row]:
    """Return the rows in the order of time; what did not happen comes where it should have."""
    if is_not_drilled(drill):
        return []
    rows = [_hop(segment, drill, history) for segment in passage.segments]
    if passage.failed:
        rows.append(_failed(passage.failed, drill, passage))
    rows += [_page(step, drill, passage) for step in drill.escalation]
    if passage.target is not None:
        sign = "!" if passage.shows_target else ">"
        rows.append(_Row("target", None, passage.target, passage.target, passage.target, sign, ""))
    if not passage.failed:
        rows += _missing(drill, passage)
    return sorted(rows, key=lambda row: (row.end, row.name == "resolved"))


def _hop(segment: Segment, drill: DrillResult, history: Sequence[HopHistory]) -> _Row:
    words = []
    if segment.hop == "acknowledged":
        words.append(f"by {drill.acknowledged_by}")
    if past := past_of(history, drill, segment.hop):
        words.append(
            f"p50 of {past.drills}: {in_seconds(past.p50_seconds)}, worst {in_seconds(past.worst_seconds)}"
        )
    return _Row(segment.hop, segment.at, segment.end, segment.start, segment.end, "#", "; ".join(words))


def _failed(failed: Segment, drill: DrillResult, passage: Passage) -> _Row:
    if failed.at is None:
        return _Row(failed.hop, None, None, failed.start, failed.end, "x", missing_words(drill, failed.hop))
    late = passage.target is not None and failed.end > passage.target
    words = f"{'LATE' if late else 'NOT VALID'}, by {drill.acknowledged_by}"
    return _Row(failed.hop, failed.at, failed.end, failed.start, failed.end, "x", words)


def _page(step: EscalationStep, drill: DrillResult, passage: Passage) -> _Row:
    words = f"level {step.level}, {step.role}: {step.person}; {answer_to(step, drill)}"
    seconds = step.paged.latency if step.paged.at else None
    place = passage.end if seconds is None else seconds
    return _Row("paged", step.paged.at, seconds, place, place, " " if seconds is None else "^", words)


def _missing(drill: DrillResult, passage: Passage) -> Iterator[_Row]:
    """Yield what is still awaited, or, of a drill that proceeds, the resolve notice that did not come."""
    for hop in HOPS:
        if getattr(drill.hops, hop).at is None and not _needless(drill, hop):
            words = "not yet" if under_way(drill) else missing_words(drill, hop)
            yield _Row(hop, None, None, passage.end, passage.end, " ", words)


def _needless(drill: DrillResult, hop: HopName) -> bool:
    return hop == "acknowledged" and not needs_answer(drill)


def _written(row: _Row, end: float) -> list[str]:
    clock = f"{row.at.astimezone(UTC):%H:%M:%S.%f}"[:-3] if row.at else ""
    seconds = "" if row.seconds is None else in_seconds(row.seconds)
    first, last = _cell(row.start, end), _cell(row.end, end)
    bar = " " * first + row.sign * (last - first + 1)
    return wrapped(plain(row.words), f"{_INDENT}{row.name:<12} {clock:>12} {seconds:>9}  |{bar:<{CELLS}}|  ")


def _cell(seconds: float, end: float) -> int:
    share = min(1.0, max(0.0, seconds / end)) if end > 0 else 0.0
    return min(CELLS - 1, int(share * CELLS))
