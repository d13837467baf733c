"""What only a running server can tell of an SLO: its buckets, its retention, its scrapes, its numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from release_watch.artifacts.models import CoverageStatus
from release_watch.catalog.objectives.model import WINDOW, Slo
from release_watch.catalog.objectives.queries import Counter
from release_watch.catalog.policies import CoveragePolicy
from release_watch.clock import in_words, now
from release_watch.coverage.bulk import Bulk
from release_watch.coverage.plausibility import IN_FLIGHT, TOLERANCE, check_plausibility
from release_watch.coverage.questions import Question
from release_watch.release import Release
from release_watch.telemetry.metrics import Metrics
from release_watch.telemetry.prometheus_api import retention
from release_watch.telemetry.promql import selectors_of
from release_watch.transport import Transport

LOOKED_BACK = timedelta(hours=1)
"""Over how long good and total are compared."""

SHORTEST_RATE = timedelta(minutes=5)
"""The shortest window of the alerts."""

SCRAPES = 4
"""What a rate needs in its window, so that one missed scrape does not empty it."""

_SEEN_OVER = timedelta(minutes=10)
_SHOWN = 30
_COUNTS = re.compile(r"\b(?:rate|irate|increase)\(")


def check_live(
    slos: Sequence[Slo], metrics: Metrics, server: Transport | None = None, at: datetime | None = None
) -> list[str]:
    """Return what a server contradicts in these SLOs, each as ``file:line: field: value: remedy``.

    Args:
        slos: those whose metrics this server holds.
        metrics: where to ask for their series.
        server: the same server, to ask how long it keeps samples; None to leave that out, as for Thanos
            and Mimir, which do not say it.
        at: as of when; now where None.

    Raises:
        BackendError: if the server does not answer.
    """
    moment = at or now()
    bulk = Bulk(metrics, moment)
    buckets = {slo.name: list(_buckets(slo)) for slo in slos}
    bulk.ask(question for slo in slos for question in _questions(slo, buckets[slo.name]))
    problems = [*_retention_problems(slos, server)] if server else []
    unfit = {
        name: [problem for bucket in found for problem in _bucket_problems(bucket, bulk)]
        for name, found in buckets.items()
    }
    for slo in slos:
        problems += unfit[slo.name]
        problems += _gauge_problems(slo, bulk)
        problems += _scrape_problems(slo, bulk)
        problems += _number_problems(slo, bulk)
    sound = [slo for slo in slos if not slo.templated and not unfit[slo.name]]
    return problems + _counter_problems(sound, metrics, moment)


class _Bucket(NamedTuple):
    """The bucket of a histogram that an SLO counts by, and how it is spelt; empty if it may be either."""

    slo: Slo
    family: str
    others: Counter
    value: Decimal
    spelt: str

    @property
    def existing(self) -> str:
        return f"count by (le) ({self.others})"

    @property
    def native(self) -> str:
        return f"count(histogram_count({self.others._replace(name=self.family)}))"


def _questions(slo: Slo, buckets: Sequence[_Bucket]) -> Iterator[str]:
    for bucket in buckets:
        yield from (bucket.existing, bucket.native)
    if slo.kind == "threshold":
        yield from _kinds_of_gauge(slo)
    for selector in _scraped(slo):
        yield _scrapes(selector)
    if slo.templated:
        yield from _sums(slo)


def _buckets(slo: Slo) -> Iterator[_Bucket]:
    """Yield the buckets that good or bad events are counted by."""
    for counter in _selectors(slo.good or slo.bad or ""):
        le = next((matcher for matcher in counter.matchers if matcher.label == "le"), None)
        if not counter.name.endswith("_bucket") or le is None:
            continue
        either = le.operator == "=~"
        text = le.value.partition("|")[0] if either else le.value
        value = _number(text)
        if value is not None and value.is_finite():
            family = counter.name.removesuffix("_bucket")
            yield _Bucket(slo, family, counter.without("le"), value, "" if either else text)


def _bucket_problems(bucket: _Bucket, bulk: Bulk) -> Iterator[str]:
    texts = {sample.labels.get("le", "") for sample in bulk.answer(bucket.existing)}
    by_value = {number: text for text in texts for number in [_number(text)] if number is not None}
    if not by_value:
        yield from _native_problems(bucket, bulk)
    elif bucket.value not in by_value:
        existing = [by_value[value] for value in sorted(by_value)]
        more = f" and {len(existing) - _SHOWN} more" if len(existing) > _SHOWN else ""
        remedy = f"is no bucket of {bucket.family}; take one of {', '.join(existing[:_SHOWN])}{more}"
        yield _problem(bucket.slo, "le", f"{bucket.value:f}", remedy + _other_unit(bucket.value, by_value))
    elif bucket.spelt and bucket.spelt not in texts:
        written = by_value[bucket.value]
        yield _problem(
            bucket.slo, "le", bucket.spelt, f'the server has it as {written}; write le="{written}"'
        )


def _other_unit(value: Decimal, existing: dict[Decimal, str]) -> str:
    for other in (value / 1000, value * 1000):
        if other in existing:
            return f"; in the metric's unit {value:f} would be {existing[other]}, if another unit was meant"
    return ""


def _native_problems(bucket: _Bucket, bulk: Bulk) -> Iterator[str]:
    """Yield that a histogram is native: it has no series by ``le``. None at all is told by its total."""
    if bulk.answer(bucket.native):
        remedy = (
            "is a native histogram, without buckets by le; have the service export classic buckets too, "
            "or write raw, rawType: success: histogram_fraction(0, 0.5, sum(rate(x[{{.window}}])))"
        )
        yield _problem(bucket.slo, "metric", bucket.family, remedy)


def _gauge_problems(slo: Slo, bulk: Bulk) -> Iterator[str]:
    if slo.kind != "threshold":
        return
    gauge, classic, native = (bulk.answer(question) for question in _kinds_of_gauge(slo))
    name = _selectors(slo.total)[0].name
    if (classic and not gauge) or native:
        remedy = "is a histogram, and no gauge; add the annotation release-watch.io/metric-type: histogram"
        yield _problem(slo, "metric", name, remedy)
    elif not gauge:
        yield _problem(slo, "query", name, "finds no series; correct the name and the matchers")


def _kinds_of_gauge(slo: Slo) -> tuple[str, str, str]:
    gauge = _selectors(slo.total)[0]
    bucket = gauge._replace(name=f"{gauge.name}_bucket")
    return f"count({gauge})", f"count({bucket})", f"count(histogram_count({gauge}))"


def _scrape_problems(slo: Slo, bulk: Bulk) -> Iterator[str]:
    shortest = min(SHORTEST_RATE, slo.slice) if slo.slice else SHORTEST_RATE
    for selector in _scraped(slo):
        seen = bulk.value(_scrapes(selector))
        if not seen:
            continue  # younger than the time looked back, or not there, which is told elsewhere
        interval = _SEEN_OVER / seen
        if interval * SCRAPES > shortest * 1.1:
            field = "timeSliceWindow" if slo.slice and slo.slice < SHORTEST_RATE else "scrape interval"
            words = f"{in_words(shortest)} hold {shortest / interval:.1f} samples of {selector.name}"
            longest = in_words(shortest / SCRAPES)
            remedy = f"a rate needs {SCRAPES}; scrape it every {longest} or more often"
            yield _problem(slo, field, in_words(interval), f"{words}, and {remedy}")


def _scraped(slo: Slo) -> list[Counter]:
    """Return the counters of the total that a rate is taken of."""
    return _selectors(slo.total) if not slo.templated or _COUNTS.search(slo.total) else []


def _scrapes(selector: Counter) -> str:
    """Return what asks for the samples that series have which were there all the time."""
    span = f"{_SEEN_OVER // timedelta(seconds=1)}s"
    return f"max(count_over_time({selector}[{span}]) and {selector} offset {span})"


def _selectors(expression: str) -> list[Counter]:
    found = dict.fromkeys(selector.bare for selector in selectors_of(expression.replace(WINDOW, "5m")))
    return [Counter(selector.metric, selector.matchers) for selector in found if selector.metric]


def _number_problems(slo: Slo, bulk: Bulk) -> Iterator[str]:
    """Yield that an expression is refused, finds nothing, or counts more of a part than there is."""
    if not slo.templated:
        return
    word = "good" if slo.good else "bad"
    part_query, total_query = _sums(slo)
    for query, field in ((part_query, word), (total_query, "total")):
        if query in bulk.refused:
            yield _problem(slo, field, query, f"the server refuses it: {bulk.refused[query]}")
    part, total = bulk.value(part_query) or 0.0, bulk.value(total_query)
    if total is None:
        if total_query not in bulk.refused and slo.kind != "threshold":
            remedy = "finds no series; correct the names and the matchers, or see why nothing exports them"
            yield _problem(slo, "total", slo.total, remedy)
    elif part > total * TOLERANCE + IN_FLIGHT:
        seen = f"{part:.6g} {word} events of {total:.6g} in {in_words(LOOKED_BACK)}"
        yield _problem(slo, word, seen, f"let total count every event that {word} counts")


def _sums(slo: Slo) -> tuple[str, str]:
    """Return what asks how many events there were: good or bad ones, and all."""
    seconds = LOOKED_BACK // timedelta(seconds=1)
    factor = seconds if slo.per_second else 1
    part, total = (
        f"sum({expression.replace(WINDOW, f'{seconds}s')}) * {factor}"
        for expression in (slo.good or slo.bad or "", slo.total)
    )
    return part, total


def _counter_problems(slos: Sequence[Slo], metrics: Metrics, at: datetime) -> list[str]:
    """Return where the audit of coverage finds counters missing, or more good events than events."""
    if not slos:
        return []
    known = {slo.name: slo for slo in slos}
    question = Question(_pretended(at), at, CoveragePolicy(live_within=LOOKED_BACK), {})
    return [
        _problem(known[found.name], found.check.name, found.check.observed, found.check.remedy or "see why")
        for found in check_plausibility(slos, metrics, question)
        if found.check.status is CoverageStatus.FAIL
    ]


def _pretended(at: datetime) -> Release:
    """Return a release before the time looked back at: the audit never looks further than the deployment."""
    return Release(
        deployment_id="none",
        release_id="none",
        version="none",
        environment="none",
        services=("none",),
        deployed_at=at - LOOKED_BACK,
        evidence_uri="file:///none",
    )


def _retention_problems(slos: Sequence[Slo], server: Transport) -> Iterator[str]:
    kept = retention(server)
    for slo in slos:
        if kept is not None and kept < timedelta(days=slo.window_days):
            remedy = (
                f"{server.base_url} keeps samples for {in_words(kept)}, so the budget would silently be that "
                f"of a shorter time; keep {slo.window_days} d (--storage.tsdb.retention.time), or use a "
                "shorter window"
            )
            yield _problem(slo, "window", f"{slo.window_days}d", remedy)


def _problem(slo: Slo, field: str, value: str, remedy: str) -> str:
    return f"{slo.source or 'SLO'}: {slo.name}: {field}: {value}: {remedy}"


def _number(text: str) -> Decimal | None:
    try:
        return Decimal("Infinity" if text == "+Inf" else text)
    except InvalidOperation:
        return None
