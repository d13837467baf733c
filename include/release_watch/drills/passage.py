"""How far a drill came, in seconds since it was due to fire: what its time line shows, in words or drawn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, get_args

from release_watch.artifacts.models import AlertTestResults, DrillResult, EscalationStep, HopHistory
from release_watch.clock import in_words
from release_watch.drills.judging import is_not_drilled
from release_watch.verdict import Verdict

HopName = Literal["fired", "accepted", "delivered", "acknowledged", "resolved"]
HOPS: tuple[HopName, ...] = get_args(HopName)
NEAR = 1.6
"""A target that is at most so many times as late as the last thing seen is worth its place on the scale."""
_MISSING = {
    "fired": "NOT FIRED",
    "accepted": "NOT ACCEPTED",
    "delivered": "NOT DELIVERED",
    "acknowledged": "NOT ACKNOWLEDGED",
    "resolved": "NO RESOLVE NOTICE",
}


class Segment(NamedTuple):
    """The time that led to a hop; ``at`` is when the hop was seen, None for one that never was."""

    hop: HopName
    start: float
    end: float
    at: datetime | None


class Passage(NamedTuple):
    """A drill as a line of time.

    ``failed`` is the hop that failed: from when it was awaited until it came late, or until ``end``, where it
    never came; only of an acknowledgement is known how long it was awaited, until the target. ``target`` is
    that of the acknowledgement, None where none is needed. ``end`` is how far the line has to reach.
    """

    segments: tuple[Segment, ...]
    failed: Segment | None
    target: float | None
    end: float

    @property
    def shows_target(self) -> bool:
        """Whether the target lies on the line."""
        return self.target is not None and self.target <= self.end


def passage_of(drill: DrillResult) -> Passage:
    """Return how far ``drill`` came."""
    target = drill.target_seconds if needs_answer(drill) else None
    seen = _seen(drill)
    last = max((segment.end for segment in seen), default=0.0)
    failing = failed_hop(drill)
    end = max([last, *(step.paged.latency or 0.0 for step in drill.escalation)])
    if target is not None and (failing == "acknowledged" or target <= NEAR * end):
        end = max(end, target)
    if failing in HOPS[1:3]:
        end *= 2  # room for what did not come
    end = end or drill.target_seconds
    if failing is None:
        return Passage(seen, None, target, end)
    kept = tuple(segment for segment in seen if segment.hop != failing)
    came = next((segment for segment in seen if segment.hop == failing), None)
    if came is None:
        before = [segment.end for segment in seen if HOPS.index(segment.hop) < HOPS.index(failing)]
        awaited = max(before, default=0.0)  # it may have been late already when it could first come
        came = Segment(failing, awaited, max(awaited, _given_up(failing, target, end)), None)
        kept = tuple(
            part._replace(start=max(part.start, min(came.end, part.end))) if part.hop == "resolved" else part
            for part in kept
        )
    return Passage(kept, came, target, end)


def _given_up(hop: HopName, target: float | None, end: float) -> float:
    return target if hop == "acknowledged" and target is not None else end


def failed_hop(drill: DrillResult) -> HopName | None:
    """Return the hop at which ``drill`` failed; None if it proceeds, is under way or was never made."""
    if drill.verdict.proceeds or under_way(drill) or is_not_drilled(drill):
        return None
    needed: tuple[HopName, ...] = HOPS[:4] if needs_answer(drill) else HOPS[:3]
    missing = (hop for hop in needed if getattr(drill.hops, hop).at is None)
    return next(missing, needed[-1])


def missing_words(drill: DrillResult, hop: HopName) -> str:
    """Return what is said of a hop that was not seen."""
    return "NOT KNOWN" if drill.verdict is Verdict.ERROR else _MISSING[hop]


def made(results: AlertTestResults) -> tuple[DrillResult, ...]:
    """Return the drills to show: not those that were held back, whose reasons are told apart."""
    told = bool(results.not_drilled)
    return tuple(drill for drill in results.drills if not (told and is_not_drilled(drill)))


def needs_answer(drill: DrillResult) -> bool:
    """Whether somebody has to acknowledge; nobody is woken for a ticket."""
    return drill.severity == "page" and drill.answer_needed


def under_way(drill: DrillResult) -> bool:
    """Whether the drill has no verdict yet."""
    return drill.verdict is Verdict.INCONCLUSIVE and drill.diagnosis is None


def due_at(drill: DrillResult) -> datetime | None:
    """Return when the drill was due to fire; None if it never fired."""
    fired = drill.hops.fired
    return None if fired.at is None else fired.at - timedelta(seconds=fired.latency or 0.0)


def begun(drills: Sequence[DrillResult]) -> datetime | None:
    """Return when the first of ``drills`` was due to fire; None if none fired."""
    return min((due for drill in drills if (due := due_at(drill)) is not None), default=None)


def answer_to(step: EscalationStep, drill: DrillResult) -> str:
    """Return what became of the page of one level, in words."""
    if step.paged.at is None:
        return "NOT PAGED" if step.acknowledged.at is None else "no record of the page"
    if step.acknowledged.at is not None:
        return "acknowledged"
    return f"{'has' if under_way(drill) else 'no answer in'} {in_seconds(step.within_seconds)}"


def past_of(history: Sequence[HopHistory], drill: DrillResult, hop: str) -> HopHistory | None:
    """Return how long a hop took in past drills of the same kind and receiver, None without any."""
    return next(
        (one for one in history if (one.kind, one.receiver, one.hop) == (drill.kind, drill.receiver, hop)),
        None,
    )


def in_seconds(seconds: float) -> str:
    """Return a length of time as people read it: ``3 ms``, ``0.4 s``, ``31 s``, ``15 min``."""
    if seconds >= 60:
        return in_words(timedelta(seconds=seconds))
    if 0 < seconds < 0.095:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.0f} s" if seconds >= 10 and float(seconds).is_integer() else f"{seconds:.1f} s"


def _seen(drill: DrillResult) -> tuple[Segment, ...]:
    found: list[Segment] = []
    start = 0.0
    for name in HOPS:
        hop = getattr(drill.hops, name)
        if hop.at is not None:
            end = max(0.0, hop.latency or 0.0)  # clocks may differ by a little
            found.append(Segment(name, min(start, end), end, hop.at))
            start = max(start, end)
    return tuple(found)
