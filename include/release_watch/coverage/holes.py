"""Whether samples of request series arrive without holes since the deployment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from release_watch.artifacts.models import CoverageCheck
from release_watch.clock import in_words
from release_watch.coverage.conventions import VERSION_LABELS
from release_watch.coverage.inquiry import (
    MARK,
    Answers,
    Inquiry,
    Part,
    Scope,
    Source,
    Watched,
    firsts,
    marked,
    sources,
)
from release_watch.coverage.questions import Question, failed, passed, unanswered
from release_watch.telemetry.metrics import series_name

if TYPE_CHECKING:
    import pandas as pd

FARTHEST_BACK = timedelta(hours=1)
_LOOKS_PER_GAP = 4
_REMEDY = (
    "see /targets of Prometheus for failed scrapes of the service (timeouts, refused connections), and the "
    "restarts of its pods and of Prometheus at that time"
)


class _Looks(NamedTuple):
    """Looks at a service ``step`` apart over ``window``; at each, was there a sample in the last ``bound``?

    In whole seconds. Only such looks see a hole: a series that fails its scrapes has no age, it is gone.
    """

    window: int
    step: int
    bound: int

    @property
    def length(self) -> timedelta:
        return timedelta(seconds=self.window)


class _Hole(NamedTuple):
    length: timedelta
    end: datetime


def check_gaps(live: Mapping[str, Sequence[Watched]], inquiry: Inquiry) -> dict[str, CoverageCheck]:
    """Return whether no service was without samples, and no target without a scrape, for longer than allowed.

    Looks from the first sample after the deployment on, at most an hour back. A hole that is over was an
    outage, and is told; what comes again is a gap. Where old pods cannot be told from new ones the time in
    which they are replaced is left out, and with it the check right after.

    Raises:
        BackendError: if the server does not answer, or refuses the query.
    """
    ones = [one for one in firsts(live) if _looks(one.scope, inquiry.question)]
    parts = (part for source in sources(ones) for part in _parts(source, inquiry.question))
    answers = inquiry.ask(parts)
    holey = [one for one in ones if (answers.most("missing", one.service) or 0) >= 1]
    holes = _holes(holey, inquiry)
    return {one.service: _check(one, answers, holes.get(one.service, ()), inquiry.question) for one in ones}


def _looks(scope: Scope, question: Question) -> _Looks | None:
    bound = max(1, ceil(question.policy.max_gap.total_seconds()))
    start = question.release.deployed_at
    if scope.replaced:
        start += question.policy.live_within
    window = int(min(question.at - start, FARTHEST_BACK).total_seconds())
    return _Looks(window, max(1, bound // _LOOKS_PER_GAP), bound) if window > 0 else None


def _parts(source: Source, question: Question) -> Iterator[Part]:
    looks = _looks(source.scope, question)
    if looks is not None:
        yield source.part("missing", _missing(source, looks))
        yield source.part("failing", _failing(source, looks))


def _missing(source: Source, looks: _Looks) -> str:
    """Return how many looks found nothing between the first and the last that found something."""
    over = f"[{looks.bound}s]"
    present = f"max{source.by()} ({source.kept(f'present_over_time({source.series()}{over})', over)})"
    found = f"(time() * {present})[{looks.window}s:{looks.step}s]"
    first, last = f"min_over_time({found})", f"max_over_time({found})"
    # What is younger than a step was not there at any look, but it is now, and had no time for a hole.
    return f"({last} - {first}) / {looks.step} + 1 - count_over_time({found}) or 0 * {present}"


def _failing(source: Source, looks: _Looks) -> str:
    """Return how many targets have been known for longer than the bound, and not been scraped since."""
    up = f"up{{{source.batch.matchers}}}"
    never = f"max_over_time({up}[{looks.bound}s]) == 0 and {up} and {up} offset {looks.bound}s"
    return f"count{source.by(*VERSION_LABELS)} ({never})"


def _check(one: Watched, answers: Answers, holes: Sequence[_Hole], question: Question) -> CoverageCheck:
    looks = _looks(one.scope, question) or _Looks(0, 1, 1)
    bound = in_words(question.policy.max_gap)
    expected = f"not again and again {bound} without a sample{one.scope.words}"
    query = _missing(one.source, looks)
    missing = answers.most("missing", one.service)
    failing = sum(s.value for s in answers.of("failing", one.service) if one.scope.counts(s.labels))
    if missing is None:
        remedy = "run the audit again; if it stays, see whether the series of the service come and go"
        return unanswered("gaps", query, "no sample to judge", expected, remedy)
    if missing >= 1 and len(holes) != 1:
        return failed("gaps", query, _hole_words(holes, missing, looks), expected, _REMEDY)
    if failing:
        observed = f"{failing:.0f} targets have failed every scrape for {bound}"
        return failed("gaps", _failing(one.source, looks), observed, expected, _REMEDY)
    if missing >= 1:
        observed = f"one hole, {_hole_words(holes, missing, looks)}; none since"
        return passed("gaps", query, observed, expected)
    return passed("gaps", query, f"none in the last {in_words(looks.length)}", expected)


def _hole_words(holes: Sequence[_Hole], missing: float, looks: _Looks) -> str:
    if not holes:
        about = timedelta(seconds=missing * looks.step + looks.bound)
        return f"about {in_words(about)} without a sample"
    longest = max(holes, key=lambda hole: hole.length)
    words = f"about {in_words(longest.length)} without a sample, until {longest.end:%H:%M:%S} UTC"
    return words if len(holes) == 1 else f"{len(holes)} holes, the longest {words}"


def _holes(holey: Sequence[Watched], inquiry: Inquiry) -> dict[str, tuple[_Hole, ...]]:
    """Return the holes of each service, as exactly as the looks are close."""
    together: dict[_Looks, list[Watched]] = defaultdict(list)
    for one in holey:
        if looks := _looks(one.scope, inquiry.question):
            together[looks].append(one)
    stamps: dict[str, set[float]] = defaultdict(set)
    end = inquiry.question.at.replace(microsecond=0)
    for looks, ones in together.items():
        parts = {str(number): _stamps(source) for number, source in enumerate(sources(ones))}
        step = timedelta(seconds=looks.step)
        frame = inquiry.metrics.range(marked(parts), end - looks.length, end, step)
        for number, part in parts.items():
            _add_stamps(stamps, part, number, frame)
    bound = inquiry.question.policy.max_gap.total_seconds()
    return {service: tuple(_between(sorted(found), bound)) for service, found in stamps.items()}


def _stamps(source: Source) -> Part:
    stamped = source.kept(f"timestamp({source.series()})")
    return source.part("stamps", f"max{source.by()} ({stamped})")


def _add_stamps(stamps: dict[str, set[float]], part: Part, number: str, frame: pd.DataFrame) -> None:
    for values, services in part.batch.services.items():
        labels = {name: value for name, value in zip(part.batch.labels, values, strict=True) if value}
        column = series_name(labels | {MARK: number})
        if column in frame:
            for service in services:
                stamps[service].update(frame[column].dropna())


def _between(stamps: Sequence[float], bound: float) -> Iterator[_Hole]:
    for before, after in pairwise(stamps):
        if after - before > bound:
            yield _Hole(timedelta(seconds=round(after - before)), datetime.fromtimestamp(after, UTC))
