"""The metrics of services: request series that are live, of this release, complete and usable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from release_watch.artifacts.models import CoverageCheck
from release_watch.catalog.models import MetricsSignal
from release_watch.coverage.cardinality import check_cardinality
from release_watch.coverage.completeness import check_endpoints, check_histograms, check_outcomes
from release_watch.coverage.holes import check_gaps
from release_watch.coverage.inquiry import Inquiry, Watched
from release_watch.coverage.presence import find_requests
from release_watch.coverage.questions import Question, unanswered
from release_watch.coverage.usability import check_clocks, check_values
from release_watch.errors import BackendError
from release_watch.telemetry.metrics import Metrics

_CHECKS: dict[str, Callable[[Mapping[str, Sequence[Watched]], Inquiry], dict[str, CoverageCheck]]] = {
    "endpoints": check_endpoints,
    "histogram": check_histograms,
    "outcomes": check_outcomes,
    "values": check_values,
    "gaps": check_gaps,
    "cardinality": check_cardinality,
    "clock": check_clocks,
}
_UNANSWERED_REMEDY = "see the log of the metrics server, then run the audit again"


def check_metrics(
    signals: Mapping[str, MetricsSignal], metrics: Metrics, question: Question
) -> dict[str, list[CoverageCheck]]:
    """Return the checks of each service, from at most ten queries for all of them, five more where gaps are.

    What is not live has no further checks but ``release``. A query that the server refuses leaves its check
    INCONCLUSIVE.

    Raises:
        BackendError: if the server does not answer, or refuses even to say what is live.
    """
    inquiry = Inquiry(metrics, question)
    present = find_requests(signals, inquiry)
    checks = {service: list(found.checks) for service, found in present.items()}
    live = {service: found.watched for service, found in present.items() if found.watched}
    for name, check in _CHECKS.items():
        for service, one in _try(name, check, live, inquiry).items():
            checks[service].append(one)
    return checks


def _try(
    name: str,
    check: Callable[[Mapping[str, Sequence[Watched]], Inquiry], dict[str, CoverageCheck]],
    live: Mapping[str, Sequence[Watched]],
    inquiry: Inquiry,
) -> dict[str, CoverageCheck]:
    try:
        return check(live, inquiry)
    except BackendError as error:
        one = unanswered(name, None, str(error), "an answer", _UNANSWERED_REMEDY)
        return dict.fromkeys(live, one)
