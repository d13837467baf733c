"""A metric that failed as a picture: what was usual, what came after the change, and what each look said."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from release_watch.judge.picture_band import Band, usual
from release_watch.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

    from release_watch.catalog.policies import JudgePolicy
    from release_watch.judge.cases import Case, CaseMetric
    from release_watch.judge.judgement import MetricJudgement

DPI = 110
FONT = "DejaVu Sans"  # comes with matplotlib, so the picture is the same on every machine
WIDTH, WITHOUT, WITH_OVERVIEW = 12.0, 5.2, 6.5
"""Inches: the width, and the height below the reason without and with the second axis."""
HEAD, LINE = 0.54, 0.21
PROSE, MOST_LINES = 132, 3
MOST_BADGES = 10
BEFORE_SHOWN = 2.0
"""The time before the change that is shown, in lengths of the time after it."""
OVERVIEW_FROM = 1.5
"""A second, small axis shows all samples where they reach this many times further back."""
MOST_MARKERS = 150
"""Samples after the change that are drawn with a dot each."""
NEARLY = 0.1
"""A last look that is so near to the last sample is within what is shown."""
MARGIN = 0.07
LARGEST = 1e300
"""Matplotlib's scales overflow beyond."""

INK, FAINT, PAPER, GRID = "#1a1a1a", "#6b6b6b", "#ffffff", "#ececec"
BAND, BEFORE, AFTER, CONTROL, LIMIT = "#dfe7ee", "#8a959e", "#0072b2", "#c77700", "#c62828"
OF_VERDICT = {
    Verdict.GO: ("#dcefe3", "#14532d"),
    Verdict.WARN: ("#f7e3b0", INK),
    Verdict.NO_GO: (LIMIT, PAPER),
    Verdict.ERROR: (LIMIT, PAPER),
    Verdict.INCONCLUSIVE: ("#e6e6e6", "#4a4a4a"),
}

"""Paper and ink of the boxes."""
MARKS = {
    Verdict.GO: "#14532d",
    Verdict.WARN: "#d99a00",
    Verdict.NO_GO: LIMIT,
    Verdict.ERROR: LIMIT,
    Verdict.INCONCLUSIVE: "#4a4a4a",
}


class Standing(NamedTuple):
    """What stood at a look."""

    minutes: float
    verdict: Verdict


class Shown(NamedTuple):
    """The samples that are drawn, and how far the large axis reaches."""

    before: pd.Series
    after: pd.Series
    control: pd.Series | None
    start: datetime
    end: datetime


def draw(
    case: Case,
    metric: CaseMetric,
    judgement: MetricJudgement,
    minutes: float,
    standing: Sequence[Standing],
    policy: JudgePolicy,
) -> bytes:
    """Return the picture as PNG, without a time of drawing in it.

    ``judgement`` is that of the look ``minutes`` after the change; ``standing`` are the decisions on the
    whole case.
    """
    from matplotlib.figure import Figure

    shown = _shown(case, metric, max([minutes, *(look.minutes for look in standing)]))
    oldest = _oldest(shown[:3], timedelta(0), shown.start)
    overview = (case.change_time - oldest) > OVERVIEW_FROM * (case.change_time - shown.start)
    reason = textwrap.wrap(
        _plain(f"At {_minutes(minutes)}: {judgement.reason}"), PROSE, max_lines=MOST_LINES, placeholder=" …"
    )
    top = HEAD + LINE * len(reason)
    height = top + (WITH_OVERVIEW if overview else WITHOUT)
    figure: Any = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=PAPER)
    title = f"{_shortened(case.name, 48)}: {_shortened(metric.name, 38)}"
    _write(figure, height, MARGIN, 0.32, title, fontsize=14, weight="bold")
    for number, line in enumerate(reason):  # as the judge gave it
        _write(figure, height, MARGIN, 0.64 + LINE * number, line, fontsize=10)
    _badges(figure, height, top, standing)
    left, width = MARGIN, 1 - MARGIN - 0.025
    below = 1.75 if overview else 0.5
    axis = figure.add_axes((left, below / height, width, (height - below - top - 0.88) / height))
    _large(axis, case, metric, judgement, shown, standing, usual(case, metric, judgement, shown[3:], policy))
    if overview:
        small = figure.add_axes((left, 0.42 / height, width, 0.88 / height))
        _small(small, case, shown, oldest)
    return _png(figure)


def _shown(case: Case, metric: CaseMetric, minutes: float) -> Shown:
    """Return all samples up to the last look; the large axis shows the time just before the change."""
    last = case.change_time + timedelta(minutes=minutes)
    before, after = _until(metric.before, last), _until(metric.after, last)
    control = None if metric.control is None else _until(metric.control, last)
    ends = [
        series.index[-1].to_pydatetime() for series in (after, control) if series is not None and len(series)
    ]
    end = max([*ends, case.change_time + timedelta(minutes=1)])
    if last - end <= NEARLY * (last - case.change_time):  # the last look has a mark, too
        end = last
    start = case.change_time - BEFORE_SHOWN * (end - case.change_time)
    return Shown(before, after, control, max(start, _oldest((before, control), end - start, start)), end)


def _until(series: pd.Series, last: datetime) -> pd.Series:
    return series.loc[:last].clip(-LARGEST, LARGEST)


def _oldest(series: Iterable[pd.Series | None], span: timedelta, otherwise: datetime) -> datetime:
    """Return when the first sample is, less some room where ``span`` is shown."""
    first: list[datetime] = [one.index[0].to_pydatetime() for one in series if one is not None and len(one)]
    return min(first) - span / 50 if first else otherwise


