"""Firing and concluding one drill in the world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from release_watch.artifacts.models import AlertTestResults, DrillResult
from release_watch.catalog.oncall import Paging
from release_watch.drills.drill import conclude, fire
from release_watch.drills.following import Hold
from release_watch.drills.plan import DrillRoute
from release_watch.drills.receipts import Acknowledgement, Records
from release_watch.drills.routing import Way
from tests.drills.world import RELEASE, World

TARGET = timedelta(minutes=1)
RESOLVE_WITHIN = timedelta(seconds=20)
LABELS = {"alertname": "ErrorBudgetBurn", "service": "checkout", "severity": "page", "slo": "availability"}
ROUTE = DrillRoute("checkout", "page", LABELS, Way(("oncall",), ("default-route",)), ("oncall",))
TICKET = ROUTE._replace(severity="ticket", labels={**LABELS, "severity": "ticket"})


def fired(
    world: World,
    *routes: DrillRoute,
    hold: Hold | None = None,
    by: Callable[..., list[DrillResult]] = fire,
    records: Records | None = None,
) -> list[DrillResult]:
    return by(
        routes or (ROUTE,),
        RELEASE,
        world,
        records or world.receipts,
        deliver_within=TARGET,
        clock=world.clock,
        pause=world.pause,
        hold=hold,
    )


def concluded(
    world: World,
    results: list[DrillResult],
    answers: dict[str, Acknowledgement],
    paging: Sequence[Paging] = (),
    records: Records | None = None,
) -> AlertTestResults:
    return conclude(
        results,
        answers,
        RELEASE,
        world,
        records or world.receipts,
        acknowledge_within=TARGET,
        paging=paging,
        clock=world.clock,
        pause=world.pause,
        resolve_within=RESOLVE_WITHIN,
    )


def answered(world: World, results: list[DrillResult]) -> dict[str, Acknowledgement]:
    return {result.drill_id: Acknowledgement("oncall", world.time) for result in results}


def is_clean(world: World) -> bool:
    return not list(world.rules.glob("*.yaml")) and not world.held
