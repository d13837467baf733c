"""The time line of an alert test as a picture: a row per drill, its hops on one scale of seconds."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any, NamedTuple

from release_watch.artifacts.models import AlertTestResults, DrillResult, HopHistory
from release_watch.coverage.table_text import plain, shortened
from release_watch.drills.passage import (
    HOPS,
    Passage,
    answer_to,
    begun,
    failed_hop,
    in_seconds,
    made,
    missing_words,
    passage_of,
    past_of,
    under_way,
)
from release_watch.verdict import Verdict

DPI = 110
FONT = "DejaVu Sans"  # comes with matplotlib, so the picture is the same on every machine
MOST_DRILLS = 40
"""Drills that are drawn; of more, those that failed first, and the others are counted."""
MOST_LINES = 4
"""Lines of a diagnosis; the text of the artifact is whole."""
TICKS = 11
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)

# Inches.
WIDTH, MARGIN, NAMES, VERDICT = 15.0, 0.3, 3.3, 1.35
HEAD, AXIS, LINE, BAR, PADDING = 1.15, 0.5, 0.2, 0.24, 0.16
LEFT, RIGHT = MARGIN + NAMES, WIDTH - MARGIN - VERDICT
CHARACTERS = 34
"""Of a name, in the column of names."""
PROSE = 150
"""Characters in a line of prose beside the names."""

INK, FAINT, PAPER, GRID = "#1a1a1a", "#6b6b6b", "#ffffff", "#e4e4e4"
RED = "#c62828"
OF_HOP = {
    "fired": "#f0b429",
    "accepted": "#56b4e9",
    "delivered": "#0072b2",
    "acknowledged": "#2a9d6f",
    "resolved": "#b9c2c9",
}
OF_VERDICT = {
    Verdict.GO: ("#dcefe3", "#14532d"),
    Verdict.WARN: ("#f7e3b0", INK),
    Verdict.NO_GO: (RED, PAPER),
    Verdict.ERROR: (RED, PAPER),
    Verdict.INCONCLUSIVE: ("#eeeeee", FAINT),
}


class _Row(NamedTuple):
    """A drill, what is written below its bar (words and ink), and how high all that is."""

    drill: DrillResult
    passage: Passage
    notes: tuple[tuple[str, str], ...]

    @property
    def height(self) -> float:
        return max(3 * LINE, 0.2 + BAR + 0.28 + len(self.notes) * LINE) + 2 * PADDING


def draw(results: AlertTestResults, history: Sequence[HopHistory]) -> bytes:
    """Return the picture as PNG, without a time of drawing in it."""
    drills = made(results)
    shown = sorted(drills, key=lambda drill: failed_hop(drill) is None)[:MOST_DRILLS]
    kept = [drill for drill in drills if drill in shown]
    rows = [_row(drill) for drill in kept]
    axis = max((row.passage.end for row in rows), default=1.0) * 1.04
    height = HEAD + sum(row.height for row in rows) + AXIS + _left_out_height(results)
    sheet = _Sheet(height, axis)
    _head(sheet, results, len(drills) - len(kept))
    bottom = height - AXIS - _left_out_height(results)
    if rows:
        _key(sheet, HEAD - 0.19)
        _scale(sheet, bottom)
    top = HEAD
    for row in rows:
        _draw_row(sheet, row, top, history)
        top += row.height
    _not_drilled(sheet, results, bottom + AXIS)
    return sheet.png()


class _Sheet:
    """Draws in inches from the upper left corner; a figure of its own, so that threads can draw at once."""

    def __init__(self, height: float, seconds: float) -> None:
        from matplotlib.figure import Figure

        self.height = height
        self.seconds = seconds
        self._figure: Any = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=PAPER)

    def png(self) -> bytes:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        written = io.BytesIO()
        canvas: Any = FigureCanvasAgg(self._figure)
        canvas.print_png(written, metadata={"Software": None}, pil_kwargs={"optimize": True})
        return written.getvalue()

    def x(self, seconds: float) -> float:
        """Return where a moment of a drill is."""
        return LEFT + (RIGHT - LEFT) * min(1.0, max(0.0, seconds / self.seconds))

    def box(self, x: float, y: float, width: float, height: float, fill: str, **look: Any) -> None:
        """Draw a box from its upper left corner."""
        from matplotlib.patches import Rectangle

        corner = (x, self.height - y - height)
        self._add(Rectangle(corner, width, height, facecolor=fill, **{"linewidth": 0, **look}))

    def line(self, xs: tuple[float, float], ys: tuple[float, float], color: str, **look: Any) -> None:
        """Draw a straight line."""
        from matplotlib.lines import Line2D

        heights = [self.height - y for y in ys]
        self._add(Line2D(list(xs), heights, color=color, **{"linewidth": 1.0, **look}))

    def mark(self, x: float, y: float, sign: str, color: str, **look: Any) -> None:
        """Draw one of matplotlib's markers."""
        self.line((x, x), (y, y), color, marker=sign, **{"markersize": 8, "linestyle": "", **look})

    def write(self, x: float, y: float, text: str, **look: Any) -> None:
        """Write ``text`` at the height of its middle."""
        from matplotlib.text import Text

        defaults = {"color": INK, "fontsize": 9.5, "family": FONT, "va": "center", "parse_math": False}
        self._add(Text(x, self.height - y, text, **{**defaults, **look}))

    def _add(self, artist: Any) -> None:
        artist.set_transform(self._figure.dpi_scale_trans)
        self._figure.add_artist(artist)


