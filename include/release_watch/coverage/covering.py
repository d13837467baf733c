"""Patterns of bounded length for many names: the request of a query must fit into an address."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import quote_plus

from release_watch.catalog.selectors import Matcher, joined, parse_selector
from release_watch.coverage.batches import Batch

LONGEST_PATTERN = 5_000
"""Characters of a pattern in an address: proxies commonly refuse addresses of more than 8,192."""


def covering(names: Collection[str], most: int = LONGEST_PATTERN) -> str:
    """Return a regular expression that matches all of ``names``: exactly these where that is short enough.

    Else it matches their beginnings, the longest that fit into ``most`` characters of an address, and so also
    other names that begin alike: who asks must drop what was not asked for.
    """
    pattern = "|".join(sorted(map(_literal, set(names))))
    length = max(map(len, names), default=0)
    while len(quote_plus(pattern)) > most and length > 0:
        length -= 1
        pattern = _beginnings(names, length)
    return pattern


def bounded(batch: Batch, most: int = LONGEST_PATTERN) -> Batch:
    """Return ``batch`` with matchers that fit into an address, over more series than its own if need be."""
    if len(quote_plus(batch.matchers)) <= most or not batch.labels:
        return batch
    share = most // len(batch.labels)
    values = {label: {key[position] for key in batch.services} for position, label in enumerate(batch.labels)}
    matchers = [
        Matcher(label, "=~", covering(values[label], share)) if len(values.get(label, ())) > 1 else matcher
        for matcher in parse_selector(batch.matchers)
        for label in [matcher.label]
    ]
    return batch._replace(matchers=joined(matchers))


def _beginnings(names: Collection[str], length: int) -> str:
    if length == 0:
        return ".+"
    short = {_literal(name) for name in names if len(name) < length}
    begun = {f"{_literal(name[:length])}.*" for name in names if len(name) >= length}
    return "|".join(sorted(short | begun))


def _literal(text: str) -> str:
    # A hyphen is special only within brackets; each backslash is two in a string and six in an address.
    return re.escape(text).replace(r"\-", "-")
