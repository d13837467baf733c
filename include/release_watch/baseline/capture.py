"""The baseline document: what is normal, per metric, and whether the baseline convinces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from release_watch.artifacts.models import BaselineKind, BaselineMetrics, MetricBaseline, NormalRange, Window
from release_watch.baseline.frames import frames
from release_watch.baseline.shape import expected_pattern, seasonality, trend_per_hour
from release_watch.clock import in_words, now
from release_watch.judge.limits import normal_range
from release_watch.judge.samples import finite
from release_watch.judge.spec import MetricSpec
from release_watch.verdict import Verdict, worst

if TYPE_CHECKING:
    import pandas as pd

    from release_watch.catalog.policies import Policies
    from release_watch.release import Release
    from release_watch.telemetry.metrics import Metrics

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def reference_window(release: Release, policies: Policies) -> tuple[datetime, datetime]:
    """Return the window before the release that it is compared with."""
    return release.deployed_at - policies.baseline.reference_window, release.deployed_at


def capture(
    kind: BaselineKind,
    specs: Iterable[MetricSpec],
    metrics: Metrics,
    window: tuple[datetime, datetime],
    step: timedelta,
    release: Release,
    policies: Policies,
) -> BaselineMetrics:
    """Return the baseline of ``window``; see :func:`document`.

    Raises:
        BackendError: if the server does not answer.
    """
    wanted = tuple(specs)
    return document(kind, wanted, frames(wanted, metrics, window, step), window, step, release, policies)


def document(
    kind: BaselineKind,
    specs: Iterable[MetricSpec],
    series: Mapping[tuple[str, str], pd.Series],
    window: tuple[datetime, datetime],
    step: timedelta,
    release: Release,
    policies: Policies,
) -> BaselineMetrics:
    """Return the baseline that samples already fetched make.

    The verdict is INCONCLUSIVE where a golden metric has too few samples or too many gaps (a snapshot only
    needs to have any), WARN where another one has, and where there is nothing to measure at all.
    """
    entries: list[MetricBaseline] = []
    doubts: list[tuple[Verdict, str]] = []
    expected = int((window[1] - window[0]) / step) + 1
    for spec in specs:
        entry = describe(spec, series.get(spec.key), expected, policies)
        entries.append(entry)
        if doubt := _doubt(entry, kind, policies):
            verdict = Verdict.INCONCLUSIVE if spec.golden else Verdict.WARN
            doubts.append((verdict, f"{spec.title}: {doubt}"))
    verdict = worst(verdict for verdict, _ in doubts) if doubts else Verdict.GO
    if not entries:
        verdict = Verdict.INCONCLUSIVE
    length = in_words(window[1] - window[0])
    return BaselineMetrics(
        release_id=release.release_id,
        environment=release.environment,
        generated_at=now(),
        kind=kind,
        window=Window(start=window[0], end=window[1]),
        verdict=verdict,
        reason="; ".join(text for _, text in doubts) or f"{len(entries)} metrics measured over {length}",
        metrics=tuple(entries),
    )


def describe(spec: MetricSpec, series: pd.Series | None, expected: int, policies: Policies) -> MetricBaseline:
    """Return the normal behaviour of one metric; no range where there are too few samples for one."""
    values = finite(series) if series is not None else None
    count = 0 if values is None else len(values)
    band = None if values is None else normal_range(values, spec, policies.judge)
    return MetricBaseline(
        service=spec.service,
        metric=spec.metric,
        unit=spec.unit,
        quantiles={}
        if values is None or not count
        else {f"{q:g}": float(values.quantile(q)) for q in QUANTILES},
        normal_range=band and NormalRange(low=band[0], high=band[1]),
        seasonality=None if values is None else seasonality(values),
        trend_per_hour=None if values is None else trend_per_hour(values),
        expected_pattern=None if values is None else expected_pattern(values, band),
        samples=count,
        completeness=min(1.0, count / max(expected, 1)),
        query=spec.query,
    )


def _doubt(entry: MetricBaseline, kind: BaselineKind, policies: Policies) -> str | None:
    """Return why this metric does not convince, or None."""
    rules = policies.baseline
    if entry.samples == 0:
        return "no data; check that the service is scraped and exports it"
    if kind is BaselineKind.SNAPSHOT:
        return None
    if entry.samples < rules.min_samples:
        return f"{entry.samples} samples; {rules.min_samples} are needed"
    if entry.completeness < rules.min_completeness:
        return f"{entry.completeness:.0%} of the samples are there; {rules.min_completeness:.0%} are needed"
    return None
