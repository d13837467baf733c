"""Synthetic checks of services: probes that run, and that succeed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from release_watch.artifacts.models import CoverageCheck
from release_watch.coverage.batches import Batch, batches
from release_watch.coverage.questions import Question, failed, live_check, passed
from release_watch.telemetry.metrics import Metrics

_LIVE_REMEDY = (
    "add the service to the targets of the blackbox exporter, and check the selector in services.yaml"
)
_SUCCESS_REMEDY = (
    "open the probe's target by hand: either the service does not answer or the probe asks wrongly"
)


def check_synthetics(
    selectors: Mapping[str, str], metrics: Metrics, question: Question
) -> dict[str, list[CoverageCheck]]:
    """Return the checks of each service, from two queries for all of them.

    Raises:
        BackendError: if the server does not answer, or refuses a query.
    """
    checks: dict[str, list[CoverageCheck]] = {}
    for batch in batches(selectors):
        live = f"max{batch.grouping()} (timestamp(probe_success{{{batch.matchers}}}))"
        seconds = max(1, int((question.at - question.since).total_seconds()))
        success = f"max{batch.grouping()} (max_over_time(probe_success{{{batch.matchers}}}[{seconds}s]))"
        newest = _values(batch, metrics, live, question)
        best = _values(batch, metrics, success, question)
        for service in {name for names in batch.services.values() for name in names}:
            at = datetime.fromtimestamp(newest[service], UTC) if service in newest else None
            checks[service] = [
                live_check(at, live, question, _LIVE_REMEDY),
                _success_check(best.get(service), success),
            ]
    return checks


def _values(batch: Batch, metrics: Metrics, query: str, question: Question) -> dict[str, float]:
    return {
        service: sample.value
        for sample in metrics.instant(query, question.at)
        for service in batch.services_of(sample.labels)
    }


def _success_check(best: float | None, query: str) -> CoverageCheck:
    expected = "a probe that succeeds"
    if best == 1:
        return passed("succeeds", query, "probe succeeds", expected)
    observed = "no probe result" if best is None else "every probe fails"
    return failed("succeeds", query, observed, expected, _SUCCESS_REMEDY)
