"""The logs of services: lines that arrive, that name the release, and that can be used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from release_watch.artifacts.models import CoverageCheck
from release_watch.coverage.attempts import Found, attempt
from release_watch.coverage.batches import Batch, batches
from release_watch.coverage.conventions import VERSION_LABELS
from release_watch.coverage.covering import bounded
from release_watch.coverage.log_quality import quality_checks
from release_watch.coverage.log_versions import versions_in_lines
from release_watch.coverage.patience import patient
from release_watch.coverage.questions import Question, failed, passed, release_check
from release_watch.errors import BackendError
from release_watch.telemetry.logs import Loki, tally_query

_LIVE_REMEDY = "check the log collector of the service, and the stream selector in services.yaml"
_VERSION_REMEDY = "a stream label, structured metadata or field of the line, version or service_version"
_MOST_POINTS = 50_000
_FEWEST_BUCKETS, _MOST_BUCKETS = 10, 600
_TOO_MANY = (413, 414, 431)


@dataclass
class _Seen:
    """What the lines of one service showed since the deployment."""

    lines: int = 0
    versions: set[str] = field(default_factory=set)


def check_logs(
    selectors: Mapping[str, str], loki: Loki, question: Question
) -> dict[str, list[CoverageCheck]]:
    """Return the checks of each service, from a fixed number of queries for all of them.

    A server that allows a query only so many series gets the services in halves until it answers.

    Raises:
        BackendError: if the server does not answer, or refuses to count lines.
    """
    checks: dict[str, list[CoverageCheck]] = {}
    for batch in batches(selectors):
        mine = {name: selectors[name] for names in batch.services.values() for name in names}
        try:
            checks |= _check(bounded(batch), mine, loki, question)
        except BackendError as error:
            if len(mine) < 2 or not _too_many(error):
                raise
            ordered = sorted(mine.items())
            half = len(ordered) // 2
            for part in (ordered[:half], ordered[half:]):
                checks |= check_logs(dict(part), loki, question)
    return checks


def _too_many(error: BackendError) -> bool:
    # Loki: "maximum number of series (500) reached for a single query", in older ones "maximum of series".
    words = str(error)
    return error.status in _TOO_MANY or ("maximum" in words and "series" in words)


def _check(
    batch: Batch, selectors: Mapping[str, str], loki: Loki, question: Question
) -> dict[str, list[CoverageCheck]]:
    buckets = max(_FEWEST_BUCKETS, min(_MOST_BUCKETS, _MOST_POINTS // len(selectors)))
    by = tuple(dict.fromkeys((*batch.labels, *VERSION_LABELS)))
    seen = _tally(batch, loki, question, by, buckets)
    queries = {service: tally_query(selector, 1, by) for service, selector in selectors.items()}
    checks = {service: [_live(seen[service].lines, queries[service], question)] for service in selectors}
    for service, check in _releases(checks, seen, queries, selectors, loki, question).items():
        checks[service].append(check)
    lines = {service: seen[service].lines for service in selectors}
    for service, more in quality_checks(batch, selectors, loki, question, lines, buckets).items():
        checks[service] += more
    return checks


def _tally(
    batch: Batch, loki: Loki, question: Question, by: Sequence[str], buckets: int
) -> Mapping[str, _Seen]:
    seen: dict[str, _Seen] = defaultdict(_Seen)
    tally = loki.tally(batch.matchers, question.since, question.at, by, most_buckets=buckets)
    for values, count in tally.items():
        labels = dict(zip(by, values, strict=True))
        for service in batch.services_of(labels) if count > 0 else ():
            seen[service].lines += count
            seen[service].versions.update(labels[name] for name in VERSION_LABELS if labels[name])
    return seen


def _live(lines: int, query: str, question: Question) -> CoverageCheck:
    if lines > 0:
        return passed("live", query, f"{lines} lines", question.fresh)
    return patient(failed("live", query, "0 lines", question.fresh, _LIVE_REMEDY), question)


def _releases(
    checks: Mapping[str, Sequence[CoverageCheck]],
    seen: Mapping[str, _Seen],
    queries: Mapping[str, str],
    selectors: Mapping[str, str],
    loki: Loki,
    question: Question,
) -> dict[str, CoverageCheck]:
    """Return whether the lines name the release, by their labels or else by their fields."""
    released = [service for service in selectors if service in question.release.services]
    unnamed = {s: selectors[s] for s in released if seen[s].lines > 0 and not seen[s].versions}
    named = {s: (queries[s], seen[s].versions) for s in released if s not in unnamed}

    def check(service: str, query: str, versions: set[str]) -> CoverageCheck:
        live = checks[service][0]
        return patient(release_check(live, versions, query, question, _VERSION_REMEDY), question)

    def ask() -> Found:
        return {s: check(s, *found) for s, found in versions_in_lines(unnamed, loki, question).items()}

    expected = f"samples of version {question.release.version}"
    found = {s: check(s, *of) for s, of in named.items()}
    return found | (attempt("release", unnamed, queries, expected, ask) if unnamed else {})
