"""Whether alerts, panels and SLOs find the series that they read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from math import ceil

from release_watch.artifacts.models import CoverageCheck, CoverageStatus, Reference
from release_watch.coverage.bulk import Bulk
from release_watch.coverage.counts import Count, Counts
from release_watch.coverage.explanations import Why, asks_for_failures, explain, family
from release_watch.coverage.questions import Question, failed, passed, unanswered
from release_watch.coverage.reads import Reads
from release_watch.errors import BackendError
from release_watch.telemetry.metrics import Metrics
from release_watch.telemetry.promql import AllOf, AnyOf, Need, SeriesSelector, Wanted, need_of, wanted_by

LOOK_BACK = timedelta(minutes=5)
"""How far back Prometheus looks for a sample, by default."""

CHECK = "series"
MOST_WORDS = 3
_EXPECTED = "series of every selector"
_OF_PROMETHEUS = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
"""What it writes itself while an alert is pending or fires: never expected."""
_GRAVITY = [CoverageStatus.PASS, CoverageStatus.INCONCLUSIVE, CoverageStatus.FAIL]


def check_references(reads: Sequence[Reads], metrics: Metrics, question: Question) -> tuple[Reference, ...]:
    """Return whether each expression finds the series that it needs, as of the question's moment.

    Each distinct selector is asked once, many in a query, and those that find nothing are looked into. Reads
    that need no series, or only what the rules record themselves, are left out.

    Raises:
        BackendError: if the server does not answer.
    """
    needs = {read.expression: _readable(read.expression) for read in reads}
    expected = {
        wanted.selector
        for read in reads
        for need in [needs[read.expression]]
        if not isinstance(need, str)
        for wanted in _expected_of(need, read)
    }
    found = _Found(expected, Counts(Bulk(metrics, question.at)))
    references = []
    for read in reads:
        need = needs[read.expression]
        if isinstance(need, str):
            check: CoverageCheck | None = _unreadable(read, need, metrics, question)
        else:
            check = _check(read, need, found)
        if check:
            references.append(Reference(kind=read.kind, name=read.name, service=read.service, check=check))
    return tuple(references)


def undecided(reads: Sequence[Reads], reason: str, remedy: str) -> tuple[Reference, ...]:
    """Return the references of a server that could not be asked."""
    return tuple(
        Reference(
            kind=read.kind,
            name=read.name,
            service=read.service,
            check=unanswered(CHECK, read.expression, reason, _EXPECTED, remedy),
        )
        for read in reads
    )


class _Found:
    """What the server says of every selector: whether it finds series, and if not, why."""

    def __init__(self, selectors: Iterable[SeriesSelector], counts: Counts) -> None:
        self._counts = counts
        asked = sorted(selectors, key=str)
        counts.ask(Count(selector.bare) for selector in asked)
        silent = [selector for selector in asked if not counts.found(Count(selector.bare))]
        counts.ask(_recent(selector) for selector in silent)
        missing = [selector for selector in silent if not counts.found(_recent(selector))]
        self._missing = frozenset(missing)
        self._whys: Mapping[SeriesSelector, Why] = explain((selector.bare for selector in missing), counts)

    def why_not(self, wanted: Wanted) -> Why | None:
        """Return why what is wanted is not there; None if it is."""
        selector = wanted.selector
        if selector not in self._missing:
            return None
        for count in (Count(selector.bare), _recent(selector)):
            if words := self._counts.refused(count):
                return Why(CoverageStatus.INCONCLUSIVE, f"{selector}: {words}", "ask the server by hand")
        if wanted.optional and self._family_exists(selector):
            return Why(CoverageStatus.PASS, f"{selector} finds no series now, which the expression expects")
        return self._whys[selector.bare]

    def _family_exists(self, selector: SeriesSelector) -> bool:
        # A name given by a pattern is looked into as a whole.
        return bool(selector.metric) and self._counts.found(family(selector.metric))


def _readable(expression: str) -> Need | str:
    try:
        return need_of(expression)
    except ValueError as error:
        return str(error)


def _expected_of(need: Need, read: Reads) -> Iterator[Wanted]:
    return (wanted for wanted in wanted_by(need) if _is_expected(wanted, read))


def _is_expected(wanted: Wanted, read: Reads) -> bool:
    metric = wanted.selector.metric
    return metric not in read.recorded and metric not in _OF_PROMETHEUS


def _recent(selector: SeriesSelector) -> Count:
    """Return what counts the series that had samples within the selector's range, at least five minutes."""
    return Count(selector.bare, seconds=ceil(max(selector.range or LOOK_BACK, LOOK_BACK).total_seconds()))


