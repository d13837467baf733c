"""What the gates demand: each demand is one expectation of Great Expectations and the words for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from release_watch.verdict import Verdict

GATE_NAMES = {
    1: "Instrumentation coverage",
    2: "Alert validation",
    3: "Observability assurance",
    4: "Handoff package",
}


@dataclass(frozen=True)
class Demand:
    """One demand of a gate.

    Attributes:
        title: What is demanded, in words.
        rows: Which rows of the table it is about: the value of each named column.
        expectation: The type of the Great Expectations expectation.
        arguments: The expectation's arguments; they name the columns that are looked at.
        on_failure: The verdict of a row that was seen and does not fit.
        required: Whether it is INCONCLUSIVE that the table has no such row.
    """

    title: str
    rows: Mapping[str, str]
    expectation: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    on_failure: Verdict = Verdict.NO_GO
    required: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are looked at."""
        names = (self.arguments.get(key) for key in ("column", "column_A", "column_B"))
        return tuple(name for name in names if name)


def _passes(title: str, *, on_failure: Verdict = Verdict.NO_GO, required: bool = True, **rows: str) -> Demand:
    return Demand(
        title=title,
        rows=rows,
        expectation="expect_column_values_to_be_in_set",
        arguments={"column": "status", "value_set": ["PASS"]},
        on_failure=on_failure,
        required=required,
    )


def _hop(title: str, column: str, *also: str) -> Demand:
    return Demand(
        title=title,
        rows={"kind": "drill"},
        expectation="expect_column_values_to_be_in_set",
        arguments={"column": column, "value_set": ["yes", *also]},
    )


DEMANDS: dict[int, tuple[Demand, ...]] = {
    1: (
        _passes("required documents are there", kind="document"),
        _passes("the release's services are audited", kind="service"),
        _passes(
            "critical services have metrics, logs, traces and synthetic checks mapped and live",
            kind="signal",
            tier="critical",
            required=False,
        ),
        _passes(
            "standard services have metrics, logs, traces and synthetic checks mapped and live",
            kind="signal",
            tier="standard",
            on_failure=Verdict.WARN,
            required=False,
        ),
        _passes("every endpoint of the release is seen", kind="endpoint", required=False),
        _passes(
            "alerts and SLOs of critical services read series that exist",
            kind="reference",
            tier="critical",
            required=False,
        ),
        _passes(
            "everything else that reads telemetry finds its series",
            kind="reference",
            tier="standard",
            on_failure=Verdict.WARN,
            required=False,
        ),
    ),
    2: (
        _hop("every synthetic alert fired", "fired"),
        _hop("every synthetic alert was accepted", "accepted"),
        _hop("every synthetic alert reached on-call", "delivered"),
        _hop("every synthetic alert was acknowledged", "acknowledged", "not needed"),
        Demand(
            title="a named person acknowledged every synthetic alert",
            rows={"kind": "drill"},
            expectation="expect_column_values_to_not_be_null",
            arguments={"column": "acknowledged_by"},
        ),
        Demand(
            title="every synthetic alert was acknowledged within the target",
            rows={"kind": "drill"},
            expectation="expect_column_pair_values_a_to_be_greater_than_b",
            arguments={
                "column_A": "target_seconds",
                "column_B": "acknowledged_after_seconds",
                "or_equal": True,
                "ignore_row_if": "neither",
            },
        ),
        _passes("the drill's own verdict proceeds", kind="drill"),
        _passes("every critical service was drilled", kind="drilled_service", required=False),
        _passes("every route could be drilled", kind="not_drilled", on_failure=Verdict.WARN, required=False),
        _passes("the alert rules are loaded and healthy", kind="rules"),
        _passes("every dashboard panel answers from live telemetry", kind="panel"),
        _passes("dashboards are activated", kind="dashboard"),
        _passes("the runbook covers every alert", kind="runbook"),
        _passes("the drill was approved", kind="approval", required=False),
    ),
    3: (
        _passes("schedule, tuning report and backlog are there", kind="document"),
        _passes("every recurring check is scheduled and has a responsible person", kind="check"),
        _passes("the release is registered with the nightly run", kind="registration"),
        _passes("the release baseline is established", kind="baseline"),
        _passes("the release was reviewed", kind="reviews"),
        _passes("no critical finding is open", kind="finding", required=False),
    ),
    4: (
        _passes("every required artifact is in the manifest", kind="file"),
        Demand(
            title="every file of the manifest is unchanged",
            rows={"kind": "file"},
            expectation="expect_column_pair_values_to_be_equal",
            arguments={
                "column_A": "sha256_recorded",
                "column_B": "sha256_stored",
                "ignore_row_if": "neither",
            },
        ),
        _passes("the package is as it was signed", kind="signed"),
        _passes("every approval is recorded", kind="approval"),
        _passes("every downstream owner was notified", kind="notice"),
    ),
}
"""The demands of each gate, in the order in which a person wants to read them."""
