"""The events of many SLOs, counted together: SLOs over the same metric share one expression."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from release_watch.catalog.selectors import joined, parse_counter, parse_selector
from release_watch.catalog.slos import WINDOW, Slo
from release_watch.coverage.batches import Batch, batches
from release_watch.coverage.bulk import Bulk
from release_watch.telemetry.metrics import Metrics, Sample

_SUMMED = re.compile(
    rf"\s*sum\s*\(\s*(?P<function>rate|increase)\s*\((?P<counter>.+)\[{re.escape(WINDOW)}\]\s*\)\s*\)\s*",
    re.DOTALL,
)
"""What most expressions are: ``sum(rate(requests_total{job="x"}[{{.window}}]))``."""

Group = tuple[str, ...]
"""The values of the labels that an SLO groups by; empty for one that does not."""
Counts = Mapping[Group, float]


class _Counted(NamedTuple):
    """One count of one SLO: the increase, or rate, of a counter over its window."""

    key: str
    form: _Form
    selector: str


class _Form(NamedTuple):
    """What counts must have in common to be asked for together; ``function`` is ``increase`` or ``rate``."""

    function: str
    metric: str
    window: str
    group_by: tuple[str, ...]


class _Part(NamedTuple):
    """An expression for the counts of many SLOs."""

    expression: str
    batch: Batch
    group_by: tuple[str, ...]


def ratios(slos: Sequence[Slo], metrics: Metrics, at: datetime) -> dict[str, list[Sample]]:
    """Return the share of good events of each SLO over its window, by its name and then by its groups.

    The number of requests grows with the metrics that SLOs count, not with the SLOs. Left out are SLOs of
    which this cannot be told: they count slices, or expressions that are more than the sum of a counter's
    rate or increase, or the server refuses to count them together with others.

    Raises:
        BackendError: if the server does not answer.
    """
    together = [(slo, counted) for slo in slos if (counted := _counted(slo))]
    parts = list(_parts(one for _, counted in together for one in counted))
    bulk = Bulk(metrics, at)
    bulk.ask(part.expression for part in parts)
    refused = {name for part in parts if part.expression in bulk.refused for name in _names(part.batch)}
    counts: dict[str, dict[Group, float]] = defaultdict(dict)
    for part in parts:
        for sample in bulk.answer(part.expression):
            group = tuple(sample.labels.get(label, "") for label in part.group_by)
            for key in part.batch.services_of(sample.labels):
                counts[key][group] = counts[key].get(group, 0.0) + sample.value
    return {
        slo.name: [
            Sample({name: value for name, value in zip(slo.group_by, group, strict=True) if value}, at, ratio)
            for group, ratio in _ratios(slo, counts)
        ]
        for slo, _ in together
        if refused.isdisjoint(_keys(slo))
    }


def _ratios(slo: Slo, counts: Mapping[str, Counts]) -> Iterator[tuple[Group, float]]:
    """Yield the share of good events of each group that has events.

    A counter of bad events that never counted is not there, so a missing one is none of the total; a missing
    counter of good events says nothing, but where another group has it, nothing was good in this one.
    """
    total_key, other_key = _keys(slo)
    other = counts.get(other_key, {})
    for group, total in counts.get(total_key, {}).items():
        if not total > 0:
            continue
        if slo.bad is not None:
            yield group, 1 - other.get(group, 0.0) / total
        elif other:
            yield group, other.get(group, 0.0) / total


def _keys(slo: Slo) -> tuple[str, str]:
    return f"total of {slo.name}", f"other of {slo.name}"


def _counted(slo: Slo) -> tuple[_Counted, ...]:
    """Return the two counts of an SLO; nothing where they cannot be asked for with those of others."""
    if slo.budgeting != "Occurrences" or (slo.templated and slo.group_by):
        return ()
    other = slo.bad if slo.bad is not None else slo.good or ""
    try:
        found = [_read(slo, key, events) for key, events in zip(_keys(slo), (slo.total, other), strict=True)]
    except ValueError:
        return ()
    return tuple(found) if len({one.form.function for one in found}) == 1 else ()


def _read(slo: Slo, key: str, events: str) -> _Counted:
    """Return a count.

    Raises:
        ValueError: if it is more than a counter's rate or increase, or its selector asks for no value.
    """
    function = "increase"
    if slo.templated:
        summed = _SUMMED.fullmatch(events)
        if summed is None:
            raise ValueError("is more than the sum of a counter's rate or increase")
        function, events = summed["function"], summed["counter"]
    metric, matchers = parse_counter(events)
    selector = joined(matchers)
    parse_selector(selector)
    return _Counted(key, _Form(function, metric, f"{slo.window_days}d", tuple(slo.group_by)), selector)


def _parts(counted: Iterable[_Counted]) -> Iterator[_Part]:
    alike: dict[_Form, dict[str, str]] = defaultdict(dict)
    for one in counted:
        alike[one.form][one.key] = one.selector
    for form, selectors in alike.items():
        for batch in batches(selectors):
            by = batch.grouping(*form.group_by)
            counter = f"{form.metric}{{{batch.matchers}}}[{form.window}]"
            yield _Part(f"sum{by} ({form.function}({counter}))", batch, form.group_by)


def _names(batch: Batch) -> Iterator[str]:
    for names in batch.services.values():
        yield from names
