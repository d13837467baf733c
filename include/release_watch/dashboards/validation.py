"""Every panel's query, run against the live Prometheus before anyone has to rely on the panel."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from math import isfinite

from release_watch.clock import now
from release_watch.dashboards.models import Dashboard, PanelQuery, PanelResult
from release_watch.errors import BackendError
from release_watch.telemetry.metrics import Metrics

ASK_AGAIN_AFTER = timedelta(seconds=3)
_NO_SAMPLES = "no samples: the metric is not there yet, or nothing happened in the window"


def check_panels(
    dashboards: Sequence[Dashboard],
    metrics: Metrics,
    *,
    patience: timedelta = timedelta(0),
    pause: Callable[[float], None] = time.sleep,
) -> list[PanelResult]:
    """Return what each panel's query gives; a refused query is a result, not an error.

    Panels over recording rules are empty until the rules have been evaluated: those without an answer are
    asked again until ``patience`` is over.

    Raises:
        BackendError: if the metrics server does not answer at all.
    """
    asked = [(dashboard, query) for dashboard in dashboards for query in dashboard.queries]
    results = [_result(dashboard, query, metrics) for dashboard, query in asked]
    for _ in range(int(patience / ASK_AGAIN_AFTER)):
        silent = [number for number, result in enumerate(results) if not result.answered]
        if not silent:
            break
        pause(ASK_AGAIN_AFTER.total_seconds())
        for number in silent:
            results[number] = _result(*asked[number], metrics)
    return results


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
