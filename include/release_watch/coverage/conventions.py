"""The names under which services really expose request rate, errors and duration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from release_watch.catalog.selectors import Matcher, joined, parse_matchers

_OTEL_BUCKETS = "keep the default buckets of the OpenTelemetry SDK: no view may drop or empty them"
_CLIENT_BUCKETS = "observe durations with a Histogram of the Prometheus client library, not with a Summary"
_SPRING_BUCKETS = "set management.metrics.distribution.percentiles-histogram.http.server.requests=true"
_PATHS = ("route", "handler", "path", "endpoint", "uri")
_HTTP_STATUS = ("code", "status", "status_code")

_GRPC_FAILED = "2|4|12|13|14|15"
_GRPC_FAILED_NAMES = (
    "UNKNOWN|DEADLINE_EXCEEDED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS"
    "|Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss"
)
"""What counts as the server's error: OpenTelemetry semantic conventions for gRPC, server spans."""


@dataclass(frozen=True)
class Convention:
    """One way to expose requests.

    ``counter`` counts them, ``latency`` is the histogram of their durations without ``_bucket`` (None where
    there is none). ``succeeded`` and ``failed`` are alternatives: matchers of the series that count requests
    of that outcome; ``status`` says in words what tells them apart. ``route`` and ``method`` are the labels
    of the endpoint, ``route`` alternatives that may each be several labels that make it together; ``verb`` is
    the method where no label names it. ``buckets_remedy`` is how its users get buckets. ``native`` means a
    native histogram, whose series are counter and buckets at once.
    """

    counter: str
    latency: str | None
    succeeded: tuple[str, ...]
    failed: tuple[str, ...]
    status: str
    route: tuple[tuple[str, ...], ...] = ()
    method: str = ""
    verb: str = ""
    buckets_remedy: str = _CLIENT_BUCKETS
    native: bool = False

    @property
    def endpoint_labels(self) -> tuple[str, ...]:
        """The labels that name an endpoint."""
        routes = (label for alternative in self.route for label in alternative)
        return tuple(dict.fromkeys((*routes, *filter(None, (self.method,)))))

    def endpoints(self, labels: Mapping[str, str]) -> Iterator[str]:
        """Yield the keys of the endpoint that a series counts: with its method, and without."""
        for alternative in self.route:
            parts = [labels.get(label, "") for label in alternative]
            if all(parts):
                route = f"/{'/'.join(parts)}" if self.verb else parts[0]
                yield endpoint_key(labels.get(self.method, self.verb), route)
                yield endpoint_key("", route)


def _http_status(labels: Iterable[str], statuses: str) -> tuple[str, ...]:
    return tuple(f'{label}=~"{statuses}"' for label in labels)


def _http(
    counter: str, latency: str, labels: tuple[str, ...], *, route: tuple[str, ...], method: str, buckets: str
) -> Convention:
    return Convention(
        counter=counter,
        latency=latency,
        succeeded=_http_status(labels, "[1-4].."),
        failed=_http_status(labels, "5.."),
        status=f"an HTTP status in the label {' or '.join(labels)}",
        route=tuple((label,) for label in route),
        method=method,
        buckets_remedy=buckets,
    )


def _grpc(
    counter: str,
    latency: str,
    label: str,
    failed: str,
    *,
    route: tuple[str, ...],
    buckets: str = _OTEL_BUCKETS,
) -> Convention:
    return Convention(
        counter=counter,
        latency=latency,
        succeeded=(f'{label}!="",{label}!~"{failed}"',),
        failed=(f'{label}=~"{failed}"',),
        status=f"a gRPC status in the label {label}",
        route=(route,),
        verb="POST",
        buckets_remedy=buckets,
    )


