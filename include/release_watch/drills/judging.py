"""The verdict on a drill that is over: what was proven, against the target, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from release_watch.artifacts.models import DrillResult, EscalationStep, Hop
from release_watch.clock import in_words, rfc3339
from release_watch.drills.answering import shortcoming, silence_in_words
from release_watch.drills.escalation import due_of
from release_watch.drills.plan import TICKET
from release_watch.drills.receipts import Acknowledgement, Receipt, proof_of
from release_watch.verdict import Verdict, worst

NO_ANSWER_NEEDED = "a ticket is worked off in its own time: nobody has to acknowledge it"
NOBODY_ASKED = "this drill ends at its receivers: nobody was asked to acknowledge it"


def is_not_drilled(result: DrillResult) -> bool:
    """Return whether a route was not drilled at all: it was held back, or is a ticket that cannot be."""
    untried = result.verdict in (Verdict.INCONCLUSIVE, Verdict.WARN)
    return untried and result.hops.fired.at is None and result.diagnosis is not None


def not_drilled_words(result: DrillResult) -> str:
    """Return which route was not drilled, and why."""
    return f"{result.service} {result.severity} to {result.receiver or 'no receiver'}: {result.diagnosis}"


def judged_drill(
    result: DrillResult,
    given: Acknowledgement | None,
    notices: Mapping[str, Receipt],
    target: timedelta,
    escalation: Sequence[EscalationStep] = (),
    *,
    arrived: datetime | None = None,
) -> DrillResult:
    """Return a drill with its last hops, verdict and diagnosis; as far as they were seen.

    GO: every hop up to the acknowledgement within ``target``, by who was paged first, and the resolve notice
    at every receiver. WARN: a person was reached in time, but something beside failed. All else keeps its
    verdict or is NO_GO. A ticket needs no acknowledgement. ``notices`` tell the receivers, by name, that it
    is over; ``arrived`` is when the first of several receivers had it.
    """
    result = result.model_copy(
        update={"target_seconds": target.total_seconds(), "escalation": tuple(escalation)}
    )
    due = due_of(result)
    if is_not_drilled(result):
        return result
    if due is None or result.hops.accepted.at is None:
        stopped = Verdict.NO_GO if result.verdict.proceeds else result.verdict
        return result.model_copy(update={"verdict": stopped})
    resolved = Hop()
    missing = [name for name in receivers_of(result) if name not in notices]
    if notices and not missing:
        at = max(notice.at for notice in notices.values())
        proof = proof_of(tuple(notices.values()))
        resolved = Hop(at=at, latency=round((at - due).total_seconds(), 3), proof=proof)
    acknowledged = Hop(proof=_without_answer(result))
    if given is not None:
        acknowledged = Hop(
            at=given.at,
            latency=round((given.at - due).total_seconds(), 3),
            proof=f"answered by {given.by} for {result.drill_id}",
        )
    hops = result.hops.model_copy(update={"acknowledged": acknowledged, "resolved": resolved})
    result = result.model_copy(update={"hops": hops, "acknowledged_by": given.by if given else None})
    found = [
        *_answer_flaws(result, given, target, arrived or result.hops.delivered.at),
        *_other_flaws(result, missing),
    ]
    failures = [words for verdict, words in found if not verdict.proceeds]
    return result.model_copy(
        update={
            "verdict": worst([Verdict.GO, *(verdict for verdict, _ in found)]),
            "diagnosis": " ".join(failures or [words for _, words in found]) or None,
        }
    )


def receivers_of(result: DrillResult) -> tuple[str, ...]:
    """Return the receivers that a drill has to reach."""
    return result.receivers or ((result.receiver,) if result.receiver else ())


def _without_answer(result: DrillResult) -> str | None:
    """Return why nobody has to acknowledge a drill, None if somebody has to."""
    if result.severity == TICKET:
        return NO_ANSWER_NEEDED
    return None if result.answer_needed else NOBODY_ASKED


def _answer_flaws(
    result: DrillResult, given: Acknowledgement | None, target: timedelta, arrival: datetime | None
) -> Iterator[tuple[Verdict, str]]:
    latency = result.hops.acknowledged.latency
    if _without_answer(result):
        return
    if given is None or latency is None or arrival is None:
        when = rfc3339(arrival) if arrival else "an unknown time"
        silent = silence_in_words(result.escalation)
        yield (
            Verdict.NO_GO,
            f"Delivered to {result.receiver} at {when}, but nobody acknowledged within {in_words(target)}. "
            f"{silent + ' ' if silent else ''}Ask the person on call whether the notice was seen, check the "
            "rotation in oncall.yaml, and drill again.",
        )
    elif given.at < arrival:
        yield (
            Verdict.NO_GO,
            f"Acknowledged by {given.by} at {rfc3339(given.at)}, before it was delivered at "
            f"{rfc3339(arrival)}: that answered something else, or the clocks of receiver and Airflow "
            "differ. Compare them and drill again.",
        )
    elif latency > target.total_seconds():
        yield (
            Verdict.NO_GO,
            f"Acknowledged by {given.by} after {in_words(timedelta(seconds=latency))}; the target is "
            f"{in_words(target)}. Find out what delayed the person on call, and drill again.",
        )
    elif (short := shortcoming(result.escalation, given)) is not None:
        yield short


def _other_flaws(result: DrillResult, without_notice: Sequence[str]) -> Iterator[tuple[Verdict, str]]:
    if without_notice:
        reached = "Delivered" if _without_answer(result) else "Delivered and acknowledged"
        yield (
            Verdict.WARN,
            f"{reached}, but the resolve notice did not arrive at {', '.join(without_notice)}: there nobody "
            "is told when an incident is over. Check send_resolved of the receiver and group_interval of its "
            "route.",
        )
    if result.diagnosis:
        yield Verdict.WARN, result.diagnosis
