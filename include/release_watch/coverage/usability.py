"""Whether request series can be calculated with: real numbers, at times that have been."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from math import ceil, isfinite, isnan

from release_watch.artifacts.models import CoverageCheck
from release_watch.clock import in_words, now
from release_watch.coverage.inquiry import Answers, Inquiry, Part, Source, Watched, firsts, sources
from release_watch.coverage.questions import failed, passed, unanswered

_VALUES_REMEDY = (
    "find the code that observes a value that is no number, infinite or negative (durations across clocks, "
    "a division by zero), mend it and restart the pods: a sum that took one in never recovers"
)
_CLOCK_REMEDY = (
    "set the clock by NTP (chrony, timesyncd) on the machines of the service, and on those of Prometheus and "
    "Airflow; a client that stamps its own samples should not"
)
_LOOK_BACK = timedelta(minutes=5)
"""How far Prometheus looks back for a sample unless it is configured otherwise."""
_FARTHEST_AHEAD = timedelta(minutes=10)
"""Prometheus refuses samples from further in the future."""
_LONGEST_WORDS = timedelta(days=365).total_seconds()


def check_values(live: Mapping[str, Sequence[Watched]], inquiry: Inquiry) -> dict[str, CoverageCheck]:
    """Return whether the counters, and where there are durations their sums and buckets, are real numbers.

    Counters and sums are judged over the fresh window, buckets by their newest samples.

    Raises:
        BackendError: if the server does not answer, or refuses the query.
    """
    question = inquiry.question
    seconds = max(1, ceil((question.at - question.since).total_seconds()))
    ones = firsts(live)
    answers = inquiry.ask(part for source in sources(ones) for part in _value_parts(source, seconds))
    return {one.service: _value_check(one, answers, seconds) for one in ones}


def _value_parts(source: Source, seconds: int) -> Iterator[Part]:
    """Yield what shows bad values: a sum over any NaN is NaN, over any infinity infinite.

    Of the counter all answers are taken, as a proof that there are numbers; of the rest only the bad ones.
    """
    counter, latency = source.convention.counter, source.convention.latency
    if source.convention.native:
        series = source.series()
        counts, sums = f"histogram_count({series})", f"histogram_sum({series})"
        yield source.part(f"sum {counter}", f"sum{source.by()} ({source.kept(counts)})")
        yield source.part(f"sum {counter}", f"(0 * sum{source.by()} ({source.kept(sums)})) != 0")
        return
    yield source.part(f"sum {counter}", _total(source, counter, seconds))
    yield source.part(f"least {counter}", f"{_least(source, counter, seconds)} < 0")
    if latency is not None:
        yield source.part(f"sum {latency}_sum", f"(0 * {_total(source, f'{latency}_sum', seconds)}) != 0")
        yield source.part(f"least {latency}_sum", f"{_least(source, f'{latency}_sum', seconds)} < 0")
        # There are many buckets, so they are read once: the root of a negative number is NaN too.
        roots = source.kept(f"sqrt({source.series(f'{latency}_bucket')})")
        yield source.part(f"sum {latency}_bucket", f"(0 * sum{source.by()} ({roots})) != 0")


def _total(source: Source, name: str, seconds: int) -> str:
    return f"sum{source.by()} ({source.kept(f'sum_over_time({source.series(name)}[{seconds}s])')})"


def _least(source: Source, name: str, seconds: int) -> str:
    return f"min{source.by()} ({source.kept(f'min_over_time({source.series(name)}[{seconds}s])')})"


def _value_check(one: Watched, answers: Answers, seconds: int) -> CoverageCheck:
    counter, latency = one.convention.counter, one.convention.latency
    shown = " or ".join(
        f'label_replace({part.expression}, "what", "{part.kind}", "", "")'
        for part in _value_parts(one.source, seconds)
    )
    expected = f"finite numbers, none below 0, in the last {in_words(timedelta(seconds=seconds))}"
    names = [counter, *([f"{latency}_sum", f"{latency}_bucket"] if latency else [])]
    bad = [words for name in names if (words := _bad_words(name, one.service, answers))]
    if bad:
        return failed("values", shown, "; ".join(bad), expected, _VALUES_REMEDY)
    if not answers.of(f"sum {counter}", one.service):
        remedy = "run the audit again; if it stays, see whether the series of the service come and go"
        return unanswered("values", shown, "no sample to judge", expected, remedy)
    return passed("values", shown, "finite numbers", expected)


def _bad_words(name: str, service: str, answers: Answers) -> str | None:
    if answers.of(f"least {name}", service):
        return f"{name} is negative"
    if all(isfinite(sample.value) for sample in answers.of(f"sum {name}", service)):
        return None
    return f"{name} is NaN{', negative' if name.endswith('_bucket') else ''} or infinite"


def check_clocks(live: Mapping[str, Sequence[Watched]], inquiry: Inquiry) -> dict[str, CoverageCheck]:
    """Return whether no sample is from the future, and no process was started there.

    Raises:
        BackendError: if the server does not answer, or refuses the query.
    """
    # Time has gone on since the audit began, and what was sampled meanwhile is no future.
    moment = max(inquiry.question.at, now())
    skew = inquiry.question.policy.max_clock_skew
    ones = firsts(live)
    parts = (part for source in sources(ones) for part in _clock_parts(source, skew))
    answers = inquiry.ask(parts, moment)
    return {one.service: _clock_check(one, answers, skew) for one in ones}


def _clock_parts(source: Source, skew: timedelta) -> Iterator[Part]:
    bound = f"{skew.total_seconds():g}"
    ahead = _LOOK_BACK
    while ahead <= _FARTHEST_AHEAD:
        series = f"{source.series()} offset -{ahead.total_seconds():.0f}s"
        stamped = source.kept(f"timestamp({series})")
        yield source.part("ahead", f"max{source.by()} ({stamped}) - time() > {bound}")
        ahead += _LOOK_BACK
    # Whatever its version: the label may be on the request series alone.
    started = f"process_start_time_seconds{{{source.batch.matchers}}}"
    yield source.part("started", f"max{source.by()} ({started}) - time() > {bound}")


def _clock_check(one: Watched, answers: Answers, skew: timedelta) -> CoverageCheck:
    query = " or ".join(part.expression for part in _clock_parts(one.source, skew))
    expected = f"no sample and no process start more than {in_words(skew)} in the future"
    samples = [sample.value for sample in answers.of("ahead", one.service)]
    starts = [sample.value for sample in answers.of("started", one.service)]
    if samples:
        return failed(
            "clock", query, f"samples from {_ahead(samples)} in the future", expected, _CLOCK_REMEDY
        )
    if starts:
        observed = f"a process that starts {_ahead(starts)} in the future"
        return failed("clock", query, observed, expected, _CLOCK_REMEDY)
    return passed("clock", query, "nothing from the future", expected)


def _ahead(seconds: Sequence[float]) -> str:
    most = max((value for value in seconds if not isnan(value)), default=0.0)
    return "years" if most > _LONGEST_WORDS else in_words(timedelta(seconds=most))
