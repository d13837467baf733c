"""One selector for many services: queries grow with the number of checks, not with that of services."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from release_watch.catalog.selectors import Matcher, joined, one_of, parse_selector


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

    Selectors of equality matchers over the same labels share one; any other selector has one of its own.

    Raises:
        ValueError: if a selector cannot be read.
    """
    alike: dict[tuple[str, ...], dict[tuple[str, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for service, selector in selectors.items():
        matchers = sorted(parse_selector(selector))
        labels = tuple(matcher.label for matcher in matchers)
        if all(matcher.operator == "=" for matcher in matchers) and len(set(labels)) == len(labels):
            alike[labels][tuple(matcher.value for matcher in matchers)].append(service)
        else:
            yield Batch(joined(matchers), (), {(): (service,)})
    for labels, services in alike.items():
        values = zip(*services, strict=True)
        either = [_either(label, set(found)) for label, found in zip(labels, values, strict=True)]
        yield Batch(joined(either), labels, {key: tuple(names) for key, names in services.items()})


def _either(label: str, values: set[str]) -> Matcher:
    if len(values) == 1:
        return Matcher(label, "=", next(iter(values)))
    return Matcher(label, "=~", one_of(values))
