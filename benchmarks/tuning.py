"""Whether changes of alerts do what their back-test said: made-up services, two halves of history each.

A change is chosen on the first half alone and held against the second, both by the PromQL of a real
Prometheus that has the history as blocks. What is asked of it: how often a change is proposed, what it is
worth afterwards, and whether precision and recall come out within the intervals that were promised. A past
cannot know that the world changes; services of the last kind show whether that is noticed.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks.tuning_worlds import KINDS, MINUTE, Kind, World, world
from release_watch.assurance.tuning.back_test import back_test, replayed
from release_watch.assurance.tuning.history import History
from release_watch.assurance.tuning.measuring import Measured, Outcome
from release_watch.assurance.tuning.measuring import measure as measure_change
from release_watch.assurance.tuning.proposal import TuningProposal
from release_watch.assurance.tuning.scores import Score
from release_watch.telemetry.metrics import Metrics
from sandbox.backfill import backfill
from sandbox.stack import Stack
from tests.integration.direct import DirectBackends

NAME = "tuning"
SUMMARY = "changes of alerts chosen on one half of a history, held against the other half"
SERVICES = 50
DAYS = 12
Half = tuple[datetime, datetime]


class Followed(NamedTuple):
    """A change, what followed it, and what the rule as it was would have done in the same time."""

    proposal: TuningProposal
    measured: Measured
    without: Score


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument(
        "--services", type=int, default=SERVICES, help="services of each kind (default: %(default)s)"
    )
    parser.add_argument("--days", type=int, default=DAYS, help="days in each half (default: %(default)s)")


def measure_all(worlds: Sequence[World], halves: tuple[Half, Half], metrics: Metrics) -> list[dict[str, Any]]:
    """Return a row for each kind of service."""
    rows = []
    for kind in KINDS:
        own = [one for one in worlds if one.kind is kind]
        rows.append(_row(kind, [_followed(one, halves, metrics) for one in own]))
        print(f"  {kind.name}: {rows[-1]['proposed']} of {len(own)} proposed", flush=True)
    return rows


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return, for each kind of service, what was proposed and what came of it."""
    length = options.days * 24 * 60 * MINUTE
    end = int(time.time()) // 3600 * 3600 - 3600
    start, middle = end - 2 * length, end - length
    worlds = [world(kind, seed, start, middle, end) for kind in KINDS for seed in range(options.services)]
    first, border, last = (datetime.fromtimestamp(moment, UTC) for moment in (start, middle, end))
    with TemporaryDirectory(prefix="release-watch-bench-") as temporary:
        stack = Stack(Path(temporary), ["prometheus"])
        backfill(stack.layout, (line for one in worlds for line in one.lines(start, end)))
        begun = time.monotonic()
        with stack:
            metrics = DirectBackends(stack.endpoints).metrics()
            rows = measure_all(worlds, ((first, border), (border, last)), metrics)
        seconds = time.monotonic() - begun
    return {"days": options.days, "seconds_a_service": round(seconds / len(worlds), 2), "kinds": rows}


def table(result: Mapping[str, Any]) -> str:
    """Return the result as Markdown."""
    lines = [
        "| services | changes proposed | false firings afterwards, without and with the change "
        "| incidents told of, without and with it, of all | precision promised, seen "
        "| within its interval | outside by chance | better | worse |",
        "|---|---|---|---|---|---:|---:|---:|---:|",
    ]
    lines += [_line(row) for row in result["kinds"]]
    words = [f"*{kind.name}*: {kind.why}." for kind in KINDS]
    return "\n".join(
        [
            *lines,
            "",
            " ".join(words)
            + f" Two halves of {result['days']} days each. The last four columns count precision and recall "
            f"of each change, so two a change. {result['seconds_a_service']} s a service.",
        ]
    )


def _followed(one: World, halves: tuple[Half, Half], metrics: Metrics) -> Followed | None:
    """Return the change that the first half proposes, with what it did in the second; None without one."""
    past, following = (History(metrics, half, one.within(*half)) for half in halves)
    before, _, _ = replayed(one.rule, one.group, past)
    missed = frozenset(incident.id for incident in past.incidents) - set(before.caught)
    proposal = back_test(one.rule, one.group, past._replace(missed=missed), at=datetime.now(UTC)).proposal
    if proposal is None:
        return None
    _, firings, _ = replayed(proposal.proposed, one.group, following)
    without, _, _ = replayed(one.rule, one.group, following)
    measured = measure_change(proposal, firings, following.incidents, window=following.window)
    return Followed(proposal, measured, without)


def _row(kind: Kind, every: Sequence[Followed | None]) -> dict[str, Any]:
    made = [one for one in every if one is not None]
    outcomes = Counter(word for one in made for word in (one.measured.precision, one.measured.recall))
    shares = [(one.measured.expected.precision, one.measured.followed.precision) for one in made]
    known = [(said.share, seen.share) for said, seen in shares if said is not None and seen is not None]
    return {
        "kind": kind.name,
        "services": len(every),
        "proposed": len(made),
        "changes": dict(Counter(one.proposal.kind for one in made).most_common()),
        "false_without": sum(one.without.false for one in made),
        "false_with": sum(one.measured.followed.false for one in made),
        "incidents": sum(one.without.incidents for one in made),
        "told_without": sum(len(one.without.caught) for one in made),
        "told_with": sum(len(one.measured.followed.caught) for one in made),
        "precision_promised": round(mean(said for said, _ in known), 3) if known else None,
        "precision_seen": round(mean(seen for _, seen in known), 3) if known else None,
        "outcomes": {outcome.name: outcomes[outcome] for outcome in Outcome},
        "refuted": sum(one.measured.refuted for one in made),
    }


def _line(row: Mapping[str, Any]) -> str:
    changes = ", ".join(f"{count} {kind}" for kind, count in row["changes"].items())
    promised, seen = row["precision_promised"], row["precision_seen"]
    precision = "none" if promised is None else f"{promised:.2f}, {seen:.2f}"
    counts = (row["outcomes"][outcome.name] for outcome in _COUNTED)
    return (
        f"| {row['kind']} | {row['proposed']} of {row['services']}: {changes} "
        f"| {row['false_without']}, {row['false_with']} "
        f"| {row['told_without']}, {row['told_with']} of {row['incidents']} | {precision} | "
        + " | ".join(map(str, counts))
        + " |"
    )


_COUNTED = (Outcome.AS_EXPECTED, Outcome.CHANCE, Outcome.BETTER, Outcome.WORSE)
