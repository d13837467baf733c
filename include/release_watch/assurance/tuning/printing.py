"""A back-test as parts of a document: rows, words and the diff."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from release_watch.assurance.proportion import Proportion
from release_watch.assurance.tuning.acceptance import Trial, later_seconds
from release_watch.assurance.tuning.back_test import BackTest
from release_watch.assurance.tuning.scores import Score
from release_watch.clock import in_words

COLUMNS = (
    "change",
    "kind",
    "firings",
    "false",
    "incidents caught",
    "precision",
    "recall",
    "first firing, from the incident's begin",
    "result",
)


def back_test_parts(found: BackTest, picture: str | None = None) -> Mapping[str, Any]:
    """Return what the report's template shows of a back-test."""
    proposal = found.proposal
    return {
        "alert": found.rule.name,
        "title": found.rule.title,
        "severity": found.rule.labels.get("severity", ""),
        "reason": found.reason[:1].upper() + found.reason[1:] or "Neither noisy nor blind",
        "start": found.window[0],
        "end": found.window[1],
        "columns": COLUMNS,
        "rows": [_now(found), *(_row(found, trial) for trial in found.trials)],
        "summary": summary(found),
        "proposal": proposal,
        "inlined": ", ".join(proposal.inlined) if proposal else "",
        "saved": _saved(found),
        "picture": picture,
    }


def summary(found: BackTest) -> str:
    """Return in a sentence what is proposed."""
    if found.proposal is None:
        words = f"{len(found.trials)} changes were replayed; none may be proposed"
        return words if found.trials else "nothing was tried"
    before, after = found.proposal.before, found.proposal.expected
    return (
        f"{found.proposal.change}: {before.false} false firings become {after.false}, "
        f"{len(before.caught)} incidents caught of {before.incidents} become {len(after.caught)}"
    )


def share(proportion: Proportion | None) -> str:
    """Return a share with its interval, short enough for a table."""
    if proportion is None:
        return "unknown"
    return f"{proportion.share:.0%} ({proportion.low:.0%} to {proportion.high:.0%})"


def detection(score: Score) -> str:
    """Return the median time until an incident was detected."""
    if score.detection_seconds is None:
        return "unknown"
    length = in_words(timedelta(seconds=abs(score.detection_seconds)))
    return f"{length} {'before' if score.detection_seconds < 0 else 'after'}"


def _now(found: BackTest) -> tuple[object, ...]:
    return ("as it is in force", "", *_numbers(found.before), "")


def _row(found: BackTest, trial: Trial) -> tuple[object, ...]:
    proposal = found.proposal
    chosen = proposal is not None and (trial.candidate.kind, trial.candidate.change) == (
        proposal.kind,
        proposal.change,
    )
    result = "PROPOSED" if chosen else f"refused: {trial.refused}" if trial.refused else "possible"
    return (trial.candidate.change, trial.candidate.kind, *_numbers(trial.score), result)


def _numbers(score: Score) -> tuple[object, ...]:
    caught = f"{len(score.caught)} of {score.incidents}"
    return score.firings, score.false, caught, share(score.precision), share(score.recall), detection(score)


def _saved(found: BackTest) -> str:
    if found.proposal is None:
        return ""
    before, after = found.proposal.before, found.proposal.expected
    weeks = (found.window[1] - found.window[0]) / timedelta(weeks=1)
    paged = found.rule.labels.get("severity") == "page"
    left = 0 if found.proposal.kind == "severity" else after.notifications
    fewer = before.notifications - left
    later = later_seconds(before, after)
    moved = "unknown" if later is None else f"{in_words(timedelta(seconds=abs(later)))} "
    moved += "" if later is None else "later" if later > 0 else "earlier" if later < 0 else "(as before)"
    return f"{fewer} {'pages' if paged else 'tickets'} ({fewer / weeks:.1f} a week); detection: {moved}"