def _check(read: Reads, need: Need, found: _Found) -> CoverageCheck | None:
    """Return the check of one expression; None where it needs nothing that is there before activation."""
    expected = list(dict.fromkeys(wanted.selector for wanted in _expected_of(need, read)))
    if not expected:
        return None
    gaps = list(dict.fromkeys(_gaps(need, read, found)))
    status = _gravest(why for _, why in gaps)
    told = [(wanted, why) for wanted, why in gaps if why.status is status]
    words = "; ".join(list(dict.fromkeys(why.words for _, why in told))[:MOST_WORDS])
    if status is CoverageStatus.PASS:
        silent = {wanted.selector for wanted, _ in gaps}
        live = f"{len(expected) - len(silent)} of {len(expected)} selectors find series"
        return passed(CHECK, read.expression, f"{live}; {words}" if words else live, _EXPECTED)
    wanted, why = told[0]
    make = failed if status is CoverageStatus.FAIL else unanswered
    return make(CHECK, _recent(wanted.selector).query, words, _EXPECTED, why.remedy or "")


def _gaps(need: Need, read: Reads, found: _Found) -> tuple[tuple[Wanted, Why], ...]:
    """Return the needs that are not met, with why; those that are no gap have the status PASS."""
    match need:
        case Wanted():
            why = found.why_not(need) if _is_expected(need, read) else None
            return ((need, why),) if why else ()
        case AllOf():
            return tuple(gap for part in need.parts for gap in _gaps(part, read, found))
        case AnyOf():
            return _gaps_of_branches(need, read, found)


def _gaps_of_branches(need: AnyOf, read: Reads, found: _Found) -> tuple[tuple[Wanted, Why], ...]:
    """Return the gaps of the branches of an ``or``: none where one branch is enough.

    That does not excuse a branch that asks for failures by a label that no series has, such as
    ``errors or 0 * total``, where the other branch hides for ever that errors are not seen; only another
    branch that finds failures does.
    """
    branches = [(part, _gaps(part, read, found)) for part in need.parts]
    met = [part for part, gaps in branches if _gravest(why for _, why in gaps) is CoverageStatus.PASS]
    everything = tuple(gap for _, gaps in branches for gap in gaps)
    if not met:
        least = min((_gravest(why for _, why in gaps) for _, gaps in branches), key=_GRAVITY.index)
        return tuple((wanted, why) for wanted, why in everything if why.status is least)
    failures = any(asks_for_failures(wanted.selector) for part in met for wanted in wanted_by(part))
    return tuple(
        (wanted, why if why.hopeless and not failures else _excused(why)) for wanted, why in everything
    )


def _excused(why: Why) -> Why:
    if why.status is CoverageStatus.PASS:
        return why
    return Why(CoverageStatus.PASS, f"{why.words} (another branch of the or stands in)")


def _gravest(whys: Iterable[Why]) -> CoverageStatus:
    return max((why.status for why in whys), key=_GRAVITY.index, default=CoverageStatus.PASS)


def _unreadable(read: Reads, words: str, metrics: Metrics, question: Question) -> CoverageCheck:
    """Return what the server says of an expression that cannot be taken apart here."""
    remedy = "correct the expression; promtool check rules names the place"
    try:
        metrics.instant(read.expression, question.at)
    except BackendError as error:
        if error.status != 400:
            raise
        return failed(CHECK, read.expression, f"the server refuses it: {error}", _EXPECTED, remedy)
    observed = f"the server takes it, but its selectors cannot be told: {words}"
    return unanswered(CHECK, read.expression, observed, _EXPECTED, "write it in plain PromQL")
