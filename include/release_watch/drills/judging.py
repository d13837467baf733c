"""The verdict on a drill that is over: what was proven, against the target, in words."""

from __future__ import annotations

from datetime import timedelta

from release_watch.artifacts.models import DrillResult, Hop
from release_watch.clock import in_words, rfc3339
from release_watch.drills.receipts import Acknowledgement, Receipt
from release_watch.verdict import Verdict


def judged_drill(
    result: DrillResult, given: Acknowledgement | None, notice: Receipt | None, target: timedelta
) -> DrillResult:
    """Return a drill with its last hops, verdict and diagnosis; as far as they were seen.

    GO: every hop up to the acknowledgement within ``target``, and the resolve notice. WARN: the person was
    reached in time, but something beside failed. All else keeps its verdict or is NO_GO.
    """
    result = result.model_copy(update={"target_seconds": target.total_seconds()})
    if not (result.hops.fired.at and result.hops.accepted.at and result.hops.delivered.at):
        stopped = Verdict.NO_GO if result.verdict.proceeds else result.verdict
        return result.model_copy(update={"verdict": stopped})
    due = result.hops.fired.at - timedelta(seconds=result.hops.fired.latency or 0)
    resolved = Hop()
    if notice is not None:
        resolved = Hop(
            at=notice.at,
            latency=round((notice.at - due).total_seconds(), 3),
            proof=f"{notice.uri} sha256:{notice.sha256}",
        )
    acknowledged = Hop()
    if given is not None:
        latency = round((given.at - due).total_seconds(), 3)
        acknowledged = Hop(
            at=given.at, latency=latency, proof=f"answered by {given.by} for {result.drill_id}"
        )
    verdict, diagnosis = _verdict(result, given, acknowledged, resolved, target)
    return result.model_copy(
        update={
            "hops": result.hops.model_copy(update={"acknowledged": acknowledged, "resolved": resolved}),
            "acknowledged_by": given.by if given else None,
            "verdict": verdict,
            "diagnosis": diagnosis,
        }
    )


def _verdict(
    result: DrillResult, given: Acknowledgement | None, acknowledged: Hop, resolved: Hop, target: timedelta
) -> tuple[Verdict, str | None]:
    arrival = result.hops.delivered.at
    if given is None or acknowledged.latency is None or arrival is None:
        return Verdict.NO_GO, (
            f"Delivered to {result.receiver} at {rfc3339(arrival) if arrival else 'an unknown time'}, but "
            f"nobody acknowledged within {in_words(target)}. Ask the person on call whether the notice was "
            "seen, check the rotation in oncall.yaml, and drill again."
        )
    if given.at < arrival:
        return Verdict.NO_GO, (
            f"Acknowledged by {given.by} at {rfc3339(given.at)}, before it was delivered at "
            f"{rfc3339(arrival)}: that answered something else, or the clocks of receiver and Airflow "
            "differ. Compare them and drill again."
        )
    if acknowledged.latency > target.total_seconds():
        return Verdict.NO_GO, (
            f"Acknowledged by {given.by} after {in_words(timedelta(seconds=acknowledged.latency))}; the "
            f"target is {in_words(target)}. Find out what delayed the person on call, and drill again."
        )
    if resolved.at is None:
        return Verdict.WARN, (
            f"Delivered and acknowledged, but the resolve notice did not arrive at {result.receiver}: "
            "on-call is not told when an incident is over. Check send_resolved of the receiver and "
            "group_interval of its route."
        )
    return (Verdict.WARN if result.diagnosis else Verdict.GO), result.diagnosis
