"""SLO attainment: how much of its error budget each objective has left, asked from Prometheus."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from release_watch.assurance.event_counts import ratios
from release_watch.catalog.models import Service
from release_watch.catalog.slos import WINDOW, Slo
from release_watch.coverage.bulk import Bulk
from release_watch.errors import BackendError, ReleaseWatchError
from release_watch.identifiers import promql_string
from release_watch.telemetry.backends import Backends
from release_watch.telemetry.metrics import Metrics, Sample

log = logging.getLogger(__name__)


class Attainment(BaseModel):
    """One SLO over its window.

    ``good_ratio`` is the share of good events, ``budget_left`` the share of the error budget that is left
    (1 untouched, 0 used up, negative overdrawn); both None if Prometheus had no answer, for ``reason``. Of an
    SLO with several budgets it is the one that is worst off.
    """

    model_config = ConfigDict(frozen=True)

    slo: str
    service: str
    objective: float
    window_days: int
    good_ratio: float | None
    budget_left: float | None
    query: str
    reason: str


TREND = (timedelta(days=7), timedelta(days=3), timedelta(days=1))
"""How long ago error budgets are looked at, beside now."""


def moments_of(at: datetime) -> list[datetime]:
    """Return when error budgets are looked at for a scorecard: some days before ``at``, and ``at`` last."""
    return [*(at - ago for ago in TREND), at]


def attainment(
    slos: Sequence[Slo],
    services: Sequence[Service],
    backends: Backends,
    at: datetime,
    environment: str | None = None,
) -> tuple[Attainment, ...]:
    """Return the attainment of the SLOs of ``services`` at ``at``; a server that fails hides no other SLO.

    ``environment`` tells the recorded slices of several environments on one server apart.
    """
    return attainment_over(slos, services, backends, [at], environment)[-1]


def attainment_over(
    slos: Sequence[Slo],
    services: Sequence[Service],
    backends: Backends,
    moments: Sequence[datetime],
    environment: str | None = None,
) -> tuple[tuple[Attainment, ...], ...]:
    """Return what :func:`attainment` does at each of ``moments``, in their order.

    The last is asked for first: a server that does not answer for it at all is not asked for the others.
    """
    by_name = {service.name: service for service in services}
    wanted = [slo for slo in slos if slo.service in by_name]
    asked = [_Asked(slo, by_name[slo.service], attainment_query(slo, environment)) for slo in wanted]
    away: dict[str, str] = {}
    found = [
        tuple(
            _attained(one.slo, one.query, answer)
            for one, answer in zip(asked, _answers(asked, backends, moment, away), strict=True)
        )
        for moment in reversed(moments)
    ]
    return tuple(reversed(found))


class _Asked(NamedTuple):
    """An SLO, its service, and the query that is shown for it."""

    slo: Slo
    service: Service
    query: str


def attainment_query(slo: Slo, environment: str | None = None) -> str:
    """Return the PromQL of the share of good events over the SLO's window, for each group of it.

    No events give no answer. A counter of bad events that never counted is not there at all, so a missing one
    is 0 of the total. A missing counter of good events says nothing: the service is down, or the metric was
    renamed; but where another group has it, nothing was good in this one. Slices are taken as the SLO's rules
    recorded them: raw series say nothing of them.
    """
    by = f" by ({', '.join(slo.group_by)})" if slo.group_by else ""
    if slo.budgeting != "Occurrences":
        matchers = {"slo": slo.name} | ({"environment": environment} if environment else {})
        within = ",".join(f"{label}={promql_string(value)}" for label, value in matchers.items())
        bad, total = (f"slo:events_{kind}:rate{slo.window_days}d{{{within}}}" for kind in ("bad", "total"))
        return f"1 - max{by} ({bad} / ({total} > 0))"
    total = _counted(slo, slo.total, by)
    if slo.bad is not None:
        return f"1 - ({_counted(slo, slo.bad, by)} or 0 * {total}) / ({total} > 0)"
    good = _counted(slo, slo.good or "", by)
    if slo.group_by:
        good = f"({good} or 0 * {total} and on () {good})"
    return f"{good} / ({total} > 0)"


def _counted(slo: Slo, events: str, by: str) -> str:
    window = f"{slo.window_days}d"
    if slo.templated:
        return f"sum{by} (({events.replace(WINDOW, window)}) >= 0)"
    return f"sum{by} (increase({events}[{window}]))"


def _answers(
    asked: Sequence[_Asked], backends: Backends, at: datetime, away: dict[str, str]
) -> list[Sequence[Sample] | str]:
    """Return the samples of each query, or why there are none; servers that do not answer join ``away``."""
    answers: dict[str, Sequence[Sample] | str] = {}
    by_server: dict[str, tuple[Metrics, list[_Asked]]] = {}
    for one in asked:
        try:
            metrics = backends.metrics(one.service)
        except ReleaseWatchError as error:
            answers[one.slo.name] = str(error)
        else:
            by_server.setdefault(metrics.base_url, (metrics, []))[1].append(one)
    for server, (metrics, together) in by_server.items():
        if server not in away:
            try:
                answers |= _of_server(together, metrics, at)
                continue
            except BackendError as error:
                if error.status is not None:
                    answers |= dict.fromkeys((one.slo.name for one in together), str(error))
                    continue
                away[server] = str(error)
        answers |= dict.fromkeys((one.slo.name for one in together), away[server])
    return [answers[one.slo.name] for one in asked]


def _of_server(asked: Sequence[_Asked], metrics: Metrics, at: datetime) -> dict[str, Sequence[Sample] | str]:
    """Return the samples of each SLO by its name, or why the server refused.

    SLOs over the same metrics are counted together; the others, and all of them where that is too much for
    the server, each by its own query, of which many travel in one request.

    Raises:
        BackendError: if the server does not answer.
    """
    answers: dict[str, Sequence[Sample] | str] = {}
    try:
        answers |= ratios([one.slo for one in asked], metrics, at)
    except BackendError as error:
        log.warning("SLOs could not be counted together, and are asked for one by one: %s", error)
    left = [one for one in asked if one.slo.name not in answers]
    bulk = Bulk(metrics, at)
    bulk.ask(one.query for one in left)
    for one in left:
        answers[one.slo.name] = bulk.refused.get(one.query) or bulk.answer(one.query)
    return answers


def _attained(slo: Slo, query: str, answer: Sequence[Sample] | str) -> Attainment:
    ratio: float | None = None
    if isinstance(answer, str):
        reason = answer
    else:
        strange = sum(1 for sample in answer if not math.isfinite(sample.value))
        worst = min(answer, key=lambda sample: sample.value, default=None)
        ratio = None if worst is None or strange else min(1.0, worst.value)
        reason = _reason(slo, worst, len(answer))
        if strange:
            reason = f"{strange} of {len(answer)} answers is no number; look at what the SLO's metrics count"
    return Attainment(
        slo=slo.name,
        service=slo.service,
        objective=float(slo.objective),
        window_days=slo.window_days,
        good_ratio=ratio,
        budget_left=None if ratio is None else 1 - (1 - ratio) / float(slo.error_budget),
        query=query,
        reason=reason,
    )


def _reason(slo: Slo, worst: Sample | None, groups: int) -> str:
    if worst is None and slo.budgeting != "Occurrences":
        return "no slices of this SLO are recorded; its rules do not run, or have seen no traffic"
    if worst is None:
        return "no events of this SLO in the window"
    if not slo.group_by:
        return "measured"
    group = ", ".join(f"{label}={worst.labels.get(label, '')}" for label in slo.group_by)
    return f"measured; the worst of {groups}: {group}"
