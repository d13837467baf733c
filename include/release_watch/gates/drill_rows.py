"""Gate 2: the rows for drills, alert rules, dashboards and runbook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from release_watch.artifacts.models import AlertTestResults, Approval, DrillResult, Hop
from release_watch.gates.rows import Row, document_row, row
from release_watch.verdict import Objective, Verdict

NOT_NEEDED = "not needed"
"""Stands for the acknowledgement of a ticket: it is proven where it was delivered."""
UNKNOWN = frozenset({Verdict.INCONCLUSIVE, Verdict.ERROR})


def drill_rows(results: AlertTestResults | None, critical: Sequence[str]) -> Iterator[Row]:
    """Yield a row per drill, per critical service and per route that could not be drilled."""
    if results is None:
        yield {**document_row("alert-test-results.json", None), "kind": "drill"}
        return
    for drill in results.drills:
        yield _drill_row(drill)
    drilled = {drill.service for drill in results.drills if drill.severity == "page"}
    for service in critical:
        observed = "drilled" if service in drilled else "no drill at all"
        remedy = "see which route its page takes, and drill it"
        yield row(
            "drilled_service",
            service,
            holds=service in drilled,
            observed=observed,
            expected="at least one drill",
            remedy=None if service in drilled else remedy,
        )
    for reason in results.not_drilled:
        yield row("not_drilled", reason, holds=False, observed="not drilled", expected="a drill")


def rule_rows(problems: Sequence[str] | None) -> Iterator[Row]:
    """Yield a row per problem of the loaded rules, one if there is none; None: they were not read back."""
    expected = "loaded, healthy, as generated"
    remedy = "activate the rules again"
    if problems is None:
        observed = "not read back from Prometheus"
        yield row("rules", "alert rules", holds=None, observed=observed, expected=expected, remedy=remedy)
    elif not problems:
        yield row("rules", "alert rules", holds=True, observed=expected, expected=expected)
    for problem in problems or ():
        yield row("rules", "alert rules", holds=False, observed=problem, expected=expected, remedy=remedy)


def objective_rows(kind: str, name: str, found: Sequence[Objective], expected: str) -> Iterator[Row]:
    """Yield a row per objective; without any, one that says that nothing was looked at."""
    if not found:
        yield row(kind, name, holds=None, observed="not checked", expected=expected)
    for objective in found:
        holds = None if objective.verdict in UNKNOWN else objective.verdict is Verdict.GO
        judged = row(
            kind,
            objective.name,
            holds=holds,
            observed=objective.reason,
            expected=expected,
            query=objective.query,
        )
        yield {**judged, "status": "WARN"} if objective.verdict is Verdict.WARN else judged


def runbook_rows(alerts: Sequence[str], runbook: str | None) -> Iterator[Row]:
    """Yield a row per alert: does the runbook name it; without alerts or runbook, one that says so."""
    name = "RUNBOOKS/monitoring-runbook.md"
    if runbook is None or not alerts:
        observed = "no alert is known" if runbook else "not there"
        yield row("runbook", name, holds=None, observed=observed, expected="a section for each alert")
        return
    for alert in dict.fromkeys(alerts):
        there = alert in runbook
        yield row(
            "runbook",
            alert,
            holds=there,
            observed="described" if there else f"not in {name}",
            expected="described in the runbook",
            remedy=None if there else "generate the runbook again",
        )


def approval_row(approval: Approval) -> Row:
    """Return the row of the answer to whether the drill may run."""
    granted = bool(approval.responded_by) and (approval.answer or "").lower() == "yes"
    answered = f"{approval.answer!r} by {approval.responded_by}" if approval.responded_by else "no answer"
    return row("approval", approval.task, holds=granted, observed=answered, expected="yes, by a person")


def _drill_row(drill: DrillResult) -> Row:
    hops = drill.hops
    asked = drill.severity == "page" or hops.acknowledged.at is not None
    in_time = f"delivered and acknowledged within {drill.target_seconds:g} s"
    return {
        **row(
            "drill",
            f"{drill.service} {drill.severity} to {drill.receiver or 'no receiver'}",
            holds=None if drill.verdict in UNKNOWN else drill.verdict.proceeds,
            observed=drill.diagnosis or f"drill {drill.drill_id}: {drill.verdict.value}",
            expected=in_time if asked else "delivered",
        ),
        "fired": _seen(hops.fired),
        "accepted": _seen(hops.accepted),
        "delivered": _seen(hops.delivered),
        "acknowledged": _seen(hops.acknowledged) if asked else NOT_NEEDED,
        "acknowledged_by": drill.acknowledged_by if asked else "nobody has to: a ticket",
        "acknowledged_after_seconds": hops.acknowledged.latency if asked else 0.0,
        "target_seconds": drill.target_seconds,
    }


def _seen(hop: Hop) -> str:
    return "no" if hop.at is None else "yes"
