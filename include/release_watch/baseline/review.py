"""One periodic look at a release: its metrics since the deployment against the reference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from release_watch.artifacts.models import Review
from release_watch.baseline.frames import fetch, frames
from release_watch.baseline.metrics import metric_specs, rate_window
from release_watch.clock import rfc3339
from release_watch.errors import BackendError, ReleaseWatchError
from release_watch.judge.judgement import MetricJudgement, ReleaseJudgement, State
from release_watch.judge.metric import judge_metric
from release_watch.judge.release import judge_release
from release_watch.judge.samples import finite
from release_watch.judge.spec import Kind, MetricSpec
from release_watch.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

    from release_watch.catalog.models import Service
    from release_watch.catalog.policies import Policies
    from release_watch.release import Release
    from release_watch.telemetry.backends import Backends
    from release_watch.telemetry.metrics import Metrics

    Series = Mapping[tuple[str, str], pd.Series]

SETTLING_RATES = 2
"""Rates that reach back before the start of the new version say nothing about it."""

INTERVALS_BACK = 2
FEWEST_SAMPLES_BACK = 60
"""A review looks back over two intervals, and over at least this many samples."""


class Reviewed(NamedTuple):
    """A review, the judgement behind it, and the samples it was made from, by service and metric."""

    review: Review
    judgement: ReleaseJudgement
    samples: dict[tuple[str, str], pd.Series]


class _Asked(NamedTuple):
    """Metrics that are asked for together: from one server, over one window."""

    metrics: Metrics | None
    why_not: str
    start: datetime
    specs: tuple[MetricSpec, ...]


def review(
    number: int,
    release: Release,
    services: Sequence[Service],
    backends: Backends,
    reference: Series,
    policies: Policies,
    at: datetime,
    *,
    called: Sequence[Service] = (),
) -> Reviewed:
    """Return review ``number`` as of ``at``, with the judgement behind it and its samples.

    ``reference`` are the samples from before the release (see ``baseline.frames``). Only series of the
    release's version count, so that an old version which still runs does not hide that the new one is
    silent. Resource metrics are left out until they have warmed up, and others that are not golden until
    there can be enough samples. A server that does not answer makes the metrics it should have given ERROR.

    ``called`` are services one hop down that are not part of the release: where one of them is worse, it
    explains what is worse above it. What cannot be told of them is left out.
    """
    judgements: list[MetricJudgement] = []
    samples: dict[tuple[str, str], pd.Series] = {}
    for spec, current in _samples(release, services, called, backends, policies, at):
        if isinstance(current, MetricJudgement):
            judgements.append(current)
        elif silent := _silent(spec, current, policies, at):
            judgements.append(silent)
        else:
            before = reference.get(spec.key, current.iloc[:0])
            samples[spec.key] = current
            judgements.append(judge_metric(before, current, spec=spec, policy=policies.judge))
    beyond = {service.name for service in called}
    kept = [one for one in judgements if one.spec.service not in beyond or one.state is not State.UNKNOWN]
    keys = {one.spec.key for one in kept}
    judgement = judge_release(kept, policies.judge, dependencies=dependencies_of([*services, *called]))
    return Reviewed(
        Review(number=number, at=at, verdict=judgement.verdict, objectives=judgement.objectives()),
        judgement,
        {key: values for key, values in samples.items() if key in keys},
    )


def dependencies_of(services: Iterable[Service]) -> dict[str, tuple[str, ...]]:
    """Return which services each service calls."""
    return {service.name: tuple(service.dependencies) for service in services}


def _samples(
    release: Release,
    services: Sequence[Service],
    called: Sequence[Service],
    backends: Backends,
    policies: Policies,
    at: datetime,
) -> Iterator[tuple[MetricSpec, pd.Series | MetricJudgement]]:
    """Yield each metric that can be judged by now with its samples, or with why there are none."""
    step = policies.baseline.step
    versions = [(service, release.version) for service in services] + [(service, None) for service in called]
    together: dict[tuple[int, datetime], list[_Asked]] = defaultdict(list)
    for service, version in versions:
        metrics, why_not = _server(service, backends)
        for spec in metric_specs([service], step=step, version=version):
            start = first_moment(spec, release, policies, at)
            if at - start >= _judged_after(spec, policies):
                together[id(metrics), start].append(_Asked(metrics, why_not, start, (spec,)))
    for parts in together.values():
        whole = parts[0]._replace(specs=tuple(spec for part in parts for spec in part.specs))
        if whole.metrics is None:
            yield from ((s, unjudged(s, Verdict.ERROR, p.why_not)) for p in parts for s in p.specs)
        else:
            yield from _answers(whole.specs, whole.metrics, (whole.start, at), step)


def _judged_after(spec: MetricSpec, policies: Policies) -> timedelta:
    """Return how long samples must have been possible; of a golden metric, until none of them means much."""
    steps = 2 if spec.golden else policies.judge.persistence + spec.overlap
    return steps * policies.baseline.step


def _server(service: Service, backends: Backends) -> tuple[Metrics | None, str]:
    try:
        return backends.metrics(service), ""
    except ReleaseWatchError as error:
        return None, str(error)


def _answers(
    specs: Sequence[MetricSpec], metrics: Metrics, window: tuple[datetime, datetime], step: timedelta
) -> Iterator[tuple[MetricSpec, pd.Series | MetricJudgement]]:
    """Yield the samples of metrics that are asked for together; one that is refused costs no other."""
    try:
        found = frames(specs, metrics, window, step)
        yield from ((spec, finite(found[spec.key])) for spec in specs)
    except BackendError as error:
        if error.status is None or len(specs) == 1:  # not even reached: asking again would only take long
            yield from ((spec, unjudged(spec, Verdict.ERROR, str(error))) for spec in specs)
            return
        for spec in specs:
            yield spec, _alone(spec, metrics, window, step)


def _alone(
    spec: MetricSpec, metrics: Metrics, window: tuple[datetime, datetime], step: timedelta
) -> pd.Series | MetricJudgement:
    try:
        return finite(fetch(spec, metrics, window, step))
    except ReleaseWatchError as error:
        return unjudged(spec, Verdict.ERROR, str(error))


def _silent(spec: MetricSpec, current: pd.Series, policies: Policies, at: datetime) -> MetricJudgement | None:
    if not len(current):
        return None
    last = current.index[-1].to_pydatetime()
    if at - last <= policies.coverage.live_within:
        return None
    reason = (
        f"no data since {rfc3339(last)}, {(at - last).total_seconds():.0f} s ago; check that it still runs"
    )
    return unjudged(spec, Verdict.INCONCLUSIVE, reason)


def first_moment(spec: MetricSpec, release: Release, policies: Policies, at: datetime) -> datetime:
    """Return from when on samples of the new version are judged."""
    settled = min(SETTLING_RATES * rate_window(policies.baseline.step), policies.watch.warm_up)
    own: timedelta = policies.watch.warm_up if spec.kind is Kind.RESOURCE else settled
    back = max(INTERVALS_BACK * release.review_interval, FEWEST_SAMPLES_BACK * policies.baseline.step)
    return max(release.deployed_at + own, at - back)


def unjudged(spec: MetricSpec, verdict: Verdict, reason: str) -> MetricJudgement:
    """Return the judgement of a metric about which nothing is known."""
    return MetricJudgement(spec=spec, verdict=verdict, state=State.UNKNOWN, score=0.0, reason=reason)


def beyond_release(services: Sequence[Service], known: Collection[Service]) -> tuple[Service, ...]:
    """Return those of ``known`` that ``services`` call and that are not among them."""
    own = {service.name for service in services}
    called = {name for service in services for name in service.dependencies} - own
    return tuple(service for service in known if service.name in called)