def _row(drill: DrillResult) -> _Row:
    notes = [(line, FAINT) for step in drill.escalation for line in _wrapped(_level(step, drill))]
    if drill.forced_by:
        notes += [
            (line, INK) for line in _wrapped(f"forced by {drill.forced_by}, against quiet hours or rate")
        ]
    if drill.diagnosis:
        ink = RED if failed_hop(drill) else INK
        notes += [(line, ink) for line in _wrapped(drill.diagnosis)]
    return _Row(drill, passage_of(drill), tuple(notes))


def _level(step: Any, drill: DrillResult) -> str:
    paged = "" if step.paged.latency is None else f", paged after {in_seconds(step.paged.latency)}"
    return f"level {step.level}, {step.role}: {step.person}{paged}; {answer_to(step, drill)}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(plain(text), PROSE, max_lines=MOST_LINES, placeholder=" …")


def _head(sheet: _Sheet, results: AlertTestResults, left_out: int) -> None:
    title = shortened(plain(f"DRILL of release {results.release_id}"), 70)
    sheet.write(MARGIN, 0.38, title, fontsize=16, weight="bold")
    _badge(sheet, WIDTH - MARGIN - 1.25, 0.38, str(results.verdict), *OF_VERDICT[results.verdict])
    moment = (begun(results.drills) or results.generated_at).astimezone(UTC)
    kinds = " and ".join(sorted({drill.kind for drill in results.drills}, reverse=True)) or "no"
    rest = f"; {left_out} more drills are in the artifact" if left_out else ""
    scale = "; seconds since each was due to fire" if results.drills else ""
    words = f"{results.environment}, {moment:%Y-%m-%d %H:%M:%S} UTC, {kinds} drills{scale}{rest}"
    sheet.write(MARGIN, 0.68, plain(words), color=FAINT, fontsize=10)


def _key(sheet: _Sheet, y: float) -> None:
    x = LEFT
    for hop, color in OF_HOP.items():
        sheet.box(x, y - 0.07, 0.2, 0.14, color)
        sheet.write(x + 0.26, y, hop, fontsize=9)
        x += 0.42 + 0.078 * len(hop)
    sheet.box(x, y - 0.07, 0.2, 0.14, PAPER, edgecolor=RED, linewidth=1.2, hatch="////")
    sheet.write(x + 0.26, y, "failed", fontsize=9)
    x += 0.95
    marks: tuple[tuple[str, Callable[[float], None]], ...] = (
        ("page", lambda at: sheet.mark(at, y, "v", INK)),
        ("answer", lambda at: sheet.mark(at, y, "o", INK, markerfacecolor=PAPER, markersize=7)),
        ("target", lambda at: sheet.line((at, at), (y - 0.09, y + 0.09), INK, linestyle="--")),
        ("p50 of past drills", lambda at: sheet.mark(at, y, "d", FAINT, markersize=6)),
    )
    for name, sign in marks:
        sign(x)
        sheet.write(x + 0.14, y, name, fontsize=9)
        x += 0.4 + 0.078 * len(name)


def _scale(sheet: _Sheet, bottom: float) -> None:
    step = next((step for step in STEPS if sheet.seconds / step <= TICKS), sheet.seconds / TICKS)
    for number in range(int(sheet.seconds / step) + 1):
        x = sheet.x(number * step)
        sheet.line((x, x), (HEAD, bottom + 0.06), GRID, zorder=0)
        moment = number * step
        words = in_seconds(moment) if moment >= 60 else f"{round(moment, 1):g} s"
        sheet.write(x, bottom + 0.2, words, ha="center", fontsize=9, color=FAINT)


def _draw_row(sheet: _Sheet, row: _Row, top: float, history: Sequence[HopHistory]) -> None:
    drill = row.drill
    sheet.line((MARGIN, WIDTH - MARGIN), (top, top), "#c8c8c8", linewidth=0.8)
    _names(sheet, drill, top + PADDING)
    bar = top + PADDING + 0.2
    _bar(sheet, row, bar, history)
    y = bar + BAR + 0.2
    _latencies(sheet, row, y)
    for words, ink in row.notes:
        y += LINE
        sheet.write(LEFT, y, words, fontsize=9, color=ink)
    verdict = "under way" if under_way(drill) else str(drill.verdict)
    _badge(sheet, WIDTH - MARGIN - 1.25, bar + BAR / 2, verdict, *OF_VERDICT[drill.verdict])


