"""Whether the numbers of an SLO can be true: no more good, or bad, events than there are events at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from release_watch.artifacts.models import CoverageCheck, CoverageStatus, Reference
from release_watch.catalog.slos import Slo
from release_watch.clock import in_words
from release_watch.coverage.bulk import Bulk
from release_watch.coverage.questions import Question, failed, passed, unanswered
from release_watch.coverage.reads import counted, over, reads_of_slos
from release_watch.coverage.references import check_references
from release_watch.telemetry.metrics import Metrics

CHECK = "plausible"
TOLERANCE = 1.02
IN_FLIGHT = 5
"""Requests that one counter may count before the other does; fewer prove nothing."""
_AT_ONCE = 1.01
_EXPECTED = "no more {word} events than events at all"
_REMEDY = "let the total count every event that the {word} counter counts: compare their label matchers"
_NO_TRAFFIC = "send it requests, then run the audit again"


class _Counts(NamedTuple):
    """The queries of one SLO.

    ``least`` is never more than what the good (or bad) counter rose by: it leaves out first values of new
    series, what is extrapolated, and series that were reset. ``rise`` and ``born`` together are never less
    than what the total rose by. So only what is wrong in any reading is called wrong. ``above`` and ``below``
    are good and total since they began, where one series of good is above its total. Expressions with
    ``{{.window}}`` say how many events there were in the window, and nothing of how their series began.
    """

    least: str
    rise: str
    born: str | None = None
    above: str | None = None
    below: str | None = None

    @property
    def queries(self) -> list[str]:
        """All of them."""
        return [query for query in self if query is not None]


def check_plausibility(slos: Sequence[Slo], metrics: Metrics, question: Question) -> tuple[Reference, ...]:
    """Return of each SLO whether its series exist, and whether their numbers can be true.

    Asked is what was counted in the time that the question calls fresh, in a few queries for all SLOs.

    Raises:
        BackendError: if the server does not answer.
    """
    found = {
        reference.name: reference for reference in check_references(reads_of_slos(slos), metrics, question)
    }
    there = [slo for slo in slos if slo.name in found and found[slo.name].check.status is CoverageStatus.PASS]
    counts = {slo.name: _counts(slo, question) for slo in there}
    bulk = Bulk(metrics, question.at)
    bulk.ask(query for one in counts.values() for query in one.queries)
    checks = {slo.name: _check(slo, counts[slo.name], bulk, question) for slo in there}
    return tuple(
        reference.model_copy(update={"check": checks[name]}) if name in checks else reference
        for name, reference in found.items()
    )


def _counts(slo: Slo, question: Question) -> _Counts:
    seconds = max(1, int((question.at - question.since).total_seconds()))
    events, total = counted(slo), slo.total
    if slo.templated:
        number = f" * {seconds}" if slo.per_second else ""
        part, everything = (f"sum(({over(one, f'{seconds}s')}) >= 0){number}" for one in (events, total))
        return _Counts(least=part, rise=everything)
    # A bucket has one label more than the count of its histogram.
    matching = "ignoring (le) " if slo.kind == "latency" else ""
    rise = f"max_over_time({events}[{seconds}s]) - min_over_time({events}[{seconds}s])"
    above = f"{events} > {matching}{_AT_ONCE} * {total} + {IN_FLIGHT}"
    return _Counts(
        least=f"sum(({rise}) unless resets({events}[{seconds}s]) > 0)",
        rise=f"sum(increase({total}[{seconds}s]))",
        born=f"sum(min_over_time({total}[{seconds}s]) unless {total} offset {seconds}s)",
        above=f"sum({above})",
        below=f"sum({total} and {matching}({above}))",
    )


def _check(slo: Slo, counts: _Counts, bulk: Bulk, question: Question) -> CoverageCheck:
    word = "good" if slo.good else "bad"
    expected, remedy = _EXPECTED.format(word=word), _REMEDY.format(word=word)
    if refused := [bulk.refused[query] for query in _needed(counts) if query in bulk.refused]:
        return unanswered(CHECK, counts.rise, refused[0], expected, "ask the server for it by hand")
    above, below = _value(counts.above, bulk), _value(counts.below, bulk)
    if counts.above is not None and above is not None and below is not None:
        words = f"{above:.6g} {word} events of {below:.6g} since the counters began"
        return failed(CHECK, counts.above, words, expected, remedy)
    span = in_words(question.at - question.since)
    least, rise, born = (_value(part, bulk) for part in (counts.least, counts.rise, counts.born))
    if rise is None and born is None:
        words = f"two samples of the total are needed, and {span} have fewer"
        return unanswered(CHECK, counts.rise, words, expected, "wait for the next scrapes")
    return _compared(
        least or 0.0, (rise or 0.0) + (born or 0.0), word, span, f"{counts.least} > {counts.rise}"
    )


def _compared(events: float, total: float, word: str, span: str, query: str) -> CoverageCheck:
    expected, remedy = _EXPECTED.format(word=word), _REMEDY.format(word=word)
    observed = f"{events:.6g} {word} events of {total:.6g} in {span}"
    if events > total * TOLERANCE + IN_FLIGHT:
        return failed(CHECK, query, observed, expected, remedy)
    if events > total * TOLERANCE:
        return unanswered(CHECK, query, f"{observed}: too few to tell", expected, _NO_TRAFFIC)
    if total == 0:
        return unanswered(CHECK, query, f"no traffic in {span}: cannot be told", expected, _NO_TRAFFIC)
    return passed(CHECK, query, observed, expected)


def _needed(counts: _Counts) -> list[str]:
    """Return the queries without whose answer nothing can be told."""
    return [query for query in (counts.least, counts.rise, counts.born) if query is not None]


def _value(query: str | None, bulk: Bulk) -> float | None:
    return None if query is None else bulk.value(query)
