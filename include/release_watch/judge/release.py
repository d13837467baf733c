"""The judgement of a release over those of its metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from release_watch.judge.judgement import MetricJudgement, ReleaseJudgement, State
from release_watch.judge.wording import all_within
from release_watch.verdict import Verdict, worst

if TYPE_CHECKING:
    from release_watch.catalog.policies import JudgePolicy


def judge_release(
    judgements: Iterable[MetricJudgement],
    policy: JudgePolicy,
    *,
    dependencies: Mapping[str, Iterable[str]] = MappingProxyType({}),
) -> ReleaseJudgement:
    """Return the verdict over the judgements of all metrics of a release.

    NO_GO where a golden metric fails, or metrics of ``policy.corroborating_families`` of one service do. Any
    other metric that is worse, for good or for a while, is WARN. A golden metric that could not be judged
    leaves the release INCONCLUSIVE (or ERROR); another one WARN. Nothing judged is INCONCLUSIVE.

    ``dependencies`` are the services each service calls: where one of them is worse too, it explains what
    is worse above it.
    """
    judged = tuple(judgements)
    critical = critical_judgements(judged, policy.corroborating_families)
    verdict = worst(_weight(judgement, judgement in critical) for judgement in judged)
    score = max((judgement.score for judgement in critical or judged), default=0.0)
    return ReleaseJudgement(
        verdict=verdict,
        score=score,
        reason=_reason(verdict, judged, critical),
        judgements=judged,
        critical=critical,
        explained=explained_by_dependencies(critical, dependencies),
    )


def critical_judgements(judgements: Iterable[MetricJudgement], families: int) -> tuple[MetricJudgement, ...]:
    """Return the failed judgements that are golden, or of so many families of their service."""
    failed: dict[str, list[MetricJudgement]] = defaultdict(list)
    for judgement in judgements:
        if judgement.failed:
            failed[judgement.spec.service].append(judgement)
    critical: list[MetricJudgement] = []
    for of_service in failed.values():
        golden = [judgement for judgement in of_service if judgement.spec.golden]
        agreeing = {judgement.spec.family for judgement in of_service}
        critical += golden or (of_service if len(agreeing) >= families else [])
    return tuple(sorted(critical, key=lambda judgement: -judgement.score))


def explained_by_dependencies(
    critical: Iterable[MetricJudgement], dependencies: Mapping[str, Iterable[str]]
) -> dict[str, str]:
    """Return, by service that is worse, the worst of the services one hop down that are worse too."""
    scores: dict[str, float] = {}
    for judgement in critical:
        scores[judgement.spec.service] = max(judgement.score, scores.get(judgement.spec.service, 0.0))
    below = {service: [d for d in dependencies.get(service, ()) if d in scores] for service in scores}
    return {service: max(worse, key=scores.__getitem__) for service, worse in below.items() if worse}


def _weight(judgement: MetricJudgement, critical: bool) -> Verdict:
    if critical:
        return Verdict.NO_GO
    if judgement.state is State.UNKNOWN and judgement.spec.golden:
        return judgement.verdict
    return Verdict.GO if judgement.verdict is Verdict.GO else Verdict.WARN


def _reason(
    verdict: Verdict, judged: tuple[MetricJudgement, ...], critical: tuple[MetricJudgement, ...]
) -> str:
    if not judged:
        return "no metric was judged"
    if verdict is Verdict.GO:
        return all_within(len(judged))
    told = critical or tuple(judgement for judgement in judged if _weight(judgement, False) is verdict)
    return "; ".join(f"{judgement.spec.title}: {judgement.reason}" for judgement in told)
