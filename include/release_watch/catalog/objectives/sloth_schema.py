"""Sloth's specification ``prometheus/v1``: github.com/slok/sloth, pkg/prometheus/api/v1.

Its form for Kubernetes, ``sloth.slok.dev/v1``, holds the same under ``spec``, in camelCase.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from release_watch.catalog.objectives.openslo_schema import Text
from release_watch.catalog.objectives.places import Documented

VERSION = "prometheus/v1"
API_VERSION = "sloth.slok.dev/v1"
KIND = "PrometheusServiceLevel"
WINDOW_DAYS = 30
"""Sloth's period unless its command line says otherwise."""

Texts = dict[str, Text] | None


class EventQueries(Documented):
    """Bad events and all."""

    error_query: Any = None
    total_query: Any = None


class RawQuery(Documented):
    """The share of bad events."""

    error_ratio_query: Any = None


class Indicator(Documented):
    """One of the three."""

    events: EventQueries | None = None
    raw: RawQuery | None = None
    plugin: Any = None


class Alert(Documented):
    """The page, or the ticket."""

    disable: bool = False
    labels: Texts = None
    annotations: Texts = None


class Alerting(Documented):
    """What both alerts have, and each of them."""

    name: Text | None = None
    labels: Texts = None
    annotations: Texts = None
    page_alert: Alert | None = None
    ticket_alert: Alert | None = None


class Objective(Documented):
    """One SLO; ``objective`` is in percent."""

    name: Text
    description: Text = ""
    objective: Decimal
    labels: Texts = None
    sli: Indicator
    alerting: Alerting | None = None
    plugins: Any = None


class Specification(Documented):
    """The SLOs of one service."""

    version: str = VERSION
    service: Text
    labels: Texts = None
    slo_plugins: Any = None
    slos: Annotated[list[Any], Field(min_length=1)]


class Manifest(Documented):
    """The form for Kubernetes."""

    api_version: str
    kind: str
    metadata: Any = None
    spec: dict[str, Any]
    status: Any = None
