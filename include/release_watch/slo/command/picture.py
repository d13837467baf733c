"""The error budget over time at several shares of errors, and when which alert notices."""

from __future__ import annotations

import io
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from release_watch.errors import InvalidInputError
from release_watch.slo.command.explained import Explained, in_short
from release_watch.slo.windows import Severity, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 12
"""Panels; SLOs with the same target, period and alerts share one."""

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9")
"""Told apart by eyes that see no red or no green; taken in turn."""
_INK, _GRID = "#1a1a1a", "#dddddd"
_MARKS: tuple[tuple[Severity, str], ...] = (("page", "o"), ("ticket", "^"))
_TICKS = {
    10: "10 s",
    60: "1 min",
    600: "10 min",
    3600: "1 h",
    21600: "6 h",
    86400: "1 d",
    3 * 86400: "3 d",
    7 * 86400: "7 d",
    30 * 86400: "30 d",
    90 * 86400: "90 d",
}
_POINTS = 400
_WIDTH, _HEIGHT, _DPI = 11.0, 3.9, 110
_LONGEST_TITLE = 100


def budget_png(found: Sequence[Explained]) -> bytes:
    """Return the picture as PNG, the same bytes for the same SLOs: a panel for each kind of SLO.

    Raises:
        InvalidInputError: if that would be more than :data:`MOST` panels.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    panels = _panels(found)
    if len(panels) > MOST:
        raise InvalidInputError(
            [f"--picture: {len(panels)} kinds of SLOs: {MOST} can be drawn at most; name fewer files"]
        )
    with rc_context({"font.family": "DejaVu Sans", "font.size": 9, "text.parse_math": False}):
        figure = Figure(
            figsize=(_WIDTH, _HEIGHT * len(panels)), dpi=_DPI, layout=ConstrainedLayoutEngine(hspace=0.08)
        )
        canvas: Any = FigureCanvasAgg(figure)
        for number, alike in enumerate(panels, start=1):
            _draw(figure.add_subplot(len(panels), 1, number), alike)
        written = io.BytesIO()
        canvas.print_png(written, metadata={"Software": None})
    return written.getvalue()


def _panels(found: Sequence[Explained]) -> list[list[Explained]]:
    alike: dict[object, list[Explained]] = {}
    for one in found:
        key = (one.slo.objective, one.slo.window_days, one.slo.page, one.slo.ticket)
        alike.setdefault(key, []).append(one)
    return list(alike.values())


def _draw(axes: Axes, alike: Sequence[Explained]) -> None:
    one = alike[0]
    for number, level in enumerate(one.errors):
        _draw_level(axes, one, number, level, _COLOURS[number % len(_COLOURS)])
    _draw_axes(axes, one)
    names = ", ".join(each.slo.name for each in alike)
    names = names if len(names) <= _LONGEST_TITLE else f"{names[:_LONGEST_TITLE]}…"
    goal = f"{plain(one.slo.objective * 100)} % over {one.slo.window_days} days"
    axes.set_title(f"{names}\n{goal}: error budget left while errors last", loc="left", color=_INK)
    _legend(axes, one)


def _draw_level(axes: Axes, one: Explained, number: int, level: Decimal, colour: str) -> None:
    import numpy as np

    lasts = one.lasts(level).total_seconds()
    gone = one.gone(level)
    ends = f"gone after {in_short(gone)}" if gone else "the budget lasts"
    label = f"{plain(level * 100)} % errors: {ends}\n{_found(one, number)}"
    times = np.geomspace(_start(one), min(lasts, one.slo.window_days * 86400), _POINTS)
    axes.plot(times, 100 * (1 - times / lasts), color=colour, linewidth=1.8, label=label)
    for severity, mark in _MARKS:
        after = one.found(severity, number)
        if after is not None:
            at = after.total_seconds()
            axes.plot(
                at,
                100 * (1 - at / lasts),
                mark,
                color=colour,
                markersize=9,
                markeredgecolor="white",
                zorder=3,
                clip_on=False,
            )


def _found(one: Explained, number: int) -> str:
    found = [(severity, one.found(severity, number)) for severity, _ in _MARKS]
    words = [f"{severity} after {in_short(after)}" for severity, after in found if after is not None]
    return ", ".join(words) or "no alert"


def _draw_axes(axes: Axes, one: Explained) -> None:
    end = one.slo.window_days * 86400
    axes.set_xscale("log")
    axes.set_xlim(_start(one), end)
    axes.set_ylim(0, 100)
    ticks = [tick for tick in _TICKS if _start(one) <= tick <= end]
    axes.set_xticks(ticks, [_TICKS[tick] for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("time since the errors began (logarithmic)")
    axes.set_ylabel("error budget left (%)")
    axes.grid(color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _legend(axes: Axes, one: Explained) -> None:
    from matplotlib.lines import Line2D

    lines, labels = axes.get_legend_handles_labels()
    handles = list(lines)
    for severity, mark in _MARKS:
        if any(arm.window.severity == severity for arm in one.arms):
            handles.append(Line2D([], [], color=_INK, marker=mark, linestyle="none", markersize=8))
            labels.append(f"a {severity} is raised")
    axes.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, labelspacing=0.9
    )


def _start(one: Explained) -> float:
    """Return where the axis begins: well before the first alert, at a round number."""
    first = [after for level in range(len(one.errors)) if (after := one.found("page", level))]
    first += [after for level in range(len(one.errors)) if (after := one.found("ticket", level))]
    earliest = min((after.total_seconds() for after in first), default=600.0) / 2
    return float(max((tick for tick in _TICKS if tick <= earliest), default=10))
