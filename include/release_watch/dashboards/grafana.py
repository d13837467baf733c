"""Dashboard JSON in Grafana's schema, built with its foundation SDK."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from release_watch.dashboards.panels import Panel, Row

DATASOURCE_VARIABLE = "datasource"
DEPLOYMENT_TAGS = ("release-watch", "deployment")
_HEIGHT, _SPAN = 8, 8
_IGNORED = ("id", "version", "schemaVersion")
"""What Grafana rewrites in a dashboard that it is given."""


def dashboard_json(uid: str, title: str, tags: Sequence[str], rows: Sequence[Row]) -> dict[str, Any]:
    """Return a dashboard with one row per ``Row``, deployments marked, its data source to be chosen."""
    from grafana_foundation_sdk.builders import dashboard as build
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import common

    deployments = (
        build.AnnotationQuery()
        .name("Deployments")
        .datasource(common.DataSourceRef(type_val="grafana", uid="-- Grafana --"))
        .enable(True)
        .icon_color("blue")
        .target(build.AnnotationTarget().limit(100).match_any(False).tags(list(DEPLOYMENT_TAGS)).type("tags"))
    )
    made = (
        build.Dashboard(title)
        .uid(uid)
        .tags(list(tags))
        .time("now-6h", "now")
        .timezone("utc")
        .refresh("1m")
        .with_variable(build.DatasourceVariable(DATASOURCE_VARIABLE).label("Prometheus").type("prometheus"))
        .annotation(deployments)
    )
    number = 0
    for row in rows:
        number += 1
        made = made.with_row(build.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            made = made.with_panel(_panel(panel, number))
    plain: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(made.build()))
    return plain


def same_dashboard(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether two dashboards are equal but for what Grafana rewrites."""
    return _canonical(one) == _canonical(other)


def _canonical(dashboard: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in dashboard.items() if key not in _IGNORED}, sort_keys=True)


def _panel(panel: Panel, number: int) -> Any:
    from grafana_foundation_sdk.builders import common as common_build
    from grafana_foundation_sdk.builders import prometheus, stat, timeseries
    from grafana_foundation_sdk.models import common

    source = common.DataSourceRef(type_val="prometheus", uid=f"${{{DATASOURCE_VARIABLE}}}")
    made = stat.Panel() if panel.single else timeseries.Panel()
    made = made.id(number).title(panel.title).description(panel.description).unit(panel.unit)
    made = made.datasource(source).height(_HEIGHT).span(_SPAN).thresholds(_thresholds(panel.limit))
    if not panel.single:
        made = made.legend(
            common_build.VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM)
        )
        style = (
            common.GraphThresholdsStyleMode.LINE
            if panel.limit is not None
            else common.GraphThresholdsStyleMode.OFF
        )
        made = made.thresholds_style(common_build.GraphThresholdsStyleConfig().mode(style))
    for index, query in enumerate(panel.queries):
        target = (
            prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(chr(ord("A") + index))
        )
        made = made.with_target(target.datasource(source))
    return made


def _thresholds(limit: float | None) -> Any:
    from grafana_foundation_sdk.builders import dashboard as build
    from grafana_foundation_sdk.models import dashboard as model

    steps = [model.Threshold(value=None, color="green")]
    if limit is not None:
        steps.append(model.Threshold(value=limit, color="red"))
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)
