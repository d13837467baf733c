"""What was looked at: only a cause that was looked for and not found is gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from release_watch.artifacts.models import AlertTestResults, InstrumentationAudit, MonitoringResults
from release_watch.assurance.correlation import Correlation
from release_watch.dashboards.models import DashboardActivation
from release_watch.verdict import Verdict

KNOWN = frozenset({Verdict.GO, Verdict.WARN, Verdict.NO_GO})

OF_A_PATH = frozenset({"drill", "not_drilled"})


class Scope(NamedTuple):
    """The kinds of causes that were looked for, and at which services.

    Items of all services (``service`` empty) are within it if their kind is. ``drilled`` are the services
    whose alert paths were drilled, ``paths`` the ids of the items that are about these paths, and ``audited``
    the services whose coverage was audited; None for all of them.
    """

    kinds: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    drilled: frozenset[str] | None = None
    paths: frozenset[str] | None = None
    audited: frozenset[str] | None = None

    def holds(self, kind: str, service: str, item_id: str | None = None) -> bool:
        """Return whether a cause of this kind, and of this item, would have been found at ``service``."""
        within = self.services
        if kind in OF_A_PATH and self.paths is not None and item_id is not None and item_id not in self.paths:
            return False
        if kind == "coverage" and self.audited is not None:
            within &= self.audited
        if kind == "drill" and self.drilled is not None:
            within &= self.drilled
        return kind in self.kinds and (not service or service in within)


NOTHING = Scope()


def scope_of(
    services: Iterable[str],
    audit: InstrumentationAudit | None,
    results: AlertTestResults | None,
    monitoring: MonitoringResults | None,
    correlation: Correlation | None,
    dashboards: Iterable[DashboardActivation] = (),
) -> Scope:
    """Return what the artifacts of a release looked at.

    What the quality audit upstream found is never within it: that a later audit is silent proves nothing.
    """
    return Scope(
        frozenset(_kinds(audit, results, monitoring, correlation, tuple(dashboards))), frozenset(services)
    )


def _kinds(
    audit: InstrumentationAudit | None,
    results: AlertTestResults | None,
    monitoring: MonitoringResults | None,
    correlation: Correlation | None,
    dashboards: tuple[DashboardActivation, ...],
) -> Iterator[str]:
    if audit is not None:
        yield "coverage"
    if results is not None:
        yield "not_drilled"
        if not results.not_drilled:
            yield "drill"
    if monitoring is not None and monitoring.verdict in KNOWN:
        yield "finding"
    if correlation is not None:
        yield "incidents"
        if correlation.reviewed:
            yield "tuning"
    if dashboards:
        yield "dashboards"
