"""Why a metric's baseline does not convince."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from release_watch.artifacts.models import BaselineKind, MetricBaseline
from release_watch.baseline.restless import restlessness
from release_watch.judge.spec import MetricSpec
from release_watch.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

    from release_watch.catalog.policies import BaselinePolicy

MOST_NAMED = 5

NO_DATA = "no data; check that the service is scraped and exports it"
NO_TIME = "no time is left besides incidents, drills and rollbacks; pin a baseline that is known good"
NOT_PINNED = "is not in the pinned baseline; pin one that has it, or unpin this one"


def doubt(
    entry: MetricBaseline,
    spec: MetricSpec,
    series: pd.Series | None,
    kind: BaselineKind,
    left: timedelta,
    rules: BaselinePolicy,
) -> str | None:
    """Return why this metric does not convince, or None. ``left`` is how much time is not excluded.

    What was pinned was judged then, and only has to be there; so has a snapshot.
    """
    if left <= timedelta(0):
        return NO_TIME
    if entry.samples == 0 or series is None:
        return NOT_PINNED if entry.known_good else NO_DATA
    if kind is BaselineKind.SNAPSHOT or entry.known_good:
        return None
    return _too_little(entry, rules) or restlessness(series, spec)


def _too_little(entry: MetricBaseline, rules: BaselinePolicy) -> str | None:
    if entry.samples < rules.min_samples:
        return f"{entry.samples} samples; {rules.min_samples} are needed"
    if entry.completeness < rules.min_completeness:
        return f"{entry.completeness:.0%} of the samples are there; {rules.min_completeness:.0%} are needed"
    return None


def doubts_in_words(entries: Iterable[MetricBaseline]) -> list[str]:
    """Return a line per reason, with the metrics it holds for; of many of them the first few by name.

    Those that only warn come last.
    """
    concerned: dict[str, list[str]] = defaultdict(list)
    for entry in sorted(entries, key=lambda one: one.verdict is Verdict.WARN):
        if entry.reason:
            concerned[entry.reason].append(f"{entry.service} {entry.metric}")
    return [f"{_named(names)}: {reason}" for reason, names in concerned.items()]


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"
