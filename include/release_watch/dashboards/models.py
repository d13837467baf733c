"""Dashboards, what their panels ask, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from release_watch.clock import Timestamp
from release_watch.verdict import Verdict

Kind = Literal["system-health", "performance", "slo", "business"]
Level = Literal["warning", "critical"]


class Query(NamedTuple):
    """PromQL and the name of its line; ``{{label}}`` in it is filled in by Grafana.

    ``role``: a line, or an edge of the band in which the values are normal.
    """

    expr: str
    legend: str
    role: Literal["line", "low", "high"] = "line"


class Limit(NamedTuple):
    """A value drawn as a line that should not be crossed; ``origin`` says in words where it comes from."""

    value: float
    level: Level
    origin: str


class Panel(NamedTuple):
    """One panel.

    ``unit`` is Grafana's id of a unit, ``worse`` the side of the limits that is bad, ``single`` whether the
    newest values are shown instead of lines. ``wall`` panels are also in the picture. ``connection`` names
    the Airflow connection of the server that is asked; empty for that of the environment. ``told`` are words
    for values that mean something.
    """

    title: str
    unit: str
    queries: tuple[Query, ...]
    description: str
    limits: tuple[Limit, ...] = ()
    worse: Literal["up", "down"] = "up"
    single: bool = False
    wall: bool = False
    connection: str = ""
    told: tuple[tuple[float, str], ...] = ()


class Row(NamedTuple):
    """Panels under one heading; ``service`` is empty where they belong to no single one."""

    title: str
    panels: tuple[Panel, ...]
    service: str = ""


class Mark(NamedTuple):
    """An event of the telemetry that is marked in all panels of a dashboard.

    ``value_is_time``: the value of ``expr`` is its moment in milliseconds; else it is there while ``expr``
    has samples. ``proof`` is the query that has samples if the mark can ever be seen.
    """

    name: str
    expr: str
    title: str
    proof: str
    value_is_time: bool = False


class PanelQuery(NamedTuple):
    """One query of one panel."""

    panel: str
    query: str
    legend: str
    connection: str = ""


class Dashboard(BaseModel):
    """A dashboard as Grafana takes it, every query in it, and what was deployed when."""

    model_config = ConfigDict(frozen=True)

    uid: str = Field(max_length=40)
    title: str
    kind: Kind
    json_model: dict[str, Any] = Field(alias="json", repr=False)
    queries: tuple[PanelQuery, ...]
    rows: tuple[Row, ...] = Field((), repr=False)
    marks: tuple[Mark, ...] = ()
    environment: str = ""
    version: str = ""
    deployed_at: datetime | None = None

    @property
    def path(self) -> str:
        """The address of the dashboard below Grafana's own."""
        return f"/d/{self.uid}"

    @property
    def limits(self) -> Iterator[tuple[Panel, Limit]]:
        """Every limit that a panel shows, with its panel."""
        return ((panel, limit) for row in self.rows for panel in row.panels for limit in panel.limits)


PanelState = Literal["answered", "quiet", "missing", "refused"]


class PanelResult(BaseModel):
    """What a panel's query gave when it was run.

    ``answered``: the server took it and gave samples. ``state`` tells more: ``quiet`` means that all series
    are there and nothing has happened that it could show, ``missing`` that series do not exist, ``refused``
    that the server does not take the query. ``problem`` says why there is no answer, ``remedy`` what to do.
    """

    model_config = ConfigDict(frozen=True)

    dashboard: str
    panel: str
    query: str
    legend: str = ""
    answered: bool
    samples: int
    problem: str | None
    state: PanelState | None = None
    remedy: str | None = None
    checked_at: Timestamp

    @property
    def verdict(self) -> Verdict:
        """GO where it answered, WARN where there is nothing to show yet, else NO_GO."""
        if self.answered:
            return Verdict.GO
        return Verdict.WARN if self.state == "quiet" else Verdict.NO_GO


class DashboardActivation(BaseModel):
    """Where a dashboard is now. ``activated``: Grafana was asked and showed it back unchanged."""

    model_config = ConfigDict(frozen=True)

    uid: str
    title: str
    activated: bool
    url: str | None = None
    file: str | None = None
    verdict: Verdict
    reason: str
