"""How many series selectors find, asked together where selectors differ in one value only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from release_watch.catalog.selectors import Matcher, one_of
from release_watch.coverage.bulk import Bulk
from release_watch.telemetry.promql import SeriesSelector, label_text

MOST_TOGETHER = 500
"""Values in one pattern: about 15 kB, and a query takes several such."""


class Count(NamedTuple):
    """The series of a bare selector: now or within the last ``seconds``, by the values of one label."""

    selector: SeriesSelector
    by: str = ""
    seconds: int = 0

    @property
    def query(self) -> str:
        """The query that answers for this selector alone."""
        return _query(self.selector, [self.by] if self.by else [], self.seconds)


class Counts:
    """Answers of one server; the number of queries grows with the shapes of selectors, not with services."""

    def __init__(self, bulk: Bulk) -> None:
        self._bulk = bulk
        self._values: dict[Count, frozenset[str]] = {}
        self._refused: dict[Count, str] = {}

    def ask(self, counts: Iterable[Count]) -> None:
        """Ask those of ``counts`` that have not been asked yet.

        Raises:
            BackendError: if the server does not answer.
        """
        together = list(_together([count for count in dict.fromkeys(counts) if count not in self._values]))
        self._bulk.ask(asked.query for asked in together)
        for asked in together:
            self._take(asked)

    def found(self, count: Count) -> bool:
        """Return whether there is any series."""
        return bool(self._values[count])

    def values(self, count: Count) -> frozenset[str]:
        """Return the values of the label it is counted by; an empty one where a series lacks the label."""
        return self._values[count]

    def refused(self, count: Count) -> str | None:
        """Return the server's words if it refused to count."""
        return self._refused.get(count)

    def _take(self, asked: _Together) -> None:
        if words := self._bulk.refused.get(asked.query):
            self._refused.update(dict.fromkeys(asked.counts.values(), words))
        found: defaultdict[str, set[str]] = defaultdict(set)
        for sample in self._bulk.answer(asked.query):
            found[sample.labels.get(asked.label, "")].add(sample.labels.get(asked.by, ""))
        self._values.update({count: frozenset(found[value]) for value, count in asked.counts.items()})


class _Together(NamedTuple):
    """Counts that one query answers, by the value of the only label in which they differ.

    ``label`` is empty where a count stands alone.
    """

    query: str
    label: str
    by: str
    counts: dict[str, Count]


def _together(counts: Sequence[Count]) -> Iterator[_Together]:
    values: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for count in counts:
        for matcher in _exact(count):
            values[count.selector.metric, matcher.label].add(matcher.value)
    alike: defaultdict[tuple[Count, str], dict[str, Count]] = defaultdict(dict)
    for count in counts:
        differing = _most_varied(count, values)
        rest = tuple(matcher for matcher in count.selector.matchers if matcher != differing)
        shape = count._replace(selector=count.selector._replace(matchers=rest))
        label, value = (differing.label, differing.value) if differing else ("", "")
        alike[shape, label][value] = count
    for (shape, label), members in alike.items():
        found = list(members.items())
        for start in range(0, len(found), MOST_TOGETHER):
            yield _asked(shape, label, dict(found[start : start + MOST_TOGETHER]))


def _asked(shape: Count, label: str, members: dict[str, Count]) -> _Together:
    if len(members) == 1:
        count = next(iter(members.values()))
        return _Together(count.query, "", count.by, {"": count})
    either = Matcher(label, "=~", one_of(members))
    selector = shape.selector._replace(matchers=tuple(sorted([*shape.selector.matchers, either])))
    by = [label, shape.by] if shape.by else [label]
    return _Together(_query(selector, by, shape.seconds), label, shape.by, members)


def _most_varied(count: Count, values: Mapping[tuple[str, str], Collection[str]]) -> Matcher | None:
    """Return the matcher in whose label the selectors of a metric differ most: as a rule the service's."""

    def variety(matcher: Matcher) -> int:
        return len(values[count.selector.metric, matcher.label])

    return max(_exact(count), key=variety, default=None)


def _exact(count: Count) -> list[Matcher]:
    """Return the equality matchers over labels that no other matcher is about, nor the counting."""
    labels = [matcher.label for matcher in count.selector.matchers]
    return [
        matcher
        for matcher in count.selector.matchers
        if matcher.operator == "=" and labels.count(matcher.label) == 1 and matcher.label != count.by
    ]


def _query(selector: SeriesSelector, by: Sequence[str], seconds: int) -> str:
    grouping = f" by ({', '.join(map(label_text, by))}) " if by else ""
    series = f"last_over_time({selector}[{seconds}s])" if seconds else str(selector)
    return f"count{grouping}({series})"
