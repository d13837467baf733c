"""Before and after as a picture: when the alert fired, when it would have, and when there were incidents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING

from release_watch.assurance.quality.matching import MatchRules, match
from release_watch.assurance.quality.review import verdict_of
from release_watch.assurance.tuning.back_test import BackTest
from release_watch.assurance.tuning.replay import without_tail

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRUE, FALSE, INCIDENT, LOST = "#2f6f9f", "#d9822b", "#c9d3dc", "#b3261e"
"""Told apart also without colours: false firings are shorter marks below the line."""
SHORTEST = 0.004
"""Share of the width that even a moment takes, so that it is seen."""


def draw(found: BackTest, rules: MatchRules | None = None) -> bytes:
    """Return a PNG of the firings of a rule in force, and of the proposed one, over known incidents."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    lanes = [("in force", found.before.false, found.firings, found.rule)]
    if found.proposal is not None:
        lanes.append(("proposed", found.proposal.expected.false, found.after, found.proposal.proposed))
    figure = Figure(figsize=(11, 1.5 + 0.95 * len(lanes)), dpi=110, layout="constrained")
    axes = figure.subplots()
    incidents = [one for one in found.incidents if verdict_of(one) is None]
    for one in incidents:
        end = one.closed_at or found.window[1]
        _bar(axes, found.window, one.opened_at, end, -0.5, len(lanes), INCIDENT)
    for row, (_, _, firings, rule) in enumerate(reversed(lanes)):
        seen = without_tail(firings, rule, found.step)
        told = match(seen, incidents, until=found.window[1], rules=rules).by_alert
        for firing, theirs in zip(firings, told, strict=True):
            low, height = (row - 0.05, 0.4) if theirs else (row - 0.35, 0.3)
            _bar(axes, found.window, firing.start, firing.end, low, height, TRUE if theirs else FALSE)
    axes.set_yticks(
        range(len(lanes)),
        [f"{name}\n{len(firings)} firings, {false} false" for name, false, firings, _ in reversed(lanes)],
    )
    axes.set_ylim(-0.5, len(lanes) - 0.5)
    axes.set_xlim(_number(found.window[0]), _number(found.window[1]))
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]  # matplotlib has no types here
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set_xlabel("UTC", loc="left")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.suptitle(_title(found), x=0.01, ha="left", fontsize=11, fontweight="bold")
    figure.legend(
        handles=[
            Patch(color=INCIDENT, label=f"incident ({len(incidents)})"),
            Patch(color=TRUE, label="firing with an incident"),
            Patch(color=FALSE, label="false firing"),
        ],
        loc="outside lower left",
        ncols=3,
        frameon=False,
    )
    written = BytesIO()
    figure.savefig(written, format="png", metadata={"Software": None})
    return written.getvalue()


def pictures(tests: Sequence[BackTest], rules: MatchRules | None = None) -> dict[str, bytes]:
    """Return the pictures of those back-tests that propose something, by their keys."""
    return {one.key: draw(one, rules) for one in tests if one.proposal is not None}


def _title(found: BackTest) -> str:
    name = f"{found.rule.name} of {found.rule.service or 'no service'}"
    return f"{name}: {found.proposal.change.partition(';')[0]}" if found.proposal else name


def _bar(
    axes: Axes,
    window: tuple[datetime, datetime],
    start: datetime,
    end: datetime,
    low: float,
    height: float,
    colour: str,
) -> None:
    first, last = _number(start), _number(end)
    width = max(last - first, SHORTEST * (_number(window[1]) - _number(window[0])))
    axes.broken_barh([(first, width)], (low, height), color=colour, linewidth=0)


def _number(moment: datetime) -> float:
    from matplotlib.dates import date2num

    return float(date2num(moment))  # type: ignore[no-untyped-call]