def _badges(figure: Any, height: float, top: float, standing: Sequence[Standing]) -> None:
    """Draw the decision on the case at each look, evenly spaced, for early looks lie close in time."""
    from matplotlib.patches import Rectangle

    y, wide, high = top + 0.25, 0.083, 0.36
    looks = standing[-MOST_BADGES:]
    for number, look in enumerate(looks):
        fill, ink = OF_VERDICT[look.verdict]
        x = MARGIN + number * (wide + 0.009)
        figure.add_artist(
            Rectangle((x, 1 - (y + high / 2) / height), wide, high / height, facecolor=fill, linewidth=0)
        )
        middle = {"ha": "center", "color": ink}
        _write(figure, height, x + wide / 2, y - 0.08, _minutes(look.minutes), fontsize=8.5, **middle)
        words = str(look.verdict).replace("_", " ")
        _write(figure, height, x + wide / 2, y + 0.08, words, fontsize=8, weight="bold", **middle)


def _large(
    axis: Any,
    case: Case,
    metric: CaseMetric,
    judgement: MetricJudgement,
    shown: Shown,
    standing: Sequence[Standing],
    band: Band | None,
) -> None:
    """Draw the time around the change."""
    if band is not None:
        axis.fill_between(
            band.times, band.low, band.high, color=BAND, linewidth=0, label=band.words, zorder=1
        )
        axis.plot(band.times, band.middle, color="#b3c3d1", linewidth=1, zorder=1)
    visible = shown.before.loc[shown.start :]
    _line(axis, visible, BEFORE, "before")
    if shown.control is not None:
        _line(axis, shown.control.loc[shown.start :], CONTROL, "control", linestyle="--", marker="")
    _line(axis, shown.after, AFTER, "after")
    if judgement.threshold is not None:
        limit = min(max(judgement.threshold, -LARGEST), LARGEST)
        axis.plot([case.change_time, shown.end], [limit, limit], color=LIMIT, linestyle="--", label="limit")
    axis.axvline(case.change_time, color=INK, linewidth=1.2, label="change")
    if judgement.started_at is not None:
        axis.axvline(judgement.started_at, color=LIMIT, linewidth=1, linestyle=":", label="worse since")
    _marks(axis, case, shown, standing)
    axis.set_xlim(shown.start, shown.end + (shown.end - shown.start) / 100)
    axis.set_ylabel(_shortened(judgement.spec.unit or metric.name, 40), color=FAINT, parse_math=False)
    _look(axis)
    axis.legend(
        loc="lower left", bbox_to_anchor=(0, 1.05), ncols=7, frameon=False, fontsize=8.5, borderaxespad=0
    )


def _marks(axis: Any, case: Case, shown: Shown, standing: Sequence[Standing]) -> None:
    """Mark each look on the upper edge in the colour of what stood."""
    for look in standing:
        at = case.change_time + timedelta(minutes=look.minutes)
        if at <= shown.end:
            axis.plot(
                [at], [1.0], "v", color=MARKS[look.verdict], markersize=6,
                transform=axis.get_xaxis_transform(), clip_on=False, zorder=5,
            )  # fmt: skip


def _small(axis: Any, case: Case, shown: Shown, oldest: datetime) -> None:
    """Draw everything, to show how usual the time before the change was."""
    for series, color in ((shown.before, BEFORE), (shown.control, CONTROL), (shown.after, AFTER)):
        if series is not None and len(series):
            axis.plot(_moments(series), series.to_numpy(), color=color, linewidth=0.7)
    axis.axvspan(shown.start, shown.end, color="#f3f0e2", linewidth=0, zorder=0)
    axis.axvline(case.change_time, color=INK, linewidth=1)
    axis.set_xlim(oldest, shown.end)
    axis.set_title("all samples", fontsize=8.5, color=FAINT, loc="center", pad=3)
    _look(axis)
    axis.locator_params(axis="y", nbins=3)


def _line(axis: Any, series: pd.Series, color: str, label: str, **look: Any) -> None:
    if not len(series):
        return
    dots = {"marker": "o", "markersize": 2.8} if len(series) <= MOST_MARKERS else {}
    drawn = {"color": color, "linewidth": 1.1, "label": label, "zorder": 3, **dots, **look}
    axis.plot(_moments(series), series.to_numpy(), **drawn)


def _moments(series: pd.Series) -> Any:
    import pandas as pd

    return pd.DatetimeIndex(series.index).to_pydatetime()


def _look(axis: Any) -> None:
    from matplotlib import dates

    ticks: Any = dates  # untyped
    locator = ticks.AutoDateLocator(tz=UTC, maxticks=10)
    formatter = ticks.ConciseDateFormatter(locator, tz=UTC)
    formatter.offset_formats = [f"{words} UTC".strip() for words in formatter.offset_formats]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(formatter)
    axis.grid(color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=8.5, colors=FAINT)
    for text in (axis.xaxis.get_offset_text(), axis.yaxis.get_offset_text()):
        text.set(fontsize=8.5, color=FAINT)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color("#c8c8c8")


def _write(figure: Any, height: float, x: float, y: float, text: str, **look: Any) -> None:
    """Write ``text``; ``x`` is a share of the width, ``y`` inches from the top to its middle."""
    defaults = {"color": INK, "family": FONT, "va": "center", "parse_math": False}
    figure.text(x, 1 - y / height, _plain(text), **{**defaults, **look})


def _minutes(minutes: float) -> str:
    return f"{minutes:g} min"


def _shortened(text: str, length: int) -> str:
    text = _plain(text)
    return text if len(text) <= length else text[: length - 1] + "…"


def _plain(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _png(figure: Any) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    written = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # what the font has not is drawn as a box
        canvas.print_png(written, metadata={"Software": None}, pil_kwargs={"compress_level": 6})
    return written.getvalue()