_CLASSIC = (
    # OpenTelemetry; ASP.NET Core 8 too. Without a response there is an error.type and no status.
    replace(
        _http(
            "http_server_request_duration_seconds_count",
            "http_server_request_duration_seconds",
            ("http_response_status_code",),
            route=("http_route",),
            method="http_request_method",
            buckets=_OTEL_BUCKETS,
        ),
        failed=('http_response_status_code=~"5.."', 'http_response_status_code="",error_type!=""'),
    ),
    # OpenTelemetry before 1.23.
    _http(
        "http_server_duration_milliseconds_count",
        "http_server_duration_milliseconds",
        ("http_status_code",),
        route=("http_route", "http_target"),
        method="http_method",
        buckets=_OTEL_BUCKETS,
    ),
    # Micrometer: Spring Boot, Quarkus.
    _http(
        "http_server_requests_seconds_count",
        "http_server_requests_seconds",
        ("status",),
        route=("uri",),
        method="method",
        buckets=_SPRING_BUCKETS,
    ),
    # Prometheus client libraries; the histogram first, since it counts the same requests.
    _http(
        "http_request_duration_seconds_count",
        "http_request_duration_seconds",
        _HTTP_STATUS,
        route=_PATHS,
        method="method",
        buckets=_CLIENT_BUCKETS,
    ),
    _http(
        "http_requests_total",
        "http_request_duration_seconds",
        _HTTP_STATUS,
        route=_PATHS,
        method="method",
        buckets=_CLIENT_BUCKETS,
    ),
    # OpenTelemetry RPC, and before 1.39.
    _grpc(
        "rpc_server_call_duration_seconds_count",
        "rpc_server_call_duration_seconds",
        "rpc_response_status_code",
        f"{_GRPC_FAILED}|{_GRPC_FAILED_NAMES}",
        route=("rpc_method",),
    ),
    _grpc(
        "rpc_server_duration_milliseconds_count",
        "rpc_server_duration_milliseconds",
        "rpc_grpc_status_code",
        _GRPC_FAILED,
        route=("rpc_service", "rpc_method"),
    ),
    # go-grpc-prometheus, java-grpc-prometheus and their like.
    _grpc(
        "grpc_server_handled_total",
        "grpc_server_handling_seconds",
        "grpc_code",
        _GRPC_FAILED_NAMES,
        route=("grpc_service", "grpc_method"),
        buckets="turn the handling-time histogram of the gRPC interceptor on (EnableHandlingTimeHistogram)",
    ),
    # OpenTelemetry messaging consumers: only what failed has an error.type.
    Convention(
        counter="messaging_process_duration_seconds_count",
        latency="messaging_process_duration_seconds",
        succeeded=('error_type=""',),
        failed=('error_type!=""',),
        status="error_type on what failed, and only there",
        route=(("messaging_destination_name",), ("messaging_destination_template",)),
        method="messaging_operation_name",
        buckets_remedy=_OTEL_BUCKETS,
    ),
)


def _as_native(convention: Convention) -> Iterator[Convention]:
    if convention.latency and convention.counter == f"{convention.latency}_count":
        yield replace(convention, counter=convention.latency, native=True)


CONVENTIONS = (*_CLASSIC, *(native for classic in _CLASSIC for native in _as_native(classic)))
"""In order of precedence: of a service that exposes several, the first with fresh samples is taken, never two
together, since they count the same requests. Each with a histogram is there once more as a native one.

Sources: OpenTelemetry semantic conventions for HTTP, RPC and messaging metrics; the documentation of
Micrometer, of the Prometheus client libraries, and of the gRPC ecosystem's interceptors.
"""

VERSION_LABELS = ("version", "service_version")

_PARAMETER = re.compile(r"\{[^}/]*\}|<[^>/]*>|:[A-Za-z_]\w*")


def own_convention(counter: str, errors: str | None) -> Convention:
    """Return the convention of a service that names its own counter, and the matchers of its errors.

    Without these, an HTTP status is looked for in the usual labels. There is a histogram where the counter is
    that of one (``..._count``).
    """
    detected = next((known for known in _CLASSIC if known.counter == counter), None)
    usual = detected or _http(
        counter,
        "",
        (*_HTTP_STATUS, "http_response_status_code"),
        route=_PATHS,
        method="method",
        buckets=_CLIENT_BUCKETS,
    )
    latency = counter.removesuffix("_count") if counter.endswith("_count") else None
    own = replace(usual, latency=usual.latency or latency)
    if errors is None:
        return own
    matchers = parse_matchers(errors)
    return replace(
        own,
        succeeded=tuple(_unlike(matcher) for matcher in matchers),
        failed=(joined(matchers),),
        status=f"errors that match {joined(matchers)}, and other values of that label on the rest",
    )


_OPPOSITE = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}


def _unlike(matcher: Matcher) -> str:
    """Return the matchers of what has the label, if ``matcher`` asks for one, but does not match it."""
    unlike = str(matcher._replace(operator=_OPPOSITE[matcher.operator]))
    return f'{matcher.label}!="",{unlike}' if matcher.operator in ("=", "=~") else unlike


def endpoint_key(method: str, route: str) -> str:
    """Return an endpoint so that ``/orders/{id}/``, ``/orders/:id`` and ``/orders/<id>`` are the same."""
    plain = _PARAMETER.sub("{}", route.strip()).rstrip("/") or "/"
    return f"{method.strip().upper()} {plain}".strip()


def endpoint_key_of(text: str) -> str:
    """Return the key of an endpoint written ``METHOD /route``, or ``/route`` where any method will do."""
    method, _, route = text.strip().rpartition(" ")
    return endpoint_key(method, route)
