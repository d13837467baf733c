"""The names under which services really expose request rate, errors and duration."""

from __future__ import annotations

import re
from typing import NamedTuple


class Convention(NamedTuple):
    """One way to expose requests: the counter, and the labels of route, method and status."""

    counter: str
    route: tuple[str, ...]
    method: str


CONVENTIONS = (
    Convention("http_server_request_duration_seconds_count", ("http_route",), "http_request_method"),
    Convention("http_server_duration_milliseconds_count", ("http_route",), "http_method"),
    Convention("http_requests_total", ("route", "handler", "path", "endpoint"), "method"),
    Convention("http_request_duration_seconds_count", ("route", "handler", "path", "endpoint"), "method"),
)
"""OpenTelemetry, OpenTelemetry before 1.23, and the two usual Prometheus client names."""

VERSION_LABELS = ("version", "service_version")

_PARAMETER = re.compile(r"\{[^}/]*\}|<[^>/]*>|:[A-Za-z_]\w*")


def endpoint_key(method: str, route: str) -> str:
    """Return an endpoint so that ``/orders/{id}/``, ``/orders/:id`` and ``/orders/<id>`` are the same."""
    plain = _PARAMETER.sub("{}", route.strip()).rstrip("/") or "/"
    return f"{method.strip().upper()} {plain}".strip()


def endpoint_key_of(text: str) -> str:
    """Return the key of an endpoint written ``METHOD /route``, or ``/route`` where any method will do."""
    method, _, route = text.strip().rpartition(" ")
    return endpoint_key(method, route)
