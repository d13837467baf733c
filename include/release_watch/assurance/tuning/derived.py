"""Thresholds that a rule's own history suggests: what it measures while there is no incident."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from release_watch.assurance.quality.matching import MatchRules, began
from release_watch.assurance.tuning.candidates import main_threshold
from release_watch.assurance.tuning.replay import STRETCH
from release_watch.response.incidents import Incident
from release_watch.slo.rulefile import Rule
from release_watch.telemetry.metrics import Metrics

QUANTILES = (0.99, 0.999)
MARGIN = Decimal("1.1")
"""Normal values come as far as the quantile; what is a tenth beyond is not one of them."""
MOST_MOMENTS = 10_000
FEWEST_MOMENTS = 1_000
"""Of fewer values, one in a thousand is none."""


def derived_thresholds(
    metrics: Metrics,
    rule: Rule,
    expr: str,
    window: tuple[datetime, datetime],
    step: timedelta,
    incidents: Sequence[Incident],
    rules: MatchRules | None = None,
) -> list[Decimal]:
    """Return thresholds a tenth beyond the 99 % and 99.9 % quantiles of values outside of incidents.

    The worst of all series counts at each moment. Empty where the rule has no plain threshold, or fewer than
    1,000 moments are known. ``expr`` is the rule's expression as history can answer it.

    Raises:
        BackendError: if the server does not answer.
    """
    import numpy as np

    found = main_threshold(rule.model_copy(update={"expr": expr}))
    if found is None:
        return []
    side, operator, _ = found
    pace = max(step, timedelta(seconds=(window[1] - window[0]) // timedelta(seconds=1) // MOST_MOMENTS + 1))
    values = list(_normal(metrics, side, operator, window, pace, incidents, rules))
    if len(values) < FEWEST_MOMENTS:
        return []
    shares = QUANTILES if operator == ">" else [1 - share for share in QUANTILES]
    with np.errstate(invalid="ignore"):  # between two infinite values, as divisions by 0 give, is no number
        quantiles = np.quantile(values, shares)
    normal = [Decimal(f"{float(limit):.4g}") for limit in quantiles if np.isfinite(limit)]
    limits = [one * MARGIN if operator == ">" else one / MARGIN for one in normal]
    return [one for one in dict.fromkeys(Decimal(f"{limit:.3g}") for limit in limits) if one > 0]


def _normal(
    metrics: Metrics,
    side: str,
    operator: str,
    window: tuple[datetime, datetime],
    pace: timedelta,
    incidents: Sequence[Incident],
    rules: MatchRules | None,
) -> Iterator[float]:
    lead = (rules or MatchRules()).lead
    import pandas as pd

    spans = [(began(one) - lead, one.closed_at or window[1]) for one in incidents]
    start, end = (moment.replace(microsecond=0) for moment in window)
    while start <= end:
        last = min(end, start + (STRETCH - 1) * pace)
        frame = metrics.range(side, start, last, pace)
        worst = frame.max(axis=1) if operator == ">" else frame.min(axis=1)
        known = worst.dropna()
        for at, value in zip(pd.DatetimeIndex(known.index).to_pydatetime(), known, strict=True):
            if not any(first <= at <= until for first, until in spans):
                yield float(value)
        start = last + pace
