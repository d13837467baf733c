"""A review made readable: each metric's numbers, and for each finding its dashboard and its plot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.dashboards import dashboard_record
from release_watch.orchestration.steps.escalation import PLOTS

if TYPE_CHECKING:
    from release_watch.artifacts.models import Finding, MetricReading, NormalRange, Review
    from release_watch.judge.judgement import MetricJudgement
    from release_watch.judge.picture import Standing
    from release_watch.judge.spec import MetricSpec
    from release_watch.orchestration.steps.reviewing import Seen

MOST_PLOTS = 12
"""Of one review; where more is worse, nobody looks at each."""

SHOWN_BEFORE = timedelta(hours=1)


def readings(run: ProtocolRun, seen: Seen) -> tuple[MetricReading, ...]:
    """Return the numbers of every metric of a review."""
    from release_watch.artifacts.models import MetricReading

    links = dashboard_links(run)
    return tuple(
        MetricReading(
            service=one.spec.service,
            metric=one.spec.metric,
            unit=one.spec.unit,
            verdict=one.verdict,
            state=one.state.value,
            reason=one.reason,
            value=one.value,
            baseline=one.baseline,
            band=_band(run, one.spec, seen),
            threshold=one.threshold,
            statistic=one.score,
            effect=one.effect,
            effect_interval=one.effect_interval,
            samples=one.samples,
            baseline_samples=one.baseline_samples,
            query=one.spec.query,
            dashboard=links.get(_board(one.spec.metric)),
        )
        for one in seen.judgement.judgements
    )


def _band(run: ProtocolRun, spec: MetricSpec, seen: Seen) -> NormalRange | None:
    from release_watch.artifacts.models import NormalRange
    from release_watch.judge.limits import normal_range

    before = seen.reference.get(spec.key)
    usual = None if before is None else normal_range(before.dropna(), spec, run.config.policies.judge)
    return None if usual is None else NormalRange(low=usual[0], high=usual[1])


def dashboard_links(run: ProtocolRun) -> dict[str, str]:
    """Return the address of each dashboard around the release, or its file, by kind."""
    start = int((run.release.deployed_at - SHOWN_BEFORE).timestamp() * 1000)
    links = {}
    for one in dashboard_record(run).activations:
        if address := f"{one.url}?from={start}&to=now" if one.url else one.file:
            links[one.uid.removeprefix("rw-").rpartition("-")[0]] = address
    return links


def _board(metric: str) -> str:
    if metric.startswith("budget:"):
        return "slo"
    return "system-health" if metric in ("memory_bytes", "cpu_cores") else "performance"


def illustrated(
    run: ProtocolRun, seen: Seen, findings: Sequence[Finding], reviews: Sequence[Review]
) -> tuple[Finding, ...]:
    """Return the findings with their dashboards and plots; each open one is drawn anew.

    A finding that is no metric of the judge is drawn as the worst metric of its service. What cannot be drawn
    stops nothing: who is on call is told all the same.
    """
    from release_watch.artifacts.models import FindingState, Severity

    links, drawn, shown = dashboard_links(run), 0, []
    for finding in findings:
        update: dict[str, str | None] = {"dashboard": links.get(_board(finding.metric))}
        grave = finding.state is FindingState.OPEN and finding.severity is not Severity.MINOR
        if grave and drawn < MOST_PLOTS and (png := _picture(run, seen, finding, reviews)):
            update["plot"] = run.store.write_bytes(f"{PLOTS}{finding.finding_id}.png", png).uri
            drawn += 1
        shown.append(finding.model_copy(update=update))
    return tuple(shown)


def _picture(run: ProtocolRun, seen: Seen, finding: Finding, reviews: Sequence[Review]) -> bytes | None:
    from release_watch.judge.picture import Standing

    of_service = [one for one in seen.judgement.judgements if one.spec.service == finding.service]
    drawable = [one for one in of_service if len(seen.samples.get(one.spec.key, ()))]
    exact = [one for one in drawable if one.spec.metric == finding.metric]
    judgement = max(exact or drawable, key=lambda one: one.score, default=None)
    if judgement is None:
        return None
    standing = [Standing(_minutes(run, review.at), review.verdict) for review in reviews]
    try:
        return _drawn(run, seen, judgement, standing)
    except Exception as error:  # of a picture, however it came about, nobody is kept waiting
        log.warning("%s could not be drawn: %s", finding.finding_id, error)
        return None


def _drawn(run: ProtocolRun, seen: Seen, judgement: MetricJudgement, standing: Sequence[Standing]) -> bytes:
    import pandas as pd

    from release_watch.judge.cases import Case, CaseMetric
    from release_watch.judge.picture import draw
    from release_watch.judge.samples import finite

    spec = judgement.spec
    nothing = pd.Series(dtype=float, index=pd.DatetimeIndex([], tz="UTC"))
    metric = CaseMetric(
        spec.metric,
        finite(seen.reference.get(spec.key, nothing)),
        finite(seen.samples[spec.key]),
        direction=spec.direction,
        golden=spec.golden,
        kind=spec.kind,
    )
    name = f"{run.release.release_id} {spec.service}"
    case = Case(name, run.release.deployed_at, (metric,))
    minutes = _minutes(run, seen.review.at)
    return draw(case, metric, judgement, minutes, standing, run.config.policies.judge)


def _minutes(run: ProtocolRun, at: datetime) -> float:
    return round((at - run.release.deployed_at) / timedelta(minutes=1), 1)
