"""The sheet that the picture of an audit is drawn on: sizes, ink, boxes and words."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from release_watch.artifacts.models import Signal

DPI = 110
FONT = "DejaVu Sans"  # comes with matplotlib, so the picture is the same on every machine
MARGIN, CELL, NUMBER = 0.25, 1.75, 0.9
"""Inches: around the sheet, and of the columns of signals and of numbers."""
CHARACTER = 0.088
"""Inches that a character of a name takes."""
INK, PAPER = "#1a1a1a", "#ffffff"

Draw = Callable[["Sheet", float], None]


class Part(NamedTuple):
    """A piece of the picture: how high it is, in inches, and how it is drawn from its upper edge."""

    height: float
    draw: Draw


class Sheet:
    """Draws in inches from the upper left corner; a figure of its own, so that threads can draw at once."""

    def __init__(self, characters: int) -> None:
        self.characters = characters
        self.left = MARGIN + characters * CHARACTER + 0.1
        self.right = self.left + len(Signal) * CELL
        self.width = self.right + 2 * NUMBER + MARGIN
        self._figure: Any = None
        self._height = 0.0

    def png(self, parts: Sequence[Part]) -> bytes:
        """Return the parts, one below the other, as PNG without a time or version in it."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self._height = sum(part.height for part in parts)
        self._figure = Figure(figsize=(self.width, self._height), dpi=DPI, facecolor=PAPER)
        top = 0.0
        for part in parts:
            part.draw(self, top)
            top += part.height
        written = io.BytesIO()
        canvas: Any = FigureCanvasAgg(self._figure)
        canvas.print_png(written, metadata={"Software": None})
        return written.getvalue()

    def box(self, x: float, y: float, width: float, height: float, color: str, edge: float = 1.2) -> None:
        """Draw a filled box from its upper left corner, with an edge of so many points."""
        from matplotlib.patches import Rectangle

        corner = (x, self._height - y - height)
        self._add(Rectangle(corner, width, height, facecolor=color, edgecolor=PAPER, linewidth=edge))

    def write(self, x: float, y: float, text: str, **look: Any) -> None:
        """Write ``text`` at the height of its middle; ``look`` are properties of matplotlib's texts."""
        from matplotlib.text import Text

        defaults = {
            "color": INK,
            "fontsize": 9.5,
            "family": FONT,
            "va": "center",
            "parse_math": False,
            "usetex": False,
        }
        self._add(Text(x, self._height - y, text, **{**defaults, **look}))

    def _add(self, artist: Any) -> None:
        artist.set_transform(self._figure.dpi_scale_trans)
        self._figure.add_artist(artist)

    def cell(self, signal: Signal) -> float:
        """Return where the column of a signal begins."""
        return self.left + list(Signal).index(signal) * CELL
