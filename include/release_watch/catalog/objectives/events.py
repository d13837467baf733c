"""What counts as good, or bad, of how much: counters, expressions, gauges and ready-made ratios."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import NamedTuple

from release_watch.catalog.objectives.grouping import check_grouping
from release_watch.catalog.objectives.model import WINDOW, Kind
from release_watch.catalog.objectives.places import gather
from release_watch.catalog.objectives.queries import FORMS, IN_WINDOW, PER_SECOND, Counter, Query
from release_watch.catalog.objectives.units import seconds_in
from release_watch.telemetry.promql import selectors_of

STEP = "1m"
"""Gauges and ready-made ratios are sampled once in it, however often they are scraped."""

_SHORTEST = "5m"


class Events(NamedTuple):
    """The parts of an :class:`Slo` that say what is counted."""

    kind: Kind
    good: str | None
    bad: str | None
    total: str
    per_second: bool = True
    threshold_seconds: Decimal | None = None


def counted(good: Query | None, bad: Query | None, total: Query, group_by: tuple[str, ...]) -> Events:
    """Return the events of which ``good`` or ``bad`` (one is given) and ``total`` count a part and all.

    Raises:
        InvalidInputError: if they cannot be divided by each other, or do not count events.
    """
    part = good or bad or total
    queries = (part, total)
    if (part.counter is None) != (total.counter is None):
        raise total.refusal(
            f"one query is a bare selector and the other an expression; write both alike: {FORMS}"
        )
    gather(
        partial(check_grouping, queries, group_by),
        partial(_check_not_swapped, part, total, "good" if good else "bad"),
        *(partial(_check_bucket, query) for query in queries),
    )
    per_second = part.counter is not None or _same_pace(part, total)
    threshold = _bucket_seconds(good.counter) if good and good.counter else None
    return Events(
        kind="ratio" if threshold is None else "latency",
        good=good.text if good else None,
        bad=bad.text if bad else None,
        total=total.text,
        per_second=per_second,
        threshold_seconds=threshold,
    )


def gauges(good: Query | None, bad: Query | None, total: Query, group_by: tuple[str, ...]) -> Events:
    """Return the events of gauges that hold how many are good (or bad), and how many there are.

    Raises:
        InvalidInputError: for an expression, or one that has lost a label of the grouping.
    """
    part = good or bad or total
    queries = (part, total)
    gather(*(partial(_check_bare, query) for query in queries), partial(check_grouping, queries, group_by))
    sums = [
        summed(f"sum_over_time(({query.text} >= 0)[{WINDOW}:{STEP}])", group_by) for query in (part, total)
    ]
    return Events("ratio", sums[0] if good else None, sums[0] if bad else None, sums[1], per_second=False)


def ready_made(ratio: Query, *, of_good: bool, group_by: tuple[str, ...]) -> Events:
    """Return the events of a ratio (0 to 1) that something else has computed: each sample is an event.

    An expression keeps its own ratio over each window; its samples are only counted.

    Raises:
        InvalidInputError: if the series have lost a label of the grouping.
    """
    check_grouping((ratio,), group_by)
    if ratio.counter:
        share = f"sum_over_time(({ratio.text} >= 0)[{WINDOW}:{STEP}])"
        count = f"count_over_time(({ratio.text} >= 0)[{WINDOW}:{STEP}])"
    else:
        count = f"count_over_time((({ratio.over(_SHORTEST)}) >= 0)[{WINDOW}:{STEP}])"
        share = f"(({ratio.text}) >= 0) * {count}"
    part, total = summed(share, group_by), summed(count, group_by)
    return Events("ratio", part if of_good else None, None if of_good else part, total, per_second=False)


def summed(expression: str, group_by: tuple[str, ...]) -> str:
    """Return the sum of an expression, for each value of the labels of the grouping."""
    return f"sum by ({', '.join(group_by)}) ({expression})" if group_by else f"sum({expression})"


def _check_bare(query: Query) -> None:
    if query.counter is None:
        remedy = "is an expression, and counter: false says gauge; name the gauge by a bare selector"
        raise query.refusal(remedy)


def _same_pace(part: Query, total: Query) -> bool:
    """Return whether both expressions give events per second; False if both give events in the window."""
    paces = [_pace(part), _pace(total)]
    if paces[0] != paces[1]:
        words = ["events per second (rate)" if pace else "events in the window (increase)" for pace in paces]
        raise total.refusal(f"gives {words[1]}, the other query {words[0]}; use the same function in both")
    return paces[0]


def _pace(query: Query) -> bool:
    others = query.functions - PER_SECOND - IN_WINDOW
    if others or not query.functions:
        named = ", ".join(f"{name}()" for name in sorted(others)) or "no function"
        remedy = f"{named} over the window counts no events; use rate() or increase() of a counter, or "
        raise query.refusal(f"{remedy}count_over_time() or sum_over_time() of samples")
    if query.functions & PER_SECOND and query.functions & IN_WINDOW:
        named = " and ".join(f"{name}()" for name in sorted(query.functions))
        raise query.refusal(f"mixes {named}: events per second and in the window; use one")
    return bool(query.functions & PER_SECOND)


def _check_not_swapped(part: Query, total: Query, word: str) -> None:
    """Refuse a part that is seen to count no less than the total: the same series, or more of them."""
    if part.text == total.text:
        raise part.refusal(f"{word} and total are the same query, so it tells nothing; narrow {word}")
    ours, theirs = _selector(part), _selector(total)
    if ours is None or theirs is None:
        return
    if ours.fixed("le") == "+Inf":
        raise part.refusal(f'le="+Inf" counts every event, so it tells nothing; name the bucket of {word}')
    if ours.name == theirs.name and set(ours.matchers) < set(theirs.matchers):
        extra = ", ".join(str(matcher) for matcher in theirs.matchers if matcher not in ours.matchers)
        remedy = f"counts more than total, which alone demands {extra}; {word} and total look swapped"
        raise part.refusal(remedy)
    family = theirs.name.removesuffix("_bucket")
    if family != theirs.name and ours.name == f"{family}_count" and theirs.fixed("le") != "+Inf":
        raise part.refusal(f"counts every request, and total only a bucket; {word} and total look swapped")


def _selector(query: Query) -> Counter | None:
    """Return the only selector of a query; None if there are several."""
    if query.counter:
        return query.counter
    found = selectors_of(query.over(_SHORTEST))
    return Counter(found[0].metric, found[0].matchers) if len(found) == 1 else None


def _check_bucket(query: Query) -> None:
    for counter in _buckets(query):
        le = [matcher for matcher in counter.matchers if matcher.label == "le"]
        if not le:
            family = counter.name.removesuffix("_bucket")
            remedy = "adds up all buckets, each of which counts again what is in the smaller ones; name one, "
            raise query.refusal(f'{remedy}such as le="0.5", or use {family}_count for all')
        if le[0].operator == "=" and _number(le[0].value) is None:
            raise query.refusal(f'le="{le[0].value}" is no number; name a bucket such as le="0.5"')


def _buckets(query: Query) -> Sequence[Counter]:
    if query.counter:
        return [query.counter] if query.counter.name.endswith("_bucket") else []
    found = (Counter(s.metric, s.matchers) for s in selectors_of(query.over(_SHORTEST)))
    return [counter for counter in found if counter.name.endswith("_bucket")]


def _bucket_seconds(good: Counter) -> Decimal | None:
    """Return the threshold that a bare bucket has; None for anything else, or for what is no time."""
    le = good.fixed("le") if good.name.endswith("_bucket") else None
    number = _number(le) if le else None
    if number is None or not number.is_finite():
        return None
    return seconds_in(good.name, number)


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text.replace("Inf", "Infinity") if text.endswith("Inf") else text)
    except InvalidOperation:
        return None
