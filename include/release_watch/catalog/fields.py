"""The fields of a service, each checked where it is read, with what to write instead."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from release_watch.catalog.nearest import Known
from release_watch.catalog.selectors import METRIC_NAME, joined, parse_matchers, parse_selector
from release_watch.identifiers import invalid_identifier, is_identifier

METHODS = Known(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"))

_METRIC = re.compile(METRIC_NAME)
_ENDPOINT = re.compile(r"(?P<method>\S+) (?P<route>/[^\s?#]*)")
_PARAMETER = re.compile(r"\{[^}/]*\}|<[^>/]*>|:[A-Za-z_]\w*")
_PATH = re.compile(r"(?!/)(?!.*(?:^|/)\.\.(?:/|$))[^\s\\:?*\"<>|\x00-\x1f]+")


def endpoint_shape(endpoint: str) -> str:
    """Return an endpoint so that ``/orders/{id}/``, ``/orders/:id`` and ``/orders/<id>`` are the same."""
    return _PARAMETER.sub("{}", endpoint.strip()).rstrip("/")


def _identifier(value: str) -> str:
    if not is_identifier(value):
        raise ValueError(invalid_identifier("name", value))
    return value


def _selector(value: str) -> str:
    return joined(parse_selector(value))


def _stream(value: str) -> str:
    return "{" + joined(parse_selector(value)) + "}"


def _some_matchers(value: str) -> str:
    return joined(parse_matchers(value))


def _metric(value: str) -> str:
    if not _METRIC.fullmatch(value):
        raise ValueError("is no bare metric name such as jobs_processed_total; matchers go into selector")
    return value


def _expression(value: str) -> str:
    import promql_parser  # a compiled library; a DAG file that reads no business metric does without

    try:
        tree = promql_parser.parse(value)
    except ValueError as error:
        raise ValueError(f"is no complete PromQL expression: {error}; try it in Prometheus") from None
    if isinstance(tree, promql_parser.MatrixSelector | promql_parser.StringLiteral):
        raise ValueError("gives no number; put a function such as rate() around the range")
    return value.strip()


def _endpoint(value: str) -> str:
    found = _ENDPOINT.fullmatch(value)
    if not found:
        raise ValueError("is not METHOD /route; write it as in GET /orders/{id}, without host and query")
    if found["method"] not in METHODS:
        raise ValueError(f"begins with no HTTP method{METHODS.hint(found['method'].upper())}")
    return value


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one line of plain signs; it is shown in logs and terminals")
    return value


def _runbook(value: str) -> str:
    if "://" not in value:
        if not _PATH.fullmatch(value):
            raise ValueError("must be an http(s) address, or a path below the folder of the runbooks")
        return value
    address = urlsplit(value)  # raises ValueError itself for a broken host
    if address.scheme not in ("http", "https") or not address.hostname or re.search(r"\s", value):
        raise ValueError("must be an http(s) address, or a path below the folder of the runbooks")
    if address.username is not None:
        raise ValueError("holds credentials; this file is no place for them")
    return value


Name = Annotated[str, AfterValidator(_identifier)]
Matchers = Annotated[str, Field(max_length=1000), AfterValidator(_selector)]
Stream = Annotated[str, Field(max_length=1000), AfterValidator(_stream)]
SomeMatchers = Annotated[str, Field(max_length=1000), AfterValidator(_some_matchers)]
MetricName = Annotated[str, Field(max_length=200), AfterValidator(_metric)]
Expression = Annotated[str, Field(max_length=4000), AfterValidator(_expression)]
Endpoint = Annotated[str, Field(max_length=500), AfterValidator(_endpoint)]
OneLine = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
Runbook = Annotated[str, Field(max_length=1000), AfterValidator(_runbook)]
