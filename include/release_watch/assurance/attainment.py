"""SLO attainment: how much of its error budget each objective has left, asked from Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from release_watch.catalog.models import Service
from release_watch.catalog.slos import WINDOW, Slo
from release_watch.coverage.bulk import Bulk
from release_watch.errors import ReleaseWatchError
from release_watch.identifiers import promql_string
from release_watch.telemetry.backends import Backends
from release_watch.telemetry.metrics import Metrics, Sample


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
    by_name = {service.name: service for service in services}
    wanted = [slo for slo in slos if slo.service in by_name]
    asked = [(by_name[slo.service], attainment_query(slo, environment)) for slo in wanted]
    answers = _answers(asked, backends, at)
    return tuple(
        _attained(slo, query, answer) for slo, (_, query), answer in zip(wanted, asked, answers, strict=True)
    )


def attainment_query(slo: Slo, environment: str | None = None) -> str:
    """Return the PromQL of the share of good events over the SLO's window, for each group of it.

    No events give no answer. A counter of bad events that never counted is not there at all, so a missing one
    is 0 of the total. A missing counter of good events says nothing: the service is down, or the metric was
    renamed. Slices are taken as the SLO's rules recorded them: raw series say nothing of them.
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
    return f"{_counted(slo, slo.good or '', by)} / ({total} > 0)"


def _counted(slo: Slo, events: str, by: str) -> str:
    window = f"{slo.window_days}d"
    if slo.templated:
        return f"sum{by} (({events.replace(WINDOW, window)}) >= 0)"
    return f"sum{by} (increase({events}[{window}]))"


def _answers(
    asked: Sequence[tuple[Service, str]], backends: Backends, at: datetime
) -> list[Sequence[Sample] | str]:
    """Return the samples of each query, or why there are none; many queries travel in one request."""
    answers: list[Sequence[Sample] | str] = [""] * len(asked)
    by_server: dict[str, tuple[Metrics, list[int]]] = {}
    for place, (service, _) in enumerate(asked):
        try:
            metrics = backends.metrics(service)
        except ReleaseWatchError as error:
            answers[place] = str(error)
        else:
            by_server.setdefault(metrics.base_url, (metrics, []))[1].append(place)
    for metrics, places in by_server.values():
        bulk = Bulk(metrics, at)
        try:
            bulk.ask(asked[place][1] for place in places)
        except ReleaseWatchError as error:
            answers = [str(error) if place in places else answer for place, answer in enumerate(answers)]
            continue
        for place in places:
            query = asked[place][1]
            answers[place] = bulk.refused.get(query) or bulk.answer(query)
    return answers


def _attained(slo: Slo, query: str, answer: Sequence[Sample] | str) -> Attainment:
    ratio: float | None = None
    if isinstance(answer, str):
        reason = answer
    else:
        worst = min(answer, key=lambda sample: sample.value, default=None)
        ratio = None if worst is None else min(1.0, worst.value)
        reason = _reason(slo, worst, len(answer))
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
