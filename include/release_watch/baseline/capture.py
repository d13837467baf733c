"""The baseline document: what is normal, per metric, and whether the baseline convinces."""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar

from release_watch.artifacts.models import (
    BaselineKind,
    BaselineMetrics,
    ExcludedWindow,
    MetricBaseline,
    NormalRange,
    Sampling,
    Window,
)
from release_watch.baseline import excluded as exclusion
from release_watch.baseline.doubt import doubt, doubts_in_words
from release_watch.baseline.frames import SamplesFile, parts
from release_watch.baseline.shape import pattern_in_words, seasonality, trend_per_hour
from release_watch.clock import in_words, now
from release_watch.judge.limits import normal_range
from release_watch.judge.samples import finite
from release_watch.judge.spec import MetricSpec
from release_watch.verdict import Verdict, worst

if TYPE_CHECKING:
    import pandas as pd

    from release_watch.baseline.known_good import Reference
    from release_watch.catalog.models import Service
    from release_watch.catalog.policies import Policies
    from release_watch.release import Release
    from release_watch.telemetry.backends import Backends
    from release_watch.telemetry.metrics import Metrics

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)

MOST_POINTS = 5_000
"""Of one metric: more say no more about it, and cost every review."""

Span = tuple[datetime, datetime]
T = TypeVar("T")


class Source(NamedTuple):
    """Metrics, and the server that has them."""

    metrics: Metrics
    specs: tuple[MetricSpec, ...]


class _Wanted(NamedTuple):
    """What a baseline is to be made of."""

    kind: BaselineKind
    window: Span
    step: timedelta
    policies: Policies
    excluded: Sequence[ExcludedWindow]
    known_good: Mapping[str, str]
    warnings: Sequence[str] = ()


def reference_window(
    release: Release, policies: Policies, *, excluded: Sequence[ExcludedWindow] = ()
) -> Span:
    """Return the window before the release that it is compared with.

    It ends the policy's offset before the deployment, so that what was prepared for it does not count, and
    reaches back further where spans are excluded; see :func:`release_watch.baseline.excluded.reaching`.
    """
    end = release.deployed_at - policies.baseline.offset
    return exclusion.reaching(end, policies.baseline.reference_window, release.services, excluded)


def fitting_step(length: timedelta, policies: Policies) -> timedelta:
    """Return the policy's step, or as many of it as make a long window at most 5,000 points."""
    step = policies.baseline.step
    return step * max(1, ceil(length / step / MOST_POINTS))


def sources(
    services: Iterable[Service], specs: Iterable[MetricSpec], backends: Backends
) -> tuple[Source, ...]:
    """Return the metrics by the server that has them, so that those of one server are asked for together.

    Raises:
        NotConfiguredError: if the connection of a service is not there.
    """
    of_service: dict[str, list[MetricSpec]] = defaultdict(list)
    for spec in specs:
        of_service[spec.service].append(spec)
    found: dict[int, Source] = {}
    for service in services:
        metrics = backends.metrics(service)
        known = found.get(id(metrics), Source(metrics, ()))
        found[id(metrics)] = known._replace(specs=(*known.specs, *of_service[service.name]))
    return tuple(found.values())


def capture(
    kind: BaselineKind,
    specs: Iterable[MetricSpec],
    metrics: Metrics,
    window: Span,
    step: timedelta,
    release: Release,
    policies: Policies,
) -> BaselineMetrics:
    """Return the baseline of ``window`` from one server; see :func:`capture_to`.

    Raises:
        BackendError: if the server does not answer.
    """
    return capture_to(io.BytesIO(), kind, [Source(metrics, tuple(specs))], window, step, release, policies)


def capture_to(
    file: BinaryIO,
    kind: BaselineKind,
    where: Iterable[Source],
    window: Span,
    step: timedelta,
    release: Release,
    policies: Policies,
    *,
    excluded: Sequence[ExcludedWindow] = (),
    pinned: Reference | None = None,
    warnings: Sequence[str] = (),
) -> BaselineMetrics:
    """Return the baseline of ``window`` (see :func:`document`), and write its samples to ``file`` as Parquet.

    ``file`` can be read again, and its digest is in the document. However many metrics there are, only those
    of two queries are in memory at a time. Services that ``pinned`` holds are not asked for: what was pinned
    is their baseline. ``warnings`` say what could not be heeded, such as incidents that nobody could list.

    Raises:
        BackendError: if a server does not answer.
    """
    pins = {} if pinned is None else {service: pin.words for service, pin in pinned.pins.items()}
    wanted = _Wanted(kind, window, step, policies, exclusion.within(window, excluded), pins, warnings)
    known = tuple(where)
    entries: dict[tuple[str, str], MetricBaseline] = {}
    with SamplesFile(file) as samples:
        for metrics, specs in known:
            by_key = {spec.key: spec for spec in specs}
            asked = [spec for spec in specs if spec.service not in pins]
            for part in _ahead(_with_pinned(specs, pinned, parts(asked, metrics, window, step))):
                usable = {key: _usable(series, key[0], wanted) for key, series in part.items()}
                samples.add(usable)
                entries |= {key: _entry(by_key[key], series, wanted) for key, series in usable.items()}
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type] # it reads and seeks
    ordered = [
        (spec, entries.get(spec.key) or _entry(spec, None, wanted))
        for source in known
        for spec in source.specs
    ]
    return _concluded(ordered, wanted, release, digest)


