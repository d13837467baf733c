"""The numbers that a scorecard begins with, each with what is behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from release_watch.assurance.proportion import Proportion, in_words
from release_watch.assurance.quality.tables import spread_in_words
from release_watch.assurance.scorecard.model import Number, Scorecard

UNKNOWN = "unknown"


def headline(card: Scorecard, known: Mapping[str, bool]) -> tuple[Number, ...]:
    """Return the numbers of ``card``; ``known`` says which artifacts there are."""
    return (
        *_slos(card),
        _coverage(card),
        *_drills(card, known["results"]),
        _share("alert precision", card.precision),
        _share("alert recall", card.recall),
        *_load(card),
        _drift(card),
        _count("open risks", len(card.risks), "monitoring-results.json", known=known["monitoring"]),
        _waivers(card),
        _count("backlog items", len(card.backlog), "improvement-backlog.md"),
    )


def _slos(card: Scorecard) -> Iterator[Number]:
    measured = [line for line in card.slos if line.met is not None]
    met = sum(1 for line in measured if line.met)
    missing = len(card.slos) - len(measured)
    shown = f"{met} of {len(measured)} met" if measured else UNKNOWN
    if measured and missing:
        shown += f", {missing} not measured"
    yield _number("SLOs", met / len(measured) if measured else None, shown, "section SLOs")
    left = min(
        (
            (line.budget_left, f"{line.service}: {line.slo}")
            for line in measured
            if line.budget_left is not None
        ),
        default=None,
    )
    yield _number(
        "least error budget left",
        left[0] if left else None,
        f"{left[0]:.1%} of {left[1]}" if left else UNKNOWN,
        "section SLOs",
    )


def _coverage(card: Scorecard) -> Number:
    scores = [line.score for line in card.coverage]
    mean = sum(scores) / len(scores) if scores else None
    return _number("coverage", mean, UNKNOWN if mean is None else f"{mean:.0%}", "instrumentation-audit.json")


def _drills(card: Scorecard, known: bool) -> Iterator[Number]:
    made = card.drills
    passed = sum(1 for drill in made if drill.verdict.proceeds)
    share = passed / len(made) if made else None
    behind = "alert-test-results.json"
    shown = f"{passed} of {len(made)} passed" if made else ("none made" if known else UNKNOWN)
    yield _number("alert drills", share, shown, behind)
    yield _slowest("slowest delivery", [drill.delivered_seconds for drill in made], behind)
    answers = [drill.acknowledged_seconds for drill in made if drill.answer_needed]
    yield _slowest("slowest acknowledgement", answers, behind)


def _slowest(name: str, latencies: list[float | None], behind: str) -> Number:
    came = [latency for latency in latencies if latency is not None]
    if len(came) < len(latencies):
        missing = len(latencies) - len(came)
        return _number(name, None, f"{missing} of {len(latencies)} never", behind, "lower")
    slowest = max(came, default=None)
    return _number(name, slowest, UNKNOWN if slowest is None else f"{slowest:.1f} s", behind, "lower")


def _share(name: str, proportion: Proportion | None) -> Number:
    value = None if proportion is None else proportion.share
    return _number(name, value, in_words(proportion), "alert-tuning-report.md")


def _load(card: Scorecard) -> Iterator[Number]:
    """Yield what alerts cost people."""
    behind, paging = "alert-tuning-report.md", card.paging
    shown = UNKNOWN
    if paging is not None:
        blind = "" if paging.silences_known else ", silences not known"
        shown = f"{paging.per_shift:.2f} (in all {paging.pages}, at night {paging.night_pages}{blind})"
    yield _number("pages per shift", paging.per_shift if paging else None, shown, behind, "lower")
    for name, spread in (
        ("impact to first alert", card.times.detection if card.times else None),
        ("first alert to acknowledgement", card.times.acknowledge if card.times else None),
    ):
        value = spread.median if spread else None
        yield _number(name, value, spread_in_words(spread), behind, "lower")
    ignored = card.not_acted_on
    yield _count("alerts nobody acted on", ignored or 0, behind, known=ignored is not None)


def _drift(card: Scorecard) -> Number:
    if card.drift is None:
        words = "unknown: nothing is under watch, or nothing could be read"
        return _number("drift", None, words, "nightly report", "lower")
    looked_at = None if card.drift.reasons else card.drift.total
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(card.drift.by_kind.items()) if count)
    shown = f"{card.drift.total} ({kinds})" if kinds else "0"
    if card.drift.reasons:
        shown += f": {card.drift.reasons[0]}"
    return _number("drift", looked_at, shown, card.drift.behind, "lower")


def _waivers(card: Scorecard) -> Number:
    expired = sum(1 for waiver in card.waivers if waiver.expired(card.generated_at))
    shown = f"{len(card.waivers)}, {expired} of them expired" if expired else f"{len(card.waivers)}"
    return _number("waivers", len(card.waivers), shown, "waivers.yaml", "lower")


def _count(name: str, count: int, behind: str, *, known: bool = True) -> Number:
    return _number(name, count if known else None, str(count) if known else UNKNOWN, behind, "lower")


def _number(
    name: str,
    value: float | None,
    shown: str,
    behind: str,
    better: Literal["higher", "lower"] = "higher",
) -> Number:
    return Number(name=name, value=value, shown=shown, better=better, behind=behind)
