"""The tables that the gates judge: one row per thing that must hold, built from the artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from release_watch.artifacts.models import (
    AlertTestResults,
    Approval,
    ApprovalRecord,
    BaselineKind,
    BaselineMetrics,
    FindingState,
    InstrumentationAudit,
    Manifest,
    MonitoringResults,
    ObservabilitySchedule,
    ServiceAudit,
    Severity,
    Signal,
    SignalAudit,
)
from release_watch.assurance.schedule import CHECKS
from release_watch.coverage.blindness import is_blind
from release_watch.gates.drill_rows import approval_row, drill_rows, objective_rows, rule_rows, runbook_rows
from release_watch.gates.package_rows import approval_rows, file_rows, notice_rows, signed_rows
from release_watch.gates.rows import Row, document_row, row, table
from release_watch.verdict import Objective

if TYPE_CHECKING:
    import pandas as pd


def gate_1_table(
    audit: InstrumentationAudit | None,
    requirements_digest: str | None,
    *,
    services: Sequence[str] = (),
) -> pd.DataFrame:
    """Return one row per service and signal, endpoint check and reference, and for the requirements document.

    ``requirements_digest`` is the SHA-256 of ``monitoring-requirements.md``, None if it is not there;
    ``services`` are those of the release, each of which the audit must know.
    """
    rows = [document_row("monitoring-requirements.md", requirements_digest)]
    if audit is None:
        return table(1, [*rows, document_row("instrumentation-audit.json", None)])
    rows.append(document_row("instrumentation-audit.json", "there"))
    audited = {service.service for service in audit.services}
    for name in [*services, *sorted(audited - set(services))]:
        observed = "audited" if name in audited else "not audited"
        remedy = None if name in audited else "run the audit again with every service of the release"
        rows.append(
            row(
                "service",
                name,
                holds=name in audited or None,
                observed=observed,
                expected="audited",
                remedy=remedy,
            )
        )
    rows += [entry for service in audit.services for entry in _signal_rows(service)]
    return table(1, [*rows, *_reference_rows(audit)])


def gate_2_table(
    results: AlertTestResults | None,
    *,
    critical: Sequence[str],
    rule_problems: Sequence[str] | None,
    panels: Sequence[Objective],
    dashboards: Sequence[Objective],
    alerts: Sequence[str],
    runbook: str | None,
    approval: Approval | None = None,
) -> pd.DataFrame:
    """Return a row per drill, rule problem, dashboard, panel and alert: all proven on live telemetry.

    Args:
        results: the alert test; None if it did not run.
        critical: the release's critical services, each of which needs a drill.
        rule_problems: what reading the rules back from Prometheus found; None if they were not read back.
        panels: one objective per dashboard panel, GO where its query answered with samples.
        dashboards: one objective per dashboard, GO where it is activated and was read back.
        alerts: the names of the release's alerts.
        runbook: the runbook's text; None if it is not there.
        approval: the answer to whether the drill may run.
    """
    return table(
        2,
        [
            *drill_rows(results, critical),
            *rule_rows(rule_problems),
            *objective_rows("panel", "dashboard panels", panels, "answered from live telemetry"),
            *objective_rows("dashboard", "dashboards", dashboards, "activated and read back"),
            *runbook_rows(alerts, runbook),
            *([approval_row(approval)] if approval else []),
        ],
    )


def gate_3_table(
    schedule: ObservabilitySchedule | None,
    *,
    registered: bool,
    tuning: str | None,
    backlog: str | None,
    baseline: BaselineMetrics | None,
    results: MonitoringResults | None,
) -> pd.DataFrame:
    """Return rows for schedule, registration, tuning report, backlog, baseline and findings.

    ``registered`` says whether the nightly run's registry holds the release; ``tuning`` and ``backlog``
    are the documents' texts; ``results`` what the reviews of the baseline window found.
    """
    return table(
        3,
        [
            document_row("observability-schedule.json", None if schedule is None else "there"),
            document_row("alert-tuning-report.md", tuning),
            document_row("improvement-backlog.md", backlog),
            *_check_rows(schedule),
            row(
                "registration",
                "nightly run",
                holds=registered,
                observed="registered" if registered else "not registered",
                expected="registered with nightly_assurance",
                remedy=None if registered else "register the release with the nightly run",
            ),
            _baseline_row(baseline),
            *_result_rows(results),
        ],
    )


def gate_4_table(
    manifest: Manifest | None,
    record: ApprovalRecord | None,
    stored: Mapping[str, str],
    changed: Sequence[str] | None,
) -> pd.DataFrame:
    """Return a row per file of the package, per approval and per downstream owner.

    ``stored`` is the SHA-256 of every artifact as it lies in the store now, by its name and by its URI
    (:func:`release_watch.handoff.package.digests`); ``changed`` the files that are not as they were signed
    (:func:`release_watch.handoff.package.changed_since_signed`), None if nothing was signed.
    """
    return table(
        4,
        [
            *file_rows(manifest, stored),
            *signed_rows(changed),
            *approval_rows(record, stored),
            *notice_rows(manifest),
        ],
    )


def _signal_rows(service: ServiceAudit) -> Iterator[Row]:
    for signal in Signal:
        name = f"{service.service}: {signal.value}"
        audited = service.signals.get(signal)
        if audited is None:
            missing = row("signal", name, holds=None, observed="not audited", expected="mapped and live")
            yield {**missing, "tier": service.tier, "status": "MISSING"}
            continue
        yield {**_signal_row(name, audited), "tier": service.tier}
        for check in audited.checks:
            if "endpoint" in check.name:
                yield {
                    "kind": "endpoint",
                    "name": f"{name}, {check.name}",
                    "status": check.status.value,
                    "observed": check.observed,
                    "expected": check.expected,
                    "remedy": check.remedy,
                    "query": check.query,
                    "tier": service.tier,
                }


def _signal_row(name: str, audited: SignalAudit) -> Row:
    gaps = [check for check in audited.checks if check.status.value != "PASS"]
    return {
        "kind": "signal",
        "name": name,
        "status": audited.status.value if audited.checks else "MISSING",
        "observed": "; ".join(f"{check.name}: {check.observed}" for check in gaps) or audited.status.value,
        "expected": "; ".join(f"{check.name}: {check.expected}" for check in gaps) or "mapped and live",
        "remedy": "; ".join(check.remedy for check in gaps if check.remedy) or None,
        "query": next((check.query for check in gaps if check.query), None),
    }


def _reference_rows(audit: InstrumentationAudit) -> Iterator[Row]:
    """Yield a row per alert, SLO and panel; critical are those that a critical service is blind without."""
    critical = {service.service for service in audit.services if service.tier == "critical"}
    for reference in audit.references:
        check = reference.check
        yield {
            "kind": "reference",
            "name": f"{reference.kind} {reference.name}",
            "status": check.status.value,
            "observed": check.observed,
            "expected": check.expected,
            "remedy": check.remedy,
            "query": check.query,
            "tier": "critical" if is_blind(reference, critical) else "standard",
        }


def _check_rows(schedule: ObservabilitySchedule | None) -> Iterator[Row]:
    scheduled = {check.check: check for check in schedule.checks} if schedule else {}
    for wanted in CHECKS:
        check = scheduled.get(wanted.name)
        staffed = schedule is not None and schedule.verdict.proceeds
        observed = f"every {check.cadence}, {check.responsible_role}" if check else "not scheduled"
        yield row(
            "check",
            wanted.name,
            holds=check is not None and staffed,
            observed=observed if staffed or check is None else f"{observed}, but a role has nobody on duty",
            expected=f"scheduled, with somebody on duty as {wanted.role}",
            remedy=None if check and staffed else "schedule it, and name people for its role in oncall.yaml",
        )


def _result_rows(results: MonitoringResults | None) -> Iterator[Row]:
    number = len(results.reviews) if results else 0
    yield row(
        "reviews",
        "periodic reviews",
        holds=number > 0 or None,
        observed=f"{number} reviews",
        expected="at least one review in the baseline window",
    )
    for finding in results.findings if results else ():
        if finding.severity is Severity.CRITICAL:
            yield row(
                "finding",
                f"{finding.service} {finding.metric}",
                holds=finding.state is not FindingState.OPEN,
                observed=f"{finding.state.value}: {finding.reason}",
                expected="resolved or gone by itself",
                remedy="mend the release or roll it back; the check is repeated",
            )


def _baseline_row(baseline: BaselineMetrics | None) -> Row:
    expected = "a release baseline that convinces"
    if baseline is None:
        observed = "baseline-metrics.json is not there"
        return row("baseline", "release baseline", holds=None, observed=observed, expected=expected)
    established = baseline.kind is BaselineKind.RELEASE and baseline.verdict.proceeds
    return row(
        "baseline",
        "release baseline",
        holds=established,
        observed=f"{baseline.kind.value}, {baseline.verdict.value}: {baseline.reason}",
        expected=expected,
        remedy=None if established else "let the baseline window run longer, or mend its data",
    )
