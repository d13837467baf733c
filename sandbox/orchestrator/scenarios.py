"""STAND-IN release orchestrator: what can be made to happen to a release. Data only; others act on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sandbox.errors import SandboxError
from sandbox.shop.topology import SHOP

When = Literal["before_deploy", "after_deploy", "baseline_window"]


class UnknownScenarioError(SandboxError):
    """There is no scenario of this name."""


@dataclass(frozen=True)
class ScenarioFault:
    """A fault of a scenario, and when it begins.

    Attributes:
        when: `before_deploy` and `after_deploy` are the orchestrator's to set; `baseline_window` is set by
            who drives the run, when the task of that name starts.
        name: Name of the fault switch.
        service: The service that breaks.
        value: See the fault switches.
        route: The only route that breaks; all where `None`.
        comes_with_release: Only the deployed version breaks, so that a rollback ends it.
    """

    when: When
    name: str
    service: str | None = None
    value: float | str | None = None
    route: str | None = None
    comes_with_release: bool = True


@dataclass(frozen=True)
class Scenario:
    """One story.

    Attributes:
        name: Name on the command line.
        summary: One line for people.
        expected_exit_state: `COMPLETED`, `BLOCKED`, `ABORTED` or `ROLLED_BACK`.
        faults: What breaks, and when.
        rollback_policy: Passed on to the run.
        answers: What the scripted people answer, by question (`plan`, `alert_test`, `rollback`,
            `remediation`, `handoff`, `approval`); a question that is not here gets a yes.
        services: The services that are released; the others stay as they are.
        acknowledging_level: Level of on-call that acknowledges the drills; those before it are silent.
    """

    name: str
    summary: str
    expected_exit_state: Literal["COMPLETED", "BLOCKED", "ABORTED", "ROLLED_BACK"]
    faults: tuple[ScenarioFault, ...] = ()
    rollback_policy: Literal["auto", "ask"] = "ask"
    answers: Mapping[str, Literal["yes", "no"]] = field(default_factory=dict)
    services: tuple[str, ...] = tuple(SHOP)
    acknowledging_level: int = 1

    def faults_at(self, when: When) -> tuple[ScenarioFault, ...]:
        """Returns the faults that begin at this moment."""
        return tuple(fault for fault in self.faults if fault.when == when)


SCENARIOS: dict[str, Scenario] = {
    entry.name: entry
    for entry in (
        Scenario("healthy", "a good release: nothing breaks", "COMPLETED"),
        Scenario(
            "latency-regression",
            "the new checkout becomes slow while its baseline is taken; policy rolls it back by itself",
            "ROLLED_BACK",
            (ScenarioFault("baseline_window", "latency", "checkout", 400.0),),
            rollback_policy="auto",
        ),
        Scenario(
            "error-burst",
            "the new payments fails a quarter of its requests; on-call agrees to roll it back",
            "ROLLED_BACK",
            (ScenarioFault("baseline_window", "errors", "payments", 0.25),),
            rollback_policy="ask",
            answers={"rollback": "yes"},
        ),
        Scenario(
            "memory-leak",
            "the new payments holds two megabytes more every second; nothing else tells, so a person is told",
            "COMPLETED",
            (ScenarioFault("baseline_window", "memory", "payments", 2.0),),
            rollback_policy="auto",
        ),
        Scenario(
            "dependency-down",
            "the catalogue, which is not released, stops answering: no release is rolled back for it",
            "COMPLETED",
            (ScenarioFault("baseline_window", "no-answer", "catalogue", comes_with_release=False),),
            rollback_policy="auto",
            services=("payments", "checkout", "storefront"),
        ),
        Scenario(
            "telemetry-gap",
            "the new payments sends neither logs nor traces",
            "BLOCKED",
            (
                ScenarioFault("before_deploy", "signal-off", "payments", "logs"),
                ScenarioFault("before_deploy", "signal-off", "payments", "traces"),
            ),
        ),
        Scenario(
            "broken-alert-route",
            "alerts are routed to a receiver that cannot be reached",
            "BLOCKED",
            (ScenarioFault("after_deploy", "broken-alert-route", comes_with_release=False),),
        ),
        Scenario(
            "validation-failed",
            "the new version fails every refund, and its validation says so",
            "BLOCKED",
            (ScenarioFault("before_deploy", "errors", "checkout", 1.0, route="/orders/{id}/refund"),),
        ),
        Scenario(
            "silent-oncall",
            "the first on call sleeps through the drill; the second is paged and acknowledges it",
            "COMPLETED",
            acknowledging_level=2,
        ),
        Scenario("rejected", "the SRE rejects the monitoring plan", "ABORTED", answers={"plan": "no"}),
    )
}


def scenario(name: str) -> Scenario:
    """Returns the scenario of a name.

    Raises:
        UnknownScenarioError: There is none; the message lists all.
    """
    if name not in SCENARIOS:
        known = "\n".join(f"  {entry.name:<19} {entry.summary}" for entry in SCENARIOS.values())
        raise UnknownScenarioError(f"unknown scenario {name!r}; there are:\n{known}")
    return SCENARIOS[name]
