"""Panels and marks in Grafana's schema."""

from __future__ import annotations

from typing import Any

from release_watch.dashboards.connections import variable
from release_watch.dashboards.models import Mark, Panel

_COLOURS = {"warning": "orange", "critical": "red"}
_GOOD = "green"
_BAND = {"low": "baseline low", "high": "baseline high"}


def panel_of(panel: Panel) -> Any:
    """Return the builder of a panel: numbers for a single one, else lines with a band and limits."""
    made = _stat() if panel.single else _lines(panel)
    made = made.title(panel.title).description(_description(panel)).unit(panel.unit).no_value("no data")
    made = made.datasource(prometheus(panel.connection)).thresholds(_thresholds(panel))
    if panel.told:
        made = made.mappings([_words(panel)])
    for target in _targets(panel):
        made = made.with_target(target)
    return made


def about_panel(text: str) -> Any:
    """Return the builder of a panel that shows Markdown."""
    from grafana_foundation_sdk.builders import text as build
    from grafana_foundation_sdk.models.text import TextMode

    return build.Panel().title("About").mode(TextMode.MARKDOWN).content(text).transparent(True)


def marks_query(mark: Mark) -> Any:
    """Return the builder of an annotation query that asks the environment's Prometheus."""
    from grafana_foundation_sdk.builders import dashboard as build

    query = build.AnnotationQuery().name(mark.name).datasource(prometheus("")).enable(True)
    query = query.icon_color("purple").expr(mark.expr).step("60s").title_format(mark.title).tag_keys("job")
    return query.use_value_for_time(mark.value_is_time)


def prometheus(connection: str) -> Any:
    """Return the data source that the variable of a connection chooses."""
    return source_of("prometheus", f"${{{variable(connection)}}}")


def source_of(kind: str, uid: str) -> Any:
    """Return a reference to a data source."""
    from grafana_foundation_sdk.models import common

    return common.DataSourceRef(type_val=kind, uid=uid)


def _stat() -> Any:
    from grafana_foundation_sdk.builders import common as build
    from grafana_foundation_sdk.builders import stat
    from grafana_foundation_sdk.models import common

    newest = build.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
    made = stat.Panel().reduce_options(newest).graph_mode(common.BigValueGraphMode.AREA)
    return made.color_mode(common.BigValueColorMode.VALUE).text_mode(common.BigValueTextMode.VALUE_AND_NAME)


def _lines(panel: Panel) -> Any:
    from grafana_foundation_sdk.builders import common as build
    from grafana_foundation_sdk.builders import timeseries
    from grafana_foundation_sdk.models import common
    from grafana_foundation_sdk.models.dashboard import DynamicConfigValue as Setting

    legend = build.VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM)
    legend = legend.display_mode(common.LegendDisplayMode.TABLE).calcs(["lastNotNull", "max"])
    tooltip = build.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI)
    tooltip = tooltip.sort(common.SortOrder.DESCENDING)
    mode = common.GraphThresholdsStyleMode
    style = mode.DASHED if panel.limits else mode.OFF
    made = timeseries.Panel().legend(legend).tooltip(tooltip).line_width(2).show_points(_points())
    made = made.thresholds_style(build.GraphThresholdsStyleConfig().mode(style))
    if any(query.role == "high" for query in panel.queries):
        plain = [
            Setting("color", {"mode": "fixed", "fixedColor": "gray"}),
            Setting("custom.lineWidth", 0),
            Setting("custom.hideFrom", {"legend": True, "tooltip": False, "viz": False}),
        ]
        filled = [Setting("custom.fillBelowTo", _BAND["low"]), Setting("custom.fillOpacity", 20)]
        made = made.override_by_name(_BAND["low"], plain)
        made = made.override_by_name(_BAND["high"], [*plain, *filled])
    return made


def _points() -> Any:
    from grafana_foundation_sdk.models import common

    return common.VisibilityMode.AUTO  # a line of one sample would not be seen


def _targets(panel: Panel) -> list[Any]:
    from grafana_foundation_sdk.builders import prometheus as build

    return [
        build.Dataquery()
        .expr(query.expr)
        .legend_format(query.legend)
        .ref_id(_ref_id(index))
        .datasource(prometheus(panel.connection))
        for index, query in enumerate(panel.queries)
    ]


def _words(panel: Panel) -> Any:
    from grafana_foundation_sdk.models import dashboard as model

    options = {f"{value:g}": model.ValueMappingResult(text=words) for value, words in panel.told}
    return model.ValueMap(options=options)


def _ref_id(index: int) -> str:
    more, last = divmod(index, 26)
    return (_ref_id(more - 1) if more else "") + chr(ord("A") + last)


def _description(panel: Panel) -> str:
    limits = "".join(f" {limit.level.capitalize()}: {limit.origin}." for limit in panel.limits)
    return panel.description + limits


def _thresholds(panel: Panel) -> Any:
    from grafana_foundation_sdk.builders import dashboard as build
    from grafana_foundation_sdk.models import dashboard as model

    limits = sorted(panel.limits, key=lambda limit: limit.value)
    colours = [_COLOURS[limit.level] for limit in limits]
    # A step colours what is above it: where low values are worse, the lowest limit colours what is below.
    stepped = [_GOOD, *colours] if panel.worse == "up" else [*colours, _GOOD]
    values = [None, *(limit.value for limit in limits)]
    steps = [
        model.Threshold(value=value, color=colour) for value, colour in zip(values, stepped, strict=True)
    ]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)
