"""Why a selector finds no series: which of its matchers matches nothing, and what there is instead."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from math import inf
from typing import NamedTuple

from release_watch.artifacts.models import CoverageStatus
from release_watch.catalog.selectors import Matcher
from release_watch.coverage.counts import Count, Counts
from release_watch.telemetry.promql import SeriesSelector

MOST_EXPLAINED = 200
"""Selectors that are looked into; where more are missing, it is not for spelling."""
MOST_SHOWN = 5
MOST_BUCKETS = 20

_OF_STATUS = frozenset({"code", "status", "outcome", "result", "class"})
"""The last word of labels that say how a request ended."""
_ON_FAILURE_ONLY = frozenset({"error", "error_type", "exception", "exception_type"})
"""Labels that a series has only after a failure, as OpenTelemetry's ``error.type``."""
_GOOD = ("200", "2xx", "0", "ok", "OK", "Ok", "success", "SUCCESS")
_BAD = (
    *(str(code) for code in range(400, 600)),
    *(str(code) for code in range(1, 17)),
    *("4xx", "5xx", "error", "ERROR", "Error", "failed", "failure", "fail", "timeout"),
    *("Unknown", "DeadlineExceeded", "ResourceExhausted", "Aborted", "Internal", "Unavailable", "DataLoss"),
    *("UNKNOWN", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL", "UNAVAILABLE"),
)
"""How HTTP, gRPC and people name what went well and what did not."""

_SCRAPED = re.compile(r"up|scrape_\w+")
_NAME_REMEDY = "correct the metric's name, or see why nothing exposes it"
_MATCHER_REMEDY = "correct the matcher, or see why the series do not carry it"
_GONE_REMEDY = "see why the series ceased: is the service scraped, and does it still export them?"
_PUSHED_REMEDY = "watch it by series that it sends: up exists only for what Prometheus scrapes"


class Why(NamedTuple):
    """What is to be thought of a selector that finds no series.

    ``hopeless``: it asks for failures by a label that no series has, so it will not find one either.
    """

    status: CoverageStatus
    words: str
    remedy: str | None = None
    hopeless: bool = False


def explain(missing: Iterable[SeriesSelector], counts: Counts) -> dict[SeriesSelector, Why]:
    """Return why each of these bare selectors finds no series, in two rounds of questions for all of them.

    Raises:
        BackendError: if the server does not answer.
    """
    wanted = list(dict.fromkeys(missing))
    others = [selector for selector in wanted if not asks_for_failures(selector)]
    skipped = frozenset(others[MOST_EXPLAINED:])
    looked_into = [selector for selector in wanted if selector not in skipped]
    counts.ask(family(selector.metric) for selector in skipped if selector.metric)
    counts.ask(question for selector in looked_into for question in _first_questions(selector))
    counts.ask(question for selector in looked_into for question in _second_questions(selector, counts))
    return {
        selector: _gone(selector) if selector in skipped else _why(selector, counts) for selector in wanted
    }


def asks_for_failures(selector: SeriesSelector) -> bool:
    """Return whether a selector finds series only once something has failed, as by ``code=~"5.."``."""
    return any(_for_failures(matcher) for matcher in selector.matchers)


def family(metric: str) -> Count:
    """Return what asks whether a metric exists, whatever its labels."""
    return Count(SeriesSelector(metric, ()))


def _first_questions(selector: SeriesSelector) -> Iterator[Count]:
    if selector.metric:
        yield family(selector.metric)
    for matcher in selector.matchers:
        if question := _without(selector, matcher):
            yield question


def _second_questions(selector: SeriesSelector, counts: Counts) -> Iterator[Count]:
    if not _family_exists(selector, counts) or _SCRAPED.fullmatch(selector.metric):
        if question := _same_labels(selector):
            yield question
    elif selector.metric and not any(_freed(selector, counts)):
        yield from (_alone(selector, matcher) for matcher in selector.matchers)


def _why(selector: SeriesSelector, counts: Counts) -> Why:
    if refused := next(filter(None, map(counts.refused, _first_questions(selector))), None):
        words = f"{selector} finds no series, and why cannot be told: {refused}"
        return Why(CoverageStatus.INCONCLUSIVE, words, "ask the server by hand")
    freed = dict(_freed(selector, counts))
    if _is_pushed(selector, freed, counts):
        words = f"{selector} finds no series, though others of these labels exist: they are not scraped"
        return Why(CoverageStatus.INCONCLUSIVE, words, _PUSHED_REMEDY)
    if not _family_exists(selector, counts):
        return _unknown_name(selector, counts)
    for matcher, values in freed.items():
        if _for_failures(matcher):
            return _no_failure(selector, matcher, values)
    if freed:
        return _failed(selector, " or ".join(_no_match(*found) for found in freed.items()))
    dead = "; ".join(_dead_alone(selector, counts))
    return _failed(selector, dead or "no series matches all of it at once")


def _is_pushed(selector: SeriesSelector, freed: Mapping[Matcher, Collection[str]], counts: Counts) -> bool:
    """Return whether a selector asks for the scrape of series that exist, but are not scraped."""
    if not _SCRAPED.fullmatch(selector.metric) or not all(any(values) for values in freed.values()):
        return False
    question = _same_labels(selector)
    return question is not None and counts.found(question)


def _no_failure(selector: SeriesSelector, matcher: Matcher, values: Collection[str]) -> Why:
    if any(values) or matcher.label in _ON_FAILURE_ONLY:
        words = f"no error yet: {selector} finds none, without {matcher} it does"
        return Why(CoverageStatus.PASS, words)
    words = f"{selector}: {_no_match(matcher, values)}; it will find no failure either"
    return Why(CoverageStatus.FAIL, words, _MATCHER_REMEDY, hopeless=True)


def _unknown_name(selector: SeriesSelector, counts: Counts) -> Why:
    words = f"no series is named {selector.metric}"
    if question := _same_labels(selector):
        names = counts.values(question)
        if near := get_close_matches(selector.metric, sorted(names), MOST_SHOWN):
            words += f"; near it, with these labels: {', '.join(near)}"
        elif not names:
            words += f", nor has any series {_braced(selector)}"
    return Why(CoverageStatus.FAIL, words, _NAME_REMEDY)


def _dead_alone(selector: SeriesSelector, counts: Counts) -> Iterator[str]:
    """Yield what there is to say of the matchers that match no series of the metric, not even alone."""
    for matcher in selector.matchers:
        values = counts.values(_alone(selector, matcher)) if selector.metric else ()
        no_failure = _for_failures(matcher) and any(values)
        if values and not no_failure and not any(_matches(matcher, value) for value in values):
            yield _no_match(matcher, values)


def _no_match(matcher: Matcher, values: Collection[str]) -> str:
    if not any(values):
        return f"label {matcher.label} of {matcher} is on none of these series"
    return f"{matcher} matches none of the values there are: {_shown(matcher, values)}"


def _shown(matcher: Matcher, values: Collection[str]) -> str:
    """Return the known values that come nearest; of buckets all, in order."""
    known = sorted((value for value in values if value), key=lambda value: (_as_number(value), value))
    if all(_as_number(value) < inf or value == "+Inf" for value in known):
        shown = known[:MOST_BUCKETS]
    else:
        near = get_close_matches(matcher.value, known, MOST_SHOWN)
        shown = list(dict.fromkeys([*near, *known]))[:MOST_SHOWN]
    more = f" and {len(known) - len(shown)} more" if len(known) > len(shown) else ""
    return ", ".join(shown) + more


def _as_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return inf


def _failed(selector: SeriesSelector, words: str) -> Why:
    return Why(CoverageStatus.FAIL, f"{selector}: {words}", _MATCHER_REMEDY)


def _gone(selector: SeriesSelector) -> Why:
    return Why(CoverageStatus.FAIL, f"{selector} finds no series", _GONE_REMEDY)


def _family_exists(selector: SeriesSelector, counts: Counts) -> bool:
    return not selector.metric or counts.found(family(selector.metric))


def _freed(selector: SeriesSelector, counts: Counts) -> Iterator[tuple[Matcher, frozenset[str]]]:
    """Yield the matchers without which there are series, and the values that their label has there."""
    for matcher in selector.matchers:
        question = _without(selector, matcher)
        if question and counts.found(question):
            yield matcher, counts.values(question)


def _without(selector: SeriesSelector, matcher: Matcher) -> Count | None:
    """Return what counts the series without one matcher.

    Without a matcher that tells whose series they are, those that ask for failures are left out, too: other
    services may have none, and exist.
    """
    rest = tuple(
        other
        for other in selector.matchers
        if other != matcher and (_for_failures(matcher) or not _for_failures(other))
    )
    if not selector.metric and not any(_demands(other) for other in rest):
        return None
    return Count(selector._replace(matchers=rest), matcher.label)


def _alone(selector: SeriesSelector, matcher: Matcher) -> Count:
    return Count(selector._replace(matchers=()), matcher.label)


def _same_labels(selector: SeriesSelector) -> Count | None:
    """Return what asks for the names of series with these labels; None where that would be all series."""
    if not selector.metric or not any(_demands(matcher) for matcher in selector.matchers):
        return None
    return Count(selector._replace(metric=""), "__name__")


def _braced(selector: SeriesSelector) -> str:
    return str(selector._replace(metric=""))


@lru_cache(maxsize=1024)
def _for_failures(matcher: Matcher) -> bool:
    if matcher.label in _ON_FAILURE_ONLY:
        return _demands(matcher)
    if matcher.label.rpartition("_")[2] not in _OF_STATUS:
        return False
    good = [_matches(matcher, value) for value in _GOOD]
    leaves_out_good = not all(good) if matcher.operator.startswith("!") else not any(good)
    return leaves_out_good and any(_matches(matcher, value) for value in _BAD)


def _demands(matcher: Matcher) -> bool:
    return not _matches(matcher, "")


def _matches(matcher: Matcher, value: str) -> bool:
    if matcher.operator in ("=", "!="):
        return (value == matcher.value) == (matcher.operator == "=")
    try:
        found = re.fullmatch(matcher.value, value) is not None
    except re.error:  # a pattern that only RE2 knows
        return True
    return found == (matcher.operator == "=~")
