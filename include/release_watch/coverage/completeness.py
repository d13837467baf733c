"""Whether request series say all that is asked of them: every endpoint, how long, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from release_watch.artifacts.models import CoverageCheck
from release_watch.coverage.conventions import endpoint_key_of
from release_watch.coverage.inquiry import Answers, Inquiry, Part, Source, Watched, firsts, sources
from release_watch.coverage.questions import Question, failed, passed, unanswered
from release_watch.errors import BackendError

FEWEST_BUCKETS = 3
"""Bounds below infinity; a quantile from fewer is a guess."""

_ENDPOINT_REMEDY = "instrument the route, or send it one request: a counter exists only after the first"
_OUTCOME_REMEDY = (
    "have the instrumentation record how each request ended; where it does so in another way, name "
    "signals.metrics.counter and signals.metrics.errors of the service in services.yaml"
)
_FAILURES_REMEDY = "see why every request fails; if some do succeed, see why they are not counted"


def check_endpoints(live: Mapping[str, Sequence[Watched]], inquiry: Inquiry) -> dict[str, CoverageCheck]:
    """Return whether each service counts the requests of each endpoint that it must, in any convention.

    Raises:
        BackendError: if the server does not answer, or refuses the query.
    """
    wanted = inquiry.question.endpoints
    asked = {service: ones for service, ones in live.items() if wanted.get(service)}
    every = [one for ones in asked.values() for one in ones if one.convention.route]
    answers = inquiry.ask(
        source.part(source.convention.counter, _by_endpoint(source)) for source in sources(every)
    )
    return {
        service: _endpoint_check(ones, wanted[service], answers, inquiry.question)
        for service, ones in asked.items()
    }


def _by_endpoint(source: Source) -> str:
    stamped = source.kept(f"timestamp({source.series()})")
    return f"max{source.by(*source.convention.endpoint_labels)} ({stamped})"


def _endpoint_check(
    ones: Sequence[Watched], names: Sequence[str], answers: Answers, question: Question
) -> CoverageCheck:
    found = {
        key
        for one in ones
        for sample in answers.of(one.convention.counter, one.service)
        if sample.value > question.since.timestamp()
        for key in one.convention.endpoints(sample.labels)
    }
    query = _by_endpoint(ones[0].source)
    expected = f"request series{ones[0].scope.words} of {', '.join(names)}"
    missing = [name for name in names if endpoint_key_of(name) not in found]
    if not missing:
        return passed("endpoints", query, f"all {len(names)} seen", expected)
    return failed("endpoints", query, f"no series of {', '.join(missing)}", expected, _ENDPOINT_REMEDY)


def check_histograms(live: Mapping[str, Sequence[Watched]], inquiry: Inquiry) -> dict[str, CoverageCheck]:
    """Return whether durations have buckets to take quantiles from; nothing for what has no durations.

    Raises:
        BackendError: if the server does not answer, or refuses the query.
    """
    timed = [one for one in firsts(live) if one.convention.latency]
    answers = inquiry.ask(part for source in sources(timed) for part in _latency_parts(source))
    doubtful = [
        one for one in timed if not answers.of("le", one.service) and answers.of("plain", one.service)
    ]
    native = _natives(doubtful, inquiry)
    return {one.service: _histogram_check(one, answers, native.get(one.service)) for one in timed}


def _latency_parts(source: Source) -> Iterator[Part]:
    name = source.convention.latency
    yield source.part("le", _bounds(source))
    for kind, matcher in (("quantile", 'quantile!=""'), ("plain", 'quantile=""')):
        yield source.part(kind, f"count{source.by()} ({source.kept(source.series(name, matcher))})")


def _bounds(source: Source) -> str:
    buckets = source.kept(source.series(f"{source.convention.latency}_bucket", 'le!="+Inf"'))
    return f"count{source.by()} (count{source.by('le')} ({buckets}))"


def _count_natively(source: Source) -> str:
    series = source.series(source.convention.latency, 'quantile=""')
    counts = source.kept(f"histogram_count({series})")
    return f"count{source.by()} ({counts})"


def _natives(doubtful: Sequence[Watched], inquiry: Inquiry) -> dict[str, bool | BackendError]:
    """Return which of the services have native histograms, or why that cannot be told."""
    parts = [source.part("native", _count_natively(source)) for source in sources(doubtful)]
    try:
        answers = inquiry.ask(parts)
    except BackendError as error:
        return {one.service: error for one in doubtful}
    return {one.service: bool(answers.of("native", one.service)) for one in doubtful}


def _histogram_check(one: Watched, answers: Answers, native: bool | BackendError | None) -> CoverageCheck:
    name = one.convention.latency
    query = _bounds(one.source)
    expected = f"{name}_bucket with at least {FEWEST_BUCKETS} bounds below infinity"
    bounds = int(answers.most("le", one.service) or 0)
    remedy = one.convention.buckets_remedy
    if bounds >= FEWEST_BUCKETS:
        return passed("histogram", query, f"{bounds} bounds", expected)
    if isinstance(native, BackendError):
        return unanswered("histogram", _count_natively(one.source), str(native), expected, remedy)
    if native:
        observed = "a native histogram: its bounds are chosen by the client, and it has no _bucket series"
        return passed("histogram", _count_natively(one.source), observed, expected)
    if bounds:
        return failed("histogram", query, f"only {bounds} bounds", expected, remedy)
    if answers.of("quantile", one.service):
        observed = f"{name} is a summary: the quantiles of several pods cannot be made into one"
        return failed("histogram", query, observed, expected, remedy)
    return failed(
        "histogram", query, "requests are counted, but their durations have no buckets", expected, remedy
    )


def check_outcomes(live: Mapping[str, Sequence[Watched]], inquiry: Inquiry) -> dict[str, CoverageCheck]:
    """Return whether failed requests can be told from successful ones, and some succeed.

    No failure yet is fine: the series of failures is born with the first.

    Raises:
        BackendError: if the server does not answer, or refuses the query.
    """
    ones = firsts(live)
    answers = inquiry.ask(part for source in sources(ones) for part in _outcome_parts(source))
    return {one.service: _outcome_check(one, answers) for one in ones}


def _outcome_parts(source: Source) -> Iterator[Part]:
    for kind, alternatives in (
        ("succeeded", source.convention.succeeded),
        ("failed", source.convention.failed),
    ):
        for matchers in alternatives:
            yield source.part(kind, f"count{source.by()} ({source.kept(source.series(None, matchers))})")


def _outcome_check(one: Watched, answers: Answers) -> CoverageCheck:
    succeeded, errors = (answers.total(kind, one.service) for kind in ("succeeded", "failed"))
    query = " or ".join(
        f'label_replace({part.expression}, "outcome", "{part.kind}", "", "")'
        for part in _outcome_parts(one.source)
    )
    expected = f"success and error told apart by {one.convention.status}"
    if succeeded and errors:
        observed = f"{succeeded:.0f} series of success, {errors:.0f} of error"
        return passed("outcomes", query, observed, expected)
    if succeeded:
        return passed("outcomes", query, f"{succeeded:.0f} series of success, no error yet", expected)
    if errors:
        return failed("outcomes", query, "only failed requests are counted", expected, _FAILURES_REMEDY)
    observed = f"{one.convention.counter} does not say how a request ended"
    return failed("outcomes", query, observed, expected, _OUTCOME_REMEDY)
