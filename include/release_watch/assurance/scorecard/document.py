"""``observability-scorecard.md``: one page for a lead, each number with the query or artifact behind it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from release_watch.artifacts.models import Signal
from release_watch.assurance.attainment import TREND
from release_watch.assurance.proportion import in_words
from release_watch.assurance.scorecard.comparing import Earlier, changes
from release_watch.assurance.scorecard.headline import UNKNOWN
from release_watch.assurance.scorecard.model import CoverageLine, DrillLine, Scorecard, SloLine
from release_watch.catalog.waivers import Waiver
from release_watch.clock import rfc3339
from release_watch.markdown import render

FLAT = 0.001
"""A budget that changed by less than a thousandth is called steady."""


def scorecard_markdown(
    card: Scorecard, earlier: Sequence[Earlier] = (), *, picture: str | None = None
) -> str:
    """Return the page of ``card``, beside ``earlier`` ones; ``picture`` is where its picture lies."""
    return render(
        "release_watch.assurance",
        "observability-scorecard.md.j2",
        card=card,
        picture=picture,
        headline_columns=["what", "value", *(f"against {one.called}" for one in earlier), "behind it"],
        headline=_headline(card, earlier),
        attainments=[_slo(line) for line in card.slos],
        queries=[(line.slo, line.query) for line in card.slos],
        signals=[signal.value for signal in Signal],
        coverage=[_coverage(line) for line in card.coverage],
        drills=[_drill(line) for line in card.drills],
        precision=in_words(card.precision),
        recall=in_words(card.recall),
        drift=sorted(card.drift.by_kind.items()) if card.drift else None,
        risks=[(r.severity.value, r.service, r.metric, r.reason, r.owner or "nobody") for r in card.risks],
        waivers=[_waiver(waiver, card.generated_at) for waiver in card.waivers],
        backlog=[(item.item_id, item.priority, item.title, item.owner) for item in card.backlog],
    )


def _headline(card: Scorecard, earlier: Sequence[Earlier]) -> list[tuple[str, ...]]:
    compared = [changes(card, one.card) for one in earlier]
    return [
        (number.name, number.shown, *(found[place].shown for found in compared), number.behind)
        for place, number in enumerate(card.numbers)
    ]


def _slo(line: SloLine) -> tuple[Any, ...]:
    measured = line.good_ratio is not None and line.budget_left is not None
    return (
        line.service,
        line.slo,
        f"{line.objective:.3%} over {line.window_days} d",
        f"{line.good_ratio:.3%}" if measured else f"{UNKNOWN}: {line.reason}",
        f"{line.budget_left:.1%}" if measured else UNKNOWN,
        trend(line),
    )


def trend(line: SloLine) -> str:
    """Return how the budget of an SLO changed since the oldest moment at which it was measured."""
    if line.budget_left is None:
        return UNKNOWN
    first = next((point for point in line.trend[:-1] if point.budget_left is not None), None)
    if first is None or first.budget_left is None:
        return f"{UNKNOWN}: nothing was measured {TREND[-1].days} d ago" if line.trend[:-1] else UNKNOWN
    change = line.budget_left - first.budget_left
    days = (line.trend[-1].at - first.at).days
    return f"{'steady' if abs(change) < FLAT else f'{change * 100:+.1f} points'} in {days} d"


def _coverage(line: CoverageLine) -> tuple[str, ...]:
    found = (line.signals.get(signal) for signal in Signal)
    return (line.service, line.tier, f"{line.score:.0%}", *(one.value if one else "MISSING" for one in found))


def _drill(line: DrillLine) -> tuple[str, ...]:
    def seconds(latency: float | None) -> str:
        return "never" if latency is None else f"{latency:.1f} s"

    return (
        line.service,
        line.severity,
        line.receiver or "none",
        seconds(line.delivered_seconds),
        seconds(line.acknowledged_seconds) if line.answer_needed else "not needed",
        f"{line.target_seconds:.0f} s",
        line.verdict.value,
    )


def _waiver(waiver: Waiver, at: datetime) -> tuple[str, ...]:
    until = rfc3339(waiver.expires_at)
    return (
        waiver.subject,
        waiver.service or "all",
        waiver.granted_by,
        waiver.reason,
        f"EXPIRED {until}" if waiver.expired(at) else until,
    )
