"""``explain``: when the alerts of an SLO fire and reset at which share of errors, as a table or a picture."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from release_watch.clock import in_words
from release_watch.errors import InvalidInputError
from release_watch.files import write_whole
from release_watch.slo.burn_alerts import ABSENT_FOR, LEAST_BAD_EVENTS
from release_watch.slo.command.explained import Explained, explained, in_short
from release_watch.slo.command.inputs import read
from release_watch.slo.command.picture import budget_png
from release_watch.slo.rulefile import duration
from release_watch.slo.windows import plain

DESCRIPTION = """\
Say when the alerts of SLOs fire and reset. Prints, per SLO, a table of its windows: the burn rate and share
of errors above which they fire, how much of the error budget is gone by then, and at several shares of
errors how long it takes to find them, and to reset after they end. --picture draws the error budget over
time."""

_SLOWEST = timedelta(days=3)


def run(options: argparse.Namespace) -> bool:
    """Print the tables, and draw the picture where one is asked for; returns True.

    Raises:
        InvalidInputError: if there is a problem with any SLO.
        OSError: if the picture cannot be written.
    """
    if options.picture and options.picture.suffix != ".png":
        raise InvalidInputError([f"--picture: {options.picture}: only PNG is drawn; name a file .png"])
    given = read(options.paths)
    found = [explained(slo, options.errors) for slo in given.slos]
    if options.picture:
        write_whole(options.picture, budget_png(found))
    if options.json:
        content = {"slos": [_plain(one) for one in found], "warnings": given.warnings}
        sys.stdout.write(json.dumps(content, indent=2) + "\n")
    else:
        lines = [line for one in found for line in [*_table(one), ""]]
        lines += [f"warning: {line}" for line in given.warnings]
        sys.stdout.write("\n".join(lines).rstrip() + "\n")
    return True


def _table(one: Explained) -> list[str]:
    slo = one.slo
    goal, budget = (f"{plain(share * 100)} %" for share in (slo.objective, slo.error_budget))
    lines = [
        f"{slo.name} ({slo.source}): {goal} of {slo.service} over {slo.window_days} d",
        f"error budget: {budget} of the events, or {in_words(one.lasts(Decimal(1)))} of nothing but errors",
        "",
    ]
    levels = [f"{plain(level * 100)} %" for level in one.errors]
    head = ["alert", "windows", "burn rate", "errors above", "budget gone", "errors of", *levels]
    rows = [head]
    for arm in one.arms:
        window = arm.window
        rows.append(
            [
                window.severity,
                f"{duration(window.long)}/{duration(window.short)}",
                plain(window.factor),
                f"{plain(window.threshold * 100)} %",
                f"{plain(window.budget * 100)} %",
                "found after",
                *map(in_short, arm.detect),
            ]
        )
        rows.append(["", "", "", "", "", "reset after", *map(in_short, arm.reset)])
    gone = [in_short(one.gone(level)) for level in one.errors]
    rows.append(["", "", "", "", "100 %", "gone after", *gone])
    return [*lines, *_drawn(rows), "", *_remarks(one)]


def _remarks(one: Explained) -> list[str]:
    absent = f"No telemetry for {in_words(ABSENT_FOR)}: SloTelemetryAbsent."
    if not one.arms:
        return [f"No burn-rate alert is wanted. {absent}"]
    lines = [
        "Found after: with healthy history before the errors. Reset after: from their end on, if they lasted",
        "for the shorter window; an alert ends with the last of its windows.",
        f"Fewer than {LEAST_BAD_EVENTS} failures in the longer window: no burn-rate alert. {absent}",
    ]
    slowest = one.arms[-1].window
    if slowest.severity == "ticket":
        enough = plain((LEAST_BAD_EVENTS / slowest.threshold).quantize(Decimal(1)))
        few = f"Fewer than {enough} events in {in_words(_SLOWEST)}"
        lines.append(f"{few}: SloLowTrafficErrors counts failures beside the ratios.")
    return lines


def _drawn(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _plain(one: Explained) -> dict[str, Any]:
    return {
        "slo": one.slo.name,
        "service": one.slo.service,
        "source": one.slo.source,
        "objective": float(one.slo.objective),
        "window_days": one.slo.window_days,
        "error_ratios": [float(level) for level in one.errors],
        "budget_gone_seconds": [(gone := one.gone(level)) and gone.total_seconds() for level in one.errors],
        "arms": [
            {
                "severity": arm.window.severity,
                "long": duration(arm.window.long),
                "short": duration(arm.window.short),
                "factor": float(arm.window.factor),
                "error_ratio_above": float(arm.window.threshold),
                "budget_spent": float(arm.window.budget),
                "detect_seconds": [after and after.total_seconds() for after in arm.detect],
                "reset_seconds": [after and after.total_seconds() for after in arm.reset],
            }
            for arm in one.arms
        ],
    }
