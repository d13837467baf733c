"""Dashboard JSON in Grafana's schema, built with its foundation SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from release_watch.dashboards.connections import variable
from release_watch.dashboards.grafana_panels import about_panel, marks_query, panel_of, source_of
from release_watch.dashboards.models import Mark, Panel, Row

DEPLOYMENT_TAGS = ("release-watch", "deployment")
OPEN_ROWS = 4
"""Rows that are open at first; Grafana asks nothing for those that are not."""
_ABOUT_HEIGHT, _STAT_HEIGHT, _HEIGHT = 6, 4, 8
_WIDTH, _STATS, _CHARTS = 24, 6, 3
"""Of the grid: its columns, and how many panels stand side by side."""
_IGNORED = ("id", "version", "schemaVersion")
"""What Grafana rewrites in a dashboard that it is given."""


class Sheet(NamedTuple):
    """What a dashboard says of itself.

    ``family`` is the tag that it shares with the others of its release, ``about`` Markdown for its head,
    ``links`` addresses by title, ``environment`` whose deployments are marked.
    """

    uid: str
    title: str
    description: str
    tags: tuple[str, ...]
    family: str
    about: str
    environment: str
    links: Mapping[str, str]


def dashboard_json(sheet: Sheet, rows: Sequence[Row], marks: Sequence[Mark] = ()) -> dict[str, Any]:
    """Return a dashboard: what it is about, then the rows; data sources are chosen by variables."""
    from grafana_foundation_sdk.builders import dashboard as build
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import dashboard as model

    made = (
        build.Dashboard(sheet.title)
        .uid(sheet.uid)
        .description(sheet.description)
        .tags([*sheet.tags, sheet.family])
        .time("now-6h", "now")
        .timezone("utc")
        .refresh("1m")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .annotation(_deployments(sheet.environment))
        .link(_siblings(sheet.family))
    )
    for connection in sorted({"", *(panel.connection for row in rows for panel in row.panels)}):
        chosen = build.DatasourceVariable(variable(connection)).type("prometheus")
        made = made.with_variable(chosen.label(connection or "Prometheus"))
    for mark in marks:
        made = made.annotation(marks_query(mark))
    for title, url in sheet.links.items():
        made = made.link(_link(title, url))
    made = made.with_panel(
        about_panel(sheet.about).id(1).grid_pos(model.GridPos(h=_ABOUT_HEIGHT, w=_WIDTH, x=0, y=0))
    )
    for placed in _placed(rows):
        made = placed.put(made)
    plain: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(made.build()))
    for shown in (*plain["links"], *plain["annotations"]["list"]):
        shown.pop("placement", None)  # the SDK knows only the place in a menu, where nobody sees them
    return plain


def canonical(dashboard: Mapping[str, Any]) -> str:
    """Return a dashboard as one canonical JSON text, without what Grafana rewrites."""
    return json.dumps({key: value for key, value in dashboard.items() if key not in _IGNORED}, sort_keys=True)


def fingerprint(dashboard: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON of a dashboard, in hexadecimal."""
    return sha256(canonical(dashboard).encode()).hexdigest()


def same_dashboard(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two dashboards are equal but for what Grafana rewrites."""
    return canonical(one) == canonical(other)


class _Spot(NamedTuple):
    panel: Panel
    number: int
    x: int
    y: int
    width: int
    height: int

    def build(self) -> Any:
        from grafana_foundation_sdk.models.dashboard import GridPos

        place = GridPos(h=self.height, w=self.width, x=self.x, y=self.y)
        return panel_of(self.panel).id(self.number).grid_pos(place)


class _PlacedRow(NamedTuple):
    title: str
    number: int
    y: int
    spots: tuple[_Spot, ...]
    folded: bool

    def put(self, made: Any) -> Any:
        from grafana_foundation_sdk.builders import dashboard as build
        from grafana_foundation_sdk.models.dashboard import GridPos

        place = GridPos(h=1, w=_WIDTH, x=0, y=self.y)
        row = build.Row(self.title).id(self.number).grid_pos(place).collapsed(self.folded)
        if self.folded:
            for spot in self.spots:
                row = row.with_panel(spot.build())
            return made.with_row(row)
        made = made.with_row(row)
        for spot in self.spots:
            made = made.with_panel(spot.build())
        return made


def _placed(rows: Sequence[Row]) -> Iterator[_PlacedRow]:
    y, number = _ABOUT_HEIGHT, 1
    for index, row in enumerate(rows):
        folded = len(rows) > OPEN_ROWS and index >= OPEN_ROWS
        spots = tuple(_spots(row.panels, y + 1, number + 2))
        yield _PlacedRow(row.title, number + 1, y, spots, folded)
        number += 1 + len(spots)
        y = y + 1 if folded else max((spot.y + spot.height for spot in spots), default=y + 1)


def _spots(panels: Sequence[Panel], y: int, number: int) -> Iterator[_Spot]:
    """Yield where the panels stand: numbers first in a narrow line, lines of charts below."""
    for is_single, most, height in ((True, _STATS, _STAT_HEIGHT), (False, _CHARTS, _HEIGHT)):
        alike = [panel for panel in panels if panel.single is is_single]
        per_line = min(most, len(alike)) or 1
        width = _WIDTH // per_line
        for index, panel in enumerate(alike):
            x, line = index % per_line * width, index // per_line
            yield _Spot(panel, number, x, y + line * height, width, height)
            number += 1
        y += -(-len(alike) // per_line) * height


def _deployments(environment: str) -> Any:
    from grafana_foundation_sdk.builders import dashboard as build

    tags = [*DEPLOYMENT_TAGS, environment]
    target = build.AnnotationTarget().limit(100).match_any(False).tags(tags).type("tags")
    query = build.AnnotationQuery().name("Deployments").enable(True).icon_color("blue").target(target)
    return query.datasource(source_of("grafana", "-- Grafana --"))


def _siblings(family: str) -> Any:
    from grafana_foundation_sdk.builders import dashboard as build
    from grafana_foundation_sdk.models.dashboard import DashboardLinkType

    link = build.DashboardLink("Dashboards of this release").type(DashboardLinkType.DASHBOARDS)
    return link.tags([family]).as_dropdown(False).keep_time(True).include_vars(True).tooltip("").url("")


def _link(title: str, url: str) -> Any:
    from grafana_foundation_sdk.builders import dashboard as build
    from grafana_foundation_sdk.models.dashboard import DashboardLinkType

    link = build.DashboardLink(title).type(DashboardLinkType.LINK).url(url).tooltip(title)
    return link.icon("external link").target_blank(True)
