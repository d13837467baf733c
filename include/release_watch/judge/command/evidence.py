"""A release judged again from its stored evidence: to the same verdict, or what differs."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from release_watch.clock import rfc3339
from release_watch.errors import InvalidInputError
from release_watch.judge.cases import Case, CaseMetric
from release_watch.judge.cases.stored import FOLDER
from release_watch.judge.command.again import Again, Folder, judged_again
from release_watch.judge.command.plots import Plots, in_number
from release_watch.verdict import Verdict, worst

if TYPE_CHECKING:
    from release_watch.judge.judgement import MetricJudgement

RESULTS = "monitoring-results.json"


@dataclass(frozen=True)
class Slice:
    """One review's judgements of one service, as a look for the plots."""

    look_minutes: float
    verdict: Verdict
    judgements: Sequence[MetricJudgement]


def run(options: Namespace) -> bool:
    """Judge the release in ``options.evidence`` again and print what comes of it; return if it is the same.

    Raises:
        InvalidInputError: if the folder holds no stored reviews.
    """
    folder = Folder(options.evidence)
    if not (documents := folder.documents()):
        raise InvalidInputError(
            [
                f"{folder.path}: no stored reviews ({FOLDER}/*.json); DIR is the folder of one release, "
                "such as artifacts/monitoring/production/shop-1.4.0, of a run that has reviewed it"
            ]
        )
    published = _published(folder.path)
    fine, done = True, []
    for document in documents:
        try:
            again = judged_again(folder, document)
        except InvalidInputError as error:
            fine = False
            sys.stdout.write("".join(f"{FOLDER}/{document.name}: {line}\n" for line in error.problems))
            continue
        differences = [*again.differences, *_contradicted(again, published)]
        fine = fine and not differences
        done.append(again)
        sys.stdout.writelines(_lines(again, differences))
    missing = sorted(published.keys() - {again.stored.number for again in done}) if fine else []
    for number in missing:
        sys.stdout.write(f"review {number}: {RESULTS} has it, but its evidence is not stored\n")
    if options.plots is not None and done:
        _draw(done, Plots(options.plots))
    fine = fine and not missing
    same = "every verdict is the one that was stored" if fine else "the evidence and its verdicts differ"
    sys.stdout.write(f"{in_number(len(documents), 'review')}: {same}\n")
    return fine


def _published(folder: Path) -> dict[int, Verdict]:
    """Return the verdicts in the results that others read, without those of reviews that judged nothing."""
    from release_watch.artifacts.models import MonitoringResults

    path = folder / RESULTS
    if not path.exists():
        return {}
    try:
        results = MonitoringResults.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InvalidInputError(
            [f"{path}: not the results of a release: {error.errors()[0]['msg']}"]
        ) from error
    return {
        review.number: review.verdict
        for review in results.reviews
        if [objective.name for objective in review.objectives] != ["review"]
    }


def _contradicted(again: Again, published: dict[int, Verdict]) -> Iterator[str]:
    stored = again.stored
    told = published.get(stored.number, stored.published)
    if told is not stored.published:
        yield f"{RESULTS} says {told}, stored is {stored.published}"
    if worst([told, again.judgement.verdict]) is not told:
        yield f"published as {told}, but its metrics are {again.judgement.verdict}"


def _lines(again: Again, differences: Sequence[str]) -> Iterator[str]:
    stored, verdict = again.stored, again.judgement.verdict
    outcome = "not as stored" if differences else "as stored"
    yield f"review {stored.number} of {stored.release_id} at {rfc3339(stored.at)}: {verdict}, {outcome}\n"
    if stored.published is not verdict and not differences:
        yield f"  published as {stored.published}: alerts or other findings made it worse than its metrics\n"
    for line in differences or [again.judgement.reason]:
        yield f"  {line}\n"


def _draw(reviews: Sequence[Again], plots: Plots) -> None:
    """Draw each metric that failed, with the verdict on the release at each review."""
    services = dict.fromkeys(one.spec.service for again in reviews for one in again.judgement.judgements)
    for service in services:
        looks = [_slice(again, service) for again in reviews]
        plots.draw(_case(reviews, service), looks, reviews[-1].stored.policy)
    sys.stdout.writelines(f"{problem}\n" for problem in plots.problems)
    sys.stdout.write(f"{in_number(plots.drawn, 'plot')} in {plots.folder}\n")


def _slice(again: Again, service: str) -> Slice:
    minutes = (again.stored.at - again.stored.deployed_at) / timedelta(minutes=1)
    of_service = [one for one in again.judgement.judgements if one.spec.service == service]
    return Slice(round(minutes, 1), again.judgement.verdict, of_service)


def _case(reviews: Sequence[Again], service: str) -> Case:
    """Return the samples of a service over all reviews as a case, to be drawn."""
    import pandas as pd

    stored = reviews[-1].stored
    nothing = pd.Series(dtype=float, index=pd.DatetimeIndex([], tz="UTC"))
    metrics = []
    for key in dict.fromkeys(one.spec.key for again in reviews for one in again.judgement.judgements):
        if key[0] != service:
            continue
        parts = [again.samples[key] for again in reviews if key in again.samples]
        after = pd.concat(parts).sort_index(kind="stable").dropna() if parts else nothing
        after = after[~after.index.duplicated(keep="last")]
        metrics.append(CaseMetric(key[1], reviews[-1].reference.get(key, nothing).dropna(), after))
    return Case(f"{stored.release_id} {service}", stored.deployed_at, tuple(metrics))
