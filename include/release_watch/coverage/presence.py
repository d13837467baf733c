"""Whether request series are live and of this release, and which of them the other checks are about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from release_watch.artifacts.models import CoverageCheck
from release_watch.catalog.models import MetricsSignal
from release_watch.coverage.batches import batches
from release_watch.coverage.conventions import CONVENTIONS, VERSION_LABELS, Convention, own_convention
from release_watch.coverage.inquiry import (
    Answers,
    Inquiry,
    Part,
    Scope,
    Source,
    Watched,
    ours,
    sources,
    theirs,
)
from release_watch.coverage.questions import Question, failed, live_check, passed, release_check, unanswered
from release_watch.identifiers import promql_string

_KNOWN = tuple(c for c in CONVENTIONS if not c.native)
_LIVE_REMEDY = (
    "see /targets of Prometheus for the scrape, and the selector in services.yaml; requests are looked for "
    f"under the names {', '.join(c.counter for c in _KNOWN)}, and a service that counts them under another "
    "names it as signals.metrics.counter"
)
_OWN_REMEDY = "see /targets of Prometheus for the scrape, and signals.metrics of the service in services.yaml"
_VERSION_REMEDY = (
    "a label version, or target_info with service_version (OpenTelemetry resource service.version)"
)
_ABSENT_REMEDY = "see why {version} does not send: is it deployed, and scraped or collected?"
_UNJOINED_REMEDY = (
    "send the new version a request; if it has had some, give request series and target_info the same labels "
    "job and instance"
)


class Named(NamedTuple):
    """A version, and the label that names it; both empty where none does."""

    version: str
    label: str


@dataclass(frozen=True)
class Seen:
    """The series of one convention that a service showed: the newest sample by version, and by its label."""

    convention: Convention
    newest: Mapping[Named, datetime]

    @property
    def last(self) -> datetime:
        """The newest sample of all."""
        return max(self.newest.values())

    def named(self, since: datetime) -> dict[str, str]:
        """Return the versions that samples newer than ``since`` name, with the label that does."""
        return {one.version: one.label for one, at in self.newest.items() if one.version and at > since}


@dataclass(frozen=True)
class Presence:
    """What a service showed: its first checks, and the request series that the others are about.

    ``watched`` is empty where none is live. Its first is the convention that counts; the others expose the
    same or other requests once more.
    """

    checks: tuple[CoverageCheck, ...]
    watched: tuple[Watched, ...]


def find_requests(signals: Mapping[str, MetricsSignal], inquiry: Inquiry) -> dict[str, Presence]:
    """Return the presence of each service, from at most two queries for all of them.

    Of several conventions the first of ``CONVENTIONS`` with fresh samples of the release counts, else the
    first with any fresh ones. Where the catalogue names a counter, only that one is looked for.

    Raises:
        BackendError: if the server does not answer, or refuses a query.
    """
    question = inquiry.question
    seen = _look(signals, inquiry)
    unnamed = [
        Watched(service, signals[service].selector, found[0].convention, Scope())
        for service, found in seen.items()
        if found and service in question.release.services and found[0].last > question.since
        if not found[0].named(question.since)
    ]
    targets = inquiry.ask(_target_parts(unnamed, question.release.version))
    return {
        service: _presence(service, signals[service], found, targets, question)
        for service, found in seen.items()
    }


def versions_seen(signals: Mapping[str, MetricsSignal], inquiry: Inquiry) -> dict[str, frozenset[str]]:
    """Return the versions that send fresh request metrics, of each service that sends any.

    They stand in the labels of the series, or else in ``target_info``; none where neither names one. Takes
    two queries for all services.

    Raises:
        BackendError: if the server does not answer, or refuses a query.
    """
    since = inquiry.question.since
    fresh = {
        service: [one for one in found if one.last > since]
        for service, found in _look(signals, inquiry).items()
    }
    named = {service: frozenset(found[0].named(since)) for service, found in fresh.items() if found}
    unnamed = [
        Watched(service, signals[service].selector, fresh[service][0].convention, Scope())
        for service, versions in named.items()
        if not versions
    ]
    targets = inquiry.ask(_target_names(unnamed))
    by_target = {
        one.service: Seen(one.convention, _by_version(targets, "named", one.service)).named(since)
        for one in unnamed
    }
    return named | {service: frozenset(versions) for service, versions in by_target.items()}


def _look(signals: Mapping[str, MetricsSignal], inquiry: Inquiry) -> dict[str, list[Seen]]:
    """Return what each service showed, that first which counts."""
    candidates = {service: _candidates(signal) for service, signal in signals.items()}
    watched = [
        Watched(service, signals[service].selector, convention, Scope())
        for service, conventions in candidates.items()
        for convention in conventions
    ]
    answers = inquiry.ask(
        source.part(source.convention.counter, _newest(source)) for source in sources(watched)
    )
    found = {
        service: [
            Seen(convention, newest)
            for convention in conventions
            if (newest := _by_version(answers, convention.counter, service))
        ]
        for service, conventions in candidates.items()
    }
    return {service: _in_order(seen, inquiry.question) for service, seen in found.items()}


def _candidates(signal: MetricsSignal) -> tuple[Convention, ...]:
    if signal.counter is None:
        return CONVENTIONS
    return (own_convention(signal.counter, signal.errors),)


def _newest(source: Source) -> str:
    return f"max{source.by(*VERSION_LABELS)} (timestamp({source.series()}))"


def _by_version(answers: Answers, kind: str, service: str) -> dict[Named, datetime]:
    newest: dict[Named, datetime] = {}
    for sample in answers.of(kind, service):
        at = datetime.fromtimestamp(sample.value, UTC)
        names = [Named(value, label) for label in VERSION_LABELS if (value := sample.labels.get(label))]
        for name in names or [Named("", "")]:
            newest[name] = max(at, newest.get(name, at))
    return newest


def _in_order(seen: Sequence[Seen], question: Question) -> list[Seen]:
    """Return first those with fresh samples of the release, then the others that are fresh, then the rest."""

    def rank(one: Seen) -> int:
        if question.release.version in one.named(question.since):
            return 0
        return 1 if one.last > question.since else 2

    return sorted(seen, key=rank)


def _target_parts(unnamed: Sequence[Watched], version: str) -> Iterator[Part]:
    """Yield what ``target_info`` says of services whose request series name no version."""
    for source in sources(unnamed):
        yield source.part("ours", f"max{source.by()} ({_joined(source, ours(source.batch, version))})")
        yield source.part("theirs", f"max{source.by()} ({_joined(source, theirs(source.batch, version))})")
    yield from _target_names(unnamed)


def _target_names(unnamed: Sequence[Watched]) -> Iterator[Part]:
    for batch in batches({one.service: one.selector for one in unnamed}):
        info = f"timestamp(target_info{{{batch.matchers}}})"
        yield Part("named", batch, f"max{batch.grouping(*VERSION_LABELS)} ({info})")


def _joined(source: Source, info: str) -> str:
    return f"timestamp({source.series()}) and on (job, instance) {info}"


def _presence(
    service: str, signal: MetricsSignal, seen: Sequence[Seen], targets: Answers, question: Question
) -> Presence:
    released = service in question.release.services
    if not seen:
        query = _any_of(signal)
        live = live_check(None, query, question, _live_remedy(signal))
        release = release_check(live, (), query, question, _VERSION_REMEDY)
        return Presence((live, release) if released else (live,), ())
    counts = Watched(service, signal.selector, seen[0].convention, Scope())
    live = live_check(seen[0].last, _newest(counts.source), question, _live_remedy(signal))
    checks = [live, *([_release_check(counts, live, seen[0], targets, question)] if released else [])]
    watched = tuple(
        Watched(
            service,
            signal.selector,
            one.convention,
            _scope(service, one, targets, question) if released else Scope(),
        )
        for one in seen
        if one.last > question.since
    )
    return Presence(tuple(checks), watched)


def _live_remedy(signal: MetricsSignal) -> str:
    return _LIVE_REMEDY if signal.counter is None else _OWN_REMEDY


def _any_of(signal: MetricsSignal) -> str:
    names = [convention.counter for convention in _candidates(signal)]
    if len(names) == 1:
        return f"timestamp({names[0]}{{{signal.selector}}})"
    return f"count by (__name__) ({{__name__=~{promql_string('|'.join(names))},{signal.selector}}})"


def _release_check(
    counts: Watched, live: CoverageCheck, seen: Seen, targets: Answers, question: Question
) -> CoverageCheck:
    """Return whether request series of this version are fresh: by their label, else by ``target_info``."""
    wanted = question.release.version
    by_target = Seen(seen.convention, _by_version(targets, "named", counts.service)).named(question.since)
    if seen.named(question.since) or not by_target:
        named = seen.named(question.since)
        return release_check(live, named, _newest(counts.source), question, _VERSION_REMEDY)
    query = f"max ({_joined(counts.source, ours(counts.source.batch, wanted))})"
    expected = f"samples of version {wanted}"
    if _fresh("ours", counts.service, targets, question):
        return passed("release", query, f"version {wanted}, by target_info", expected)
    others = ", ".join(sorted(set(by_target) - {wanted}))
    if wanted not in by_target:
        observed = f"only version {others}, by target_info"
        return failed("release", query, observed, expected, _ABSENT_REMEDY.format(version=wanted))
    if others and _fresh("theirs", counts.service, targets, question):
        observed = f"only version {others} has request series; target_info alone names {wanted}"
        return failed("release", query, observed, expected, _UNJOINED_REMEDY)
    observed = f"target_info names {wanted}, but no request series belongs to it"
    return unanswered("release", query, observed, expected, _UNJOINED_REMEDY)


def _fresh(kind: str, service: str, targets: Answers, question: Question) -> bool:
    return any(sample.value > question.since.timestamp() for sample in targets.of(kind, service))


def _scope(service: str, seen: Seen, targets: Answers, question: Question) -> Scope:
    version = question.release.version
    if label := seen.named(question.since).get(version):
        return Scope(version, label)
    return Scope(version) if _fresh("ours", service, targets, question) else Scope(replaced=True)
