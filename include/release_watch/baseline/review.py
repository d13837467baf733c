"""One periodic look at a release: its metrics since the deployment against the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from release_watch.artifacts.models import Review
from release_watch.baseline.frames import fetch
from release_watch.baseline.metrics import metric_specs, rate_window
from release_watch.clock import rfc3339
from release_watch.errors import ReleaseWatchError
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

SETTLING_RATES = 2
"""Rates that reach back before the start of the new version say nothing about it."""

INTERVALS_BACK = 2
FEWEST_SAMPLES_BACK = 60
"""A review looks back over two intervals, and over at least this many samples."""


def review(
    number: int,
    release: Release,
    services: Sequence[Service],
    backends: Backends,
    reference: Mapping[tuple[str, str], pd.Series],
    policies: Policies,
    at: datetime,
) -> tuple[Review, ReleaseJudgement]:
    """Return review ``number`` as of ``at``, and the judgement behind it.

    ``reference`` are the samples from before the release (see ``baseline.frames``). Only series of the
    release's version count, so that an old version which still runs does not hide that the new one is
    silent. Resource metrics are left out until they have warmed up, and others that are not golden until
    there can be enough samples. A server that does not answer makes the metrics it should have given ERROR.
    """
    judgements = [
        looked
        for service in services
        for spec in metric_specs([service], step=policies.baseline.step, version=release.version)
        if (looked := look(spec, service, release, backends, reference, policies, at))
    ]
    dependencies = {service.name: service.dependencies for service in services}
    judgement = judge_release(judgements, policies.judge, dependencies=dependencies)
    return Review(
        number=number, at=at, verdict=judgement.verdict, objectives=judgement.objectives()
    ), judgement


def look(
    spec: MetricSpec,
    service: Service,
    release: Release,
    backends: Backends,
    reference: Mapping[tuple[str, str], pd.Series],
    policies: Policies,
    at: datetime,
) -> MetricJudgement | None:
    """Return the judgement of one metric as of ``at``; None while it is too early for it."""
    start = first_moment(spec, release, policies, at)
    step = policies.baseline.step
    if not spec.golden and at - start < (policies.judge.persistence + spec.overlap) * step:
        return None
    try:
        current = finite(fetch(spec, backends.metrics(service), (start, at), step))
    except ReleaseWatchError as error:
        return unjudged(spec, Verdict.ERROR, str(error))
    before = reference.get(spec.key)
    if before is None:
        before = current.iloc[:0]
    if len(current) and (silent := at - current.index[-1].to_pydatetime()) > policies.coverage.live_within:
        last = rfc3339(current.index[-1].to_pydatetime())
        reason = f"no data since {last}, {silent.total_seconds():.0f} s ago; check that it still runs"
        return unjudged(spec, Verdict.INCONCLUSIVE, reason)
    return judge_metric(before, current, spec=spec, policy=policies.judge)


def first_moment(spec: MetricSpec, release: Release, policies: Policies, at: datetime) -> datetime:
    """Return from when on samples of the new version are judged."""
    settled = min(SETTLING_RATES * rate_window(policies.baseline.step), policies.watch.warm_up)
    own: timedelta = policies.watch.warm_up if spec.kind is Kind.RESOURCE else settled
    back = max(INTERVALS_BACK * release.review_interval, FEWEST_SAMPLES_BACK * policies.baseline.step)
    return max(release.deployed_at + own, at - back)


def unjudged(spec: MetricSpec, verdict: Verdict, reason: str) -> MetricJudgement:
    """Return the judgement of a metric about which nothing is known."""
    return MetricJudgement(spec=spec, verdict=verdict, state=State.UNKNOWN, score=0.0, reason=reason)
