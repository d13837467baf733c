"""The scorecard as a picture: error budgets with their trend, coverage, and how fast alerts were answered."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from release_watch.artifacts.models import CoverageStatus, Signal
from release_watch.assurance.scorecard.document import trend
from release_watch.assurance.scorecard.headline import UNKNOWN
from release_watch.assurance.scorecard.model import CoverageLine, DrillLine, Scorecard, SloLine
from release_watch.coverage.table_text import plain, shortened

FONT = "DejaVu Sans"  # comes with matplotlib, so the picture is the same on every machine
DPI = 110
WIDTH, LINE, HEAD = 15.0, 0.34, 1.0
"""Inches: of the picture, of a row, of its title."""
MOST_ROWS = 25
"""Rows of a chart; of more, the worst."""
NAME = 38
"""Characters of a name."""
TITLE = 60
"""Characters of the release in the title."""
NAME_BESIDE = 28
"""Characters of a name that stands between two charts."""
FIGURE = 34
"""Characters of a number that is told in words."""
TOLD = ("alert precision", "alert recall", "pages per shift", "drift", "open risks")
HALF = 0.5

INK, FAINT, PAPER, GRID = "#1a1a1a", "#6b6b6b", "#ffffff", "#e4e4e4"
GREEN, AMBER, RED, GREY = "#2a9d6f", "#f0b429", "#c62828", "#b9c2c9"
OF_STATUS = {
    CoverageStatus.PASS: ("#dcefe3", "#14532d", "pass"),
    CoverageStatus.FAIL: (RED, PAPER, "fail"),
    CoverageStatus.INCONCLUSIVE: ("#eeeeee", FAINT, "not known"),
}
MISSING = ("#eeeeee", FAINT, "not looked at")


def draw(card: Scorecard) -> bytes:
    """Return the picture as PNG, without a time of drawing in it."""
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False}):  # a dollar in a name is no formula
        return _drawn(card)


def _drawn(card: Scorecard) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    slos, services, drills = _shown(card)
    left, right = max(len(slos), 2) + 2, max(len(services), 1) + max(len(drills), 1) + 5
    height = HEAD + LINE * max(left, right)
    figure: Any = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=PAPER)
    title = (
        f"{shortened(card.release_id, TITLE)} in {card.environment}, {card.generated_at:%Y-%m-%d %H:%M} UTC"
    )
    figure.text(0.01, 1 - 0.35 / height, plain(title), fontsize=14, color=INK, family=FONT, va="center")
    figure.text(0.01, 1 - 0.68 / height, _told(card), fontsize=10.5, color=INK, family=FONT, va="center")
    room = (height - HEAD) / height
    rows = max(left, right)
    budgets = figure.add_axes((0.19, room * (1 - left / rows) + 0.02, 0.22, room * left / rows - 0.08))
    _budgets(budgets, slos, len(card.slos) - len(slos))
    share = (max(len(services), 1) + 2) / rows
    coverage = figure.add_axes((0.7, room * (1 - share) + 0.03, 0.29, room * share - 0.1))
    _coverage(coverage, services, len(card.coverage) - len(services))
    below = room * (1 - share)
    drilled = (max(len(drills), 1) + 2) / rows
    answers = figure.add_axes(
        (0.7, below - room * drilled + 0.02, 0.24, max(room * drilled - 0.1, 0.04)),
    )
    _drills(answers, drills, len(card.drills) - len(drills))
    written = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(written, metadata={"Software": None}, pil_kwargs={"optimize": True})
    return written.getvalue()


def _told(card: Scorecard) -> str:
    """Return the numbers that no chart shows, in one line."""
    found = (card.number(name) for name in TOLD)
    return plain(" · ".join(f"{one.name}: {_in_short(one.shown)}" for one in found if one))


def _in_short(shown: str) -> str:
    """Return a number without its interval, which the page tells."""
    share, interval, _ = shown.partition("; 95 %")
    return shortened(f"{share})" if interval else shown, FIGURE)


def _shown(card: Scorecard) -> tuple[list[SloLine], list[CoverageLine], list[DrillLine]]:
    """Return what is drawn: what is unknown or worst first where there is too much."""
    slos = sorted(
        card.slos, key=lambda line: (line.budget_left is not None, line.budget_left or 0.0, line.slo)
    )
    services = sorted(card.coverage, key=lambda line: (line.score, line.service))
    drills = sorted(card.drills, key=lambda line: (line.verdict.proceeds, line.service, line.severity))
    return slos[:MOST_ROWS], services[:MOST_ROWS], drills[:MOST_ROWS]


def _budgets(axes: Any, slos: Sequence[SloLine], left_out: int) -> None:
    _frame(axes, "Error budget left, and 7, 3 and 1 days ago (marks)", left_out)
    if not slos:
        _nothing(axes, "no SLO is defined for these services")
        return
    lefts = [line.budget_left for line in slos]
    lowest = min([0.0, *(left for left in lefts if left is not None)])
    axes.set_xlim(max(lowest, -1.0) - 0.02, 1.02)
    axes.set_ylim(len(slos) - HALF, -HALF)
    axes.axvline(0, color=INK, linewidth=1)
    for row, line in enumerate(slos):
        left = line.budget_left
        if left is None:
            axes.text(0.02, row, "not measured", va="center", fontsize=9, color=FAINT, family=FONT)
        else:
            axes.barh(row, max(left, -1.0), height=0.62, color=_budget_color(left))
        told = "" if left is None else f"{left:.1%}{_trend(line)}"
        axes.text(1.06, row, told, va="center", fontsize=9, color=INK, family=FONT)
        for point in line.trend[:-1]:
            if point.budget_left is not None:
                axes.plot(max(point.budget_left, -1.0), row, marker="|", markersize=11, color=INK, alpha=0.45)
    _names(axes, [f"{line.service}: {line.slo}" for line in slos])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")


def _trend(line: SloLine) -> str:
    told = trend(line)
    return "" if told.startswith(UNKNOWN) else f", {told}"


def _budget_color(left: float) -> str:
    if left <= 0:
        return RED
    return AMBER if left < HALF else GREEN


def _coverage(axes: Any, services: Sequence[CoverageLine], left_out: int) -> None:
    from matplotlib.patches import Rectangle

    _frame(axes, "Coverage", left_out)
    if not services:
        _nothing(axes, "not known: no audit")
        return
    signals = list(Signal)
    axes.set_xlim(0, len(signals) + 1)
    axes.set_ylim(len(services) - HALF, -HALF)
    for row, line in enumerate(services):
        for column, signal in enumerate(signals):
            status = line.signals.get(signal)
            fill, ink, word = OF_STATUS[status] if status else MISSING
            axes.add_patch(Rectangle((column + 0.04, row - 0.42), 0.92, 0.84, facecolor=fill))
            axes.text(
                column + HALF, row, word, ha="center", va="center", fontsize=8.5, color=ink, family=FONT
            )
        shown = f"{line.score:.0%}"
        axes.text(
            len(signals) + HALF, row, shown, ha="center", va="center", fontsize=9, color=INK, family=FONT
        )
    _names(axes, [f"{line.service} ({line.tier})" for line in services], NAME_BESIDE)
    axes.xaxis.tick_top()
    axes.set_xticks([column + HALF for column in range(len(signals) + 1)])
    axes.set_xticklabels([*(signal.value for signal in signals), "score"])


def _drills(axes: Any, drills: Sequence[DrillLine], left_out: int) -> None:
    _frame(axes, "Drills: seconds to delivery, answer, target", left_out)
    if not drills:
        _nothing(axes, "no drill was made")
        return
    axes.set_ylim(len(drills) - HALF, -HALF)
    reach = [
        value
        for line in drills
        for value in (line.acknowledged_seconds, line.delivered_seconds, line.target_seconds)
        if value is not None
    ]
    axes.set_xlim(0, max(reach) * 1.05)
    for row, line in enumerate(drills):
        color = GREEN if line.verdict.proceeds else RED
        if line.acknowledged_seconds is not None:
            axes.barh(row, line.acknowledged_seconds, height=0.6, color=color)
        if line.delivered_seconds is not None:
            axes.barh(row, line.delivered_seconds, height=0.6, color=color, alpha=0.45)
        if line.answer_needed:
            axes.plot([line.target_seconds] * 2, [row - 0.4, row + 0.4], color=INK, linewidth=2)
        axes.text(
            1.02,
            row,
            line.verdict.value,
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=9,
            color=INK if line.verdict.proceeds else RED,
            family=FONT,
        )
    _names(axes, [f"{line.service}, {line.severity}" for line in drills], NAME_BESIDE)


def _frame(axes: Any, title: str, left_out: int) -> None:
    more = f" (and {left_out} better)" if left_out else ""
    axes.set_title(title + more, loc="left", fontsize=10.5, color=INK, family=FONT, pad=8)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, labelsize=9, colors=FAINT)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def _names(axes: Any, names: Sequence[str], most: int = NAME) -> None:
    axes.set_yticks(range(len(names)))
    axes.set_yticklabels(
        [shortened(plain(name), most) for name in names], fontsize=9.5, color=INK, family=FONT
    )


def _nothing(axes: Any, words: str) -> None:
    axes.set_axis_off()
    axes.text(0, HALF, words, fontsize=10, color=FAINT, family=FONT, transform=axes.transAxes)
