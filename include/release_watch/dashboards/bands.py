"""Baselines and SLOs as they are drawn: bands of normal values, and limits that say where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import isfinite
from typing import NamedTuple

from release_watch.artifacts.models import BaselineMetrics
from release_watch.catalog.slos import Slo
from release_watch.clock import rfc3339
from release_watch.dashboards.models import Limit, Query
from release_watch.slo.windows import BurnWindow, Severity, burn_windows, plain


class Band(NamedTuple):
    """The normal range of a metric as two lines, and in words; empty where there is none."""

    queries: tuple[Query, ...] = ()
    words: str = ""


def band_of(service: str, metric: str, baseline: BaselineMetrics | None) -> Band:
    """Return the band of a metric of a service in ``baseline``; an empty one where it has no normal range."""
    for known in baseline.metrics if baseline else ():
        normal = known.normal_range
        if known.service != service or known.metric != metric or normal is None:
            continue
        if baseline is None or not (isfinite(normal.low) and isfinite(normal.high)):
            continue
        words = (
            f" Band: {normal.low:.6g} to {normal.high:.6g} {known.unit} is normal by the "
            f"{baseline.kind.value} baseline of {baseline.release_id} ({rfc3339(baseline.window.start)} to "
            f"{rfc3339(baseline.window.end)}, {known.samples} samples)."
        )
        low, high = f"vector({normal.low!r})", f"vector({normal.high!r})"
        return Band((Query(low, "baseline low", "low"), Query(high, "baseline high", "high")), words)
    return Band()


def arms_of(slo: Slo) -> tuple[BurnWindow, ...]:
    """Return the windows of the alerts that an SLO wants.

    Raises:
        InvalidInputError: if it cannot be alerted on.
    """
    asked: tuple[tuple[Severity, bool], ...] = (("page", slo.page), ("ticket", slo.ticket))
    wanted = [severity for severity, is_wanted in asked if is_wanted]
    return burn_windows(slo.name, slo.objective, slo.window_days, wanted)


def error_limits(slos: Sequence[Slo]) -> tuple[Limit, ...]:
    """Return what share of errors is too much, by the strictest SLO on events."""
    counted = [slo for slo in slos if slo.kind == "ratio"]
    if not counted:
        return ()
    strictest = min(counted, key=lambda slo: slo.error_budget)
    budget = Limit(
        float(strictest.error_budget),
        "warning",
        f"the error budget of SLO {strictest.name}: a higher share uses it up before {strictest.window_days} "
        "days are over",
    )
    return (budget, *ratio_limits(strictest)[:1])


def ratio_limits(slo: Slo) -> tuple[Limit, ...]:
    """Return the share of bad events at which an SLO's alert pages soonest; none where nothing pages."""
    pages = [arm for arm in arms_of(slo) if arm.severity == "page"]
    return tuple(
        Limit(
            float(arm.threshold), "critical", f"the page of SLO {slo.name} at burn rate {plain(arm.factor)}"
        )
        for arm in pages[:1]
    )


def burn_limits(slo: Slo) -> tuple[Limit, ...]:
    """Return the burn rates at which an SLO's alerts fire soonest: its page and its ticket."""
    arms = arms_of(slo)
    first = {
        severity: [arm for arm in arms if arm.severity == severity][:1] for severity in ("ticket", "page")
    }
    tickets = (
        Limit(float(arm.factor), "warning", f"the ticket of SLO {slo.name}, {_budget(arm)}")
        for arm in first["ticket"]
    )
    pages = (
        Limit(float(arm.factor), "critical", f"the page of SLO {slo.name}, {_budget(arm)}")
        for arm in first["page"]
    )
    return (*tickets, *pages)


def latency_limits(slos: Sequence[Slo]) -> tuple[Limit, ...]:
    """Return within how many seconds requests are to be answered, by the latency SLOs."""
    return tuple(
        Limit(
            float(slo.threshold_seconds),
            "warning",
            f"the threshold of SLO {slo.name}: {plain(slo.objective * Decimal(100))} % are to be faster",
        )
        for slo in slos
        if slo.threshold_seconds is not None
    )


def _budget(arm: BurnWindow) -> str:
    hours = arm.long.total_seconds() / 3600
    return f"which uses {plain(arm.budget * 100)} % of the budget within {hours:g} h"
