"""What Grafana fills into a dashboard that is saved, which is the same as leaving it out.

The values are those of Grafana's panel editor and of its kinds of panels; what is not listed counts as said
on purpose.
"""

from __future__ import annotations

from typing import Any

Path = tuple[str, ...]

UNSEEN = frozenset(
    {
        "builderMode",
        "disableTextWrap",
        "editorMode",
        "fullMetaSearch",
        "includeNullMetadata",
        "pluginVersion",
        "useBackend",
    }
)
"""How the editor showed something; nobody who looks at the dashboard sees it."""

_ZERO_SAYS = frozenset({"axisSoftMax", "axisSoftMin", "decimals", "max", "min", "value"})
"""Here 0 is something else than nothing."""

_FILLED: dict[Path, Any] = {
    ("allowCustomValue",): True,
    ("auto_count",): 30,
    ("auto_min",): "10s",
    ("axisColorMode",): "text",
    ("axisPlacement",): "auto",
    ("barWidthFactor",): 0.6,
    ("colorMode",): "value",
    ("drawStyle",): "line",
    ("editable",): True,
    ("format",): "time_series",
    ("gradientMode",): "none",
    ("graphMode",): "area",
    ("intervalFactor",): 1,
    ("justifyMode",): "auto",
    ("legend", "displayMode"): "list",
    ("legend", "placement"): "bottom",
    ("legend", "showLegend"): True,
    ("legendFormat",): "__auto",
    ("lineInterpolation",): "linear",
    ("lineWidth",): 1,
    ("orientation",): "auto",
    ("percentChangeColorMode",): "standard",
    ("pointSize",): 5,
    ("range",): True,
    ("reduceOptions", "calcs"): "lastNotNull",
    ("repeatDirection",): "h",
    ("scaleDistribution", "type"): "linear",
    ("showPoints",): "auto",
    ("stacking", "group"): "A",
    ("stacking", "mode"): "none",
    ("style",): "dark",
    ("textMode",): "auto",
    ("thresholds", "mode"): "absolute",
    ("thresholds", "steps"): "green, red from 80",
    ("thresholdsStyle", "mode"): "off",
    ("timezone",): "browser",
    ("tooltip", "mode"): "single",
    ("tooltip", "sort"): "none",
    ("unit",): "none",
    ("wideLayout",): True,
}
_COLOURED_BY_SERIES = frozenset({"barchart", "candlestick", "histogram", "piechart", "timeseries", "trend"})


def says_nothing(path: Path, value: Any, kind: str = "") -> bool:
    """Return whether a value says no more than if it were left out; ``kind`` is the kind of the panel."""
    if value is None:
        return True
    if path[-2:] == ("color", "mode"):
        return bool(value == ("palette-classic" if kind in _COLOURED_BY_SERIES else "thresholds"))
    if path[:1] == ("templating",) and path[-1] == "refresh":
        return value in (0, 1)
    filled = _FILLED.get(path[-2:], _FILLED.get(path[-1:]))
    if filled is not None:
        return bool(value == filled) or value == ""
    return value in ("", False) and (value == "" or value is False or path[-1] not in _ZERO_SAYS)
