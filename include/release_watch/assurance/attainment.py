"""SLO attainment: how much of its error budget each objective has left, asked from Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from release_watch.catalog.models import Service
from release_watch.catalog.slos import Slo
from release_watch.errors import ReleaseWatchError
from release_watch.telemetry.backends import Backends


class Attainment(BaseModel):
    """One SLO over its window.

    ``good_ratio`` is the share of good events, ``budget_left`` the share of the error budget that is left
    (1 untouched, 0 used up, negative overdrawn); both None if Prometheus had no answer, for ``reason``.
    """

    model_config = ConfigDict(frozen=True)

    slo: str
    service: str
    objective: float
    window_days: int
    good_ratio: float | None
    budget_left: float | None
    query: str
    reason: str


def attainment(
    slos: Sequence[Slo], services: Sequence[Service], backends: Backends, at: datetime
) -> tuple[Attainment, ...]:
    """Return the attainment of the SLOs of ``services`` at ``at``; a server that fails hides no other SLO."""
    by_name = {service.name: service for service in services}
    return tuple(_measure(slo, by_name[slo.service], backends, at) for slo in slos if slo.service in by_name)


def attainment_query(slo: Slo) -> str:
    """Return the PromQL of the share of good events over the SLO's window; no events give no answer.

    A counter of bad events that never counted is not there at all, so a missing one is 0 of the total. A
    missing counter of good events says nothing: the service is down, or the metric was renamed.
    """
    window = f"[{slo.window_days}d]"
    total = f"sum(increase({slo.total}{window}))"
    if slo.bad is not None:
        return f"1 - (sum(increase({slo.bad}{window})) or 0 * {total}) / ({total} > 0)"
    return f"sum(increase({slo.good}{window})) / ({total} > 0)"


def _measure(slo: Slo, service: Service, backends: Backends, at: datetime) -> Attainment:
    query = attainment_query(slo)
    ratio: float | None = None
    try:
        samples = backends.metrics(service).instant(query, at)
        ratio = min(1.0, samples[0].value) if samples else None
        reason = "measured" if samples else "no events of this SLO in the window"
    except ReleaseWatchError as error:
        reason = str(error)
    return Attainment(
        slo=slo.name,
        service=slo.service,
        objective=float(slo.objective),
        window_days=slo.window_days,
        good_ratio=ratio,
        budget_left=None if ratio is None else 1 - (1 - ratio) / float(slo.error_budget),
        query=query,
        reason=reason,
    )
