"""The traces of services: traces that arrive, and whose resource names the release."""

from __future__ import annotations

from collections.abc import Mapping

from release_watch.artifacts.models import CoverageCheck
from release_watch.coverage.questions import Question, failed, live_check, passed
from release_watch.telemetry.traces import Tempo, TraceSummary, search_tags

_LIVE_REMEDY = "check the trace exporter and the sampling of the service, and service_name in services.yaml"
_ENOUGH = 5


def check_traces(
    service_names: Mapping[str, str], tempo: Tempo, question: Question
) -> dict[str, list[CoverageCheck]]:
    """Return the checks of each service; a search answers for one service, so they are asked in turn.

    Raises:
        BackendError: if the server does not answer, or refuses a search.
    """
    return {service: _check(service, name, tempo, question) for service, name in service_names.items()}


def _check(service: str, name: str, tempo: Tempo, question: Question) -> list[CoverageCheck]:
    if service not in question.release.services:
        return [_live(_search(name, {}, tempo, question), search_tags(name, {}), question)]
    version = {"service.version": question.release.version}
    query = search_tags(name, version)
    expected = f"traces of version {question.release.version}"
    if ours := _search(name, version, tempo, question):
        return [_live(ours, query, question), passed("release", query, f"{len(ours)} traces", expected)]
    remedy = "set the resource attribute service.version, or see why this version sends no traces"
    return [
        _live(_search(name, {}, tempo, question), search_tags(name, {}), question),
        failed("release", query, "no trace of it", expected, remedy),
    ]


def _search(name: str, tags: Mapping[str, str], tempo: Tempo, question: Question) -> list[TraceSummary]:
    found = tempo.search(name, question.since, question.at, _ENOUGH, tags)
    # The search works in whole seconds; a trace from before the deployment proves nothing.
    return [trace for trace in found if trace.started_at > question.since]


def _live(found: list[TraceSummary], query: str, question: Question) -> CoverageCheck:
    newest = max((trace.started_at for trace in found), default=None)
    return live_check(newest, query, question, _LIVE_REMEDY)
