"""The logs of services: lines that arrive, and that name the release."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta

from release_watch.artifacts.models import CoverageCheck
from release_watch.coverage.batches import batches
from release_watch.coverage.conventions import VERSION_LABELS
from release_watch.coverage.questions import Question, failed, passed, release_check
from release_watch.telemetry.logs import Loki, tally_query

_LIVE_REMEDY = "check the log collector of the service, and the stream selector in services.yaml"
_VERSION_REMEDY = "a stream label version or service_version"


def check_logs(
    selectors: Mapping[str, str], loki: Loki, question: Question
) -> dict[str, list[CoverageCheck]]:
    """Return the checks of each service, from one query for all of them.

    Raises:
        BackendError: if the server does not answer, or refuses the query.
    """
    checks: dict[str, list[CoverageCheck]] = {}
    # A second later, so that a server that floors times cannot count a line from before the deployment.
    start = question.since + timedelta(seconds=1)
    for batch in batches(selectors):
        by = tuple(dict.fromkeys((*batch.labels, *VERSION_LABELS)))
        query = tally_query(batch.matchers, 1, by)
        lines: dict[str, int] = defaultdict(int)
        versions: dict[str, set[str]] = defaultdict(set)
        for values, count in loki.tally(batch.matchers, start, question.at, by).items():
            labels = dict(zip(by, values, strict=True))
            for service in batch.services_of(labels):
                lines[service] += count
                if count > 0:
                    versions[service].update(labels[name] for name in VERSION_LABELS)
        for service in {name for names in batch.services.values() for name in names}:
            checks[service] = _judge(service, lines[service], versions[service], query, question)
    return checks


def _judge(
    service: str, lines: int, versions: set[str], query: str, question: Question
) -> list[CoverageCheck]:
    observed = f"{lines} lines"
    if lines > 0:
        checks = [passed("live", query, observed, question.fresh)]
    else:
        checks = [failed("live", query, observed, question.fresh, _LIVE_REMEDY)]
    if service in question.release.services:
        checks.append(release_check(checks[0], versions, query, question, _VERSION_REMEDY))
    return checks
