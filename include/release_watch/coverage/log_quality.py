"""Whether log lines can be used: readable, stamped rightly, without silences, in not too many streams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from release_watch.artifacts.models import CoverageCheck
from release_watch.clock import in_words, now
from release_watch.coverage.attempts import Found, attempt
from release_watch.coverage.batches import Batch
from release_watch.coverage.questions import Question, failed, passed
from release_watch.coverage.silences import grid, silence_check
from release_watch.telemetry.logs import LineFilter, Loki, line_query, stream, tally_query

_NO_JSON = LineFilter("!~", r"(?s)^\s*\{.*\}\s*$")
_EMPTY = LineFilter("|~", r"^\s*$")
_MOST_BROKEN = 0.1
_FEWEST_LINES = 20
"""Fewer lines say nothing about how many are broken."""
_ENOUGH_LINES = 10.0
"""Lines to be expected in a silence: by chance alone it then comes once in 20,000 times."""
_FUTURE = timedelta(days=1)
_PAGE = 1_000


@dataclass(frozen=True)
class _Asked:
    """What all the checks of a batch need."""

    batch: Batch
    selectors: Mapping[str, str]
    loki: Loki
    question: Question
    lines: Mapping[str, int]
    buckets: int


def quality_checks(
    batch: Batch,
    selectors: Mapping[str, str],
    loki: Loki,
    question: Question,
    lines: Mapping[str, int],
    buckets: int,
) -> dict[str, list[CoverageCheck]]:
    """Return the checks ``values``, ``clock``, ``gaps`` and ``cardinality`` of each service that they fit.

    ``lines`` is how many lines each service wrote since the deployment, counted in ``buckets``. Each check is
    one query for all services, ``values`` a second one where lines are broken. A check that the server
    refuses is not answered, and the others are.
    """
    asked = _Asked(batch, selectors, loki, question, lines, buckets)
    checks: dict[str, list[CoverageCheck]] = {service: [] for service in selectors}
    for check in (_values, _clock, _gaps, _cardinality):
        for service, found in check(asked).items():
            checks[service].append(found)
    return checks


def _values(asked: _Asked) -> Found:
    expected = "lines that are not empty, and JSON where most are"
    queries = _queries(asked, lambda selector: tally_query(selector, 1, (), [_NO_JSON]))

    def ask() -> Found:
        plain = _count(asked, _NO_JSON)
        empty = _count(asked, _EMPTY) if any(plain.values()) else Counter[str]()
        found = {}
        for service, lines in asked.lines.items():
            if broken := _broken(lines, plain[service], empty[service]):
                remedy = (
                    "see what writes these lines: a truncated line, a second logger, a stack trace by line"
                )
                found[service] = failed("values", queries[service], broken, expected, remedy)
            elif lines >= _FEWEST_LINES or (lines and not plain[service]):
                observed = f"{plain[service]} of {lines} lines are no JSON, {empty[service]} are empty"
                found[service] = passed("values", queries[service], observed, expected)
        return found

    return attempt("values", _live(asked), queries, expected, ask)


def _broken(lines: int, plain: int, empty: int) -> str | None:
    """Return what is wrong with the lines, in words; a service that writes no JSON may write plain text."""
    if lines < _FEWEST_LINES:
        return None
    if empty > _MOST_BROKEN * lines:
        return f"{empty} of {lines} lines are empty"
    if _MOST_BROKEN * lines < plain <= lines / 2:
        return f"{plain} of {lines} lines are no JSON, unlike the others"
    return None


def _count(asked: _Asked, keep: LineFilter) -> Counter[str]:
    counted: Counter[str] = Counter()
    labels = asked.batch.labels
    question = asked.question
    tally = asked.loki.tally(
        asked.batch.matchers, question.since, question.at, labels, keep=[keep], most_buckets=asked.buckets
    )
    for values, count in tally.items():
        for service in asked.batch.services_of(dict(zip(labels, values, strict=True))):
            counted[service] += count
    return counted


def _clock(asked: _Asked) -> Found:
    skew = asked.question.policy.max_clock_skew
    expected = f"no line stamped more than {in_words(skew)} in the future"
    queries = _queries(asked, line_query)

    def ask() -> Found:
        # Not as of the audit: what is written while it runs is no line of the future.
        present = max(now(), asked.question.at)
        page = asked.loki.lines(asked.batch.matchers, present + skew, present + _FUTURE, _PAGE)
        ahead: dict[str, timedelta] = {}
        for line in page:
            for service in asked.batch.services_of(line.labels):
                ahead[service] = max(line.at - present, ahead.get(service, skew))
        found = {}
        for service in asked.selectors:
            if service in ahead:
                observed = f"a line stamped {in_words(ahead[service])} in the future"
                remedy = "set the clock of its machine by NTP, and see that times are sent with their zone"
                found[service] = failed("clock", queries[service], observed, expected, remedy)
            elif asked.lines[service] and len(page) < _PAGE:
                found[service] = passed("clock", queries[service], "no line of the future", expected)
        return found

    return attempt("clock", _live(asked), queries, expected, ask)


def _gaps(asked: _Asked) -> Found:
    over = grid(asked.question)
    if over is None:
        return {}
    seconds = int(over.step.total_seconds())
    labels = asked.batch.labels
    queries = _queries(asked, lambda selector: tally_query(selector, seconds))
    remedy = "see whether the service still wrote: a blocked log collector, a full disk, a dropped stream"

    def ask() -> Found:
        end = over.end + over.step  # the last bucket is whole also where buckets carry their beginning
        history = asked.loki.history(asked.batch.matchers, over.start, end, seconds, labels)
        counts: dict[str, list[float]] = {}
        for values, counted in history.items():
            for service in asked.batch.services_of(dict(zip(labels, values, strict=True))):
                counts[service] = over.counts(counted, counts.get(service))
        found = {
            service: silence_check(
                mine, over, queries[service], asked.question, enough=_ENOUGH_LINES, remedy=remedy
            )
            for service, mine in counts.items()
        }
        return {service: check for service, check in found.items() if check}

    return attempt("gaps", _live(asked), queries, "no long silence", ask)


def _cardinality(asked: _Asked) -> Found:
    most = asked.question.policy.max_series
    expected = f"at most {most} streams"
    queries = _queries(asked, stream)

    def ask() -> Found:
        since, at = asked.question.since, asked.question.at
        streams: Counter[str] = Counter()
        for labels in asked.loki.streams(asked.batch.matchers, since, at):
            streams.update(asked.batch.services_of(labels))
        found = {}
        for service, number in streams.items():
            observed = f"{number} streams"
            if number <= most:
                found[service] = passed("cardinality", queries[service], observed, expected)
            else:
                remedy = "move labels with many values, such as ids, into the lines or structured metadata"
                found[service] = failed("cardinality", queries[service], observed, expected, remedy)
        return found

    return attempt("cardinality", _live(asked), queries, expected, ask)


def _queries(asked: _Asked, write: Callable[[str], str]) -> dict[str, str]:
    """Return the query of each service alone: what a person pastes to see the same."""
    return {service: write(selector) for service, selector in asked.selectors.items()}


def _live(asked: _Asked) -> list[str]:
    return [service for service, lines in asked.lines.items() if lines]
