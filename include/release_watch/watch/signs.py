"""The questions of the light watch between reviews.

One query asks for the golden signals that are out of the reference's normal range, another for the alerts of
the services that fire since the deployment. For their answers see :mod:`release_watch.watch.attention`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from release_watch.baseline.metrics import metric_specs
from release_watch.catalog.selectors import Matcher, joined, one_of
from release_watch.identifiers import promql_string
from release_watch.judge.limits import normal_range
from release_watch.judge.samples import finite
from release_watch.judge.spec import Direction
from release_watch.watch.attention import SIGN

if TYPE_CHECKING:
    import pandas as pd

    from release_watch.catalog.models import Service
    from release_watch.catalog.policies import JudgePolicy

MOST_SIGNS = 200
"""Golden signals that one query asks for; those of more services are left to the reviews."""


class Bound(NamedTuple):
    """A golden signal and the value at which it is no longer normal."""

    name: str
    query: str
    value: float
    direction: Direction


def bounds_of(
    services: Iterable[Service],
    reference: Mapping[tuple[str, str], pd.Series],
    policy: JudgePolicy,
    *,
    step: timedelta,
    version: str,
) -> list[Bound]:
    """Return the golden signals of the services with the bounds of their normal ranges.

    A signal without a reference has none: it is left to the reviews.
    """
    bounds = []
    for spec in metric_specs(services, step=step, version=version):
        before = reference.get(spec.key)
        if not spec.golden or before is None:
            continue
        normal = normal_range(finite(before), spec, policy)
        if normal is None:
            continue
        value = normal[0] if spec.direction is Direction.DOWN else normal[1]
        bounds.append(Bound(spec.title, spec.query, value, spec.direction))
    return bounds[:MOST_SIGNS]


def signal_query(bounds: Sequence[Bound]) -> str:
    """Return the instant query of all signals that are beyond their bounds, each under its name."""
    return " or ".join(
        f"label_replace(({bound.query}) {_beyond(bound)} {bound.value!r}, "
        f'"{SIGN}", {promql_string(bound.name)}, "", "")'
        for bound in bounds
    )


def _beyond(bound: Bound) -> str:
    return "<" if bound.direction is Direction.DOWN else ">"


def alert_query(services: Iterable[str], environment: str, since: datetime) -> str:
    """Return the instant query of the alerts of these services that fire, and began after ``since``.

    Drills are left out, and so are alerts of another environment where they name one.
    """
    matchers = [
        Matcher("drill", "=", ""),
        Matcher("drill_id", "=", ""),
        Matcher("environment", "=~", one_of(["", environment])),
        Matcher("service", "=~", one_of(sorted(services))),
    ]
    active = f"ALERTS_FOR_STATE{{{joined(matchers)}}} > {since.timestamp():.0f}"
    firing = joined([Matcher("alertstate", "=", "firing"), *matchers])
    return f"({active}) and ignoring (alertstate) ALERTS{{{firing}}}"
