"""One chart of the picture: lines, the band of normal values, limits, and the moment of the deployment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from release_watch.dashboards.lines import Line, Lines
from release_watch.dashboards.models import Panel
from release_watch.dashboards.wording import worded

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, FAINT, PAPER, GRID = "#1a1a1a", "#666666", "#ffffff", "#e6e6e6"
BAND, DEPLOYED = "#e6ebf0", "#0a5c96"
FONT = "DejaVu Sans"  # comes with matplotlib, so the picture is the same on every machine
LEVELS = {"warning": "#d18b00", "critical": "#bb4a00"}
# Told apart also by eyes that see no red or no green; none of them looks like a limit.
LINES = ("#0072b2", "#2a9d6f", "#9a5fb5", "#56b4e9", "#444444", "#b5a642")
MOST_LINES = 5
_ROW_POINTS = 11.0
_LONGEST_NAME, _BESIDE_NAME, _ROW_CHARACTERS = 24, 3, 58
"""Of the names of lines: what fits into the width of a chart."""
NEAR = 4.0
"""A limit up to so many times the highest value is drawn; a farther one is only named."""


class Span(NamedTuple):
    """The time that charts show, and when the release was deployed."""

    start: datetime
    end: datetime
    deployed_at: datetime | None


class Named(NamedTuple):
    """The title of a chart, what names of its lines need not repeat, and how many rows of names there are."""

    title: str
    prefix: str = ""
    rows: int = 1

    @property
    def above(self) -> float:
        """How far above the chart its title stands, in points."""
        return 8 + self.rows * _ROW_POINTS


class _Shown(NamedTuple):
    lines: list[Line]
    more: int
    low: Line | None
    high: Line | None

    @property
    def highest(self) -> float:
        return max((float(line.values.max()) for line in self.lines), default=0.0)

    @property
    def lowest(self) -> float:
        return min((float(line.values.min()) for line in self.lines), default=0.0)


def draw(axes: Axes, panel: Panel, named: Named, lines: Lines, span: Span) -> None:
    """Draw ``panel`` on ``axes``."""
    shown = _shown(panel, lines)
    _dress(axes, named, span)
    _frame(axes, panel, shown)
    _limits(axes, panel, named)
    _band(axes, shown)
    for line, colour in zip(shown.lines, LINES, strict=False):
        marker = "." if len(line.values) == 1 else ""
        axes.plot(
            line.values.index.to_numpy(),
            line.values.to_numpy(),
            color=colour,
            linewidth=1.5,
            marker=marker,
            label=_name(line, panel, named.prefix),
            zorder=3,
        )
    _deployment(axes, span)
    _name_lines(axes, shown, named)


def name_rows(panel: Panel, lines: Lines, prefix: str) -> int:
    """Return how many rows the names of a chart's lines take."""
    names = [_name(line, panel, prefix) for line in _shown(panel, lines).lines]
    widest = max(map(len, names), default=0) + _BESIDE_NAME
    return -(-len(names) // max(1, _ROW_CHARACTERS // widest)) or 1


def _name(line: Line, panel: Panel, prefix: str) -> str:
    legend = line.legend.removeprefix(prefix)
    cut = legend if len(legend) <= _LONGEST_NAME else f"{legend[: _LONGEST_NAME - 1]}…"
    return f"{cut} {worded(float(line.values.iloc[-1]), panel.unit)}"


def _shown(panel: Panel, lines: Lines) -> _Shown:
    found = {
        role: [line for query in panel.queries if query.role == role for line in lines.of(panel, query)]
        for role in ("line", "low", "high")
    }
    worst = sorted(found["line"], key=lambda line: _badness(line, panel), reverse=True)[:MOST_LINES]
    kept = [line for line in found["line"] if any(line is one for one in worst)]
    low, high = (next(iter(found[role]), None) for role in ("low", "high"))
    return _Shown(kept, len(found["line"]) - len(kept), low, high)


def _badness(line: Line, panel: Panel) -> float:
    return float(line.values.max() if panel.worse == "up" else -line.values.min())


def _dress(axes: Axes, named: Named, span: Span) -> None:
    from matplotlib import dates

    plain: Any = dates  # its annotations are incomplete
    axes.set_facecolor(PAPER)
    title = named.title if ":" in named.title else named.title[:1].upper() + named.title[1:]
    axes.set_title(title, loc="left", fontsize=9.5, weight="bold", color=INK, family=FONT, pad=named.above)
    axes.set_xlim(_drawn(span.start), _drawn(span.end))
    axes.xaxis.set_major_locator(plain.AutoDateLocator(tz=UTC, minticks=3, maxticks=6))
    days = (span.end - span.start).days
    axes.xaxis.set_major_formatter(plain.DateFormatter("%m-%d" if days >= 3 else "%H:%M", tz=UTC))
    axes.grid(visible=True, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=7.5, length=0, colors=FAINT, pad=3)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color("#bbbbbb")


def _frame(axes: Axes, panel: Panel, shown: _Shown) -> None:
    """Set the range of values: all of the lines and the band, and the limits near to them."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    highest, lowest = shown.highest, min(0.0, shown.lowest)
    if shown.high is not None:
        highest = max(highest, float(shown.high.values.max()))
    near = [limit.value for limit in panel.limits if limit.value <= NEAR * highest]
    if highest <= 0 and panel.limits:
        near = [min(limit.value for limit in panel.limits)]
    top = max([highest, *near])
    reach = (top - lowest) or 1.0
    axes.set_ylim(lowest - (0.03 * reach if lowest < 0 else 0), top + 0.12 * reach)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: worded(value, panel.unit)))


def _limits(axes: Axes, panel: Panel, named: Named) -> None:
    bottom, top = axes.get_ylim()
    right = 1.0
    for limit in sorted(panel.limits, key=lambda limit: limit.value, reverse=True):
        colour = LEVELS[limit.level]
        if bottom <= limit.value <= top:
            axes.axhline(limit.value, color=colour, linewidth=1.1, linestyle=(0, (5, 3)), zorder=2)
            continue
        words = f"limit {worded(limit.value, panel.unit)} ↑"
        axes.annotate(
            words,
            (right, 1),
            xycoords="axes fraction",
            xytext=(0, named.above),
            textcoords="offset points",
            ha="right",
            va="bottom",
            color=colour,
            fontsize=7.5,
            family=FONT,
        )
        right -= 0.028 * len(words) + 0.01


def _band(axes: Axes, shown: _Shown) -> None:
    if shown.low is None or shown.high is None:
        return
    bottom, top = axes.get_ylim()
    low, high = float(shown.low.values.iloc[-1]), float(shown.high.values.iloc[-1])
    axes.axhspan(max(low, bottom), min(high, top), color=BAND, linewidth=0, zorder=1)


def _deployment(axes: Axes, span: Span) -> None:
    if span.deployed_at is None or not span.start <= span.deployed_at <= span.end:
        return
    at = _drawn(span.deployed_at)
    axes.axvline(at, color=DEPLOYED, linewidth=1.3, linestyle=(0, (2, 2)), zorder=2)
    top = axes.get_ylim()[1]
    axes.plot([at], [top], marker="v", color=DEPLOYED, markersize=6, clip_on=False, zorder=4)


def _name_lines(axes: Axes, shown: _Shown, named: Named) -> None:
    if not shown.lines:
        axes.text(
            0.5,
            0.5,
            "no data",
            transform=axes.transAxes,
            ha="center",
            va="center",
            color=FAINT,
            fontsize=9,
            family=FONT,
        )
        return
    look: dict[str, Any] = {"family": FONT, "size": 7.5}
    legend = axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 0.985),
        ncols=-(-len(shown.lines) // named.rows),
        labelspacing=0.25,
        frameon=False,
        prop=look,
        handlelength=0.9,
        handletextpad=0.4,
        columnspacing=0.9,
        borderpad=0.1,
        labelcolor=INK,
        title=None,
    )
    for handle in legend.get_lines():
        handle.set_linewidth(3)
    if shown.more:
        axes.text(
            1,
            1.02,
            f"and {shown.more} more",
            transform=axes.transAxes,
            ha="right",
            va="bottom",
            fontsize=7,
            color=FAINT,
            family=FONT,
        )


def _drawn(moment: datetime) -> float:
    from matplotlib import dates

    plain: Any = dates  # its annotations are incomplete
    return float(plain.date2num(moment))


def newest(panel: Panel, lines: Lines) -> Sequence[tuple[str, float]]:
    """Return the newest value of every line of a panel, by name."""
    return [
        (line.legend, float(line.values.iloc[-1]))
        for query in panel.queries
        for line in lines.of(panel, query)
    ]
