"""The dashboards as one picture, for a wall, a ticket or a chat: the same queries, drawn here."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any, NamedTuple

from release_watch.artifacts.models import Window
from release_watch.dashboards.chart import (
    BAND,
    DEPLOYED,
    FAINT,
    FONT,
    INK,
    LEVELS,
    PAPER,
    Named,
    Span,
    draw,
    name_rows,
    newest,
)
from release_watch.dashboards.lines import Lines
from release_watch.dashboards.models import Dashboard, Panel
from release_watch.dashboards.wording import worded
from release_watch.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 100
COLUMNS = 5
MOST_SERVICES = 10
"""Services that are drawn; of more, those with the most alerts firing, and the others are counted."""

# Inches.
_WIDTH, _MARGIN = 18.0, 0.35
_CELL_GAP, _PLOT, _NAMES, _NAME, _AXIS, _HEADING, _TITLE = 0.62, 1.3, 0.5, 0.15, 0.32, 0.42, 1.0

_OF_LEVEL = {"good": ("#dcefe3", "#14532d"), "warning": ("#f7e3b0", INK), "critical": ("#bb4a00", "#ffffff")}
_LAST = "Business and resources"
_UNKNOWN = ("#eeeeee", FAINT)


class _Strip(NamedTuple):
    """What is drawn of one service: numbers in its heading, charts below."""

    title: str
    numbers: tuple[Panel, ...]
    charts: tuple[Panel, ...]
    name_rows: int = 1

    @property
    def prefix(self) -> str:
        """What the names of lines need not repeat."""
        return f"{self.title}-"

    def with_names_of(self, lines: Lines) -> _Strip:
        """Return the strip with room for the names of all lines."""
        return self._replace(
            name_rows=max((name_rows(chart, lines, self.prefix) for chart in self.charts), default=1)
        )

    @property
    def names(self) -> float:
        """How high the title and the names of lines above a chart are."""
        return _NAMES + (self.name_rows - 1) * _NAME

    @property
    def height(self) -> float:
        return _HEADING + -(-len(self.charts) // COLUMNS) * (self.names + _PLOT + _AXIS)


def dashboard_png(
    boards: Sequence[Dashboard],
    metrics: Metrics,
    window: Window,
    *,
    servers: Mapping[str, Metrics] | None = None,
) -> bytes:
    """Return the boards' most important panels within ``window`` as PNG; the same data gives the same bytes.

    A strip per service: what is up and what fires, then requests, errors, response times, burn rates and
    error budgets; business metrics at the end. Of more services than :data:`MOST_SERVICES` those with most
    alerts firing are drawn.

    Args:
        boards: the dashboards of one release.
        metrics: the environment's metrics server.
        window: what to show.
        servers: those that services name for themselves
            (:func:`release_watch.dashboards.connections.servers`).

    Raises:
        BackendError: if a metrics server does not answer.
    """
    lines = Lines(window, metrics, servers)
    strips = _strips(boards)
    numbers = [panel for strip in strips for panel in strip.numbers]
    lines.ask(numbers)
    shown = _worst(strips, lines)
    lines.ask([panel for strip in shown for panel in strip.charts])
    shown = [strip.with_names_of(lines) for strip in shown]
    deployed = next((board.deployed_at for board in boards if board.deployed_at), None)
    span = Span(window.start, window.end, deployed)
    return _Sheet(shown, len(strips) - len(shown)).png(boards, lines, span)


def _strips(boards: Sequence[Dashboard]) -> list[_Strip]:
    by_service: dict[str, list[Panel]] = {}
    last: list[Panel] = []
    for board in boards:
        for row in board.rows:
            wall = [panel for panel in row.panels if panel.wall]
            if board.kind == "business":
                last = [*wall, *last]
            elif row.service:
                by_service.setdefault(row.service, []).extend(wall)
            else:
                last += wall
    strips = [
        _Strip(
            service,
            tuple(panel for panel in panels if panel.single),
            tuple(panel for panel in panels if not panel.single),
        )
        for service, panels in by_service.items()
    ]
    charts = tuple(panel for panel in last if not panel.single)
    return [*strips, _Strip(_LAST, (), charts)] if charts else strips


def _worst(strips: Sequence[_Strip], lines: Lines) -> list[_Strip]:
    services = [strip for strip in strips if strip.numbers]
    if len(services) <= MOST_SERVICES:
        return list(strips)
    kept = sorted(services, key=lambda strip: _gravity(strip, lines), reverse=True)[:MOST_SERVICES]
    return [strip for strip in strips if strip in kept or not strip.numbers]


def _gravity(strip: _Strip, lines: Lines) -> int:
    levels = [_level(panel, [value for _, value in newest(panel, lines)]) for panel in strip.numbers]
    return levels.count("critical") * 100 + levels.count("warning") * 10 + levels.count(None)


def _level(panel: Panel, values: Sequence[float]) -> str | None:
    """Return on which side of its limits a panel is; None without a value."""
    if not values:
        return None
    up = panel.worse == "up"
    reached = [
        limit.level
        for limit in panel.limits
        for value in values
        if (value >= limit.value if up else value < limit.value)
    ]
    return "critical" if "critical" in reached else "warning" if reached else "good"


class _Sheet:
    """Draws in inches from the upper left corner; a figure of its own, so that threads can draw at once."""

    def __init__(self, strips: Sequence[_Strip], left_out: int) -> None:
        from matplotlib.figure import Figure

        self._strips = strips
        self._left_out = left_out
        self._height = _TITLE + sum(strip.height for strip in strips) + _MARGIN
        self._figure: Figure = Figure(figsize=(_WIDTH, self._height), dpi=DPI, facecolor=PAPER)

    def png(self, boards: Sequence[Dashboard], lines: Lines, span: Span) -> bytes:
        """Return the picture, without a time or version in it."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        self._head(boards, span)
        top = _TITLE
        for strip in self._strips:
            self._strip(strip, top, lines, span)
            top += strip.height
        written = io.BytesIO()
        canvas: Any = FigureCanvasAgg(self._figure)
        canvas.print_png(written, metadata={"Software": None}, pil_kwargs={"optimize": True})
        return written.getvalue()

    def _head(self, boards: Sequence[Dashboard], span: Span) -> None:
        first = boards[0] if boards else None
        title = first.title.rpartition(": ")[0] if first else "No dashboards"
        self._write(_MARGIN, 0.36, title, fontsize=17, weight="bold")
        version = f"version {first.version}, " if first and first.version else ""
        start, end = span.start.astimezone(UTC), span.end.astimezone(UTC)
        rest = f"; {self._left_out} more services are on the dashboards" if self._left_out else ""
        words = f"{version}{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC{rest}"
        self._write(_MARGIN, 0.68, words, fontsize=10.5, color=FAINT)
        self._key()

    def _key(self) -> None:
        """Say what lines and colours mean, from the right edge."""
        x = _WIDTH - _MARGIN
        for words, colour, style in (
            ("act", LEVELS["critical"], "--"),
            ("look", LEVELS["warning"], "--"),
            ("normal by the baseline", BAND, "-"),
            ("deployment", DEPLOYED, ":"),
        ):
            x -= 0.085 * len(words)
            self._write(x, 0.36, words, fontsize=9.5)
            self._line((x - 0.5, x - 0.1), 0.36, colour, style, 8 if colour == BAND else 1.6)
            x -= 0.8

    def _strip(self, strip: _Strip, top: float, lines: Lines, span: Span) -> None:
        self._line((_MARGIN, _WIDTH - _MARGIN), top, "#cccccc", "-", 0.8)
        self._write(_MARGIN, top + 0.24, strip.title, fontsize=13, weight="bold")
        x = _MARGIN + 0.135 * len(strip.title) + 0.3
        for panel in strip.numbers:
            x += self._number(x, top + 0.24, panel, lines) + 0.12
        width = (_WIDTH - 2 * _MARGIN - COLUMNS * _CELL_GAP) / COLUMNS
        for index, panel in enumerate(strip.charts):
            line, column = divmod(index, COLUMNS)
            left = _MARGIN + _CELL_GAP + column * (width + _CELL_GAP)
            upper = top + _HEADING + line * (strip.names + _PLOT + _AXIS) + strip.names
            place = (
                left / _WIDTH,
                1 - (upper + _PLOT) / self._height,
                width / _WIDTH,
                _PLOT / self._height,
            )
            axes = self._figure.add_axes(place)
            title = panel.title.removeprefix(f"{strip.title}: ").removeprefix("All services: ")
            named = Named(title, strip.prefix, strip.name_rows)
            draw(axes, panel, named, lines, span)

    def _number(self, x: float, y: float, panel: Panel, lines: Lines) -> float:
        """Draw the newest values of a panel in a coloured box, and return its width."""
        values = newest(panel, lines)
        level = _level(panel, [value for _, value in values])
        fill, ink = _OF_LEVEL[level] if level else _UNKNOWN
        words_for = dict(panel.told)
        told = ", ".join(
            words_for.get(value, f"{worded(value, panel.unit)} {name if len(values) > 1 else ''}".strip())
            for name, value in values
        )
        words = f"{panel.title.rpartition(': ')[2]}: {told or 'no data'}"
        width = 0.078 * len(words) + 0.2
        self._box(x, y - 0.13, width, 0.26, fill)
        self._write(x + width / 2, y, words, fontsize=9, color=ink, ha="center")
        return width

    def _write(self, x: float, y: float, text: str, **look: Any) -> None:
        defaults = {"color": INK, "family": FONT, "va": "center", "parse_math": False}
        self._figure.text(x / _WIDTH, 1 - y / self._height, text, **{**defaults, **look})

    def _line(self, xs: tuple[float, float], y: float, colour: str, style: Any, width: float) -> None:
        from matplotlib.lines import Line2D

        across = [x / _WIDTH for x in xs]
        at = 1 - y / self._height
        self._figure.add_artist(
            Line2D(across, [at, at], color=colour, linestyle=style, linewidth=width, solid_capstyle="butt")
        )

    def _box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        from matplotlib.patches import Rectangle

        corner = (x / _WIDTH, 1 - (y + height) / self._height)
        box = Rectangle(corner, width / _WIDTH, height / self._height, facecolor=colour, linewidth=0)
        self._figure.add_artist(box)
