"""The Instrumentation Score of each service: how good its telemetry is, not only whether it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from release_watch.artifacts.models import InstrumentationScore, Signal
from release_watch.catalog.models import Service
from release_watch.catalog.policies import CoveragePolicy
from release_watch.coverage.questions import Question
from release_watch.coverage.score_logs import LOG_RULES, LinesSeen, log_rules, look_at_lines
from release_watch.coverage.score_metrics import (
    METRIC_RULES,
    SeriesSeen,
    look_at_series,
    look_at_units,
    metric_rules,
)
from release_watch.coverage.score_resources import (
    RESOURCE_RULES,
    Resources,
    TargetsSeen,
    look_at_targets,
    resource_rules,
)
from release_watch.coverage.score_rules import Answers, Unknown, asked, scored, unlooked, untold
from release_watch.coverage.score_spans import SPAN_RULES, span_rules
from release_watch.coverage.score_traces import SpansSeen, TraceSampler
from release_watch.release import Release
from release_watch.telemetry.backends import Backends


def score(
    release: Release,
    services: Sequence[Service],
    backends: Backends,
    *,
    policy: CoveragePolicy,
    at: datetime,
) -> dict[str, InstrumentationScore]:
    """Return the Instrumentation Score of each service, by name, as of ``at``.

    Every rule of the specification is listed. One that this telemetry cannot answer is INCONCLUSIVE and does
    not count; so is every rule of a backend that is not configured or does not answer. The number of requests
    does not grow with that of services: metrics and logs are asked for all together, and of traces at most
    20 are read, so that with many services some are in none of them.

    ``score`` and ``rules`` are explained in :func:`release_watch.coverage.score_rules.scored`.
    """
    question = Question(release, at, policy, {})
    sampler = TraceSampler(services, question)
    seen: dict[str, Mapping[str, Any]] = {
        "series": asked(Signal.METRICS, services, lambda some: look_at_series(some, backends, question)),
        "targets": asked(Signal.METRICS, services, lambda some: look_at_targets(some, backends, question)),
        "lines": asked(Signal.LOGS, services, lambda some: look_at_lines(some, backends, question)),
        "spans": asked(Signal.TRACES, services, lambda some: sampler.look_at_spans(some, backends)),
    }
    units = look_at_units(services, backends)
    return {
        service.name: scored(
            {
                **_of_metrics(seen["series"][service.name], units),
                **_of_logs(seen["lines"][service.name], release.environment),
                **_of_spans(seen["spans"][service.name]),
                **_of_resources(seen["targets"][service.name], seen["spans"][service.name]),
                "SDK-001": untold("telemetry does not say which runtimes the SDK's maintainers support"),
            }
        )
        for service in services
    }


def _of_metrics(seen: SeriesSeen | Unknown, units: Any) -> Answers:
    return unlooked(seen, *METRIC_RULES) if isinstance(seen, Unknown) else metric_rules(seen, units)


def _of_logs(seen: LinesSeen | Unknown, environment: str) -> Answers:
    return unlooked(seen, *LOG_RULES) if isinstance(seen, Unknown) else log_rules(seen, environment)


def _of_spans(seen: SpansSeen | Unknown) -> Answers:
    return unlooked(seen, *SPAN_RULES) if isinstance(seen, Unknown) else span_rules(seen)


def _of_resources(targets: TargetsSeen | Unknown, spans: SpansSeen | Unknown) -> Answers:
    if isinstance(targets, Unknown) and isinstance(spans, Unknown):
        return unlooked(targets, *RESOURCE_RULES)
    query = None if isinstance(targets, Unknown) else targets.query
    if query is None and isinstance(spans, SpansSeen):
        query = spans.query
    return resource_rules(
        Resources(
            () if isinstance(targets, Unknown) else targets.targets,
            () if isinstance(spans, Unknown) else spans.spans,
            query,
        )
    )
