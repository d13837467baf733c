"""Every panel's query, run against the live Prometheus before anyone has to rely on the panel."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from release_watch.clock import now
from release_watch.dashboards.models import Dashboard, PanelQuery, PanelResult
from release_watch.errors import BackendError
from release_watch.telemetry.metrics import Metrics

_NO_SAMPLES = "no samples: the metric is not there yet, or nothing happened in the window"


def check_panels(dashboards: Sequence[Dashboard], metrics: Metrics) -> list[PanelResult]:
    """Return what each panel's query gives now; a refused query is a result, not an error.

    Raises:
        BackendError: if the metrics server does not answer at all.
    """
    return [_result(dashboard, query, metrics) for dashboard in dashboards for query in dashboard.queries]


def _result(dashboard: Dashboard, asked: PanelQuery, metrics: Metrics) -> PanelResult:
    samples, problem = 0, None
    try:
        samples = sum(isfinite(sample.value) for sample in metrics.instant(asked.query))
    except BackendError as error:
        if error.status is None or error.status >= 500:
            raise
        problem = str(error)
    if problem is None and samples == 0:
        problem = _NO_SAMPLES
    return PanelResult(
        dashboard=dashboard.uid,
        panel=asked.panel,
        query=asked.query,
        answered=problem is None,
        samples=samples,
        problem=problem,
        checked_at=now(),
    )
