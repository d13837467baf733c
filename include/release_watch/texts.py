"""The fixed texts of the protocol. Downstream log readers match them: never reword one."""

from __future__ import annotations

PHASE_START = {
    1: "[PHASE 1 START] - Reviewing deployment evidence to map monitoring requirements...",
    2: "[PHASE 2 START] - Activating dashboards and alert policies...",
    3: "[PHASE 3 START] - Scheduling ongoing observability validation tasks...",
    4: "[PHASE 4 START] - Delivering monitoring package to incident response and retrospective owners...",
}
PHASE_NAMES = {
    1: "Instrumentation Alignment and Baseline Capture",
    2: "Monitoring Activation and Alert Validation",
    3: "Continuous Observability Assurance",
    4: "Handoff and Improvement Loop",
}
VALIDATING_COVERAGE = "Validating instrumentation coverage across services and dependencies..."
TRIGGERING_ALERTS = "Triggering synthetic alerts to confirm notification pathways..."
CORRELATING_ALERTS = "Correlating recent alerts with incident history to tune thresholds..."
VALIDATION_REQUEST = (
    "[VALIDATION REQUEST] - Monitoring instrumentation verified. Approve activation of alert tests? (yes/no)"
)
HANDOFF_CONFIRMATION = (
    "[HANDOFF CONFIRMATION] - Monitoring package compiled. Confirm delivery to Protocol 13? (yes/no)"
)
ALERT_NOT_DELIVERED = "[ERROR] Synthetic alert did not reach on-call responder."
APPROVAL_MISSING = "[ERROR] Monitoring approval not recorded."
PROTOCOL_COMPLETE = (
    "[PROTOCOL COMPLETE] - Monitoring activated. Ready for Protocol 13 (Incident Response & Rollback)."
)


def phase_complete(phase: int) -> str:
    """Return the line that closes a phase."""
    return f"[PHASE {phase} COMPLETE] - {PHASE_NAMES[phase]} finished successfully."


def automation(command: str, status: str) -> str:
    """Return the line that records an automation hook, such as ``collect_perf.py``, and its status."""
    return f"[AUTOMATION] {command} executed: {status}"


def coverage_missing(service: str) -> str:
    """Return the error line for a critical service that cannot be watched."""
    return f"[ERROR] Missing telemetry coverage for critical service: {service}."
