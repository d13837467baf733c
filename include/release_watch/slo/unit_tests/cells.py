"""Series made up so that they fit some selectors and not others: the labels are found from the matchers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import NamedTuple

from release_watch.catalog.selectors import Matcher
from release_watch.identifiers import promql_string
from release_watch.slo.unit_tests.regexes import compiled, examples
from release_watch.telemetry.promql import SeriesSelector, label_text

_MOST_TRIED = 20_000
_MOST_VALUES = 7
_STATUS = re.compile(r"code|status", re.IGNORECASE)

Examples = Mapping[str, str]
"""Values of labels that a person gives, for patterns of which none is found."""


class Cell(NamedTuple):
    """One series, and which of the selectors it fits, by their index."""

    metric: str
    labels: tuple[tuple[str, str], ...]
    fits: frozenset[int]

    def __str__(self) -> str:
        inner = ",".join(f"{label_text(label)}={promql_string(value)}" for label, value in self.labels)
        return f"{self.metric}{{{inner}}}"

    def with_label(self, label: str, value: str) -> Cell:
        """Return the series with another value of a label."""
        return self._replace(labels=tuple(sorted({**dict(self.labels), label: value}.items())))


def cells_of(
    selectors: Sequence[SeriesSelector], given: Examples, fixed: Mapping[str, str] | None = None
) -> list[Cell]:
    """Return series that fit the selectors, one for each set of selectors that a series can fit at once.

    Args:
        selectors: of any metrics.
        given: values to try first.
        fixed: labels that every series has, with their values, such as those of a grouping.
    """
    found: list[Cell] = []
    for metric in dict.fromkeys(selector.metric for selector in selectors):
        own = [(index, one) for index, one in enumerate(selectors) if one.metric == metric]
        found += _cells(metric, own, given, fixed or {})
    return found


def fits(selector: SeriesSelector, metric: str, labels: Mapping[str, str]) -> bool:
    """Return whether a selector finds a series."""
    return selector.metric == metric and all(
        _matches(one, labels.get(one.label, "")) for one in selector.matchers
    )


def candidates(label: str, matchers: Sequence[Matcher], given: Examples) -> list[str]:
    """Return values of a label that are worth trying, the most telling first."""
    values = [given[label]] if label in given else []
    for matcher in matchers:
        values += [matcher.value] if matcher.operator in ("=", "!=") else examples(matcher.value)
    values += [] if label == "le" else ["200" if _STATUS.search(label) else "other"]
    return [*list(dict.fromkeys(values))[:_MOST_VALUES], ""]


def _cells(
    metric: str,
    selectors: Sequence[tuple[int, SeriesSelector]],
    given: Examples,
    fixed: Mapping[str, str],
) -> Iterator[Cell]:
    matchers: dict[str, list[Matcher]] = {}
    for _, selector in selectors:
        for matcher in selector.matchers:
            matchers.setdefault(matcher.label, []).append(matcher)
    values = {label: candidates(label, found, given) for label, found in sorted(matchers.items())}
    values.update({label: [value] for label, value in fixed.items()})
    for label, found in matchers.items():
        if len(found) == len(selectors) and len({m for m in found if m.operator == "="}) == 1 == len(
            set(found)
        ):
            values[label] = [found[0].value]  # all want the same, and nothing else fits any of them
    seen: set[frozenset[int]] = set()
    for combination in islice(product(*values.values()), _MOST_TRIED):
        labels = {label: value for label, value in zip(values, combination, strict=True) if value}
        fitting = frozenset(index for index, selector in selectors if fits(selector, metric, labels))
        if fitting and fitting not in seen:
            seen.add(fitting)
            yield Cell(metric, tuple(sorted(labels.items())), fitting)


def _matches(matcher: Matcher, value: str) -> bool:
    match matcher.operator:
        case "=":
            return value == matcher.value
        case "!=":
            return value != matcher.value
    expression = compiled(matcher.value)
    return expression is not None and (expression.fullmatch(value) is not None) == (matcher.operator == "=~")
