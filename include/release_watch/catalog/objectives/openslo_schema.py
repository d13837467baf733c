"""The kinds of OpenSLO v1, as far as they are used: github.com/OpenSLO/OpenSLO, README of v1."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from release_watch.catalog.objectives.places import AsText, Documented

API_VERSION = "openslo/v1"

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NO_NAME = (
    "must be lower-case letters, digits and '-', beginning and ending without '-', at most 63 (RFC 1123)"
)


def valid_name(value: str) -> str:
    """Return a name as it is.

    Raises:
        ValueError: if it does not follow RFC 1123.
    """
    if not _NAME.fullmatch(value):
        raise ValueError(_NO_NAME)
    return value


Name = Annotated[str, AfterValidator(valid_name)]
Text = Annotated[str, AsText]
Description = Annotated[str | None, Field(max_length=1050)]
Operator = Literal["lte", "gte", "lt", "gt"]


class Metadata(Documented):
    """What every document begins with; a label may have several values."""

    name: Name
    display_name: Text | None = None
    labels: dict[str, Text | list[Text]] | None = None
    annotations: dict[str, Text] | None = None


class MetricSource(Documented):
    """Where a query is asked; ``spec`` holds the query."""

    metric_source_ref: str | None = None
    type: str | None = None
    spec: dict[str, Any]


class Metric(Documented):
    """A query."""

    metric_source: MetricSource


class RatioMetric(Documented):
    """Good or bad events of all, or a ratio that something else has computed."""

    counter: bool | None = None
    good: Metric | None = None
    bad: Metric | None = None
    total: Metric | None = None
    raw: Metric | None = None
    raw_type: Literal["success", "failure"] | None = None


class IndicatorSpec(Documented):
    """What is measured: one of the two."""

    description: Description = None
    threshold_metric: Metric | None = None
    ratio_metric: RatioMetric | None = None


class TimeWindow(Documented):
    """The period of the error budget."""

    duration: Text
    is_rolling: bool | None = None
    calendar: Any = None


class Objective(Documented):
    """How much of it must be good; ``op`` and ``value`` say what is good of a threshold metric."""

    display_name: Text | None = None
    op: Operator | None = None
    value: Decimal | None = None
    target: Decimal | None = None
    target_percent: Decimal | None = None
    time_slice_target: Decimal | None = None
    time_slice_window: Text | None = None
    indicator: Any = None
    indicator_ref: Any = None
    composite_weight: Any = None


class SloSpec(Documented):
    """An SLO; each part that is ``Any`` is read by itself, so that one mistake does not hide another."""

    description: Description = None
    service: str
    indicator: dict[str, Any] | None = None
    indicator_ref: str | None = None
    time_window: Annotated[list[Any] | None, Field(max_length=1)] = None
    budgeting_method: Any = None
    objectives: Annotated[list[Any], Field(min_length=1)]
    alert_policies: list[dict[str, Any]] | None = None


class Condition(Documented):
    """A burn rate that somebody wants to hear of."""

    kind: Literal["burnrate"] = "burnrate"
    op: Operator
    threshold: Decimal
    lookback_window: Text
    alert_after: Text | None = None


class ConditionSpec(Documented):
    """How grave a condition is."""

    description: Description = None
    severity: str
    condition: Condition


class PolicySpec(Documented):
    """When to tell whom; conditions and targets are written inside or referred to."""

    description: Description = None
    alert_when_no_data: bool | None = None
    alert_when_resolved: bool | None = None
    alert_when_breaching: bool | None = None
    conditions: list[dict[str, Any]]
    notification_targets: list[dict[str, Any]] | None = None


class TargetSpec(Documented):
    """Who is told."""

    description: Description = None
    target: str


class DataSourceSpec(Documented):
    """A server of metrics. How to reach it is said by an Airflow connection."""

    description: Description = None
    type: str
    connection_details: Any = None


class ServiceSpec(Documented):
    """A service; services.yaml says everything about it."""

    description: Description = None


class Envelope(Documented):
    """What every document has, and every object that is written inside of another may have."""

    api_version: str = API_VERSION
    kind: str = ""
    metadata: Metadata | None = None
    spec: Any = None


KINDS: dict[str, type[Documented]] = {
    "SLO": SloSpec,
    "SLI": IndicatorSpec,
    "AlertPolicy": PolicySpec,
    "AlertCondition": ConditionSpec,
    "AlertNotificationTarget": TargetSpec,
    "DataSource": DataSourceSpec,
    "Service": ServiceSpec,
}