def _names(sheet: _Sheet, drill: DrillResult, top: float) -> None:
    wide = {"fontsize": 9, "color": FAINT}
    service = shortened(plain(drill.service), CHARACTERS - 9)
    sheet.write(MARGIN, top + 0.12, service, fontsize=10.5, weight="bold")
    full = drill.kind == "full"
    sheet.box(LEFT - 0.82, top + 0.02, 0.62, 0.2, INK if full else PAPER, edgecolor=INK, linewidth=0.8)
    sheet.write(LEFT - 0.51, top + 0.12, drill.kind, fontsize=8.5, color=PAPER if full else INK, ha="center")
    receiver = f"{drill.severity} to {drill.receiver or 'nobody'}"
    sheet.write(MARGIN, top + 0.12 + LINE, shortened(plain(receiver), CHARACTERS + 3), **wide)
    sheet.write(
        MARGIN,
        top + 0.12 + 2 * LINE,
        shortened(plain(drill.drill_id), CHARACTERS + 3),
        **wide | {"fontsize": 8},
    )


def _bar(sheet: _Sheet, row: _Row, top: float, history: Sequence[HopHistory]) -> None:
    drill, passage = row.drill, row.passage
    middle = top + BAR / 2
    for part in passage.segments:
        left, right = sheet.x(part.start), sheet.x(part.end)
        sheet.box(left, top, max(right - left, 0.03), BAR, OF_HOP[part.hop])
    if (lost := passage.failed) is not None:
        never = lost.at is None and lost.hop != "acknowledged"
        left, right = sheet.x(lost.start), RIGHT if never else sheet.x(lost.end)
        sheet.box(left, top, max(right - left, 0.03), BAR, PAPER, edgecolor=RED, linewidth=1.2, hatch="////")
    if passage.target is not None and passage.target <= sheet.seconds:
        x = sheet.x(passage.target)
        sheet.line((x, x), (top - 0.14, top + BAR + 0.1), INK, linestyle="--", linewidth=1.2)
    for hop in HOPS:
        past = past_of(history, drill, hop)
        if past and past.p50_seconds <= sheet.seconds:
            sheet.mark(sheet.x(past.p50_seconds), top + BAR + 0.06, "d", FAINT, markersize=5)
    for step in drill.escalation:
        if step.paged.latency is not None:
            x = sheet.x(step.paged.latency)
            sheet.mark(x, top - 0.07, "v", INK)
            sheet.write(x + 0.09, top - 0.1, str(step.level), fontsize=8)
    if drill.hops.acknowledged.latency is not None:
        x = sheet.x(drill.hops.acknowledged.latency)
        sheet.mark(x, middle, "o", INK, markerfacecolor=PAPER, markersize=9)


def _latencies(sheet: _Sheet, row: _Row, y: float) -> None:
    """Write when each hop was seen, in the order of time, and in red which was not, or not in time."""
    passage, lost = row.passage, row.passage.failed
    came = [*passage.segments, *([lost] if lost is not None and lost.at is not None else [])]
    x = LEFT
    for part in sorted(came, key=lambda part: part.end):
        words = f"{part.hop} {in_seconds(part.end)}"
        sheet.box(x, y - 0.05, 0.1, 0.1, RED if part is lost else OF_HOP[part.hop])
        sheet.write(x + 0.15, y, words, fontsize=9, color=RED if part is lost else INK)
        x += 0.34 + 0.074 * len(words)
    if lost is not None and lost.at is None:
        words = missing_words(row.drill, lost.hop)
        sheet.write(x, y, words, fontsize=9, color=RED, weight="bold")
        x += 0.25 + 0.095 * len(words)
    if passage.target is not None:
        sheet.write(x, y, f"target {in_seconds(passage.target)}", fontsize=9, color=FAINT)


def _badge(sheet: _Sheet, x: float, y: float, words: str, fill: str, ink: str) -> None:
    sheet.box(x, y - 0.14, 1.25, 0.28, fill)
    sheet.write(x + 0.625, y, words, fontsize=9, color=ink, ha="center", weight="bold")


def _left_out(results: AlertTestResults) -> list[str]:
    if not results.not_drilled and results.drills:
        return []
    words = "Not drilled: " + "; ".join(results.not_drilled) if results.not_drilled else "No drill was made."
    return textwrap.wrap(plain(words), PROSE + 40, max_lines=MOST_LINES, placeholder=" …")


def _left_out_height(results: AlertTestResults) -> float:
    lines = _left_out(results)
    return len(lines) * LINE + 0.1 if lines else 0.0


def _not_drilled(sheet: _Sheet, results: AlertTestResults, top: float) -> None:
    for number, words in enumerate(_left_out(results)):
        sheet.write(MARGIN, top + number * LINE, words, fontsize=9)
