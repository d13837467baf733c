"""Dashboards, what their panels ask, and what became of them."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from release_watch.clock import Timestamp
from release_watch.verdict import Verdict

Kind = Literal["system-health", "performance", "slo", "business"]


class PanelQuery(NamedTuple):
    """One query of one panel."""

    panel: str
    query: str
    legend: str


class Dashboard(BaseModel):
    """A dashboard as Grafana takes it, and every query in it."""

    model_config = ConfigDict(frozen=True)

    uid: str = Field(max_length=40)
    title: str
    kind: Kind
    json_model: dict[str, Any] = Field(alias="json")
    queries: tuple[PanelQuery, ...]

    @property
    def path(self) -> str:
        """The address of the dashboard below Grafana's own."""
        return f"/d/{self.uid}"


class PanelResult(BaseModel):
    """What a panel's query gave when it was run. ``answered``: the server took it and gave samples."""

    model_config = ConfigDict(frozen=True)

    dashboard: str
    panel: str
    query: str
    answered: bool
    samples: int
    problem: str | None
    checked_at: Timestamp


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
