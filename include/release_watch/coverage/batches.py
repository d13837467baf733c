"""One selector for many services: queries grow with the number of checks, not with that of services."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import NamedTuple

from release_watch.catalog.selectors import Matcher, joined, parse_selector

_META = re.compile(r"([\\.+*?()|\[\]{}^$])")
_LITERALS = re.compile(r"[^\\.+*?()\[\]{}^$]*")
_MOST_COMBINATIONS = 100


class Batch(NamedTuple):
    """Services that one query asks for.

    ``matchers`` stands between the braces, ``labels`` is what to group by, and ``services`` says which
    services a combination of their values belongs to.
    """

    matchers: str
    labels: tuple[str, ...]
    services: Mapping[tuple[str, ...], tuple[str, ...]]

    def grouping(self, *more: str) -> str:
        """Return the ``by`` clause of the batch's labels and ``more``; empty without any."""
        names = dict.fromkeys((*self.labels, *more))
        return f" by ({', '.join(names)})" if names else ""

    def services_of(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Return the services that a series with these labels belongs to."""
        return self.services.get(tuple(labels.get(name, "") for name in self.labels), ())


def batches(selectors: Mapping[str, str]) -> Iterator[Batch]:
    """Yield batches that cover the selectors of all services, given by service.

    Selectors that list the values of the same labels, and are otherwise equal, share one: ``job="a"`` and
    ``job=~"b|c"`` do. Any other selector has one of its own.

    Raises:
        ValueError: if a selector cannot be read.
    """
    alike: dict[_Form, dict[tuple[str, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for service, selector in selectors.items():
        matchers = parsed(selector)
        listed = {matcher.label: values for matcher in matchers if (values := _values(matcher))}
        if _is_plain(matchers, listed):
            others = tuple(matcher for matcher in matchers if matcher.label not in listed)
            for values in product(*listed.values()):
                alike[_Form(tuple(listed), others)][values].append(service)
        else:
            yield Batch(joined(matchers), (), {(): (service,)})
    for form, services in alike.items():
        columns = zip(*services, strict=True)
        either = [_either(label, set(found)) for label, found in zip(form.labels, columns, strict=True)]
        yield Batch(
            joined(sorted([*either, *form.others])),
            form.labels,
            {key: tuple(names) for key, names in services.items()},
        )


@lru_cache(maxsize=10_000)
def parsed(selector: str) -> tuple[Matcher, ...]:
    """Return the matchers of a selector in order; every convention asks for those of every service.

    Raises:
        ValueError: if it cannot be read.
    """
    return tuple(sorted(parse_selector(selector)))


class _Form(NamedTuple):
    """What selectors must share to share a batch: the labels with listed values, and all other matchers."""

    labels: tuple[str, ...]
    others: tuple[Matcher, ...]


def _values(matcher: Matcher) -> tuple[str, ...]:
    """Return the values that a matcher lists; none where it describes them in another way."""
    if matcher.operator == "=":
        return (matcher.value,)
    if matcher.operator == "=~" and _LITERALS.fullmatch(matcher.value):
        return tuple(dict.fromkeys(matcher.value.split("|")))
    return ()


def _is_plain(matchers: Sequence[Matcher], listed: Mapping[str, Sequence[str]]) -> bool:
    once = len({matcher.label for matcher in matchers}) == len(matchers)
    return once and bool(listed) and prod(map(len, listed.values())) <= _MOST_COMBINATIONS


def _either(label: str, values: set[str]) -> Matcher:
    if len(values) == 1:
        return Matcher(label, "=", next(iter(values)))
    return Matcher(label, "=~", _one_of(values))


def _one_of(values: Iterable[str]) -> str:
    # Only what has a meaning is escaped: Prometheus looks up a list of literals, and would have to try every
    # value of the label against any other expression, an escaped hyphen included.
    return "|".join(_META.sub(r"\\\1", value) for value in sorted(values))
