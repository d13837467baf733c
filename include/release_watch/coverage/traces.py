"""The traces of services: traces that arrive, that name the release, and that show new endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from release_watch.artifacts.models import CoverageCheck, CoverageStatus
from release_watch.clock import in_words, now
from release_watch.coverage.attempts import Found, attempt
from release_watch.coverage.patience import patient
from release_watch.coverage.questions import Question, failed, live_check, passed, unanswered
from release_watch.coverage.trace_endpoints import endpoint_checks
from release_watch.coverage.trace_sweep import Looked, Sweep
from release_watch.telemetry.traces import Tempo

_LIVE_REMEDY = "check the trace exporter and the sampling of the service, and service_name in services.yaml"
_VERSION_REMEDY = "set the resource attribute service.version, or see why this version sends no traces"
_UNTOLD = "busier services fill every answer of the trace server"
_UNTOLD_REMEDY = (
    "audit fewer services at once, or give the trace server a connection of its own per group of services"
)
_FUTURE = timedelta(days=1)


def check_traces(
    service_names: Mapping[str, str], tempo: Tempo, question: Question
) -> dict[str, list[CoverageCheck]]:
    """Return the checks of each service, given the ``service.name`` of each.

    A few searches for all services; see :meth:`.Sweep.look` for how many.

    Raises:
        BackendError: if the server does not answer, or refuses a search for live services.
    """
    sweep = Sweep(tempo)
    version = question.release.version
    until = question.at + question.policy.max_clock_skew
    released = {name for s, name in service_names.items() if s in question.release.services}
    ours = sweep.look(released, question.since, until, version) if released else Looked()
    rest = set(service_names.values()) - ours.seen.keys()
    any_version = sweep.look(rest, question.since, until) if rest else Looked()
    checks: dict[str, list[CoverageCheck]] = {}
    for service, name in service_names.items():
        if name in ours.seen:
            checks[service] = [_live(name, ours, sweep.query_for(name, version), question)]
        else:
            checks[service] = [_live(name, any_version, sweep.query_for(name), question)]
        if service in question.release.services:
            checks[service].append(_release(name, ours, sweep.query_for(name, version), question))
    live = {s: name for s, name in service_names.items() if checks[s][0].status is CoverageStatus.PASS}
    for found in (_endpoints(live, tempo, sweep, question), _clock(service_names, live, sweep, question)):
        for service, check in found.items():
            checks[service].append(check)
    return checks


def _live(name: str, looked: Looked, query: str, question: Question) -> CoverageCheck:
    if name in looked.untold:
        return unanswered("live", query, _UNTOLD, question.fresh, _UNTOLD_REMEDY)
    sighting = looked.seen.get(name)
    newest = sighting.newest if sighting else None
    return patient(live_check(newest, query, question, _LIVE_REMEDY), question)


def _release(name: str, ours: Looked, query: str, question: Question) -> CoverageCheck:
    version = question.release.version
    expected = f"traces of version {version}"
    if name in ours.seen:
        return passed("release", query, f"version {version}", expected)
    if name in ours.untold:
        return unanswered("release", query, _UNTOLD, expected, _UNTOLD_REMEDY)
    return patient(failed("release", query, "no trace of it", expected, _VERSION_REMEDY), question)


def _endpoints(live: Mapping[str, str], tempo: Tempo, sweep: Sweep, question: Question) -> Found:
    wanted = {service: question.endpoints[service] for service in live if question.endpoints.get(service)}
    if not wanted or not sweep.traceql:
        return {}
    expected = "spans of each endpoint"
    version = question.release.version if set(wanted) <= set(question.release.services) else None
    queries = {service: sweep.query_for(live[service], version) for service in wanted}

    def ask() -> Found:
        by_name: dict[str, Sequence[str]] = {}
        for service, endpoints in wanted.items():
            by_name[live[service]] = tuple(dict.fromkeys((*by_name.get(live[service], ()), *endpoints)))
        found = endpoint_checks(by_name, tempo, question, version)
        return {service: found[live[service]] for service in wanted if live[service] in found}

    return attempt("endpoints", wanted, queries, expected, ask)


def _clock(names: Mapping[str, str], live: Mapping[str, str], sweep: Sweep, question: Question) -> Found:
    skew = question.policy.max_clock_skew
    expected = f"no span that begins more than {in_words(skew)} in the future"
    queries = {service: sweep.query_for(name) for service, name in names.items()}
    remedy = "set the clock of its machine by NTP"

    def ask() -> Found:
        # Not as of the audit: what begins while it runs is no span of the future.
        present = max(now(), question.at)
        ahead = sweep.look(set(names.values()), present + skew, present + _FUTURE)
        found = {}
        for service, name in names.items():
            if sighting := ahead.seen.get(name):
                observed = f"a span that begins {in_words(sighting.newest - present)} in the future"
                found[service] = failed("clock", queries[service], observed, expected, remedy)
            elif service in live and name not in ahead.untold:
                found[service] = passed("clock", queries[service], "no span of the future", expected)
        return found

    if not sweep.traceql:  # one search per service again would be too many
        return {}
    return attempt("clock", live, queries, expected, ask)
