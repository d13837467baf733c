"""Whether spans of the endpoints that the evidence names were seen."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from urllib.parse import quote_plus

from release_watch.artifacts.models import CoverageCheck
from release_watch.coverage.conventions import endpoint_key, endpoint_key_of
from release_watch.coverage.questions import Question, passed
from release_watch.coverage.trace_sweep import LONGEST_PATTERN, anchored, service_of, span_query
from release_watch.identifiers import promql_string
from release_watch.telemetry.traces import Span, Tempo

_ROUNDS = 3
_MOST_TRACES = 500
_METHODS = ("http.request.method", "http.method")
_SELECT = ("name", ".http.route", *(f".{method}" for method in _METHODS))


def endpoint_checks(
    wanted: Mapping[str, Sequence[str]],
    tempo: Tempo,
    question: Question,
    version: str | None,
) -> dict[str, CoverageCheck]:
    """Return whether each endpoint has a span since the deployment, by the name of the traced service.

    An endpoint is told by the name of a span or its attribute ``http.route``. Traces are sampled, so one that
    was not seen says nothing: the service is left out, and its metrics have to show the endpoint. At most
    three searches for all services.

    Raises:
        BackendError: if the server does not answer, or refuses the search.
    """
    missing = {(name, endpoint) for name, endpoints in wanted.items() for endpoint in endpoints}
    for _ in range(_ROUNDS):
        query = _query(missing, version)
        page = tempo.spans(query, question.release.deployed_at, question.at, _MOST_TRACES)
        keys = {
            (service_of(span), key)
            for span in page.spans
            if span.started_at > question.release.deployed_at
            for key in _keys(span)
        }
        seen = {(name, endpoint) for name, endpoint in missing if (name, endpoint_key_of(endpoint)) in keys}
        missing -= seen
        if not missing or not seen or page.complete:
            break
    unseen = {name for name, _ in missing}
    return {
        name: _check(endpoints, _query_of(name, endpoints, version))
        for name, endpoints in wanted.items()
        if name not in unseen
    }


def _check(endpoints: Sequence[str], query: str) -> CoverageCheck:
    return passed("endpoints", query, f"all {len(endpoints)} seen", f"spans of {', '.join(endpoints)}")


def _query_of(name: str, endpoints: Iterable[str], version: str | None) -> str:
    return _query({(name, endpoint) for endpoint in endpoints}, version)


def _query(pairs: Collection[tuple[str, str]], version: str | None) -> str:
    routes = _either((_route_pattern(endpoint) for _, endpoint in pairs))
    named = _either((f"(?:[A-Z]+ )?{_route_pattern(endpoint)}" for _, endpoint in pairs))
    conditions = [f"(name =~ {promql_string(named)} || span.http.route =~ {promql_string(routes)})"]
    if version:
        conditions.append(f"resource.service.version = {promql_string(version)}")
    return span_query({name for name, _ in pairs}, conditions, _SELECT, LONGEST_PATTERN // 2)


def _either(patterns: Iterable[str]) -> str:
    """Return a pattern for any of ``patterns``, or for any route where that gets too long for an address."""
    pattern = anchored("|".join(sorted(set(patterns))))
    return pattern if len(quote_plus(pattern)) <= LONGEST_PATTERN // 4 else "/"


def _route_pattern(endpoint: str) -> str:
    """Return a pattern for the route however its parameters are written."""
    route = endpoint_key_of(endpoint).rpartition(" ")[2]
    return "[^/ ]+".join(re.escape(part) for part in route.split("{}")) + "/?"


def _keys(span: Span) -> set[str]:
    """Return the keys of the endpoint that a span is of, with its method and without."""
    keys = set()
    method, _, route = span.name.rpartition(" ")
    if route.startswith("/"):
        keys |= {endpoint_key(method, route), endpoint_key("", route)}
    if route := span.attributes.get("http.route", ""):
        methods = [span.attributes.get(name, "") for name in _METHODS]
        keys |= {endpoint_key(method, route) for method in ("", *methods)}
    return keys