def _with_pinned(
    specs: Iterable[MetricSpec],
    pinned: Reference | None,
    asked: Iterator[dict[tuple[str, str], pd.Series]],
) -> Iterator[dict[tuple[str, str], pd.Series]]:
    if pinned is not None:
        wanted = (spec.key for spec in specs if spec.service in pinned.pins)
        yield {key: pinned.series[key] for key in wanted if key in pinned.series}
    yield from asked


def _ahead(series: Iterator[T]) -> Iterator[T]:
    """Yield the parts, the next of which is asked for while one is worked on."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        following = pool.submit(next, series, None)
        while (part := following.result()) is not None:
            following = pool.submit(next, series, None)
            yield part


def document(
    kind: BaselineKind,
    specs: Iterable[MetricSpec],
    series: Mapping[tuple[str, str], pd.Series],
    window: Span,
    step: timedelta,
    release: Release,
    policies: Policies,
    *,
    excluded: Sequence[ExcludedWindow] = (),
    known_good: Mapping[str, str] | None = None,
) -> BaselineMetrics:
    """Return the baseline that samples already fetched make, without those in ``excluded`` spans.

    The verdict is INCONCLUSIVE where a golden metric has too few samples, too many gaps or is too restless (a
    snapshot only needs to have any samples), WARN where another one has, and INCONCLUSIVE where there is
    nothing to measure at all. ``known_good`` says, by service, whose pinned samples are among ``series``:
    these were judged when they were pinned, so that what is excluded and how long they are does not matter.
    """
    wanted = _Wanted(kind, window, step, policies, exclusion.within(window, excluded), known_good or {})
    entries = []
    for spec in specs:
        found = series.get(spec.key)
        usable = None if found is None else _usable(found, spec.service, wanted)
        entries.append((spec, _entry(spec, usable, wanted)))
    return _concluded(entries, wanted, release)


def _usable(series: pd.Series, service: str, wanted: _Wanted) -> pd.Series:
    values = finite(series)
    return values if service in wanted.known_good else exclusion.without(values, service, wanted.excluded)


def _entry(spec: MetricSpec, series: pd.Series | None, wanted: _Wanted) -> MetricBaseline:
    pin = wanted.known_good.get(spec.service)
    left = exclusion.usable(wanted.window, spec.service, () if pin else wanted.excluded)
    entry = describe(spec, series, int(left / wanted.step) + 1, wanted.policies)
    entry = entry.model_copy(update={"known_good": pin})
    why = doubt(entry, spec, series, wanted.kind, left, wanted.policies.baseline)
    verdict = (Verdict.INCONCLUSIVE if spec.golden else Verdict.WARN) if why else Verdict.GO
    return entry.model_copy(update={"verdict": verdict, "reason": why})


def describe(spec: MetricSpec, series: pd.Series | None, expected: int, policies: Policies) -> MetricBaseline:
    """Return the normal behaviour of one metric; no range where there are too few samples for one."""
    values = finite(series) if series is not None else None
    bare = MetricBaseline(
        service=spec.service,
        metric=spec.metric,
        unit=spec.unit,
        quantiles={},
        normal_range=None,
        samples=0,
        completeness=0.0,
        query=spec.query,
    )
    if values is None or not len(values):
        return bare
    band = normal_range(values, spec, policies.judge)
    season, trend = seasonality(values), trend_per_hour(values)
    quantiles = values.quantile(list(QUANTILES))
    return bare.model_copy(
        update={
            "quantiles": {f"{q:g}": float(value) for q, value in quantiles.items()},
            "normal_range": band and NormalRange(low=band[0], high=band[1]),
            "seasonality": season,
            "trend_per_hour": trend,
            "expected_pattern": pattern_in_words(band, season, trend),
            "samples": len(values),
            "completeness": min(1.0, len(values) / max(expected, 1)),
            "lowest": float(values.min()),
            "highest": float(values.max()),
        }
    )


def _concluded(
    entries: Sequence[tuple[MetricSpec, MetricBaseline]],
    wanted: _Wanted,
    release: Release,
    digest: str | None = None,
) -> BaselineMetrics:
    start, end = wanted.window
    doubts = doubts_in_words(entry for _, entry in entries)
    verdicts = [entry.verdict for _, entry in entries if entry.verdict]
    measured = f"{len(entries)} metrics measured over {in_words(end - start)}"
    return BaselineMetrics(
        release_id=release.release_id,
        environment=release.environment,
        generated_at=now(),
        kind=wanted.kind,
        window=Window(start=start, end=end),
        verdict=worst(verdicts) if verdicts else Verdict.INCONCLUSIVE,
        reason="; ".join(doubts) or measured,
        metrics=tuple(entry for _, entry in entries),
        sampling=Sampling(step_seconds=wanted.step.total_seconds(), sha256=digest),
        excluded=tuple(wanted.excluded),
        warnings=tuple(wanted.warnings),
    )
